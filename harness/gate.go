package harness

import (
	"context"
	"sync"
)

// Gate holds whoever comes to it until the spec opens it, or ends.
type Gate struct {
	spec context.Context
	c    chan struct{}
	once sync.Once
}

// Closed returns a gate that is closed. ctx is the spec's.
func Closed(ctx context.Context) *Gate { return &Gate{spec: ctx, c: make(chan struct{})} }

// Open lets everybody pass from now on. It may be called again.
func (g *Gate) Open() { g.once.Do(func() { close(g.c) }) }

// Wait returns when the gate is open, or the spec has ended.
func (g *Gate) Wait() {
	select {
	case <-g.c:
	case <-g.spec.Done():
	}
}
