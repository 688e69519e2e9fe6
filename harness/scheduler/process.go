package scheduler

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/onsi/ginkgo/v2"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/environ"
	"github.com/kubekata/kubekata/harness/ephemeral"
	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/workbook"
)

const (
	readyBound = 25 * time.Second // half a second on an idle machine; less than a spec may take
	stopBound  = 10 * time.Second
	tailLines  = 15
)

// Process is a kube-scheduler that runs.
type Process struct {
	cmd   *exec.Cmd
	dir   string
	clean func() error
	port  string
	ended chan struct{} // closed when the process has ended
}

// Start runs the lab's kube-scheduler with a KubeSchedulerConfiguration until the spec ends, and returns when it is ready. The API server's
// kubeconfig and leaderElect: false are filled in; it listens on loopback alone. A configuration that it refuses fails the spec with what it says, and
// a red spec shows the last lines of its log.
func Start(ctx context.Context, api *cluster.Cluster, config []byte) *Process {
	ginkgo.GinkgoHelper()
	p, err := start(ctx, api.Kubeconfig(), config, reap)
	if err != nil {
		ginkgo.Fail(err.Error())
	}
	ginkgo.DeferCleanup(func() error {
		if ginkgo.CurrentSpecReport().Failed() {
			ginkgo.AddReportEntry(harness.TranscriptEntry, ginkgo.ReportEntryVisibilityFailureOrVerbose, "kube-scheduler's log ends with\n"+p.Tail(tailLines))
		}
		return p.Stop()
	})
	return p
}

// Try runs the lab's kube-scheduler with a configuration that it must refuse, and returns what it says. It is empty when the scheduler has
// become ready after all; it is ended in any case.
func Try(ctx context.Context, api *cluster.Cluster, config []byte) string {
	ginkgo.GinkgoHelper()
	p, err := start(ctx, api.Kubeconfig(), config, reap)
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused.Words
	}
	if err != nil {
		ginkgo.Fail(err.Error())
	}
	if err := p.Stop(); err != nil {
		ginkgo.Fail(err.Error())
	}
	return ""
}

// RefusedError says that kube-scheduler has ended before it was ready.
type RefusedError struct {
	// Words are its reason, and Log the end of its log.
	Words, Log string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("kube-scheduler does not start, and says\n    %s\nits log ends with\n%s", e.Words, e.Log)
}

// reap waits for a process on a goroutine that ends with it.
// Launch is Start outside of a spec: it returns a *RefusedError instead of failing one, and the caller stops the process. kubeconfig is the path of
// the one that leads to the API server.
func Launch(ctx context.Context, kubeconfig string, config []byte) (*Process, error) {
	return start(ctx, kubeconfig, config, reap)
}

func reap(p *Process) { go p.wait() }

func (p *Process) wait() {
	_ = p.cmd.Wait() // how it has ended is in its log
	close(p.ended)
}

// start runs the scheduler and waits until it is ready.
func start(ctx context.Context, kubeconfig string, config []byte, reap func(*Process)) (*Process, error) {
	s := &starting{kubeconfig: kubeconfig, config: config, reap: reap}
	err := s.wait(ctx)
	if err != nil && s.process != nil {
		err = errors.Join(err, s.process.Stop())
	}
	return s.process, err
}

// starting is a scheduler of which one may wait more than once until it is ready.
type starting struct {
	kubeconfig string
	config     []byte
	reap       func(*Process)

	process  *Process
	attempts int
	ready    bool
	refused  error // it will not start, ever
}

// wait launches the scheduler where there is none, and returns when it is ready, or has not become so in time; then it goes on starting. A *RefusedError is final. The port is free when it is
// chosen, and may be another's a moment later: hence three attempts.
func (s *starting) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyBound, fmt.Errorf("kube-scheduler was not ready within %v", readyBound))
	defer cancel()
	for !s.ready {
		if s.refused != nil {
			return s.refused
		}
		if s.process == nil {
			p, err := launch(s.kubeconfig, s.config)
			if err != nil {
				return err
			}
			s.process = p
			s.attempts++
			s.reap(p)
		}
		err := s.process.ready(ctx)
		if _, ended := errors.AsType[*RefusedError](err); ended {
			clash := strings.Contains(s.process.Log(), "address already in use")
			err = errors.Join(err, s.process.Stop())
			if !clash || s.attempts == 3 {
				s.refused = err
				continue
			}
			s.process = nil
			continue
		}
		if err != nil {
			return err
		}
		s.ready = true
	}
	return nil
}

func find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	w, err := workbook.Find(dir)
	if err != nil {
		return "", err
	}
	paths, err := binaries.Find(w.Root, binaries.Lab())
	if err != nil {
		return "", err
	}
	return paths[binaries.Scheduler.Name], nil
}

// launch starts the process. Its command line names its folder, by which ephemeral.Sweep knows whose it is.
func launch(kubeconfig string, config []byte) (*Process, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	if err := ephemeral.Sweep(); err != nil {
		return nil, err
	}
	dir, clean, err := ephemeral.New()
	if err != nil {
		return nil, err
	}
	port, err := loopback.FreePort()
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	p := &Process{dir: dir, clean: clean, port: strconv.Itoa(port), ended: make(chan struct{})}
	file := filepath.Join(dir, "scheduler.yaml")
	if err := os.WriteFile(file, fill(config, kubeconfig), 0o600); err != nil {
		return nil, errors.Join(err, clean())
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	p.cmd = exec.Command(program, "--config="+file, "--bind-address=127.0.0.1", "--secure-port="+p.port, "--v=2")
	p.cmd.Env = environ.Servers()
	p.cmd.Stdout, p.cmd.Stderr = log, log // files: what copies a pipe would be a goroutine
	err = p.cmd.Start()
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("start kube-scheduler: %w", err), clean())
	}
	return p, nil
}

// ready returns when the scheduler has read all that it watches, or has ended.
func (p *Process) ready(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, Proxy: nil,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // it makes its certificate itself, and listens on loopback
	}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.isReady(ctx, client) {
			return nil
		}
		select {
		case <-p.ended:
			return &RefusedError{Words: p.words(), Log: p.Tail(tailLines)}
		case <-ctx.Done():
			return fmt.Errorf("%w; its log ends with\n%s", context.Cause(ctx), p.Tail(tailLines))
		case <-tick.C:
		}
	}
}

func (p *Process) isReady(ctx context.Context, client *http.Client) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1:"+p.port+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop ends the process, and returns when it has. It may be called again.
func (p *Process) Stop() error {
	if p.clean == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(stopBound):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	clean := p.clean
	p.clean = nil
	return clean()
}

func (p *Process) logFile() string { return filepath.Join(p.dir, "kube-scheduler.log") }

// Log is all that the scheduler has logged. It is empty after Stop.
func (p *Process) Log() string {
	data, err := os.ReadFile(p.logFile())
	if err != nil {
		return ""
	}
	return string(data)
}

// Tail is the end of the log.
func (p *Process) Tail(lines int) string {
	all := strings.Split(strings.TrimSpace(p.Log()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// words is why the scheduler has ended: what it logs last when a command fails, or its last line.
func (p *Process) words() string {
	all := strings.Split(strings.TrimSpace(p.Log()), "\n")
	for i := len(all) - 1; i >= 0; i-- {
		if _, quoted, ok := strings.Cut(all[i], `"command failed" err=`); ok {
			if words, err := strconv.Unquote(strings.TrimSpace(quoted)); err == nil {
				return words
			}
			return quoted
		}
		if words, ok := strings.CutPrefix(all[i], "Error: "); ok {
			return words
		}
	}
	return all[len(all)-1]
}
