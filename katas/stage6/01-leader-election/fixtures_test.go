package leaderelection_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	kata "github.com/kubekata/kubekata/katas/stage6/01-leader-election"

	"github.com/kubekata/kubekata/harness"
)

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// brief are times with which a lease is lost soon: 220 milliseconds after the last renewal.
var brief = kata.Timing{LeaseDuration: 2 * time.Second, RenewDeadline: 200 * time.Millisecond, RetryPeriod: 20 * time.Millisecond}

// patient are times with which nobody takes a lease that was not given back, as long as the spec runs.
var patient = kata.Timing{LeaseDuration: time.Hour, RenewDeadline: 20 * time.Second, RetryPeriod: 20 * time.Millisecond}

// board is a Lease without a server: the record that the locks of a spec have in common.
type board struct {
	mu      sync.Mutex
	record  *resourcelock.LeaderElectionRecord
	version int
	asked   int
	writes  []write
}

// write is a change of the record.
type write struct {
	at     time.Time
	holder string
}

// held makes a board on which somebody has the lease.
func held(by string, lease time.Duration) *board {
	now := metav1.Now()
	return &board{version: 1, record: &resourcelock.LeaderElectionRecord{
		HolderIdentity: by, LeaseDurationSeconds: int(lease / time.Second), AcquireTime: now, RenewTime: now, LeaderTransitions: 7,
	}}
}

// holder returns who has the lease; nobody is "".
func (b *board) holder() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.record == nil {
		return ""
	}
	return b.record.HolderIdentity
}

// requests returns how often the board was asked for anything.
func (b *board) requests() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// history returns all writes.
func (b *board) history() []write {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]write{}, b.writes...)
}

// renewals returns how often a holder has written its name.
func (b *board) renewals(holder string) func() int {
	return func() int {
		n := 0
		for _, w := range b.history() {
			if w.holder == holder {
				n++
			}
		}
		return n
	}
}

// releases returns how often the lease was given back.
func (b *board) releases() int { return b.renewals("")() }

// take lets somebody else have the lease, as an administrator would.
func (b *board) take(holder string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.record.HolderIdentity = holder
	b.record.LeaseDurationSeconds = 3600
	b.record.LeaderTransitions++
	b.version++
}

// touch changes the board and leaves the record as it is, as somebody does who labels a Lease.
func (b *board) touch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version++
}

// lock is one candidate's view of a board. It does what a lock on a Lease does: what was read last is what may be updated.
type lock struct {
	board    *board
	identity string
	seen     int
	// before is called first, and what it returns is the answer if it is an error; after is called when a write is done, and may take
	// the answer away. Both may be nil.
	before, after func(ctx context.Context, op string, record resourcelock.LeaderElectionRecord) error
}

func (b *board) lock(identity string) *lock { return &lock{board: b, identity: identity} }

func (l *lock) begin(ctx context.Context, op string, record resourcelock.LeaderElectionRecord) error {
	l.board.mu.Lock()
	l.board.asked++
	l.board.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if l.before != nil {
		return l.before(ctx, op, record)
	}
	return nil
}

// Get implements [resourcelock.Interface].
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if err := l.begin(ctx, "get", resourcelock.LeaderElectionRecord{}); err != nil {
		return nil, nil, err
	}
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	if l.board.record == nil {
		return nil, nil, apierrors.NewNotFound(leases, "invoices")
	}
	l.seen = l.board.version
	record := *l.board.record
	raw, err := json.Marshal(record)
	return &record, raw, err
}

// Create implements [resourcelock.Interface].
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, "create", record, func() error {
		if l.board.record != nil {
			return apierrors.NewAlreadyExists(leases, "invoices")
		}
		return nil
	})
}

// Update implements [resourcelock.Interface].
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, "update", record, func() error {
		if l.board.record == nil || l.seen != l.board.version {
			return apierrors.NewConflict(leases, "invoices", fmt.Errorf("the object has been modified"))
		}
		return nil
	})
}

func (l *lock) write(ctx context.Context, op string, record resourcelock.LeaderElectionRecord, check func() error) error {
	if err := l.begin(ctx, op, record); err != nil {
		return err
	}
	l.board.mu.Lock()
	err := check()
	if err == nil {
		l.board.record = &record
		l.board.version++
		l.seen = l.board.version
		l.board.writes = append(l.board.writes, write{at: time.Now(), holder: record.HolderIdentity})
	}
	l.board.mu.Unlock()
	if err == nil && l.after != nil {
		return l.after(ctx, op, record)
	}
	return err
}

// RecordEvent implements [resourcelock.Interface].
func (l *lock) RecordEvent(string) {}

// Identity implements [resourcelock.Interface].
func (l *lock) Identity() string { return l.identity }

// Describe implements [resourcelock.Interface].
func (l *lock) Describe() string { return "default/invoices" }

// job is a Work that the spec watches.
type job struct {
	begun, busy atomic.Int32
	do          func(ctx context.Context) error
	mu          sync.Mutex
	ctx         context.Context
}

// untilTheEnd makes a job that ends with its context, and returns nil.
func untilTheEnd() *job {
	return &job{do: func(ctx context.Context) error { <-ctx.Done(); return nil }}
}

// work is the job's Work.
func (j *job) work(ctx context.Context) error {
	j.mu.Lock()
	j.ctx = ctx
	j.mu.Unlock()
	j.busy.Add(1)
	j.begun.Add(1)
	defer j.busy.Add(-1)
	return j.do(ctx)
}

// context returns the context that Work has got.
func (j *job) context() context.Context {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ctx
}

// begins waits until Work has been called.
func (j *job) begins(wait context.Context) {
	GinkgoHelper()
	Eventually(j.begun.Load).WithContext(wait).Should(BeEquivalentTo(1), "how often Work was called, for the leader")
}

// run starts a candidate's Run. Use the context that it returns from then on. The candidate's lease may be lost, with brief times, on a
// machine that is very busy: the specs that do not want that have patient ones.
func run(ctx context.Context, c *kata.Candidate) (context.Context, *harness.Loop) {
	GinkgoHelper()
	return harness.Start(ctx, "Run", c.Run)
}

// end ends Run's context without waiting for Run.
func end(loop *harness.Loop) {
	go func() { _ = loop.Stop() }()
}

// ended waits for Run to return, and returns its error.
func ended(ctx context.Context, loop *harness.Loop) error {
	GinkgoHelper()
	Eventually(loop.Done()).WithContext(ctx).Should(BeClosed(), "Run has not returned")
	return loop.Err()
}

// outcome is a Run that is expected to end by itself.
type outcome struct {
	// wait ends when Run has returned.
	wait context.Context
	done chan struct{}
	err  error
}

// lone starts a candidate's Run that is expected to end by itself.
func lone(ctx context.Context, c *kata.Candidate) *outcome {
	GinkgoHelper()
	o := &outcome{done: make(chan struct{})}
	wait, giveUp := context.WithCancelCause(ctx)
	o.wait = wait
	harness.Start(ctx, "Run", func(ctx context.Context) error {
		o.err = c.Run(ctx)
		close(o.done)
		giveUp(fmt.Errorf("Run has returned, with the error: %v", o.err))
		<-ctx.Done()
		return nil
	})
	return o
}

// result waits for Run to return, and returns its error.
func (o *outcome) result(ctx context.Context) error {
	GinkgoHelper()
	Eventually(o.done).WithContext(ctx).Should(BeClosed(), "Run has not returned")
	return o.err
}

// has reports whether Run has returned.
func (o *outcome) has() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}
