package workqueue_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	kata "github.com/kubekata/kubekata/katas/stage2/04-workqueue"

	"github.com/kubekata/kubekata/harness"
)

// hands is a Handle that counts. What it does for a key at which attempt is the spec's to say.
type hands struct {
	mu           sync.Mutex
	begun, ended map[string]int
	do           func(ctx context.Context, key string, attempt int) error
}

// working makes hands. Without do they succeed at once.
func working(do func(ctx context.Context, key string, attempt int) error) *hands {
	return &hands{begun: map[string]int{}, ended: map[string]int{}, do: do}
}

func (h *hands) handle(ctx context.Context, key string) error {
	h.mu.Lock()
	h.begun[key]++
	attempt := h.begun[key]
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ended[key]++
	}()
	if h.do == nil {
		return nil
	}
	return h.do(ctx, key, attempt)
}

// calls returns a function for Eventually: how often Handle was called for the key.
func (h *hands) calls(key string) func() int {
	return func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.begun[key]
	}
}

// busy returns for how many keys Handle runs at the moment; one that runs twice counts twice.
func (h *hands) busy() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for key, begun := range h.begun {
		n += begun - h.ended[key]
	}
	return n
}

// handled returns how often each key was worked on to the end.
func (h *hands) handled() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]int{}
	for key, n := range h.ended {
		all[key] = n
	}
	return all
}

// gate holds a Handle until the spec opens it or ends.
type gate struct {
	spec context.Context
	c    chan struct{}
	once sync.Once
}

func closed(ctx SpecContext) *gate { return &gate{spec: ctx, c: make(chan struct{})} }

func (g *gate) open() { g.once.Do(func() { close(g.c) }) }

func (g *gate) wait() {
	select {
	case <-g.c:
	case <-g.spec.Done():
	}
}

// abandoned collects what GaveUp is told.
type abandoned struct {
	mu   sync.Mutex
	keys []string
	errs []error
}

func (a *abandoned) gaveUp(key string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys, a.errs = append(a.keys, key), append(a.errs, err)
}

func (a *abandoned) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string{}, a.keys...)
}

func (a *abandoned) errors() []error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]error{}, a.errs...)
}

// newQueue makes a queue whose retries wait for the delay, by a clock.
func newQueue(delay time.Duration, clock clock.WithTicker) workqueue.TypedRateLimitingInterface[string] {
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](delay, delay),
		workqueue.TypedRateLimitingQueueConfig[string]{Clock: clock},
	)
	DeferCleanup(func() {
		if CurrentSpecReport().Failed() { // otherwise Run has done it, or leaves the queue's goroutine behind, which is reported
			queue.ShutDown()
		}
	})
	return queue
}

// quick makes a queue whose retries come after a millisecond.
func quick() workqueue.TypedRateLimitingInterface[string] {
	return newQueue(time.Millisecond, clock.RealClock{})
}

// run starts the learner's Run, with a short grace period unless the spec is about that. Use the context that it returns from
// then on.
func run(ctx context.Context, p *kata.Processor) (context.Context, *harness.Loop) {
	GinkgoHelper()
	if p.Workers == 0 {
		p.Workers = 1
	}
	if p.Grace == 0 {
		p.Grace = 100 * time.Millisecond
	}
	return harness.Start(ctx, "Run", p.Run)
}

// end ends Run's context without waiting for Run.
func end(loop *harness.Loop) {
	go func() { _ = loop.Stop() }()
}
