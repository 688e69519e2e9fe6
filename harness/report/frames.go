package report

import (
	"path/filepath"
	"strings"
)

// Frames returns "file:line function" for the frames of one goroutine's stack that stand in a kata's folder,
// innermost first. Files are relative to the workbook.
func Frames(stack string) []string {
	lines := strings.Split(stack, "\n")
	var frames []string
	for i := 1; i < len(lines); i++ {
		at := strings.TrimSpace(lines[i])
		file, ok := kataFile(at)
		if !ok {
			continue
		}
		if sp := strings.IndexByte(file, ' '); sp > 0 {
			file = file[:sp] // " +0x1d" after the line number
		}
		frames = append(frames, file+" "+function(lines[i-1]))
	}
	return frames
}

// kataFile returns the path from katas/ or solutions/ on, of a frame's second line. Under -overlay the compiler
// records the path of the replacement, which is the solution's or a generated file of the same relative path.
func kataFile(at string) (string, bool) {
	at = filepath.ToSlash(at)
	for _, dir := range []string{"/katas/stage", "/solutions/stage"} {
		if i := strings.Index(at, dir); i >= 0 && strings.Contains(at, ".go:") {
			return at[i+1:], true
		}
	}
	return "", false
}

// function shortens "github.com/x/y/stage1/03-z.(*T).Get(0xc0000…)" to "(*T).Get".
func function(line string) string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "created by ")
	if i := strings.LastIndexByte(line, '/'); i >= 0 {
		line = line[i+1:]
	}
	if i := strings.IndexByte(line, '.'); i >= 0 {
		line = line[i+1:]
	}
	if i := strings.LastIndexByte(line, '('); i > 0 && !strings.HasPrefix(line[i:], "(*") {
		line = line[:i]
	}
	return line
}

// Relative returns the path of a source file from katas/ (or solutions/) on, where there is such a part.
func Relative(file string) string {
	file = filepath.ToSlash(file)
	for _, dir := range []string{"/katas/stage", "/solutions/stage"} {
		if i := strings.Index(file, dir); i >= 0 {
			return file[i+1:]
		}
	}
	return file
}
