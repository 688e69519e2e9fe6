package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/kubekata/kubekata/e2e/process"
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

func TestLeaderElection(t *testing.T) {
	const kills = 10
	testenv.Test(t, features.New("three candidates").WithLabel("stage", "6").
		Assess("lead one after the other, however often the leader is killed", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			bin, all := program(ctx, t, 6, "leader-election"), []*process.Process{}
			candidate := func() {
				name := fmt.Sprint("candidate-", len(all)+1)
				// A lease of two seconds is long enough for a busy machine, and short enough for ten kills.
				all = append(all, ready(ctx, t, "I am ", name, bin, "-id="+name, "-n="+of(ctx).namespace, "-lease=2s", "-deadline=1200ms", "-retry=300ms"))
			}
			for range 3 {
				candidate()
			}
			for range kills {
				var leads *process.Process
				eventually(ctx, t, "a candidate leads, and sends an invoice", func(context.Context) error {
					if leads = leader(all); leads == nil {
						return errors.New("nobody does")
					}
					return nil
				})
				if err := leads.Kill(); err != nil {
					t.Fatal(err)
				}
				candidate()
			}
			eventually(ctx, t, "somebody leads after the last kill", func(context.Context) error {
				if leader(all) == nil {
					return errors.New("nobody does")
				}
				return nil
			})
			sent := invoices(all)
			var turns []string
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
			if len(turns) != kills+1 {
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
					t.Errorf("stop %s: %v\n%s", p.Name, err, p.Tail())
				}
			}
			becomes(ctx, t, "", "get", "lease", "invoices", "--output=jsonpath={.spec.holderIdentity}")
			return ctx
		}).Feature())
}
