package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/types"

	"github.com/kubekata/kubekata/e2e/process"
)

// bound is for each thing that is waited for: a second or two, on a machine that has nothing else to do.
const bound = time.Minute

// journey is what a feature has for itself.
type journey struct {
	namespace string
	// group is for the definitions that the journey makes.
	group     string
	processes []*process.Process
}

type journeyKey struct{}

// of returns the journey of a feature.
func of(ctx context.Context) *journey { return ctx.Value(journeyKey{}).(*journey) }

// begin makes a namespace for a feature.
func begin(ctx context.Context, _ *envconf.Config, t *testing.T, f types.Feature) (context.Context, error) {
	ns := "e2e-" + rand.String(8)
	if _, err := try(ctx, "create", "namespace", ns); err != nil {
		return ctx, err
	}
	t.Logf("%s: namespace %s", f.Name(), ns)
	j := &journey{namespace: ns, group: ns + ".kubekata.dev"}
	// A setup that fails skips what is registered with AfterEachFeature; a clean-up comes in any case.
	t.Cleanup(func() { j.end(context.WithoutCancel(ctx), t, f.Name()) })
	return context.WithValue(ctx, journeyKey{}, j), nil
}

// ended are the namespaces of the journeys that are over. The server takes its time for their ends, and the next journey need not wait for that.
var ended []string

// gone waits for the ends of the journeys' namespaces.
func gone(ctx context.Context) error {
	if len(ended) == 0 {
		return nil
	}
	if _, err := try(ctx, append([]string{"wait", "--for=delete", "--timeout=60s"}, ended...)...); err != nil {
		return fmt.Errorf("a journey's namespace stays: %w", err)
	}
	return nil
}

// end says what was going on when a feature has failed, ends its processes, and removes what it has made.
func (j *journey) end(ctx context.Context, t *testing.T, name string) {
	if t.Failed() {
		events, err := try(ctx, "get", "events", "--namespace="+j.namespace, "--sort-by=.lastTimestamp")
		t.Logf("%s has failed in namespace %s; its last events (%v):\n%s", name, j.namespace, err, last(events, 15))
		for _, p := range j.processes {
			t.Log(p.Tail())
		}
		if onKind != nil {
			pods, err := try(ctx, "get", "pods", "--namespace="+j.namespace, "--output=wide")
			logs, logsErr := try(ctx, "logs", "--namespace="+j.namespace, "--selector=app.kubernetes.io/name", "--prefix", "--tail=20")
			t.Logf("its pods (%v):\n%s\nand the last that they have written (%v):\n%s", err, pods, logsErr, logs)
		}
	}
	var errs []error
	for _, p := range j.processes {
		errs = append(errs, p.Kill())
	}
	_, err := try(ctx, "delete", "namespace", j.namespace, "--ignore-not-found", "--wait=false")
	errs = append(errs, err)
	ended = append(ended, "namespace/"+j.namespace)
	definitions, err := try(ctx, "get", "customresourcedefinitions", "--output=name")
	errs = append(errs, err)
	for name := range strings.Lines(definitions) {
		if name = strings.TrimSpace(name); strings.HasSuffix(name, "."+j.group) {
			_, err := try(ctx, "delete", name, "--timeout=60s")
			errs = append(errs, err)
		}
	}
	// What a manifest has outside of the namespace has its name.
	_, err = try(ctx, "delete", "clusterrole/"+j.namespace, "clusterrolebinding/"+j.namespace, "--ignore-not-found", "--timeout=60s")
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		t.Errorf("clean up after %s: %v", name, err)
	}
}

func last(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// built are the programs that are there already, by their katas' IDs.
var built = map[string]string{}

// program builds a kata's program, once in a run.
func program(ctx context.Context, t *testing.T, stage int, kata string) string {
	t.Helper()
	k, err := book.One(stage, kata)
	if err != nil {
		t.Fatal(err)
	}
	if bin, ok := built[k.ID()]; ok {
		return bin
	}
	dir := filepath.Join(programs, fmt.Sprintf("stage%d-%s", k.Stage, k.Slug()))
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	bin, err := process.Build(ctx, k, code, "cmd", dir)
	if err != nil {
		t.Fatal(err)
	}
	built[k.ID()] = bin
	return bin
}

// start starts a program for a journey, which ends with it.
func start(ctx context.Context, t *testing.T, name, bin string, args ...string) *process.Process {
	t.Helper()
	p, err := process.Start(name, bin, provider.KubectlEnv(), args...)
	if err != nil {
		t.Fatal(err)
	}
	j := of(ctx)
	j.processes = append(j.processes, p)
	return p
}

// ready starts a program, and waits until it has written a text.
func ready(ctx context.Context, t *testing.T, text, name, bin string, args ...string) *process.Process {
	t.Helper()
	p := start(ctx, t, name, bin, args...)
	eventually(ctx, t, fmt.Sprintf("%s writes %q", name, text), func(context.Context) error {
		if p.Wrote(text) {
			return nil
		}
		if p.Ended() {
			t.Fatalf("%s has ended (%v), before it has written %q\n%s", name, p.Wait(ctx), text, p.Tail())
		}
		return errors.New("it has not yet")
	})
	return p
}

// try runs kubectl.
func try(ctx context.Context, args ...string) (string, error) { return tryWith(ctx, "", args...) }

func tryWith(ctx context.Context, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, kubectl, args...)
	cmd.Env = append(os.Environ(), provider.KubectlEnv()...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}

// in runs kubectl in the journey's namespace. An error ends the journey.
func in(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(ctx, append(args, "--namespace="+of(ctx).namespace)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// apply applies an object in the journey's namespace. An error ends the journey.
func apply(ctx context.Context, t *testing.T, manifest string) {
	t.Helper()
	if _, err := tryWith(ctx, manifest, "apply", "--filename=-", "--namespace="+of(ctx).namespace); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until there is no error, for a bound, and no longer than the journey's processes live. The failure says what was
// waited for, and the last error.
func eventually(ctx context.Context, t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, bound, true, func(ctx context.Context) (bool, error) {
		for _, p := range of(ctx).processes {
			if p.Died() {
				return false, fmt.Errorf("%s has died", p.Name)
			}
		}
		err := check(ctx)
		if ctx.Err() == nil || last == nil { // what the end of the wait has broken off says nothing
			last = err
		}
		return err == nil, nil
	})
	if err != nil {
		if wait.Interrupted(err) {
			err = fmt.Errorf("not within %v", bound)
		}
		t.Fatalf("waited until %s: %v: %v", what, err, last)
	}
}

// becomes waits until kubectl's output in the journey's namespace is a text.
func becomes(ctx context.Context, t *testing.T, want string, args ...string) {
	t.Helper()
	eventually(ctx, t, fmt.Sprintf("kubectl %s is %q", strings.Join(args, " "), want), func(ctx context.Context) error {
		got, err := try(ctx, append(args, "--namespace="+of(ctx).namespace)...)
		if err == nil && strings.TrimSpace(got) != want {
			err = fmt.Errorf("it is %q", strings.TrimSpace(got))
		}
		return err
	})
}
