package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kubekata/kubekata/harness/workbook"
)

// What the doctor needs others for: the network, the system's limits, Docker. Each look has a bound.

const (
	probeBound = 5 * time.Second
	// enoughFiles is what the lab's servers and a test process take together, with room: the API server alone holds a
	// connection for each of its caches.
	enoughFiles = 1024
	// skew is how far the clock may be wrong before certificates and tokens are refused.
	skew = 5 * time.Minute
)

// modulesSymptom looks whether all modules are there, and if not, whether a proxy answers.
func modulesSymptom(ctx context.Context, w *workbook.Workbook) symptom {
	have := exec.CommandContext(ctx, "go", "mod", "download")
	have.Dir, have.Env = w.Root, append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod")
	if have.Run() == nil {
		return symptom{ok: true, text: "all modules are there; the loop needs no network"}
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOPROXY").Output()
	if err != nil {
		return fromError(fmt.Errorf("go env: %w", err), "make doctor again, when go runs")
	}
	var refused []error
	for _, proxy := range strings.FieldsFunc(strings.TrimSpace(string(out)), func(r rune) bool { return r == ',' || r == '|' }) {
		switch {
		case proxy == "off":
			return symptom{text: "modules are missing, and GOPROXY forbids their download", mend: "go env -u GOPROXY, then make setup"}
		case proxy == "direct":
			return symptom{warn: true, text: "modules are missing, and will be fetched from their repositories, with git", mend: "make setup fetches them; a proxy is faster: go env -w GOPROXY=https://proxy.golang.org,direct"}
		case strings.HasPrefix(proxy, "file:"):
			return symptom{ok: true, text: "modules are missing, and will be copied from " + proxy}
		}
		if err := answers(ctx, proxy+"/golang.org/x/mod/@v/list"); err != nil {
			refused = append(refused, err)
			continue
		}
		return symptom{ok: true, text: "modules are missing, and the module proxy answers"}
	}
	return symptom{
		text: "modules are missing, and no module proxy answers: " + strings.ReplaceAll(errors.Join(refused...).Error(), "\n", "; "),
		mend: "check the network and HTTPS_PROXY; a company often has a module proxy of its own: go env -w GOPROXY=…",
	}
}

func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", req.URL.Host, resp.Status)
	}
	return nil
}

// portsSymptom looks whether servers can listen where only this machine reaches them.
func portsSymptom(ctx context.Context, _ *workbook.Workbook) symptom {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return symptom{text: "no port can be opened on 127.0.0.1: " + err.Error(), mend: "a firewall or a sandbox forbids it; the control plane listens there and nowhere else"}
	}
	defer l.Close()
	addresses, err := net.DefaultResolver.LookupIPAddr(ctx, "localhost")
	if err != nil {
		return symptom{text: "localhost has no address: " + err.Error(), mend: "add the line \"127.0.0.1 localhost\" to /etc/hosts"}
	}
	for _, a := range addresses {
		if !a.IP.IsLoopback() {
			return symptom{text: "localhost is " + a.String() + ", which is not this machine alone", mend: "mend the line of localhost in /etc/hosts"}
		}
	}
	return symptom{ok: true, text: "servers can listen on 127.0.0.1, and there alone"}
}

// filesSymptom looks how many files a program may open. Go raises its own limit, so a shell is asked.
func filesSymptom(ctx context.Context, _ *workbook.Workbook) symptom {
	out, err := exec.CommandContext(ctx, "sh", "-c", "ulimit -n").Output()
	limit := strings.TrimSpace(string(out))
	if err != nil || limit == "unlimited" {
		return symptom{ok: true, text: "no limit on open files"}
	}
	n, err := strconv.Atoi(limit)
	if err != nil {
		return symptom{warn: true, text: "the limit on open files is not a number: " + limit}
	}
	text := fmt.Sprintf("a program may open %d files", n)
	if n < enoughFiles {
		return symptom{text: text + ", and the control plane needs more", mend: fmt.Sprintf("ulimit -n %d, in the shell that runs make", 4*enoughFiles)}
	}
	return symptom{ok: true, text: text}
}

// clockSymptom looks whether the clock can be right: it is not before the workbook's last commit.
func (a *App) clockSymptom(ctx context.Context, w *workbook.Workbook) symptom {
	now := a.Now()
	git := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct")
	git.Dir = w.Root
	out, err := git.Output()
	seconds, parseErr := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || parseErr != nil {
		return symptom{ok: true, text: "the clock says " + now.Format(time.DateTime)}
	}
	if commit := time.Unix(seconds, 0); commit.Sub(now) > skew {
		return symptom{
			text: fmt.Sprintf("the clock says %s, and the last commit was made at %s: certificates will be refused", now.Format(time.DateTime), commit.Format(time.DateTime)),
			mend: "set the clock",
		}
	}
	return symptom{ok: true, text: "the clock says " + now.Format(time.DateTime)}
}

// dockerSymptom looks for what the journeys on kind need, and nothing else does.
func dockerSymptom(ctx context.Context, _ *workbook.Workbook) symptom {
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	const why = "for the stages it is not needed"
	for _, engine := range []string{"docker", "podman"} {
		path, err := exec.LookPath(engine)
		if err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, path, "version", "--format", "{{.Server.Version}}")
		cmd.WaitDelay = time.Second
		out, err := cmd.Output()
		if err != nil {
			return symptom{warn: true, text: engine + " is there and its engine does not answer; " + why, mend: "start it for a cluster with kind"}
		}
		return symptom{ok: true, text: fmt.Sprintf("%s %s, for a cluster with kind", filepath.Base(path), strings.TrimSpace(string(out)))}
	}
	return symptom{warn: true, text: "no Docker; " + why, mend: "install Docker or Podman for a cluster with kind"}
}
