package binaries_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubekata/kubekata/harness/binaries"
)

// fakeGo stands in for the go command. FAKE_GO chooses how it goes wrong; every build is a line in $FAKE_LOG.
const fakeGo = `#!/bin/sh
case "$1" in
env)
	case "$2" in
	GOVERSION) echo "${FAKE_VERSION:-go1.26.8}" ;;
	GOTOOLCHAIN) echo local ;;
	esac ;;
list)
	if [ "$FAKE_GO" = offline ]; then
		echo "go: downloading k8s.io/kubernetes v1.37.2" >&2
		echo "go: k8s.io/kubernetes@v1.37.2: Get \"https://proxy.example.com/x\": dial tcp: lookup proxy.example.com: no such host" >&2
		exit 1
	fi
	if [ "$FAKE_GO" = inspected ]; then
		echo "go: k8s.io/kubernetes@v1.37.2: Get \"https://proxy.example.com/x\": tls: failed to verify certificate: x509: certificate signed by unknown authority" >&2
		exit 1
	fi
	if [ "$FAKE_GO" = proxy ]; then
		echo "go: k8s.io/kubernetes@v1.37.2: Get \"https://proxy.example.com/x\": Proxy Authentication Required" >&2
		exit 1
	fi
	if [ "$FAKE_GO" = filtered ]; then
		echo "go: k8s.io/kubernetes@v1.37.2: reading https://proxy.example.com/x: 403 Forbidden" >&2
		exit 1
	fi
	echo a/one; echo a/two; echo a/main ;;
build)
	case "$GOTMPDIR" in
	*/.build-*) ;;
	*) echo "go's temporary files go to $GOTMPDIR, which nobody sweeps" >&2; exit 1 ;;
	esac
	for out; do [ "$previous" = -o ] && break; previous=$out; done
	echo "build $(basename "$out")" >>"$FAKE_LOG"
	echo a/one >&2
	case "$FAKE_GO" in
	full) echo "compile: writing output: write $out: no space left on device" >&2; exit 1 ;;
	broken) printf '#!/bin/sh\necho cannot run >&2; exit 3\n' >"$out"; chmod +x "$out"; exit 0 ;;
	slow) echo half >"$out"; echo $$ >"$FAKE_LOG.pid"; exec sleep 60 ;;
	compile) echo "a/two.go:3:1: undefined: x" >&2; exit 1 ;;
	esac
	echo a/two >&2
	echo a/main >&2
	printf '#!/bin/sh\necho "version 1"\n' >"$out"
	chmod +x "$out" ;;
esac
`

