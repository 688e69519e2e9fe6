// Package workqueue works through the keys of a rate-limited queue: several workers, retries with a budget, and an end that
// lets everybody finish.
package workqueue

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
)

// ErrUnfinished is what Run returns when the grace period was over before the work was done.
var ErrUnfinished = errors.New("the grace period was over before the work was done")

// Processor works through the keys of a queue. Fill in the fields, then call Run, once.
type Processor struct {
	// Queue holds the keys. Its owner adds them, before Run is called and while it runs; Run shuts it down.
	Queue workqueue.TypedRateLimitingInterface[string]
	// Handle does the work for one key. What it returns decides what becomes of the key: see Run.
	Handle func(ctx context.Context, key string) error
	// Workers is how many keys are worked on at the same time: one or more.
	Workers int
	// Retries is the budget: how often in a row a key that fails is tried again, after its first failure, until it is
	// given up. 0 means never.
	Retries int
	// GaveUp is told of a key that was given up, and of the error that was one too many. It may be nil.
	GaveUp func(key string, err error)
	// Grace is how long the work may go on after the end of Run's context.
	Grace time.Duration
}

// Run works on the queue's keys until ctx ends, on as many at the same time as there are workers, but never twice at the
// same time on one. A key that is added while it is worked on is worked on once more afterwards, whatever became of it the
// first time. What Handle returns decides:
//
//   - nil: the key is done with, and its earlier failures are forgotten.
//   - An error that apierrors.IsNotFound recognises: the object is gone, and no retry brings it back. As nil.
//   - Any other error: the key is tried again when the queue's rate limiter says so, and nobody waits for that. When
//     Retries is used up, GaveUp is called instead, once, and the failures are forgotten: if the key is ever added again,
//     it has the whole budget.
//
// When ctx ends, the queue takes no more keys, retries among them. The keys that it holds, and those that are being
// worked on, are finished. The context that Handle gets has the values of ctx, and ends with the grace period, not with
// ctx. After that no further key is begun.
//
// Run returns when the last Handle has, and leaves no goroutine behind: nil, or ErrUnfinished if the grace period was over
// first.
func (p *Processor) Run(ctx context.Context) error {
	// kata:begin Start the workers, wait for the end of ctx, let the queue drain, and wait for the workers. Which context do
	// | they work with? What ends it? ShutDownWithDrain and ShutDown do different things: look them up, you want both.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var workers sync.WaitGroup
	for range p.Workers {
		workers.Go(func() {
			for p.next(work) {
			}
		})
	}

	<-ctx.Done()
	grace := time.AfterFunc(p.Grace, func() {
		stop()
		p.Queue.ShutDown() // ends the wait for the drain
	})
	defer grace.Stop()
	p.Queue.ShutDownWithDrain()
	// The drain neither ends the queue's timers nor waits for keys that no worker holds at the moment.
	p.Queue.ShutDown()
	workers.Wait()
	if work.Err() != nil {
		return ErrUnfinished
	}
	return nil
	// kata:end
}

// kata:begin What one worker does with one key, in functions of your own: Get, Handle, then Forget or AddRateLimited, and
// | Done in any case.
// kata:stub

// next works on one key. It returns false when there will be no more.
func (p *Processor) next(ctx context.Context) bool {
	key, shutdown := p.Queue.Get()
	if shutdown {
		return false
	}
	defer p.Queue.Done(key)
	if ctx.Err() != nil {
		return false
	}
	p.settle(key, p.Handle(ctx, key))
	return true
}

// settle decides what becomes of a key.
func (p *Processor) settle(key string, err error) {
	switch {
	case err == nil, apierrors.IsNotFound(err):
		p.Queue.Forget(key)
	case p.Queue.NumRequeues(key) < p.Retries:
		p.Queue.AddRateLimited(key)
	default:
		p.Queue.Forget(key)
		if p.GaveUp != nil {
			p.GaveUp(key, err)
		}
	}
}

// kata:end
