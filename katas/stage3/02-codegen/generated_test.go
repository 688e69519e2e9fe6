package codegen_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing/fstest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	clientargs "k8s.io/code-generator/cmd/client-gen/args"
	clientgen "k8s.io/code-generator/cmd/client-gen/generators"
	deepcopyargs "k8s.io/code-generator/cmd/deepcopy-gen/args"
	deepcopygen "k8s.io/code-generator/cmd/deepcopy-gen/generators"
	defaulterargs "k8s.io/code-generator/cmd/defaulter-gen/args"
	defaultergen "k8s.io/code-generator/cmd/defaulter-gen/generators"
	informerargs "k8s.io/code-generator/cmd/informer-gen/args"
	informergen "k8s.io/code-generator/cmd/informer-gen/generators"
	listerargs "k8s.io/code-generator/cmd/lister-gen/args"
	listergen "k8s.io/code-generator/cmd/lister-gen/generators"
	"k8s.io/code-generator/pkg/util"
	"k8s.io/gengo/v2"
	"k8s.io/gengo/v2/generator"
	"k8s.io/gengo/v2/namer"
	"k8s.io/gengo/v2/parser"

	"github.com/kubekata/kubekata/harness/workbook"
	codegen "github.com/kubekata/kubekata/katas/stage3/02-codegen"
	"github.com/kubekata/kubekata/katas/stage3/02-codegen/generate"
)

// generatorEnv makes this test's program one of the generators, in the folder in which it runs.
const generatorEnv = "KUBEKATA_CODEGEN"

var _ = Describe("What is generated", func() {
	DescribeTable("is what the types ask for:",
		func(ctx SpecContext, tool string) {
			step := stepOf(tool)
			for _, made := range step.Makes {
				Expect(todo(made)).To(BeEmpty(), "what %s has to make is not generated yet: make run KATA=codegen", tool)
			}
			fresh := generated(ctx)
			for _, made := range step.Makes {
				compare(fresh, made, tool)
			}
		},
		Entry("the deep copies", "deepcopy-gen"), Entry("the defaults", "defaulter-gen"), Entry("the clientset", "client-gen"),
		Entry("the listers", "lister-gen"), Entry("the informers", "informer-gen"),
	)
})

func stepOf(tool string) generate.Step {
	steps := generate.Steps()
	return steps[slices.IndexFunc(steps, func(s generate.Step) bool { return s.Tool == tool })]
}

// todo returns the first of the files at a path that nothing has generated yet.
func todo(at string) (file string) {
	GinkgoHelper()
	Expect(fs.WalkDir(codegen.Sources, at, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(codegen.Sources, name)
		if strings.Contains(string(text), "TODO(kata)") {
			file = name
			return fs.SkipAll
		}
		return err
	})).To(Succeed())
	return file
}

var fresh struct {
	sync.Once
	files fs.FS
	err   error
}

// generated returns what the generators make of the sources that were compiled into this test. They run once, in processes and a module
// of their own, so that the learner's files stay as they are.
func generated(ctx context.Context) fs.FS {
	GinkgoHelper()
	fresh.Do(func() {
		dir, err := os.MkdirTemp("", "codegen-")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return os.RemoveAll(dir) })
		layOut(dir)
		var all errgroup.Group
		for _, step := range generate.Steps() {
			all.Go(func() error { return inProcess(ctx, dir, step.Tool) })
		}
		fresh.err = all.Wait()
		made := filepath.Join(dir, filepath.FromSlash(generate.Dir))
		// In memory, since the folder goes with the spec.
		fresh.files, err = inMemory(made)
		Expect(err).NotTo(HaveOccurred())
	})
	Expect(fresh.err).NotTo(HaveOccurred())
	return fresh.files
}

// inProcess runs this test's program as one of the generators, under its name, which is part of what it writes.
func inProcess(ctx context.Context, dir, tool string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-test.run=^TestCodegen$")
	cmd.Args[0] = tool
	cmd.Dir, cmd.Env = dir, append(os.Environ(), generatorEnv+"="+tool)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", tool, err, strings.ReplaceAll(string(out), dir+string(filepath.Separator), ""))
	}
	return nil
}

// layOut writes the types into a module that knows the workbook's dependencies.
func layOut(dir string) {
	GinkgoHelper()
	here, err := os.Getwd()
	Expect(err).NotTo(HaveOccurred())
	w, err := workbook.Find(here)
	Expect(err).NotTo(HaveOccurred())
	for _, f := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(w.Root, f))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(filepath.Join(dir, f), data, 0o644)).To(Succeed())
	}
	sources, err := fs.Glob(codegen.Sources, "apis/bakery/v1/*.go")
	Expect(err).NotTo(HaveOccurred())
	for _, f := range sources {
		if strings.HasPrefix(path.Base(f), "zz_generated.") {
			continue // it is to be made
		}
		data, err := fs.ReadFile(codegen.Sources, f)
		Expect(err).NotTo(HaveOccurred())
		to := filepath.Join(dir, filepath.FromSlash(generate.Dir), filepath.FromSlash(f))
		Expect(os.MkdirAll(filepath.Dir(to), 0o755)).To(Succeed())
		Expect(os.WriteFile(to, data, 0o644)).To(Succeed())
	}
}