// workbook lays out a workbook's modules, a cache folder and the fake go, and returns the root.
func workbook(t *testing.T) (root, log string) {
	t.Helper()
	root = t.TempDir()
	bin := t.TempDir()
	log = filepath.Join(t.TempDir(), "log")
	for path, text := range map[string]string{
		filepath.Join(root, "go.mod"):                           "module x\n\ngo 1.26.0\n",
		filepath.Join(root, "harness/controlplane/go.mod"):      "module x/cp\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.37.2\n",
		filepath.Join(root, "harness/controlplane/go.sum"):      "",
		filepath.Join(root, "harness/controlplane/kwok/go.mod"): "module x/kwok\n\ngo 1.26.0\n",
		filepath.Join(root, "harness/controlplane/kwok/go.sum"): "",
		filepath.Join(bin, "go"):                                fakeGo,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv(binaries.CacheEnv, t.TempDir())
	t.Setenv(binaries.AssetsEnv, "")
	t.Setenv("FAKE_LOG", log)
	t.Setenv("FAKE_GO", "")
	return root, log
}

func plain(w *bytes.Buffer) binaries.Progress {
	return binaries.NewProgress(w, false, 0, time.Now)
}

func built(t *testing.T, log string) string {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// leftovers returns what stands in the cache folder besides the lock.
func leftovers(t *testing.T, root string) []string {
	t.Helper()
	dir, err := binaries.Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != ".lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestEnsureBuildsOnceAndInOrder(t *testing.T) {
	root, log := workbook(t)
	var missing *binaries.MissingError
	if _, err := binaries.Find(root, binaries.API()); !errors.As(err, &missing) || hint(err) != "make setup" {
		t.Fatalf("Find before a build: %v", err)
	}
	var out bytes.Buffer
	paths, err := binaries.Ensure(t.Context(), root, binaries.API(), plain(&out))
	if err != nil {
		t.Fatal(err)
	}
	if got := built(t, log); got != "build etcd\nbuild kube-apiserver\n" {
		t.Errorf("built:\n%s", got)
	}
	if dir := filepath.Base(filepath.Dir(paths["etcd"])); !strings.HasPrefix(dir, "v1.37.2-") {
		t.Errorf("the folder is %s", dir)
	}
	for _, want := range []string{"building 2 programs", "[1/2] etcd: 0/3 packages\n", "built kube-apiserver in "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	// The rest is built later, and what is there is not built again.
	if _, err := binaries.Ensure(t.Context(), root, binaries.Lab(), plain(&out)); err != nil {
		t.Fatal(err)
	}
	if got := built(t, log); strings.Count(got, "build ") != 7 || strings.Count(got, "build etcd") != 1 {
		t.Errorf("built:\n%s", got)
	}
}

func TestOtherVersionsGetAnotherFolder(t *testing.T) {
	root, _ := workbook(t)
	before, err := binaries.Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "harness/controlplane/kwok/go.mod"), []byte("module x/kwok\n\ngo 1.26.0\n\nrequire sigs.k8s.io/kwok v0.9.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if after, err := binaries.Dir(root); err != nil || after == before {
		t.Errorf("%s, %v", after, err)
	}
}

// TestWhatGoesWrong checks that each trouble is one line with what to do, and leaves nothing half-built.
func TestWhatGoesWrong(t *testing.T) {
	for _, c := range []struct {
		mode, version string
		want, hint    string
	}{
		{mode: "offline", want: "modules cannot be downloaded", hint: "GOPROXY"},
		{mode: "inspected", want: "modules cannot be downloaded", hint: "its CA"},
		{mode: "proxy", want: "modules cannot be downloaded", hint: "HTTPS_PROXY"},
		{mode: "filtered", want: "modules cannot be downloaded", hint: "GOPROXY"},
		{mode: "full", want: "the disk is full", hint: "GOCACHE"},
		{mode: "broken", want: "etcd was built and does not run"},
		{mode: "compile", want: "undefined: x"},
		{version: "go1.21.3", want: "this is Go 1.21.3, and the workbook needs 1.26.0", hint: "https://go.dev/dl"},
	} {
		t.Run(c.mode+c.version, func(t *testing.T) {
			root, _ := workbook(t)
			t.Setenv("FAKE_GO", c.mode)
			t.Setenv("FAKE_VERSION", c.version)
			_, err := binaries.Ensure(t.Context(), root, binaries.API(), plain(&bytes.Buffer{}))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint(err), c.hint) {
				t.Errorf("error %v, hint %q", err, hint(err))
			}
			if err != nil && c.mode != "compile" && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			if left := leftovers(t, root); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestNoGo(t *testing.T) {
	root, _ := workbook(t)
	t.Setenv("PATH", t.TempDir())
	_, err := binaries.Ensure(t.Context(), root, binaries.API(), plain(&bytes.Buffer{}))
	if err == nil || !strings.Contains(err.Error(), "not on PATH") || hint(err) == "" {
		t.Errorf("error %v, hint %q", err, hint(err))
	}
}

func TestInterruptedBuildLeavesNothing(t *testing.T) {
	root, log := workbook(t)
	t.Setenv("FAKE_GO", "slow")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := binaries.Ensure(ctx, root, binaries.API(), plain(&bytes.Buffer{})); err == nil {
			t.Error("a build that was interrupted succeeded")
		}
	})
	for range 1000 {
		if _, err := os.Stat(log + ".pid"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	group.Wait()
	if left := leftovers(t, root); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	// What a kill -9 would have left is swept by the next build.
	dir, err := binaries.Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, ".build-123"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_GO", "")
	if _, err := binaries.Ensure(t.Context(), root, binaries.API(), plain(&bytes.Buffer{})); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, root); len(left) != 2 {
		t.Errorf("there are: %v", left)
	}
}

func TestRelativeCacheIsRefused(t *testing.T) {
	root, _ := workbook(t)
	t.Setenv(binaries.CacheEnv, "cache")
	_, err := binaries.Ensure(t.Context(), root, binaries.API(), plain(&bytes.Buffer{}))
	if err == nil || !strings.Contains(err.Error(), "relative path") || !strings.Contains(hint(err), "$PWD/cache") {
		t.Errorf("error %v, hint %q", err, hint(err))
	}
}

func TestTwoBuildsAtOnce(t *testing.T) {
	root, log := workbook(t)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if _, err := binaries.Ensure(t.Context(), root, binaries.API(), plain(&bytes.Buffer{})); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := built(t, log); got != "build etcd\nbuild kube-apiserver\n" {
		t.Errorf("built:\n%s", got)
	}
}

func TestAssets(t *testing.T) {
	root, log := workbook(t)
	assets := t.TempDir()
	t.Setenv(binaries.AssetsEnv, assets)
	_, err := binaries.Ensure(t.Context(), root, binaries.API(), plain(&bytes.Buffer{}))
	var wrong *binaries.AssetsError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "etcd is not there") || hint(err) == "" {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if err := os.WriteFile(filepath.Join(assets, name), []byte("#!/bin/sh\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = binaries.Find(root, binaries.API()); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "not executable") {
		t.Errorf("files that cannot be run: %v", err)
	}
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if err := os.Chmod(filepath.Join(assets, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := binaries.Ensure(t.Context(), root, binaries.API(), plain(&bytes.Buffer{}))
	if err != nil || paths["etcd"] != filepath.Join(assets, "etcd") || built(t, log) != "" {
		t.Errorf("paths %v, error %v, built %q", paths, err, built(t, log))
	}
}

func TestProgress(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	steps := func(p binaries.Progress) {
		p.Begin(2)
		p.Step("etcd", "packages", 0, 200)
		now = now.Add(10 * time.Second)
		p.Step("etcd", "packages", 50, 200)
		now = now.Add(25 * time.Second)
		p.Step("etcd", "packages", 100, 200)
		p.Built("etcd", 35*time.Second)
		p.End()
	}
	var out bytes.Buffer
	steps(binaries.NewProgress(&out, false, 0, clock))
	want := "building 2 programs of the control plane from Go modules, this once (the first takes some minutes)\n[1/2] etcd: 0/200 packages\n[1/2] etcd: 100/200 packages\nbuilt etcd in 35 s\n"
	if out.String() != want {
		t.Errorf("plain:\n%s", out.String())
	}
	out.Reset()
	steps(binaries.NewProgress(&out, true, 80, clock))
	for _, want := range []string{"50/200 packages", "█", "\r"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the bar lacks %q: %q", want, out.String())
		}
	}
}
