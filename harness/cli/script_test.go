package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/modfile"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/cli"
	"github.com/kubekata/kubekata/harness/procs"
)

// mainEnv makes the test binary be the command.
const mainEnv = "KUBEKATA_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		os.Exit(cli.Main(os.Args[1:]))
	}
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
	if _, err := binaries.Ensure(t.Context(), root, binaries.API(), binaries.NewProgress(os.Stderr, false, 0, time.Now)); err != nil {
		t.Fatal(err)
	}
	programs, err := binaries.Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, goEnv...)
			cache, err := ownCache(e.WorkDir, programs)
			if err != nil {
				return err
			}
			e.Vars = append(e.Vars, binaries.CacheEnv+"="+cache)
			return newBook(e.WorkDir, root)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"noservers": noServers},
		Condition: func(cond string) (bool, error) {
			return cond == "race" && raceWorks(), nil
		},
	})
}

// ownCache makes a cache folder in dir, with the programs of the control plane that there are: what is started below it can be told
// from what others have started.
func ownCache(dir, programs string) (string, error) {
	cache := filepath.Join(dir, ".cache")
	if err := os.MkdirAll(filepath.Join(cache, "kubekata"), 0o755); err != nil {
		return "", err
	}
	return cache, os.Symlink(programs, filepath.Join(cache, "kubekata", filepath.Base(programs)))
}

// noServers fails when a server that was started below the script's folder still runs.
func noServers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: noservers")
	}
	all, err := procs.List()
	ts.Check(err)
	for _, p := range all {
		name := filepath.Base(p.Argv0)
		if strings.Contains(p.Args, ts.Getenv("WORK")) && (name == "etcd" || name == "kube-apiserver") {
			ts.Fatalf("process %d still runs: %.100s", p.PID, p.Args)
		}
	}
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
	file, err := modfile.Parse("go.mod", mod, nil)
	if err != nil {
		return err
	}
	for _, t := range slices.Clone(file.Tool) {
		if err := file.DropTool(t.Path); err != nil {
			return err
		}
	}
	const module = "github.com/kubekata/kubekata"
	if err := errors.Join(file.AddModuleStmt("example.com/book"), file.AddRequire(module, "v0.0.0"), file.AddReplace(module, "", root, "")); err != nil {
		return err
	}
	file.Cleanup()
	out, err := file.Format()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), out, 0o644); err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644); err != nil {
		return err
	}
	// The control plane's versions, which say where its programs are.
	for _, rel := range []string{"go.mod", "go.sum", "kwok/go.mod", "kwok/go.sum"} {
		data, err := os.ReadFile(filepath.Join(root, "harness", "controlplane", rel))
		if err != nil {
			return err
		}
		to := filepath.Join(dir, "harness", "controlplane", rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
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
