package binaries

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
	"golang.org/x/sys/unix"
)

// goCommand runs the go command in a module and reports how far it is.
type goCommand struct {
	dir      string
	name     string // what is built, for the reader
	tmp      string // for go's temporary files: it leaves them when it is killed
	progress Progress
}

// command returns a go command that a signal to the terminal reaches only through ctx: its process group is its own,
// and ends as a whole.
func (g goCommand) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = g.dir
	// A go.work above the checkout would mix other modules in.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOTMPDIR="+g.tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// download fetches the modules that the programs import, so that a slow network shows as what it is. go names each module
// as it asks for it; how many there will be is not known before.
func (g goCommand) download(ctx context.Context) error {
	done := 0
	return g.run(g.command(ctx, "list", "-deps", "-f", "{{.ImportPath}}", "tool"), func(line string) {
		if strings.HasPrefix(line, "go: downloading ") {
			done++
			g.progress.Step(g.name, "modules downloaded", done, 0)
		}
	})
}

// build runs go build -v with the arguments. The packages that are compiled are counted against those that go list
// calls stale.
func (g goCommand) build(ctx context.Context, args []string, packages ...string) error {
	stale, err := g.lines(ctx, append([]string{"list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"}, packages...)...)
	if err != nil {
		return err
	}
	start := time.Now()
	g.progress.Step(g.name, "packages", 0, len(stale))
	done := 0
	cmd := g.command(ctx, append([]string{"build", "-v"}, args...)...)
	err = g.run(cmd, func(line string) {
		if !strings.ContainsAny(line, " \t:") {
			done++
			g.progress.Step(g.name, "packages", min(done, len(stale)), len(stale))
		}
	})
	if err == nil {
		g.progress.Built(g.name, time.Since(start))
	}
	return err
}

// lines runs a go command and returns the lines that it prints.
func (g goCommand) lines(ctx context.Context, args ...string) ([]string, error) {
	cmd := g.command(ctx, args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := g.run(cmd, func(string) {}); err != nil {
		return nil, err
	}
	return strings.Fields(out.String()), nil
}

// run runs the command and hands each line of its standard error on. An error carries the last lines of it.
func (g goCommand) run(cmd *exec.Cmd, line func(string)) error {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return explain(err.Error(), err)
	}
	var kept []string
	in := bufio.NewReader(stderr)
	for {
		text, readErr := in.ReadString('\n')
		if text = strings.TrimRight(text, "\n"); text != "" {
			line(text)
			// Names of packages and downloads are progress, not what went wrong.
			if strings.ContainsAny(text, " \t:") && !strings.HasPrefix(text, "# get ") && !strings.HasPrefix(text, "go: downloading ") {
				kept = append(kept, text)
				kept = kept[max(0, len(kept)-20):]
			}
		}
		if readErr != nil {
			if !errors.Is(readErr, io.EOF) {
				kept = append(kept, readErr.Error())
			}
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		return explain(strings.Join(kept, "\n"), err)
	}
	return nil
}

// hinted is an error with what to do about it.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

// Hint returns what to do about it.
func (e *hinted) Hint() string { return e.hint }

func withHint(err error, hint string) error { return &hinted{err, hint} }

// explain turns what the go command said into one line and what to do.
func explain(output string, err error) error {
	lower := strings.ToLower(output)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(lower, p) {
				return true
			}
		}
		return false
	}
	last := output
	if i := strings.LastIndexByte(strings.TrimSpace(output), '\n'); i >= 0 {
		last = strings.TrimSpace(output)[i+1:]
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return withHint(errors.New("the go command is not on PATH"), "install Go 1.26 or newer from https://go.dev/dl")
	case has("no space left on device", "disk quota exceeded"):
		return withHint(errors.New("the disk is full"), "free some space, or set "+CacheEnv+", GOCACHE and GOMODCACHE to a larger disk; what is built stays")
	case has("x509:", "certificate signed by", "certificate verify"):
		return withHint(fmt.Errorf("modules cannot be downloaded: %s", last), "something between you and the module proxy signs with its own certificate: add its CA to the system's, or name it in SSL_CERT_FILE (Linux)")
	case has("proxyconnect", "proxy authentication required"):
		return withHint(fmt.Errorf("modules cannot be downloaded: %s", last), "the HTTP proxy in HTTPS_PROXY or HTTP_PROXY refuses: mend it, or set NO_PROXY to the host of `go env GOPROXY`")
	case has("dial tcp", "no such host", "i/o timeout", "connection refused", "tls handshake timeout", "module lookup disabled", "network is unreachable", "cannot query module", "connection reset",
		"403 forbidden", "404 not found", "407 proxy", "410 gone", "429 too many", "500 internal", "502 bad gateway", "503 service", "504 gateway", "unexpected eof", "context deadline exceeded", "server misbehaving"):
		return withHint(fmt.Errorf("modules cannot be downloaded: %s", last), "check the network and `go env GOPROXY` (a mirror that you can reach does as well), then run it again: what is there is kept")
	case has("requires go >=", "go.mod requires", "toolchain not available"):
		return withHint(fmt.Errorf("this Go is too old: %s", last), "install Go 1.26 or newer from https://go.dev/dl, or allow its download: go env -w GOTOOLCHAIN=auto")
	case has("checksum mismatch", "security error"):
		return withHint(fmt.Errorf("a module is not what go.sum says: %s", last), "go clean -modcache, and look at what stands between you and the module proxy")
	case has("signal: killed", "cannot allocate memory", "out of memory"):
		return withHint(errors.New("the compiler was killed, most likely for want of memory"), "close something, or build with less at once: GOFLAGS=-p=1 make setup")
	case output == "":
		return err
	}
	return fmt.Errorf("%w: %s", err, output)
}

// CheckGo returns the version of the go command on PATH, or an error when there is none or when it is older than what
// the workbook's go.mod asks for and may not download another.
func CheckGo(ctx context.Context, root string) (string, error) {
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("read the workbook's go.mod: %w", err)
	}
	mod, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return "", fmt.Errorf("read the workbook's go.mod: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Dir = os.TempDir() // outside of any module, whose go line would choose the toolchain
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return "", explain("", err)
	}
	have := strings.Fields(strings.TrimPrefix(strings.TrimSpace(string(out)), "go"))
	if mod.Go == nil || len(have) == 0 {
		return "", fmt.Errorf("go.mod has no go line, or go env GOVERSION printed nothing")
	}
	toolchain, err := exec.CommandContext(ctx, "go", "env", "GOTOOLCHAIN").Output()
	if err != nil {
		return "", explain("", err)
	}
	local := strings.HasPrefix(strings.TrimSpace(string(toolchain)), "local")
	if local && semver.Compare("v"+have[0], "v"+mod.Go.Version) < 0 {
		return "", withHint(fmt.Errorf("this is Go %s, and the workbook needs %s or newer", have[0], mod.Go.Version),
			"install it from https://go.dev/dl, or allow its download: go env -w GOTOOLCHAIN=auto")
	}
	return have[0], nil
}

// Free is how many bytes an unprivileged user may still write below dir.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:unconvert // Bsize is 32 bits wide on some systems
}
