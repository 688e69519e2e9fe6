package calculate_test

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/tools/go/packages"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/deepcopy"
	"sigs.k8s.io/controller-tools/pkg/genall"
	"sigs.k8s.io/controller-tools/pkg/loader"
	"sigs.k8s.io/controller-tools/pkg/rbac"

	calculate "github.com/kubekata/kubekata/katas/stage3/05-calculate"
	mathv1 "github.com/kubekata/kubekata/katas/stage3/05-calculate/api/v1"
)

const module = "github.com/kubekata/kubekata/katas/stage3/05-calculate"

var _ = Describe("What is generated", func() {
	It("is what controller-gen makes of the types: DeepCopy", func() {
		compare(generated(deepcopy.Generator{}, "api/v1"), "api/v1/zz_generated.deepcopy.go", "generate")
	})

	It("is what controller-gen makes of the types: the definition", func() {
		compare(generated(crd.Generator{HeaderFile: "hack/header.yaml.txt"}, "api/v1"), crdFile, "manifests")
	})

	It("is what controller-gen makes of the markers: the role", func() {
		made := generated(rbac.Generator{RoleName: "calculate-manager", HeaderFile: "hack/header.yaml.txt"}, "internal/controller")
		compare(made, roleFile, "manifests")
	})

	It("makes copies that share nothing", func() {
		full := func() *mathv1.Calculate {
			return &mathv1.Calculate{
				ObjectMeta: metav1.ObjectMeta{Name: "sum", Labels: map[string]string{"a": "b"}},
				Spec:       mathv1.CalculateSpec{Action: mathv1.ActionAdd, First: 1, Second: 1},
				Status: mathv1.CalculateStatus{Result: new(int64(2)), ObservedGeneration: 1, Conditions: []metav1.Condition{{
					Type: mathv1.ConditionReady, Status: metav1.ConditionTrue, LastTransitionTime: metav1.Unix(1, 0),
				}}},
			}
		}
		original := full()
		copied := original.DeepCopy()
		Expect(copied).To(Equal(full()), "the copy")
		*copied.Status.Result = 3
		copied.Status.Conditions[0].Status = metav1.ConditionFalse
		copied.Labels["a"] = "c"
		Expect(original).To(Equal(full()), "the original, after the copy was changed")
		list := &mathv1.CalculateList{Items: []mathv1.Calculate{*full()}}
		*list.DeepCopy().Items[0].Status.Result = 3
		Expect(list.Items[0]).To(Equal(*full()), "the original list's item, after the copy's was changed")
	})
})

// output collects what a generator writes, by its base name.
type output map[string]*bytes.Buffer

func (o output) Open(_ *loader.Package, name string) (io.WriteCloser, error) {
	b := &bytes.Buffer{}
	o[filepath.Base(name)] = b
	return nopCloser{b}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// generated runs one of controller-gen's generators over a folder of the project, as it was compiled into this test.
func generated(generator genall.Generator, folder string) output {
	GinkgoHelper()
	dir, err := os.Getwd()
	Expect(err).NotTo(HaveOccurred())
	sources, fset := map[string][]byte{}, token.NewFileSet()
	files, err := fs.Glob(calculate.Files, "*/*/*.go")
	Expect(err).NotTo(HaveOccurred())
	for _, f := range files {
		sources[filepath.Join(dir, filepath.FromSlash(f))], err = fs.ReadFile(calculate.Files, f)
		Expect(err).NotTo(HaveOccurred())
	}
	run, err := genall.Generators{&generator}.ForRootsWithConfig(&packages.Config{Overlay: sources, Fset: fset}, module+"/"+folder)
	Expect(err).NotTo(HaveOccurred())
	for _, root := range run.Roots {
		for _, name := range root.CompiledGoFiles {
			// The loader would read the file from the disk, which need not be the one that was compiled.
			file, err := parser.ParseFile(fset, name, sources[name], parser.ParseComments)
			Expect(err).NotTo(HaveOccurred())
			root.Syntax = append(root.Syntax, file)
		}
	}
	out, complaints := output{}, &bytes.Buffer{}
	run.OutputRules, run.ErrorWriter, run.InputRule = genall.OutputRules{Default: out}, complaints, input{}
	failed := run.Run()
	Expect(failed).To(BeFalse(), "controller-gen: %s", strings.ReplaceAll(complaints.String(), dir+string(filepath.Separator), ""))
	return out
}

// input reads a generator's headers.
type input struct{}

func (input) OpenForRead(name string) (io.ReadCloser, error) { return calculate.Files.Open(name) }

// compare fails unless the project's file is the one that was made, and says in which line it is not.
func compare(out output, file, target string) {
	GinkgoHelper()
	mend := "run make -C katas/stage3/05-calculate " + target
	made, ok := out[path.Base(file)]
	if !ok {
		Fail(fmt.Sprintf("controller-gen makes no %s: it has not found the markers that it looks for", file))
	}
	committed, err := fs.ReadFile(calculate.Files, file)
	Expect(err).NotTo(HaveOccurred())
	want, got := lines(made.Bytes()), lines(committed)
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			Fail(fmt.Sprintf("%s ends before line %d, where controller-gen writes %q: %s", file, i+1, want[i], mend))
		case i >= len(want):
			Fail(fmt.Sprintf("%s:%d is %q, and controller-gen has come to an end: %s", file, i+1, got[i], mend))
		case want[i] != got[i]:
			Fail(fmt.Sprintf("%s:%d is %q, and controller-gen writes %q: %s", file, i+1, got[i], want[i], mend))
		}
	}
}

// version is controller-gen's own, which it does not know when it is part of a test.
var version = regexp.MustCompile(`controller-gen.kubebuilder.io/version: .*`)

func lines(text []byte) []string {
	return strings.Split(version.ReplaceAllString(string(text), ""), "\n")
}
