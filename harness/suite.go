package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"
	"github.com/onsi/gomega/format"

	"github.com/kubekata/kubekata/harness/environ"
	"github.com/kubekata/kubekata/harness/report"
)

// BoundEnv overrides how long an It may take, as a Go duration: more for a very slow machine.
const BoundEnv = "KUBEKATA_BOUND"

// Bounds of a node, after which its spec fails. They are far above what a spec needs (the slowest takes a few
// seconds), because a laptop that compiles in the background must not turn a right answer red.
const (
	nodeBound  = 30 * time.Second
	suiteBound = 2 * time.Minute // set-up and clean-up, which may start a control plane
	nodeGrace  = 3 * time.Second // from the end of the node's context to its abandonment
)

// RunSpecs runs the package's specs, as ginkgo.RunSpecs does. Call it once, from the package's only Test function. It
// points KUBECONFIG at nothing and removes what else leads to a cluster ([environ.Forget]), for the whole process.
//
// Each spec gets a context that ends after 30 seconds (see [BoundEnv]); it then fails, and the
// next ones go on. A spec that does not even return then cannot be stopped from outside in Go: it fails with
// the place in the learner's code where it hangs, and the rest of the suite is not run.
func RunSpecs(t *testing.T, description string) bool {
	t.Helper()
	gomega.RegisterFailHandler(ginkgo.Fail)
	// A whole Pod in a failure message buries the sentence before it, and so do an error's unexported fields.
	format.MaxLength = 2000
	format.TruncatedDiff = false // a line that says how things are is read whole
	format.RegisterCustomFormatter(func(value any) (string, bool) {
		err, ok := value.(error)
		if !ok || isNil(value) {
			return "", false
		}
		return err.Error(), true
	})
	gomega.SetDefaultEventuallyTimeout(10 * time.Second)
	gomega.EnforceDefaultTimeoutsWhenUsingContexts() // Gomega otherwise waits until the spec's context ends
	gomega.SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	gomega.SetDefaultConsistentlyDuration(500 * time.Millisecond)
	gomega.SetDefaultConsistentlyPollingInterval(20 * time.Millisecond)

	if err := environ.Forget(); err != nil {
		t.Fatal(err)
	}
	suite, reporter := ginkgo.GinkgoConfiguration()
	if focus := os.Getenv(report.FocusEnv); focus != "" {
		// Ginkgo matches against the suite's description and the spec's text.
		suite.FocusStrings = []string{regexp.QuoteMeta(focus) + "$"}
	}
	if os.Getenv(report.Env) != "" {
		reporter.Succinct = true
		reporter.NoColor = true
	}
	return ginkgo.RunSpecs(t, description, suite, reporter, ginkgo.AroundNode(bounded))
}

// bounded is the AroundNode of every suite.
func bounded(ctx context.Context, body func(context.Context)) {
	bound := nodeBound
	if ginkgo.CurrentSpecReport().LeafNodeType != types.NodeTypeIt {
		bound = suiteBound
	} else if d, err := time.ParseDuration(os.Getenv(BoundEnv)); err == nil && d > 0 {
		bound = d
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("the spec did not end within %v", bound))
	defer cancel()

	done := make(chan struct{})
	go func() {
		defer close(done)
		returned := false
		defer func() {
			if !returned {
				// Nothing more happens here when a failure, a panic or a Skip has been recorded. What is left is
				// runtime.Goexit, by a t.FailNow in the learner's code: it unwinds in silence, and must not pass.
				defer ginkgo.GinkgoRecover()
				ginkgo.Fail("the spec's goroutine was ended by runtime.Goexit (t.FailNow, t.Fatal or t.Skip)")
			}
		}()
		defer ginkgo.GinkgoRecover()
		body(ctx)
		returned = true
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			// Whatever the spec found when it came back, it waited for its own end.
			ginkgo.Fail(context.Cause(ctx).Error() + ": the code waited until its context ended")
		}
	}()
	timer := time.NewTimer(bound + nodeGrace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		ginkgo.AbortSuite(hungMessage(bound))
	}
}

// hungMessage says where the workbook's own code stands when a node does not return.
func hungMessage(bound time.Duration) string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	msg := fmt.Sprintf("the spec did not return within %v: an endless loop, or a wait for something that never comes", bound)
	if at := hungAt(string(buf)); len(at) > 0 {
		msg += "\nit stands at:\n  " + strings.Join(at, "\n  ")
	}
	return msg
}

// hungAt returns the learner's frames of every goroutine that has some, innermost first.
func hungAt(stacks string) []string {
	var at []string
	for goroutine := range strings.SplitSeq(stacks, "\n\n") {
		for _, f := range report.Frames(goroutine) {
			if !strings.Contains(f, "_test.go:") {
				at = append(at, f)
				break
			}
		}
	}
	return at
}

// isNil reports whether an interface holds a nil pointer, of which Error may not be called.
func isNil(value any) bool {
	v := reflect.ValueOf(value)
	return v.Kind() == reflect.Pointer && v.IsNil()
}
