package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/onsi/ginkgo/v2"
)

// stopBound is how long a learner's loop may take to return after its context has ended.
const stopBound = 5 * time.Second

// Loop is learner's code that runs beside a spec.
type Loop struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Start runs a learner's loop (a controller, an informer, a server) until the spec ends or [Loop.Stop] is called.
//
// A loop that returns before that ends the spec at once: with its error, which on a stub is the "not implemented" one,
// or with the remark that it returned too early. Call Start in the It, and pass the context that it returns to every
// Eventually that waits for the loop's effect: it ends when the loop or the It does. After the spec, a loop that has not returned within five seconds of
// its context's end fails it.
func Start(ctx context.Context, name string, run func(context.Context) error) (context.Context, *Loop) {
	ginkgo.GinkgoHelper()
	// The loop is ended by the cleanup, not by the end of the It: it would otherwise race with it.
	loopCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	waitCtx, giveUp := context.WithCancelCause(ctx)
	l := &Loop{name: name, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		defer giveUp(fmt.Errorf("%s has returned", name))
		// First of all, the failure is recorded: the spec may be over as soon as its waits have been given up.
		defer ginkgo.GinkgoRecover()
		l.err = run(loopCtx)
		if loopCtx.Err() != nil {
			return // it was asked to
		}
		if l.err != nil {
			ginkgo.Fail(fmt.Sprintf("%s returned early: %v", name, l.err))
		}
		ginkgo.Fail(fmt.Sprintf("%s returned early, without an error: it must run until its context ends", name))
	}()
	ginkgo.DeferCleanup(func() {
		if err := l.Stop(); err != nil {
			ginkgo.Fail(err.Error())
		}
	})
	return waitCtx, l
}

// Stop ends the loop's context and waits for the loop to return. The error says that it did not, within five seconds;
// what the loop itself returned is in [Loop.Err].
func (l *Loop) Stop() error {
	l.cancel()
	select {
	case <-l.done:
		return nil
	case <-time.After(stopBound):
		return fmt.Errorf("%s has not returned %v after its context ended", l.name, stopBound)
	}
}

// Err returns what the loop returned, and nil while it runs.
func (l *Loop) Err() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

// Done is closed when the loop has returned.
func (l *Loop) Done() <-chan struct{} { return l.done }
