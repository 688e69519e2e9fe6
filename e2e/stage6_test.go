package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/kubekata/kubekata/e2e/process"
	"github.com/kubekata/kubekata/harness/loopback"
)

// invoice is one that a candidate says that it has sent. The number is taken from a ConfigMap with an update that fails when somebody else has taken it.
type invoice struct {
	at     time.Time
	by     string
	number int
}

// invoices are those of all candidates, in the order of their times.
func invoices(candidates []*process.Process) []invoice {
	var all []invoice
	for _, p := range candidates {
		for _, line := range p.Lines() {
			var clock string
			var number int
			if n, _ := fmt.Sscanf(line.Text, "%s invoice %d is sent", &clock, &number); n == 2 {
				all = append(all, invoice{line.At, p.Name, number})
			}
		}
	}
	slices.SortFunc(all, func(a, b invoice) int { return a.at.Compare(b.at) })
	return all
}

// leader is the candidate that leads, and has sent an invoice.
func leader(candidates []*process.Process) *process.Process {
	for _, p := range candidates {
		if !p.Ended() && p.Wrote("is sent") {
			return p
		}
	}
	return nil
}

// turns are the candidates that have sent invoices, one after the other. It is an error when a number is missing or was sent twice, and when two
// have led at once.
func turns(t *testing.T, candidates []*process.Process) []string {
	t.Helper()
	var turns []string
	sent := invoices(candidates)
	for i, this := range sent {
		if i > 0 {
			before := sent[i-1]
			// Who is killed may have taken a number, and not have said so any more.
			if skipped := this.number - before.number - 1; skipped < 0 || skipped > 0 && (skipped > 1 || this.by == before.by) {
				t.Errorf("invoice %d by %s comes after %d by %s: one is missing, or was sent twice", this.number, this.by, before.number, before.by)
			}
		}
		if len(turns) == 0 || turns[len(turns)-1] != this.by {
			if slices.Contains(turns, this.by) {
				t.Errorf("%s sends invoice %d, and another candidate has sent some since its last: two have led at once", this.by, this.number)
			}
			turns = append(turns, this.by)
		}
	}
	return turns
}

// kills is how many leaders are killed.
const kills = 10

// A lease of two seconds is long enough for a busy machine, and short enough for ten kills.
var timing = []string{"-lease=2s", "-deadline=1200ms", "-retry=300ms"}

// elect starts three candidates, and another one for each leader that it kills. It returns them all when one leads after the last kill.
func elect(ctx context.Context, t *testing.T, candidate func(name string) *process.Process) []*process.Process {
	t.Helper()
	var all []*process.Process
	add := func() { all = append(all, candidate(fmt.Sprint("candidate-", len(all)+1))) }
	candidates := func() []*process.Process { return all }
	for range 3 {
		add()
	}
	for range kills {
		if err := leads(ctx, t, candidates).Kill(); err != nil {
			t.Fatal(err)
		}
		add()
	}
	leads(ctx, t, candidates)
	return all
}

// leads waits for a candidate that leads, and has sent an invoice. Which candidates there are, is asked again and again.
func leads(ctx context.Context, t *testing.T, candidates func() []*process.Process) *process.Process {
	t.Helper()
	var found *process.Process
	eventually(ctx, t, "a candidate leads, and sends an invoice", func(context.Context) error {
		if found = leader(candidates()); found == nil {
			return errors.New("nobody does")
		}
		return nil
	})
	return found
}

func TestLeaderElection(t *testing.T) {
	testenv.Test(t, features.New("three candidates").WithLabel("stage", "6").WithLabel("provider", "lab").
		Assess("lead one after the other, however often the leader is killed", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			bin := program(ctx, t, 6, "leader-election")
			all := elect(ctx, t, func(name string) *process.Process {
				return ready(ctx, t, "I am ", name, bin, append([]string{"-id=" + name, "-n=" + of(ctx).namespace}, timing...)...)
			})
			if turns := turns(t, all); len(turns) != kills+1 {
				t.Errorf("%d candidates have sent invoices, one after the other, want %d: %s", len(turns), kills+1, strings.Join(turns, ", "))
			}
			return ctx
		}).
		Assess("give the lease back when they are stopped", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			bounded, cancel := context.WithTimeout(ctx, bound)
			defer cancel()
			for _, p := range of(ctx).processes {
				if p.Ended() {
					continue
				}
				if err := p.Stop(bounded); err != nil {
					t.Errorf("stop %s: %v", p.Name, err)
				}
			}
			becomes(ctx, t, "", "get", "lease", "invoices", "--output=jsonpath={.spec.holderIdentity}")
			return ctx
		}).Feature())
}

// killsInPods are fewer than kills: the new pod of each takes some seconds.
const killsInPods = 3

