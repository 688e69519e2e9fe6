// Package bench runs specs against operators: it is to the specs what a test framework is, and the one that grades them.
package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	. "github.com/onsi/gomega"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/operator"
)

// Spec is one requirement, and the test whether an operator meets it.
type Spec struct {
	// Name is a sentence about the operator: "follows the Site's image".
	Name string
	// Run fails g when the operator on the bench does not meet the requirement. It leaves nothing running.
	Run func(ctx context.Context, g Gomega, b Bench)
}

// Bench is what a spec has at hand.
type Bench struct {
	// Operator makes the operator that is tested. It may be called several times, with different clients.
	Operator operator.Maker
	// Scheme knows Sites, and Kubernetes' own kinds.
	Scheme *apiruntime.Scheme
	// Config leads to a real API server that serves Sites. When the specs are graded there are no controllers there: nothing happens by itself.
	// (make run takes the lab, where a Deployment's replicas get ready after a while.)
	Config *rest.Config
	// Namespace is the spec's own, on that server.
	Namespace string
}

// Result is how a spec ended.
type Result struct {
	Name string
	// Failure is why it failed, nil when it passed.
	Failure error
}

// Run runs one spec. One that fails, panics, ends its goroutine, or has not returned when ctx ends, has failed.
func Run(ctx context.Context, s Spec, b Bench) Result {
	v := &verdict{done: make(chan struct{})}
	go func() {
		defer close(v.done)
		finished := false
		defer func() {
			if reason := recover(); reason != nil {
				v.fail(fmt.Sprintf("panic: %v", reason))
			} else if !finished {
				v.fail("it ended its goroutine")
			}
		}()
		s.Run(ctx, NewGomega(func(message string, _ ...int) {
			v.fail(message)
			runtime.Goexit() // as t.FailNow does, also on a goroutine of the spec's own
		}), b)
		finished = true
	}()
	select {
	case <-v.done:
	case <-ctx.Done():
		v.fail(fmt.Sprintf("it has not returned: %v", context.Cause(ctx)))
	}
	return Result{s.Name, v.failure()}
}

// verdict keeps the first failure of a spec.
type verdict struct {
	done  chan struct{}
	mu    sync.Mutex
	first error
}

func (v *verdict) fail(message string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.first == nil {
		v.first = errors.New(strings.TrimSpace(message))
	}
}

func (v *verdict) failure() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.first
}
