package mutant

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

const reference = `// Package p is a reference.
package p

import (
	"fmt"
	"strings"
)

const limit = 3

type Box[T any] struct{ items []T }

// Put has a receiver with a type parameter.
func (b *Box[T]) Put(items ...T) {
	b.items = append(b.items, items...)
}

// Map has type parameters of its own, and parameters without names.
func Map[T, U any](in []T, f func(T) U) (out []U, err error) {
	for _, t := range in { // comment
		out = append(out, f(t))
	}
	return out, nil
}

func Name(_ int, a, b string) string {
	if len(a) > limit {
		return Name(0, a[:limit], b)
	}
	return fmt.Sprint(strings.ToUpper(a), b)
}
`

func edited(find, replace string) []byte {
	if strings.Count(reference, find) != 1 {
		panic("not once: " + find)
	}
	return []byte(strings.Replace(reference, find, replace, 1))
}

// TestCombine puts several mutants into one file, which must compile and hold each of them.
func TestCombine(t *testing.T) {
	c, err := combine("p.go", []byte(reference))
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string][]byte{
		"put-nothing":   edited("b.items = append(b.items, items...)", "b.items = nil"),
		"map-error":     edited("return out, nil", "return nil, helper()\n}\n\nfunc helper() error {\n\treturn fmt.Errorf(\"no\")"),
		"name-lower":    edited("strings.ToUpper", "strings.ToLower"),
		"name-recurses": edited("Name(0, a[:limit], b)", "Name(1, a[:limit], b)"),
		"new-import":    []byte(strings.Replace(string(edited("return fmt.Sprint(strings.ToUpper(a), b)", "return fmt.Sprint(strings.ToUpper(path.Base(a)), b)")), "\"fmt\"", "\"fmt\"\n\"path\"", 1)),
	} {
		plan, err := c.plan(name, src)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.apply(plan)
	}
	out, err := c.file()
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for name, src := range map[string][]byte{"p.go": out, "zz.go": selectorFile("p")} {
		f, err := parser.ParseFile(fset, name, src, 0)
		if err != nil {
			t.Fatalf("%v in\n%s", err, src)
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := conf.Check("p", fset, files, nil); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	line := 1 + strings.Count(string(out[:strings.Index(string(out), "strings.ToLower")]), "\n")
	if got := culprits(fmt.Sprintf("./x/p.go:%d:3: declared and not used: y", line), map[string]*combined{"p.go": c}); !slices.Equal(got, []string{"name-lower"}) {
		t.Errorf("culprits: got %v", got)
	}
	if got := culprits("./x/p.go:1:3: nonsense", map[string]*combined{"p.go": c}); len(got) > 0 {
		t.Errorf("culprits of a line that is nobody's: got %v", got)
	}
	for _, want := range []string{
		`case "put-nothing":` + "\n\t\t" + `kataRecv.Put_kata_put_nothing(kataArg0...)`,
		`return Map_kata_map_error[T, U](kataArg0, kataArg1)`,
		`return Name_kata_reference(kataArg0, kataArg1, kataArg2)`,
		`func helper() error`,
		`strings.ToLower`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestApart lists what cannot share a package, because a switch inside the functions would not show it.
func TestApart(t *testing.T) {
	for name, src := range map[string][]byte{
		"a constant":               edited("limit = 3", "limit = 4"),
		"a type":                   edited("struct{ items []T }", "struct{ items []T; n int }"),
		"a signature":              edited("func Name(_ int, a, b string) string", "func Name(_ int64, a, b string) string"),
		"an import without use":    edited("strings.ToUpper(a)", "a"),
		"a function that is gone":  edited("func (b *Box[T]) Put(", "func (b *Box[T]) Insert("),
		"another package's import": edited(`"strings"`, `strings "bytes"`),
		"what does not parse":      edited("return out, nil", "return out, nil)"),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := combine("p.go", []byte(reference))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.plan("m", src); !errors.Is(err, errApart) {
				t.Errorf("got %v, want errApart", err)
			}
		})
	}
	t.Run("a name that two mutants bring", func(t *testing.T) {
		c, err := combine("p.go", []byte(reference))
		if err != nil {
			t.Fatal(err)
		}
		src := edited("return out, nil", "return nil, helper()\n}\n\nfunc helper() error {\n\treturn nil")
		plan, err := c.plan("one", src)
		if err != nil {
			t.Fatal(err)
		}
		c.apply(plan)
		if _, err := c.plan("two", src); !errors.Is(err, errApart) {
			t.Errorf("got %v, want errApart", err)
		}
	})
}
