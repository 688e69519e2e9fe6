package stub

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
)

// generated is the line that says that a tool writes a file, as https://go.dev/s/generatedcode has it; in YAML with a "#".
var generated = regexp.MustCompile(`(?m)^(?://|#) Code generated .* DO NOT EDIT\.$`)

// IsGenerated says whether a tool writes a file.
func IsGenerated(src []byte) bool { return generated.Match(src) }

// generatedTodo is what the learner reads in such a file.
const generatedTodo = Todo + " A tool writes this file, see the lesson. Until then it compiles, and does nothing."

// generateGenerated returns the stub of a file that a tool writes. In Go every function panics, other than init, which does
// nothing, so that packages that use the file compile and fail. In other languages only the head is left.
func generateGenerated(name string, src []byte, head []int) ([]byte, error) {
	if !strings.HasSuffix(name, ".go") {
		return append(src[:head[1]:head[1]], "\n# "+generatedTodo+"\n"...), nil
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("parse the solution: %w", err)
	}
	var out strings.Builder
	out.Write(src[:head[1]])
	out.WriteString("\n\n// " + generatedTodo + "\n")
	next := head[1]
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		out.Write(src[next:fset.Position(fn.Body.Lbrace).Offset])
		if fn.Recv == nil && fn.Name.Name == "init" {
			out.WriteString("{}")
		} else {
			fmt.Fprintf(&out, "{\n\tpanic(%q)\n}", declName(fn)+" "+NotImplemented+": it is not generated yet")
		}
		next = fset.Position(fn.Body.Rbrace).Offset + 1
	}
	out.Write(src[next:])
	g := goStub{fset: fset, file: file, name: name}
	return g.tidy(out.String())
}