func TestLeaderElectionInPods(t *testing.T) {
	const deployment = "candidate"
	// logs are those of the pods. Each ends when its pod does.
	logs := map[string]*process.Process{}
	follow := func(ctx context.Context, t *testing.T) []*process.Process {
		t.Helper()
		ready := `--output=jsonpath={range .items[?(@.status.containerStatuses[0].ready==true)]}{.metadata.name}{"\n"}{end}`
		for pod := range strings.FieldsSeq(in(ctx, t, "get", "pods", "--selector=app.kubernetes.io/name="+deployment, ready)) {
			if logs[pod] == nil {
				logs[pod] = start(ctx, t, pod, kubectl, "logs", "--follow", "--namespace="+of(ctx).namespace, "pod/"+pod)
			}
		}
		return slices.Collect(maps.Values(logs))
	}

	testenv.Test(t, features.New("three candidates in pods").WithLabel("stage", "6").WithLabel("provider", "kind").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			runInPods(ctx, t, candidateImage, 6, "leader-election", 3)
			return ctx
		}).
		Assess("lead one after the other, however often the leader's pod is deleted by force", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			candidates := func() []*process.Process { return follow(ctx, t) }
			for range killsInPods {
				led := leads(ctx, t, candidates)
				led.ExpectEnd()
				// The kubelet sends a SIGTERM first, even so: the lease may have been given back.
				in(ctx, t, "delete", "pod", led.Name, "--force", "--grace-period=0", "--timeout=60s")
				eventually(ctx, t, "the log of "+led.Name+" ends", func(context.Context) error {
					if !led.Ended() {
						return errors.New("it goes on")
					}
					return nil
				})
			}
			leads(ctx, t, candidates)
			if turns := turns(t, candidates()); len(turns) != killsInPods+1 {
				t.Errorf("%d candidates have sent invoices, one after the other, want %d: %s", len(turns), killsInPods+1, strings.Join(turns, ", "))
			}
			return ctx
		}).
		Assess("give the lease back when they are stopped", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			for _, log := range logs {
				log.ExpectEnd()
			}
			in(ctx, t, "scale", "deployment/"+deployment, "--replicas=0")
			becomes(ctx, t, "", "get", "lease", "invoices", "--output=jsonpath={.spec.holderIdentity}")
			return ctx
		}).Feature())
}

// redisServer starts a Redis that keeps what it has in a folder: it may be killed, and started again. Where there is no redis-server on the PATH, it
// is the program's own, which keeps nothing.
func redisServer(ctx context.Context, t *testing.T, dir, addr string) *process.Process {
	t.Helper()
	installed, err := exec.LookPath("redis-server")
	if err != nil {
		return ready(ctx, t, "a Redis listens", "Redis", program(ctx, t, 6, "redis-lock"), "-serve", "-redis="+addr)
	}
	// A copy, which the next run ends when we are killed and cannot.
	bin := filepath.Join(programs, "redis-server")
	if _, err := os.Stat(bin); err != nil {
		data, err := os.ReadFile(installed)
		if err == nil {
			err = os.WriteFile(bin, data, 0o700)
		}
		if err != nil {
			t.Fatalf("copy redis-server: %v", err)
		}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return ready(ctx, t, "Ready to accept connections", "redis-server", bin,
		"--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
}

func TestRedisLock(t *testing.T) {
	port, err := loopback.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	var (
		dir, addr = t.TempDir(), fmt.Sprintf("127.0.0.1:%d", port)
		redis     *process.Process
		all       []*process.Process
	)
	candidate := func(ctx context.Context, t *testing.T, name string) *process.Process {
		args := []string{"-id=" + name, "-n=" + of(ctx).namespace, "-redis=" + addr}
		return ready(ctx, t, "I am ", name, program(ctx, t, 6, "redis-lock"), append(args, timing...)...)
	}
	journey := features.New("three candidates with a lock in Redis").WithLabel("stage", "6").WithLabel("provider", "lab").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			redis = redisServer(ctx, t, dir, addr)
			return ctx
		}).
		Assess("lead one after the other, however often the leader is killed", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			all = elect(ctx, t, func(name string) *process.Process { return candidate(ctx, t, name) })
			if turns := turns(t, all); len(turns) != kills+1 {
				t.Errorf("%d candidates have sent invoices, one after the other, want %d: %s", len(turns), kills+1, strings.Join(turns, ", "))
			}
			return ctx
		})
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("there is no redis-server on the PATH, and the program's own Redis keeps nothing: it is not killed")
	} else {
		journey.Assess("go on where they were when Redis is killed and comes back", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			// Who leads loses the lock, if Redis takes longer than the deadline.
			led := leads(ctx, t, func() []*process.Process { return all })
			led.ExpectEnd()
			before := len(invoices(all))
			if err := redis.Kill(); err != nil {
				t.Fatal(err)
			}
			redis = redisServer(ctx, t, dir, addr)
			eventually(ctx, t, "two more invoices are sent", func(context.Context) error {
				if n := len(invoices(all)); n < before+2 {
					return fmt.Errorf("%d are sent, want %d", n, before+2)
				}
				return nil
			})
			if turns := turns(t, all); len(turns) < kills+1 || len(turns) > kills+2 {
				t.Errorf("%d candidates have sent invoices, want %d or one more: %s", len(turns), kills+1, strings.Join(turns, ", "))
			}
			return ctx
		})
	}
	testenv.Test(t, journey.Feature())
}
