package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/environ"
	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/workbook"
)

const (
	readyBound = 30 * time.Second
	stopBound  = 10 * time.Second
)

// process is the lab's kube-scheduler, with a configuration of ours.
type process struct {
	cmd    *exec.Cmd
	log    string
	server string
	ended  chan struct{}
}

// startScheduler starts kube-scheduler with a configuration. dir is on its command line, and holds its log.
func startScheduler(dir string, configuration []byte) (*process, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	book, err := workbook.Find(here)
	if err != nil {
		return nil, err
	}
	programs, err := binaries.Find(book.Root, binaries.Lab())
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "scheduler.yaml")
	if err := os.WriteFile(file, configuration, 0o600); err != nil {
		return nil, err
	}
	port, err := loopback.FreePort()
	if err != nil {
		return nil, err
	}
	secure := strconv.Itoa(port)
	p := &process{log: filepath.Join(dir, "kube-scheduler.log"), server: "https://127.0.0.1:" + secure, ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(programs[binaries.Scheduler.Name], "--config="+file, "--bind-address=127.0.0.1", "--secure-port="+secure, "--v=2")
	p.cmd.Env = environ.Servers()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which then ends that one
	if err := errors.Join(p.cmd.Start(), log.Close()); err != nil {
		return nil, fmt.Errorf("start kube-scheduler: %w", err)
	}
	go func() {
		_ = p.cmd.Wait() // how it has ended is in its log
		close(p.ended)
	}()
	return p, nil
}

// ready returns when kube-scheduler has read all that it watches.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyBound, fmt.Errorf("kube-scheduler was not ready within %v", readyBound))
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // it makes its certificate itself
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// failure is why kube-scheduler has ended: the end of its log.
func (p *process) failure() error {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return fmt.Errorf("kube-scheduler has ended, and its log with\n%s", strings.Join(lines[max(0, len(lines)-3):], "\n"))
}

// stop ends kube-scheduler, and returns when it has.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(stopBound):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}
