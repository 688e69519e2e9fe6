package mutant

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ast/astutil"
)

// SelectEnv names the mutant that a combined package is, in the environment of the process; without it, it is the reference.
const SelectEnv = "KUBEKATA_MUTANT"

// selector is the variable of a combined package that holds the mutant's name.
const selector = "kataMutant"

// errApart says that a mutant cannot share a package with others: it changes more than the bodies of functions.
var errApart = errors.New("changes more than functions")

// combined is a Go file of the reference in which each function that some mutant changes exists once for each of them. The
// function itself only looks which one is wanted. That spares linking: a test binary of client-go's size takes far longer to
// link than most specs take to run.
type combined struct {
	name       string // the file's
	fset       *token.FileSet
	reference  *ast.File
	src        []byte
	funcs      map[string]*ast.FuncDecl
	imports    map[string]string // local name → path
	added      map[string]bool   // names of declarations that mutants have brought
	variants   map[string][]string
	extra      []string // the text of the variants and of added declarations
	output     []byte
	newImports [][2]string // local name, path
}

// combine begins a combined file with the reference's.
func combine(name string, src []byte) (*combined, error) {
	c := &combined{name: name, fset: token.NewFileSet(), src: src, imports: map[string]string{}, added: map[string]bool{}, variants: map[string][]string{}}
	file, err := parser.ParseFile(c.fset, name, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	c.reference = file
	c.funcs = functions(file)
	for _, spec := range file.Imports {
		local, p := importOf(spec)
		c.imports[local] = p
	}
	return c, nil
}

// change is what a mutant's file has more than the reference's.
type change struct {
	mutant  string
	names   []string // of the functions that it changes
	brought []string // of those that it adds
	imports map[string]string
	texts   []string
}

// plan finds out what a mutant, whose file has the given content, changes. It returns errApart when the mutant must be compiled
// by itself.
func (c *combined) plan(mutant string, src []byte) (*change, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, c.name, src, parser.ParseComments)
	if err != nil {
		return nil, errApart // it will not compile, and its own build says so
	}
	ch := &change{mutant: mutant, imports: map[string]string{}}
	for _, spec := range file.Imports {
		local, p := importOf(spec)
		if have, ok := c.imports[local]; ok && have != p || !uses(file, local) {
			return nil, errApart
		}
		ch.imports[local] = p
	}
	mine := functions(file)
	for name := range c.funcs {
		if mine[name] == nil {
			return nil, errApart
		}
	}
	if otherDecls(c.fset, c.reference) != otherDecls(fset, file) {
		return nil, errApart
	}
	for _, name := range slices.Sorted(maps.Keys(mine)) {
		f, reference := mine[name], c.funcs[name]
		switch {
		case reference == nil && c.added[name]:
			return nil, errApart
		case reference == nil:
			ch.brought = append(ch.brought, name)
			ch.texts = append(ch.texts, text(fset, f))
		case text(fset, f) == text(c.fset, reference):
		case signature(fset, f) != signature(c.fset, reference), name == "init", name == "main":
			return nil, errApart
		default:
			ch.names = append(ch.names, name)
			f.Name.Name, f.Doc = variant(f.Name.Name, mutant), nil
			ch.texts = append(ch.texts, text(fset, f))
		}
	}
	return ch, nil
}

// apply brings a planned change in.
func (c *combined) apply(ch *change) {
	for local, p := range ch.imports {
		if _, ok := c.imports[local]; !ok {
			c.newImports = append(c.newImports, [2]string{local, p})
			c.imports[local] = p
		}
	}
	for _, name := range ch.brought {
		c.added[name] = true
	}
	for _, name := range ch.names {
		c.variants[name] = append(c.variants[name], ch.mutant)
	}
	c.extra = append(c.extra, ch.texts...)
}

// file returns the combined file.
func (c *combined) file() ([]byte, error) {
	for _, name := range slices.Sorted(maps.Keys(c.variants)) {
		f := c.funcs[name]
		original := *f
		id := *f.Name
		id.Name = variant(f.Name.Name, "")
		original.Name, original.Doc = &id, nil
		// The text first: dispatch changes the declaration that both share.
		body := text(c.fset, &original)
		dispatch, err := c.dispatcher(name, f)
		if err != nil {
			return nil, err
		}
		c.extra = append(c.extra, body, dispatch)
	}
	c.reference.Decls = slices.DeleteFunc(c.reference.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && c.variants[key(f)] != nil
	})
	c.reference.Comments = directives(c.reference)
	for _, spec := range c.newImports {
		local, p := spec[0], spec[1]
		if local == packageName(p) {
			local = ""
		}
		astutil.AddNamedImport(c.fset, c.reference, local, p)
	}
	var out bytes.Buffer
	if err := format.Node(&out, c.fset, c.reference); err != nil {
		return nil, err
	}
	for _, t := range c.extra {
		fmt.Fprintf(&out, "\n%s\n", t)
	}
	var err error
	c.output, err = format.Source(out.Bytes())
	return c.output, err
}