// inMemory reads the Go files below a folder.
func inMemory(dir string) (fs.FS, error) {
	files := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		files[name] = &fstest.MapFile{Data: data}
		return err
	})
	return files, err
}

// compare fails unless the learner's files at a path are those that were made, and says which is not.
func compare(fresh fs.FS, at, tool string) {
	GinkgoHelper()
	want, got := contents(fresh, at), contents(codegen.Sources, at)
	for name := range want {
		switch {
		case got[name] == "":
			Fail(fmt.Sprintf("%s makes %s, which is not there: make run KATA=codegen", tool, name))
		case got[name] != want[name]:
			line, mine, theirs := difference(got[name], want[name])
			Fail(fmt.Sprintf("%s:%d is %q, and %s writes %q: make run KATA=codegen", name, line, mine, tool, theirs))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			Fail(fmt.Sprintf("%s is there, and %s does not make it: is the tag there that asks for it?", name, tool))
		}
	}
}

func contents(files fs.FS, at string) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	Expect(fs.WalkDir(files, at, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it was not made
		case err != nil || d.IsDir() || path.Ext(name) != ".go":
			return err
		}
		data, err := fs.ReadFile(files, name)
		found[name] = string(data)
		return err
	})).To(Succeed())
	return found
}

// difference is the first line, from 1, in which two texts differ.
func difference(a, b string) (line int, inA, inB string) {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(as), len(bs)) {
		inA, inB = "", ""
		if i < len(as) {
			inA = as[i]
		}
		if i < len(bs) {
			inB = bs[i]
		}
		if inA != inB {
			return i + 1, inA, inB
		}
	}
	return 0, "", ""
}

// runGenerator is one generator's main function.
func runGenerator(tool string) error {
	step := stepOf(tool)
	flags := pflag.NewFlagSet(step.Tool, pflag.ContinueOnError)
	var plurals *[]string
	systems, system := func() namer.NameSystems { return nil }, ""
	var targets func(*generator.Context) []generator.Target
	switch step.Tool {
	case "deepcopy-gen":
		args := deepcopyargs.New()
		args.AddFlags(flags)
		systems, system = deepcopygen.NameSystems, deepcopygen.DefaultNameSystem()
		targets = func(c *generator.Context) []generator.Target { return deepcopygen.GetTargets(c, args) }
	case "defaulter-gen":
		args := defaulterargs.New()
		args.AddFlags(flags)
		systems, system = defaultergen.NameSystems, defaultergen.DefaultNameSystem()
		targets = func(c *generator.Context) []generator.Target { return defaultergen.GetTargets(c, args) }
	case "client-gen":
		args := clientargs.New()
		args.AddFlags(flags, "")
		plurals, system = &args.PluralExceptions, clientgen.DefaultNameSystem()
		systems = func() namer.NameSystems { return clientgen.NameSystems(util.PluralExceptionListToMapOrDie(*plurals)) }
		targets = func(c *generator.Context) []generator.Target { return clientgen.GetTargets(c, args) }
	case "lister-gen":
		args := listerargs.New()
		args.AddFlags(flags)
		plurals, system = &args.PluralExceptions, listergen.DefaultNameSystem()
		systems = func() namer.NameSystems { return listergen.NameSystems(util.PluralExceptionListToMapOrDie(*plurals)) }
		targets = func(c *generator.Context) []generator.Target { return listergen.GetTargets(c, args) }
	case "informer-gen":
		args := informerargs.New()
		args.AddFlags(flags)
		plurals, system = &args.PluralExceptions, informergen.DefaultNameSystem()
		systems = func() namer.NameSystems { return informergen.NameSystems(util.PluralExceptionListToMapOrDie(*plurals)) }
		targets = func(c *generator.Context) []generator.Target { return informergen.GetTargets(c, args) }
	}
	if err := flags.Parse(step.Args); err != nil {
		return err
	}
	types := parser.NewWithOptions(parser.Options{BuildTags: []string{gengo.StdBuildTag}})
	if err := types.LoadPackages(generate.Module + "/apis/bakery/v1"); err != nil {
		return err
	}
	c, err := generator.NewContext(types, systems(), system)
	if err != nil {
		return err
	}
	return c.ExecuteTargets(targets(c))
}
