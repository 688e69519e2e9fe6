package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kubekata/kubekata/harness/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"kata": func() { os.Exit(cli.Main(os.Args[1:])) },
	})
}

// TestScript runs the real command on a small workbook of its own, one script a learner's mistake or a command. Each
// script starts from testdata/book, over which it lays its own files.
func TestScript(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	goEnv := goEnvironment(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, goEnv...)
			e.Vars = append(e.Vars, "KUBEKATA_ROOT="+root)
			return newBook(e.WorkDir, root)
		},
		Condition: func(cond string) (bool, error) {
			return cond == "race" && raceWorks(), nil
		},
	})
}

// goEnvironment hands Go's folders and proxy to the scripts, whose HOME is empty.
func goEnvironment(t *testing.T) []string {
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOFLAGS", "GOTOOLCHAIN"}
	var vars []string
	for _, name := range names {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", name, err)
		}
		if v := strings.TrimSpace(string(out)); v != "" {
			vars = append(vars, name+"="+v)
		}
	}
	return vars
}

// newBook lays testdata/book into dir as a module that uses this repository's harness, with this repository's versions.
// Files of the script, which testscript has written already, are kept.
func newBook(dir, root string) error {
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(mod)) {
		switch {
		case strings.HasPrefix(line, "module "):
			out.WriteString("module example.com/book\n")
		case strings.HasPrefix(line, "tool "):
		default:
			out.WriteString(line)
		}
	}
	out.WriteString("\nrequire github.com/kubekata/kubekata v0.0.0\n\nreplace github.com/kubekata/kubekata => " + root + "\n")
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(out.String()), 0o644); err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644); err != nil {
		return err
	}
	return copyMissing(filepath.Join("testdata", "book"), dir)
}

func copyMissing(from, to string) error {
	return filepath.WalkDir(from, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		// Go files of the book carry a further extension, so that they are no packages of this module.
		target := filepath.Join(to, strings.TrimSuffix(rel, ".txt"))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if _, err := os.Stat(target); err == nil {
			return nil
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}

// raceWorks reports whether this machine can build with the race detector, which on Linux takes a C compiler.
func raceWorks() bool {
	if runtime.GOOS == "darwin" {
		return true
	}
	_, err := exec.LookPath("gcc")
	return err == nil
}
