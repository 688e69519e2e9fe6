package redislock_test

import (
	"context"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	election "k8s.io/client-go/tools/leaderelection"

	kata "github.com/kubekata/kubekata/katas/stage6/02-redis-lock"

	"github.com/kubekata/kubekata/harness"
)

// candidate is a lock with client-go's elector.
type candidate struct {
	lock *kata.Lock
	// lease is the context of its term, nil as long as it has not led.
	lease atomic.Pointer[context.Context]
	// token is the lock's, from the beginning of the term.
	token atomic.Int64
	wait  context.Context
	loop  *harness.Loop
}

// stand lets a candidate stand for election. The context that it waits with ends when its elector does.
func stand(ctx context.Context, l *kata.Lock, lease, deadline, retry time.Duration, release bool) *candidate {
	GinkgoHelper()
	_, _, err := l.Get(ctx)
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred(), "what Get returns to %s", l.ID)
	}
	c := &candidate{lock: l}
	elector, err := election.NewLeaderElector(election.LeaderElectionConfig{
		Lock: l, LeaseDuration: lease, RenewDeadline: deadline, RetryPeriod: retry, ReleaseOnCancel: release,
		Callbacks: election.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { c.token.Store(l.Token()); c.lease.Store(&ctx) },
			OnStoppedLeading: func() {},
		},
	})
	Expect(err).NotTo(HaveOccurred(), "make an elector of the lock of %s", l.ID)
	c.wait, c.loop = harness.Start(ctx, "the elector", func(ctx context.Context) error {
		elector.Run(ctx)
		<-ctx.Done() // it may have lost the lock, and a spec looks at that
		return nil
	})
	return c
}

func (c *candidate) leads() bool { return c.lease.Load() != nil }

// lost is closed when the term is over.
func (c *candidate) lost() <-chan struct{} { return (*c.lease.Load()).Done() }

func electorSpecs(w *world) {
	const hour, deadline, retry = time.Hour, 20 * time.Second, 20 * time.Millisecond

	Describe("client-go's elector", func() {
		It("leads, and renews", func(ctx SpecContext) {
			a := stand(ctx, w.lock("a"), hour, deadline, retry, true)
			Eventually(a.leads).WithContext(a.wait).Should(BeTrue(), "whether a leads")
			_, first, err := w.lock("observer").Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to an observer")
			Eventually(func(g Gomega) {
				record, raw, err := w.lock("observer").Get(ctx)
				g.Expect(err).NotTo(HaveOccurred(), "what Get returns to an observer")
				g.Expect(record.HolderIdentity).To(Equal("a"), "the holder")
				g.Expect(string(raw)).NotTo(Equal(string(first)), "the bytes, after a renewal")
			}).WithContext(a.wait).Should(Succeed())
		})

		It("leads at once when another has given a lock of an hour back", func(ctx SpecContext) {
			a := stand(ctx, w.lock("a"), hour, deadline, retry, true)
			Eventually(a.leads).WithContext(a.wait).Should(BeTrue(), "whether a leads")
			b := stand(ctx, w.lock("b"), hour, deadline, retry, true)
			Expect(a.loop.Stop()).To(Succeed())
			Eventually(b.leads).WithContext(b.wait).Should(BeTrue(), "whether b leads, when a has given the lock back")
			Expect(b.token.Load()).To(BeNumerically(">", a.token.Load()), "b's token, in its term after a's")
		})

		It("leads as soon as the record of a leader that has died is over", func(ctx SpecContext) {
			a := stand(ctx, w.lock("a"), hour, deadline, retry, false)
			Eventually(a.leads).WithContext(a.wait).Should(BeTrue(), "whether a leads")
			Expect(a.loop.Stop()).To(Succeed()) // without giving the lock back
			b := stand(ctx, w.lock("b"), hour, deadline, retry, true)
			Consistently(b.leads).WithContext(b.wait).WithTimeout(100*time.Millisecond).Should(BeFalse(), "whether b leads, in the lease of a")
			w.forward(ctx, hour+time.Second)
			Eventually(b.leads).WithContext(b.wait).Should(BeTrue(), "whether b leads, when the record of a has expired")
			Expect(b.token.Load()).To(BeNumerically(">", a.token.Load()), "b's token, in its term after a's")
		})

		It("ends the term within the lease when Redis does not answer any more", func(ctx SpecContext) {
			const lease, deadline = 2 * time.Second, 400 * time.Millisecond
			p := newProxy(w.addr)
			c := kata.NewClient(p.addr, deadline)
			DeferCleanup(c.Close)
			a := stand(ctx, &kata.Lock{Client: c, Namespace: w.ns, Name: "invoices", ID: "a"}, lease, deadline, 100*time.Millisecond, false)
			Eventually(a.leads).WithContext(a.wait).Should(BeTrue(), "whether a leads")
			p.silent.Store(true)
			Eventually(a.lost()).WithContext(ctx).WithTimeout(lease).Should(BeClosed(), "a's term is not over, which cannot have renewed its lease of two seconds for as long: another leads by now")
		})

		It("has a term in which a late write is refused by the API server", func(ctx SpecContext) {
			ns := api.Namespace(ctx)
			maps := api.Clientset().CoreV1().ConfigMaps(ns)
			send := func(c *candidate) error {
				return kata.Fence{ConfigMaps: maps, Name: "invoices", Token: c.token.Load()}.Write(ctx, func(data map[string]string) { data["by"] = c.lock.ID })
			}
			a := stand(ctx, w.lock("a"), hour, deadline, retry, false)
			Eventually(a.leads).WithContext(a.wait).Should(BeTrue(), "whether a leads")
			Expect(send(a)).To(Succeed(), "a's write")
			Expect(a.loop.Stop()).To(Succeed()) // a falls asleep: it neither renews nor hears anything
			b := stand(ctx, w.lock("b"), hour, deadline, retry, true)
			w.forward(ctx, hour+time.Second)
			Eventually(b.leads).WithContext(b.wait).Should(BeTrue(), "whether b leads, when the record of a has expired")
			Expect(send(b)).To(Succeed(), "b's write")
			Expect(send(a)).To(MatchError(kata.ErrStale), "what a's write returns, who has woken up and believes that it leads")
			cm, err := api.Judge().CoreV1().ConfigMaps(ns).Get(ctx, "invoices", metav1.GetOptions{})
			Expect(err).NotTo(HaveOccurred(), "the ConfigMap invoices")
			Expect(cm.Data).To(HaveKeyWithValue("by", "b"), "the ConfigMap's data")
		})
	})
}
