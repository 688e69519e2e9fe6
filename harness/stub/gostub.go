package stub

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ast/astutil"
	"golang.org/x/tools/imports"
)

func generateGo(name string, src []byte) ([]byte, error) {
	lines := strings.SplitAfter(string(src), "\n")
	regions, err := findRegions(name, lines, "//")
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("parse the solution: %w", err)
	}
	g := goStub{fset: fset, file: file, name: name}
	text := replace(lines, regions, "//", g.body, &err)
	if err != nil {
		return nil, err
	}
	return g.tidy(text)
}

type goStub struct {
	fset *token.FileSet
	file *ast.File
	name string
	// needsErrors is set when a generated return calls errors.New.
	needsErrors bool
}

// body returns the failing code for a region.
func (g *goStub) body(r region) ([]string, error) {
	fn, results := g.enclosing(r)
	if fn == "" {
		return nil, fmt.Errorf("%s:%d: a region outside a function needs a kata:stub line", g.name, r.begin+1)
	}
	message := fmt.Sprintf("%s %s", fn, NotImplemented)
	types := flatten(results)
	if len(types) == 0 || !isError(types[len(types)-1]) {
		return []string{fmt.Sprintf("panic(%q)", message)}, nil
	}
	g.needsErrors = true
	values := make([]string, len(types))
	for i, t := range types[:len(types)-1] {
		values[i] = g.zero(t)
	}
	values[len(values)-1] = fmt.Sprintf("errors.New(%q)", message)
	return []string{"return " + strings.Join(values, ", ")}, nil
}

// enclosing returns the name of the declared function around the region, and the results of the innermost function
// (a literal, perhaps) around it.
func (g *goStub) enclosing(r region) (string, *ast.FieldList) {
	inside := func(body *ast.BlockStmt) bool {
		return body != nil && g.fset.Position(body.Lbrace).Line <= r.begin && g.fset.Position(body.Rbrace).Line > r.end
	}
	var name string
	var results *ast.FieldList
	ast.Inspect(g.file, func(n ast.Node) bool {
		switch f := n.(type) {
		case *ast.FuncDecl:
			if !inside(f.Body) {
				return false
			}
			name, results = declName(f), f.Type.Results
		case *ast.FuncLit:
			if !inside(f.Body) {
				return false
			}
			results = f.Type.Results
		}
		return true
	})
	return name, results
}

func declName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if index, ok := t.(*ast.IndexExpr); ok {
		t = index.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// flatten returns one type a result: "a, b int" has two.
func flatten(results *ast.FieldList) []ast.Expr {
	if results == nil {
		return nil
	}
	var types []ast.Expr
	for _, field := range results.List {
		for range max(1, len(field.Names)) {
			types = append(types, field.Type)
		}
	}
	return types
}

func isError(t ast.Expr) bool {
	id, ok := t.(*ast.Ident)
	return ok && id.Name == "error"
}

// zero returns the zero value of a type, as short as the syntax alone allows: without type information a named type of
// another package may be a struct or an interface, for which *new(T) is right either way.
func (g *goStub) zero(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr, *ast.MapType, *ast.FuncType, *ast.ChanType, *ast.InterfaceType:
		return "nil"
	case *ast.ArrayType:
		if t.Len == nil {
			return "nil"
		}
	case *ast.Ident:
		switch t.Name {
		case "string":
			return `""`
		case "bool":
			return "false"
		case "any", "error":
			return "nil"
		case "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "uintptr",
			"byte", "rune", "float32", "float64":
			return "0"
		}
		if t.Obj != nil {
			if spec, ok := t.Obj.Decl.(*ast.TypeSpec); ok {
				switch spec.Type.(type) {
				case *ast.StructType:
					return t.Name + "{}"
				case *ast.InterfaceType:
					return "nil"
				}
			}
		}
	case *ast.SelectorExpr:
		switch {
		case t.Sel.Name == "Interface":
			return "nil"
		case t.Sel.Name == "Result":
			return g.text(t) + "{}"
		case t.Sel.Name == "Duration":
			return "0"
		}
	}
	return "*new(" + g.text(t) + ")"
}

func (g *goStub) text(n ast.Expr) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, g.fset, n); err != nil {
		panic(err) // a bytes.Buffer takes any expression that has been parsed
	}
	return b.String()
}

// tidy adds the errors import, prunes those that the stub no longer uses, and formats.
func (g *goStub) tidy(text string) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, g.name, text, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("the stub does not parse: %w", err)
	}
	if g.needsErrors {
		astutil.AddImport(fset, file, "errors")
	}
	pruneDotImports(fset, file)
	var b bytes.Buffer
	if err := format.Node(&b, fset, file); err != nil {
		return nil, fmt.Errorf("format the stub: %w", err)
	}
	out, err := imports.Process(g.name, b.Bytes(), &imports.Options{Comments: true, TabIndent: true, TabWidth: 8})
	if err != nil {
		return nil, fmt.Errorf("prune the imports of the stub: %w", err)
	}
	return out, nil
}

// pruneDotImports removes dot imports when no exported name is left that could come from them. imports.Process leaves them alone.
func pruneDotImports(fset *token.FileSet, file *ast.File) {
	if slices.ContainsFunc(file.Unresolved, func(id *ast.Ident) bool { return id.IsExported() }) {
		return
	}
	for _, spec := range slices.Clone(file.Imports) {
		if spec.Name == nil || spec.Name.Name != "." {
			continue
		}
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			astutil.DeleteNamedImport(fset, file, ".", path)
		}
	}
}
