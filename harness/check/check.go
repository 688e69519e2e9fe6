// Package check lints katas as data: what every kata must have, one small function an invariant, each finding with what
// to do. It runs nothing; package verify does.
package check

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	gast "github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/kubekata/kubekata/harness/catches"
	"github.com/kubekata/kubekata/harness/generate"
	"github.com/kubekata/kubekata/harness/mutant"
	"github.com/kubekata/kubekata/harness/stub"
	"github.com/kubekata/kubekata/harness/workbook"
)

// MinMutants and MinHints are the least that a kata has.
const (
	MinMutants = 4
	MinHints   = 3
)

// Kata returns what is wrong with a kata; nothing when all is well. Each finding begins with the file.
func Kata(k workbook.Kata) []string {
	if k.Missing() {
		return []string{k.Rel() + ": the folder is gone, and " + k.SolutionRel() + " is still there"}
	}
	if !k.HasSolution() {
		return []string{k.Rel() + ": it has no " + k.SolutionRel()}
	}
	var findings []string
	for _, check := range []func(workbook.Kata) []string{readme, hints, mutants, stale, specs, stubs, leftovers} {
		findings = append(findings, check(k)...)
	}
	return findings
}

// stale checks that the table behind the diagnosis is one of the specs and mutants as they are.
func stale(k workbook.Kata) []string {
	reason, err := catches.Stale(k)
	if err != nil {
		reason = err.Error()
	}
	if reason == "" {
		return nil
	}
	return []string{reason}
}

// heading is a heading of a Markdown file.
type heading struct {
	level int
	text  string
}

func headings(src []byte) []heading {
	var hs []heading
	doc := goldmark.New().Parser().Parse(text.NewReader(src))
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*gast.Heading); ok {
			var b bytes.Buffer
			for i := range h.Lines().Len() {
				seg := h.Lines().At(i)
				b.Write(seg.Value(src))
			}
			hs = append(hs, heading{h.Level, strings.TrimSpace(b.String())})
		}
	}
	return hs
}

func readme(k workbook.Kata) []string {
	file := k.Rel() + "/README.md"
	src, err := os.ReadFile(filepath.Join(k.Dir(), "README.md"))
	if err != nil {
		return []string{file + ": a kata needs a lesson: " + err.Error()}
	}
	var findings, sections []string
	h1 := 0
	for _, h := range headings(src) {
		switch h.level {
		case 1:
			h1++
		case 2:
			sections = append(sections, h.text)
		}
	}
	if h1 != 1 {
		findings = append(findings, fmt.Sprintf("%s: %d titles (H1), want one", file, h1))
	}
	wanted := []string{"Why it matters", "What you build", "Pitfalls", "Hints", "Read more"}
	if _, err := os.Stat(filepath.Join(k.Dir(), "cmd", "main.go")); err == nil {
		wanted = slices.Insert(wanted, 2, "Watch it work")
	}
	at := 0
	for _, w := range wanted {
		i := slices.Index(sections, w)
		switch {
		case i < 0:
			findings = append(findings, fmt.Sprintf("%s: the section %q is missing", file, "## "+w))
		case i < at:
			findings = append(findings, fmt.Sprintf("%s: the section %q is out of order, want %s", file, "## "+w, strings.Join(wanted, ", ")))
		default:
			at = i
		}
	}
	return findings
}

// hints checks that the hints are the collapsed blocks that `kata hint` shows one at a time.
func hints(k workbook.Kata) []string {
	found, err := Hints(k)
	if err != nil {
		return []string{k.Rel() + "/README.md: " + err.Error()}
	}
	if len(found) < MinHints {
		return []string{fmt.Sprintf("%s/README.md: %d hints in <details> under ## Hints, want %d or more", k.Rel(), len(found), MinHints)}
	}
	return nil
}

func mutants(k workbook.Kata) []string {
	list, err := mutant.Load(k)
	if err != nil {
		return []string{err.Error()}
	}
	var findings []string
	if len(list) < MinMutants {
		findings = append(findings, fmt.Sprintf("%s/%s: %d mutants, want %d or more: one for each classic mistake", k.SolutionRel(), workbook.MutantsFile, len(list), MinMutants))
	}
	for _, m := range list {
		if _, err := m.Apply(k); err != nil {
			findings = append(findings, err.Error())
		}
	}
	return findings
}

func stubs(k workbook.Kata) []string {
	drifted, err := generate.Drift(k)
	if err != nil {
		return []string{err.Error()}
	}
	var findings []string
	for _, f := range drifted {
		findings = append(findings, f+": not what the solution generates; run make generate")
	}
	return findings
}

var (
	focused = regexp.MustCompile(`^(F|P|X)(It|Describe|Context|When|Specify|Entry|DescribeTable|DescribeTableSubtree)$`)
	sleeps  = map[string]bool{"time.Sleep": true}
)

// specs reads the spec files: nothing focused, pending or skipped, no sleep, and one suite.
func specs(k workbook.Kata) []string {
	files, err := k.Files()
	if err != nil {
		return []string{err.Error()}
	}
	var findings []string
	suites := 0
	for _, rel := range files {
		if !strings.HasSuffix(rel, "_test.go") {
			continue
		}
		file := k.Rel() + "/" + rel
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, filepath.Join(k.Dir(), filepath.FromSlash(rel)), nil, 0)
		if err != nil {
			findings = append(findings, file+": "+err.Error())
			continue
		}
		if !strings.HasSuffix(parsed.Name.Name, "_test") {
			findings = append(findings, fmt.Sprintf("%s: package %s; specs live in an external test package", file, parsed.Name.Name))
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := calledName(call.Fun)
			line := strconv.Itoa(fset.Position(call.Pos()).Line)
			short := name[strings.LastIndexByte(name, '.')+1:]
			switch {
			case name == "harness.RunSpecs":
				suites++
			case sleeps[name]:
				findings = append(findings, file+":"+line+": a sleep in a spec; use Eventually or Consistently with the context")
			case focused.MatchString(short):
				findings = append(findings, file+":"+line+": "+short+" keeps specs from running")
			case name == "Skip" || name == "ginkgo.Skip":
				findings = append(findings, file+":"+line+": Skip keeps a spec from running")
			}
			return true
		})
	}
	if suites != 1 {
		findings = append(findings, fmt.Sprintf("%s: harness.RunSpecs is called %d times, want once", k.Rel(), suites))
	}
	return findings
}

func calledName(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// leftovers looks for markers that must not reach the learner, and TODOs that are not theirs.
func leftovers(k workbook.Kata) []string {
	learners, err := k.LearnerFiles()
	if err != nil {
		return []string{err.Error()}
	}
	var findings []string
	for _, rel := range learners {
		data, err := os.ReadFile(filepath.Join(k.SolutionDir(), filepath.FromSlash(rel)))
		if err != nil {
			findings = append(findings, err.Error())
			continue
		}
		if bytes.Contains(data, []byte(stub.Todo)) {
			findings = append(findings, k.SolutionRel()+"/"+rel+": "+stub.Todo+" belongs to stubs")
		}
		if bytes.Contains(data, []byte(stub.NotImplemented)) {
			findings = append(findings, k.SolutionRel()+"/"+rel+": the reference says that it "+stub.NotImplemented)
		}
	}
	return findings
}
