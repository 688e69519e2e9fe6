// Package crash turns a panic on a goroutine of client-go into a red spec: in a handler, a reflector or a queue nobody can recover
// it, and in a real program it ends the process. One in a Reconcile of controller-runtime's is seen as well. Importing the package is enough for that; [Guard] also ends the spec's waits.
package crash

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/onsi/ginkgo/v2"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/kubekata/kubekata/harness/report"
)

var (
	mu   sync.Mutex
	stop = func() {}
)

func init() {
	utilruntime.ReallyCrash = false
	utilruntime.PanicHandlers = append(utilruntime.PanicHandlers, handle)
}

// Guard returns a context that ends with ctx, and when something panics on such a goroutine. Pass it to every Eventually
// that waits for what such a goroutine does. There is one guard at a time: the last one's context is the one that is ended.
func Guard(ctx context.Context) context.Context {
	mu.Lock()
	defer mu.Unlock()
	ctx, stop = context.WithCancel(ctx)
	return ctx
}

func handle(_ context.Context, reason any) {
	mu.Lock()
	defer mu.Unlock()
	defer stop()
	defer ginkgo.GinkgoRecover()
	stack := string(debug.Stack())
	where := slices.DeleteFunc(report.Frames(stack), func(frame string) bool {
		return strings.Contains(frame, "_test.go:")
	})
	what := "a panic on a goroutine of client-go, which ends a program"
	if strings.Contains(stack, "sigs.k8s.io/controller-runtime/pkg/internal/controller") {
		what = "a panic in Reconcile, which the manager catches, and tries again"
	}
	ginkgo.Fail(fmt.Sprintf("%s: %v\n  at %s", what, reason, strings.Join(where, "\n  at ")), learners())
}

// learners says how far above handle the learner's code is, which a panic leaves on the stack; 0 when it is not there.
func learners() int {
	for skip := 1; ; skip++ {
		_, file, _, ok := runtime.Caller(skip)
		if !ok {
			return 0
		}
		if rel := report.Relative(file); strings.HasPrefix(rel, "katas/") && !strings.HasSuffix(rel, "_test.go") {
			return skip - 1
		}
	}
}