// mutantAt returns the mutant whose function stands at a line of the combined file, "" when it is nobody's.
func (c *combined) mutantAt(line int) string {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, c.name, c.output, parser.SkipObjectResolution)
	if err != nil {
		return ""
	}
	for _, fn := range functions(f) {
		if fset.Position(fn.Pos()).Line > line || fset.Position(fn.End()).Line < line {
			continue
		}
		for name, mutants := range c.variants {
			for _, m := range mutants {
				if fn.Name.Name == variant(c.funcs[name].Name.Name, m) {
					return m
				}
			}
		}
	}
	return ""
}

// dispatcher writes the function that calls the wanted variant.
func (c *combined) dispatcher(name string, f *ast.FuncDecl) (string, error) {
	ft := *f.Type
	params := &ast.FieldList{}
	var args []string
	for _, field := range f.Type.Params.List {
		n := max(1, len(field.Names))
		for range n {
			arg := fmt.Sprintf("kataArg%d", len(args))
			params.List = append(params.List, &ast.Field{Names: []*ast.Ident{ast.NewIdent(arg)}, Type: field.Type})
			if _, ok := field.Type.(*ast.Ellipsis); ok {
				arg += "..."
			}
			args = append(args, arg)
		}
	}
	ft.Params = params
	head := &ast.FuncDecl{Name: f.Name, Type: &ft}
	call := func(mutant string) string { return variant(f.Name.Name, mutant) }
	if f.Recv != nil {
		recv := *f.Recv.List[0]
		recv.Names = []*ast.Ident{ast.NewIdent("kataRecv")}
		head.Recv = &ast.FieldList{List: []*ast.Field{&recv}}
		call = func(mutant string) string { return "kataRecv." + variant(f.Name.Name, mutant) }
	}
	types := ""
	if f.Type.TypeParams != nil {
		var names []string
		for _, field := range f.Type.TypeParams.List {
			for _, n := range field.Names {
				names = append(names, n.Name)
			}
		}
		types = "[" + strings.Join(names, ", ") + "]"
	}
	ret := ""
	if f.Type.Results != nil {
		ret = "return "
	}
	var out strings.Builder
	out.WriteString(text(c.fset, head))
	fmt.Fprintf(&out, " {\n\tswitch %s {\n", selector)
	for _, m := range c.variants[name] {
		fmt.Fprintf(&out, "\tcase %q:\n\t\t%s%s%s(%s)\n", m, ret, call(m), types, strings.Join(args, ", "))
	}
	fmt.Fprintf(&out, "\tdefault:\n\t\t%s%s%s(%s)\n\t}\n}", ret, call(""), types, strings.Join(args, ", "))
	return out.String(), nil
}

// selectorFile is the file that a combined package has more.
func selectorFile(pkg string) []byte {
	return fmt.Appendf(nil, "package %s\n\nimport \"os\"\n\nvar %s = os.Getenv(%q)\n", pkg, selector, SelectEnv)
}

func variant(name, mutant string) string {
	if mutant == "" {
		mutant = "reference"
	}
	return name + "_kata_" + strings.ReplaceAll(mutant, "-", "_")
}

// functions returns the declarations of functions and methods by a name that tells methods apart.
func functions(f *ast.File) map[string]*ast.FuncDecl {
	found := map[string]*ast.FuncDecl{}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			found[key(fn)] = fn
		}
	}
	return found
}

func key(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.IndexListExpr:
			t = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		}
		return "?." + f.Name.Name
	}
}

// otherDecls is what a file declares beside functions and imports.
func otherDecls(fset *token.FileSet, f *ast.File) string {
	var out strings.Builder
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok != token.IMPORT {
			out.WriteString(text(fset, g) + "\n")
		}
	}
	return out.String()
}

// uses reports whether the file needs the import of that local name.
func uses(f *ast.File, local string) bool {
	if local == "_" || local == "." {
		return true
	}
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			id, ok := sel.X.(*ast.Ident)
			found = found || ok && id.Name == local
		}
		return !found
	})
	return found
}

func signature(fset *token.FileSet, f *ast.FuncDecl) string {
	head := *f
	head.Body, head.Doc = nil, nil
	return text(fset, &head)
}

// text formats a node without the comments inside it.
func text(fset *token.FileSet, node any) string {
	var out bytes.Buffer
	if err := format.Node(&out, fset, node); err != nil {
		return err.Error()
	}
	return out.String()
}

// directives are the comments that mean something to the compiler and stand before a declaration: //go:embed.
func directives(f *ast.File) []*ast.CommentGroup {
	var kept []*ast.CommentGroup
	for _, g := range f.Comments {
		if slices.ContainsFunc(g.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:") }) {
			kept = append(kept, g)
		}
	}
	return kept
}

func importOf(spec *ast.ImportSpec) (local, p string) {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		p = spec.Path.Value
	}
	if spec.Name != nil {
		return spec.Name.Name, p
	}
	return packageName(p), p
}

// majorVersion is the last element of a path that is not the package's name: k8s.io/klog/v2.
var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

func packageName(p string) string {
	if base := path.Base(p); !majorVersion.MatchString(base) {
		return base
	}
	return path.Base(path.Dir(p))
}
