// Package stub turns a reference solution into the stub that the learner starts from.
//
// The solution marks what the learner writes:
//
//	// kata:begin Page through the list until the server stops sending a continue token.
//	// | A second line of the text.
//	…
//	// kata:end
//
// [Generate] replaces each region by a TODO(kata) comment with the text and by code that compiles and fails: in a function
// whose last result is an error, a return of zero values with a "not implemented" error that names the function;
// otherwise a panic that names it. Lines "// kata:stub CODE" in the region override that code, and one without CODE
// leaves none. In YAML, Dockerfiles and shell scripts the markers are "# kata:…".
//
// A file that a tool writes, and which says so ("Code generated … DO NOT EDIT."), needs no marker: in its stub every function
// panics, and of a YAML file only the head is left.
//
// The package knows nothing of folders: see package workbook for which file belongs where.
package stub

import (
	"fmt"
	"path/filepath"
	"strings"
)

// NotImplemented is in the text of every error and panic that a stub ends with. The verification gate looks for it.
const NotImplemented = "is not implemented"

// Todo starts the comment that stands for the learner's work.
const Todo = "TODO(kata):"

// region is one kata:begin … kata:end, by line (0-based): lines[begin] is the first marker, lines[end] the last.
type region struct {
	begin, end int
	indent     string
	text       []string
	override   []string // code of kata:stub lines
	overridden bool
}

// Generate returns the stub of a solution's file. The name decides the language and, for Go, the folder in which
// imports are resolved; it should be the path that the stub will have. A file without a region is an error: everything
// under solutions/ is the learner's to write.
func Generate(name string, src []byte) ([]byte, error) {
	if head := generated.FindIndex(src); head != nil {
		return generateGenerated(name, src, head)
	}
	if filepath.Ext(name) == ".go" {
		return generateGo(name, src)
	}
	lines := strings.SplitAfter(string(src), "\n")
	regions, err := findRegions(name, lines, "#")
	if err != nil {
		return nil, err
	}
	return []byte(replace(lines, regions, "#", func(r region) ([]string, error) { return nil, nil }, &err)), err
}

// findRegions finds the marked regions. comment is the language's line comment.
func findRegions(name string, lines []string, comment string) ([]region, error) {
	var regions []region
	var open *region
	for i, line := range lines {
		trimmed := strings.TrimSpace(line)
		rest, isComment := strings.CutPrefix(trimmed, comment)
		rest = strings.TrimLeft(rest, " ")
		switch {
		case !isComment:
		case strings.HasPrefix(rest, "kata:begin"):
			if open != nil {
				return nil, fmt.Errorf("%s:%d: kata:begin inside the region that begins on line %d", name, i+1, open.begin+1)
			}
			text := strings.TrimSpace(strings.TrimPrefix(rest, "kata:begin"))
			if text == "" {
				return nil, fmt.Errorf("%s:%d: kata:begin without a text that tells the learner what to write", name, i+1)
			}
			open = &region{begin: i, text: []string{text}, indent: line[:len(line)-len(strings.TrimLeft(line, " \t"))]}
		case strings.HasPrefix(rest, "kata:end"):
			if open == nil {
				return nil, fmt.Errorf("%s:%d: kata:end without kata:begin", name, i+1)
			}
			open.end = i
			regions = append(regions, *open)
			open = nil
		case strings.HasPrefix(rest, "kata:stub"):
			if open == nil {
				return nil, fmt.Errorf("%s:%d: kata:stub outside a region", name, i+1)
			}
			open.overridden = true
			if code := strings.TrimPrefix(strings.TrimPrefix(rest, "kata:stub"), " "); strings.TrimSpace(code) != "" {
				open.override = append(open.override, code)
			}
		case open != nil && strings.HasPrefix(rest, "| ") && i == open.begin+len(open.text):
			open.text = append(open.text, strings.TrimSpace(rest[2:]))
		case strings.HasPrefix(rest, "kata:"):
			return nil, fmt.Errorf("%s:%d: unknown marker %q: use kata:begin, kata:stub and kata:end", name, i+1, strings.Fields(rest)[0])
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s:%d: kata:begin without kata:end", name, open.begin+1)
	}
	if len(regions) == 0 {
		return nil, fmt.Errorf("%s: no kata:begin … kata:end region: what is the learner to write?", name)
	}
	return regions, nil
}

// replace puts the stub's text in the place of each region. body makes the code of a region that has no override.
func replace(lines []string, regions []region, comment string, body func(region) ([]string, error), failed *error) string {
	var out strings.Builder
	next := 0
	for _, r := range regions {
		for _, l := range lines[next:r.begin] {
			out.WriteString(l)
		}
		for i, t := range r.text {
			if i == 0 {
				t = Todo + " " + t
			}
			out.WriteString(r.indent + comment + " " + t + "\n")
		}
		code := r.override
		if !r.overridden {
			generated, err := body(r)
			if err != nil {
				*failed = err
				return ""
			}
			code = generated
		}
		for _, c := range code {
			out.WriteString(r.indent + c + "\n")
		}
		next = r.end + 1
	}
	for _, l := range lines[next:] {
		out.WriteString(l)
	}
	return out.String()
}

// Clean returns a solution without its markers, as a learner is to read it.
func Clean(src []byte) []byte {
	var out strings.Builder
	text := false // inside the text of a kata:begin
	for line := range strings.Lines(string(src)) {
		trimmed := strings.TrimLeft(strings.TrimSpace(line), "/#")
		marker := strings.TrimLeft(trimmed, " ")
		isComment := len(trimmed) < len(strings.TrimSpace(line))
		switch {
		case isComment && strings.HasPrefix(marker, "kata:"):
			text = strings.HasPrefix(marker, "kata:begin")
		case isComment && text && strings.HasPrefix(marker, "| "):
		default:
			text = false
			out.WriteString(line)
		}
	}
	return []byte(out.String())
}
