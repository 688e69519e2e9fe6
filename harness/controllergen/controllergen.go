// Package controllergen compares what a kubebuilder project has committed with what controller-gen makes of its sources, as they were compiled into the
// test: the learner's, the stub's or the reference's. Start with [Project.ExpectFresh]. It writes nothing; the project's Makefile does.
package controllergen

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
	"sigs.k8s.io/controller-tools/pkg/genall"
	"sigs.k8s.io/controller-tools/pkg/loader"
)

// module is the workbook's.
const module = "github.com/kubekata/kubekata/"

// Project is a kata that is laid out as kubebuilder does it. The working folder of the test is the project's, as go test has it.
type Project struct {
	// Folder is where it is in the workbook, with slashes: katas/stage3/05-calculate.
	Folder string
	// Files are its Go sources, the headers that the generators are given, and what they have made.
	Files fs.FS
}

// ExpectFresh runs a generator over one of the project's folders, and fails the spec unless it makes the file that the project has. The failure says
// in which line they differ, and that make -C with the target mends it.
func (p Project) ExpectFresh(generator genall.Generator, folder, file, target string) {
	GinkgoHelper()
	made, ok := p.run(generator, folder)[path.Base(file)]
	if !ok {
		Fail(fmt.Sprintf("controller-gen makes no %s: it has not found the markers that it looks for", file))
	}
	committed, err := fs.ReadFile(p.Files, file)
	Expect(err).NotTo(HaveOccurred())
	mend := "run make -C " + p.Folder + " " + target
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

// run returns what a generator writes.
func (p Project) run(generator genall.Generator, folder string) output {
	GinkgoHelper()
	dir, err := os.Getwd()
	Expect(err).NotTo(HaveOccurred())
	sources, fset := map[string][]byte{}, token.NewFileSet()
	Expect(fs.WalkDir(p.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".go" {
			return err
		}
		sources[filepath.Join(dir, filepath.FromSlash(name))], err = fs.ReadFile(p.Files, name)
		return err
	})).To(Succeed())
	run, err := genall.Generators{&generator}.ForRootsWithConfig(&packages.Config{Overlay: sources, Fset: fset}, module+path.Join(p.Folder, folder))
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
	run.OutputRules, run.ErrorWriter, run.InputRule = genall.OutputRules{Default: out}, complaints, input{p.Files}
	failed := run.Run()
	Expect(failed).To(BeFalse(), "controller-gen: %s", strings.ReplaceAll(complaints.String(), dir+string(filepath.Separator), ""))
	return out
}

// output collects what a generator writes, by its base name.
type output map[string]*bytes.Buffer

func (o output) Open(_ *loader.Package, name string) (io.WriteCloser, error) {
	b := &bytes.Buffer{}
	o[filepath.Base(name)] = b
	return nopCloser{b}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// input reads a generator's headers.
type input struct{ files fs.FS }

func (i input) OpenForRead(name string) (io.ReadCloser, error) { return i.files.Open(name) }

// version is controller-gen's own, which it does not know when it is part of a test.
var version = regexp.MustCompile(`controller-gen.kubebuilder.io/version: .*`)

func lines(text []byte) []string {
	return strings.Split(version.ReplaceAllString(string(text), ""), "\n")
}
