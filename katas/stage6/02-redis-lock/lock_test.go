package redislock_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	kata "github.com/kubekata/kubekata/katas/stage6/02-redis-lock"
)

// errDied is what a lock gets from Redis when its process has died.
var errDied = errors.New("the process has died")

func getSpecs(w *world) {
	Describe("Get", func() {
		It("returns NotFound when there is no record", func(ctx SpecContext) {
			_, _, err := w.lock("a").Get(ctx)
			Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"), "what Get returns: it is how client-go knows that it has to call Create")
		})

		It("returns what was written, to everybody", func(ctx SpecContext) {
			record := held("a", 15)
			record.LeaderTransitions, record.PreferredHolder = 7, "c"
			Expect(w.lock("a").Create(ctx, record)).To(Succeed(), "a's Create")
			got, _, err := w.lock("b").Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(got.RenewTime.Time).To(BeTemporally("==", record.RenewTime.Time), "the record's renewTime")
			Expect(got.AcquireTime.Time).To(BeTemporally("==", record.AcquireTime.Time), "the record's acquireTime")
			got.RenewTime, got.AcquireTime = record.RenewTime, record.AcquireTime
			Expect(*got).To(Equal(record), "the record")
		})

		It("returns other bytes after each write, even of the same record", func(ctx SpecContext) {
			a, b := w.lock("a"), w.lock("b")
			Expect(a.Create(ctx, held("a", 1))).To(Succeed(), "a's Create")
			_, first, err := b.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(a.Update(ctx, held("a", 1))).To(Succeed(), "a's Update")
			_, second, err := b.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(string(second)).NotTo(Equal(string(first)), "the bytes, after a renewal in the same second: b would think that a is dead")
		})

		It("returns the same bytes when nobody has written", func(ctx SpecContext) {
			b := w.lock("b")
			Expect(w.lock("a").Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			_, first, err := b.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			w.forward(ctx, 3*time.Second)
			_, second, err := b.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(string(second)).To(Equal(string(first)), "the bytes, three seconds later: b would think that a has renewed it")
		})

		It("is not NotFound when Redis cannot be reached, and names the lock", func(ctx SpecContext) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			Expect(l.Close()).To(Succeed()) // nobody listens there any more
			c := redis.NewClient(&redis.Options{Addr: l.Addr().String(), MaxRetries: -1, DialerRetries: 1})
			DeferCleanup(c.Close)
			_, _, err = (&kata.Lock{Client: c, Namespace: w.ns, Name: "invoices", ID: "a"}).Get(ctx)
			Expect(err).NotTo(Satisfy(apierrors.IsNotFound), "what Get returns when Redis is away: a lock that nobody can read is not free")
			Expect(err).To(MatchError(ContainSubstring(w.ns+"/invoices")), "the error names the lock")
		})

		It("is not NotFound when the record is not readable, and names the lock", func(ctx SpecContext) {
			Expect(w.lock("a").Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			for _, key := range w.keys(ctx) {
				if ttl, _ := w.judge.PTTL(ctx, key).Result(); ttl > 0 { // the record expires, a counter does not
					Expect(w.judge.Set(ctx, key, "rubbish", time.Minute).Err()).To(Succeed())
				}
			}
			_, _, err := w.lock("b").Get(ctx)
			Expect(err).NotTo(Satisfy(apierrors.IsNotFound), "what Get returns of a record that is not readable")
			Expect(err).To(MatchError(ContainSubstring(w.ns+"/invoices")), "the error names the lock")
		})
	})
}

func createSpecs(w *world) {
	Describe("Create", func() {
		It("returns AlreadyExists when there is a record, and leaves it", func(ctx SpecContext) {
			Expect(w.lock("a").Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			Expect(w.lock("b").Create(ctx, held("b", 15))).To(MatchError(apierrors.IsAlreadyExists, "IsAlreadyExists"), "what b's Create returns")
			Expect(w.holder(ctx)).To(Equal("a"), "the holder")
		})

		It("lets one in when many come at the same time", func(ctx SpecContext) {
			const candidates = 20
			results := make(chan error, candidates)
			var wg sync.WaitGroup
			for range candidates {
				l := w.lock("a")
				wg.Go(func() {
					defer GinkgoRecover()
					results <- l.Create(ctx, held("a", 15))
				})
			}
			wg.Wait()
			close(results)
			in := 0
			for err := range results {
				if err == nil {
					in++
					continue
				}
				Expect(err).To(MatchError(apierrors.IsAlreadyExists, "IsAlreadyExists"), "what Create returns to those who are late")
			}
			Expect(in).To(Equal(1), "how many of %d Creates have succeeded", candidates)
		})

		It("succeeds again when the record has expired", func(ctx SpecContext) {
			Expect(w.lock("a").Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			w.forward(ctx, 16*time.Second)
			Expect(w.lock("b").Create(ctx, held("b", 15))).To(Succeed(), "b's Create, after a's lease")
			Expect(w.holder(ctx)).To(Equal("b"), "the holder")
		})

		It("leaves no record for ever, whenever its process dies", func(ctx SpecContext) {
			_, _, err := w.lock("b").Get(ctx)
			Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"), "what Get returns when there is no record")
			for n := range 6 {
				h := &hook{before: func(i int) error {
					if i > n {
						return errDied
					}
					return nil
				}}
				name := sprintf("invoices-%d", n)
				_ = w.hooked(ctx, "a", name, h).Create(ctx, held("a", 15))
				w.forward(ctx, 16*time.Second)
				_, _, err := w.named("b", name).Get(ctx)
				Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"), "what Get returns after the lease, when a has died in its Create, after its command number %d: nobody would ever lead again", n)
			}
		})
	})
}

func updateSpecs(w *world) {
	Describe("Update", func() {
		It("writes over what was read", func(ctx SpecContext) {
			a, b := w.lock("a"), w.lock("b")
			Expect(a.Create(ctx, given())).To(Succeed(), "a's Create")
			_, _, err := b.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(b.Update(ctx, held("b", 15))).To(Succeed(), "b's Update")
			Expect(w.holder(ctx)).To(Equal("b"), "the holder")
		})

		It("writes over what the same lock has written, without reading it again", func(ctx SpecContext) {
			a := w.lock("a")
			Expect(a.Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			for n := range 3 {
				record := held("a", 15)
				record.LeaderTransitions = n
				Expect(a.Update(ctx, record)).To(Succeed(), "a's Update number %d: a leader renews like this, without a Get", n+1)
			}
			got, _, err := w.lock("b").Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(got.LeaderTransitions).To(Equal(2), "the transitions in the record, after three Updates")
		})

		It("gives the lock back with an empty holder, and the others see that", func(ctx SpecContext) {
			a := w.lock("a")
			Expect(a.Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			record := given()
			record.LeaderTransitions = 7
			Expect(a.Update(ctx, record)).To(Succeed(), "a's Update")
			got, _, err := w.lock("b").Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b, when a has given the lock back")
			Expect(got.HolderIdentity).To(BeEmpty(), "the holder")
			Expect(got.LeaderTransitions).To(Equal(7), "the transitions, which client-go goes on to count")
		})

		It("returns a Conflict when another has written since, and leaves the other's record", func(ctx SpecContext) {
			a, b := w.lock("a"), w.lock("b")
			Expect(a.Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			_, _, err := b.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(b.Update(ctx, held("b", 15))).To(Succeed(), "b's Update")
			Expect(a.Update(ctx, held("a", 15))).To(MatchError(apierrors.IsConflict, "IsConflict"), "what a's Update returns, who does not know that b has the lock")
			Expect(w.holder(ctx)).To(Equal("b"), "the holder")
		})

		It("returns a Conflict to who gives back what another has, and leaves the other's record", func(ctx SpecContext) {
			a, b := w.lock("a"), w.lock("b")
			Expect(a.Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			w.forward(ctx, 16*time.Second)
			Expect(b.Create(ctx, held("b", 15))).To(Succeed(), "b's Create, after a's lease")
			Expect(a.Update(ctx, given())).To(MatchError(apierrors.IsConflict, "IsConflict"), "what a's Update without a holder returns, when b has the lock")
			Expect(w.holder(ctx)).To(Equal("b"), "the holder")
		})

		It("returns a Conflict when the record has expired and another has begun with a new one", func(ctx SpecContext) {
			a, b := w.lock("a"), w.lock("b")
			Expect(a.Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			w.forward(ctx, 16*time.Second)
			Expect(b.Create(ctx, held("b", 15))).To(Succeed(), "b's Create, after a's lease")
			Expect(a.Update(ctx, held("a", 15))).To(MatchError(apierrors.IsConflict, "IsConflict"), "what a's Update returns, who has slept, and has written the first record as b has: does the number begin with 1 again?")
			Expect(w.holder(ctx)).To(Equal("b"), "the holder")
		})

		It("returns a Conflict when the record has expired, and does not bring it back", func(ctx SpecContext) {
			a := w.lock("a")
			Expect(a.Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			w.forward(ctx, 16*time.Second)
			Expect(a.Update(ctx, held("a", 15))).To(MatchError(apierrors.IsConflict, "IsConflict"), "what a's Update returns after its lease")
			_, _, err := w.lock("b").Get(ctx)
			Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"), "what Get returns to b")
		})

		It("goes on to be refused until the lock has read again", func(ctx SpecContext) {
			a, b := w.lock("a"), w.lock("b")
			Expect(a.Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			_, _, err := b.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(b.Update(ctx, given())).To(Succeed(), "b's Update")
			for range 2 {
				Expect(a.Update(ctx, held("a", 15))).To(MatchError(apierrors.IsConflict, "IsConflict"), "what a's Update returns, who has not read again")
			}
			_, _, err = a.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to a")
			Expect(a.Update(ctx, held("a", 15))).To(Succeed(), "a's Update, when it has read again")
		})

		It("is refused, without a question to Redis, when the lock has neither read nor written anything", func(ctx SpecContext) {
			h := &hook{}
			a := w.hooked(ctx, "a", "invoices", h)
			err := a.Update(ctx, held("a", 15))
			Expect(err).To(MatchError(ContainSubstring(w.ns+"/invoices")), "what Update returns, which names the lock")
			Expect(h.n.Load()).To(BeZero(), "commands to Redis")
		})

		It("is decided by Redis, when somebody writes at any moment in between", func(ctx SpecContext) {
			for n := range 6 {
				name := sprintf("invoices-%d", n)
				b := w.named("b", name)
				Expect(w.named("z", name).Create(ctx, given())).To(Succeed(), "z's Create")
				_, _, err := b.Get(ctx)
				Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
				h := &hook{}
				a := w.hooked(ctx, "a", name, h)
				_, _, err = a.Get(ctx)
				Expect(err).NotTo(HaveOccurred(), "what Get returns to a")
				at, other := int(h.n.Load())+1+n, errDied
				h.before = func(i int) error {
					if i == at {
						other = b.Update(ctx, held("b", 15))
					}
					return nil
				}
				mine := a.Update(ctx, held("a", 15))
				if errors.Is(other, errDied) {
					return // a's Update has no more commands than that
				}
				Expect(other).To(Succeed(), "b's Update, before a's command number %d", n+1)
				Expect(mine).To(MatchError(apierrors.IsConflict, "IsConflict"), "what a's Update returns, when b has written before a's command number %d", n+1)
				got, _, err := w.named("observer", name).Get(ctx)
				Expect(err).NotTo(HaveOccurred(), "what Get returns to an observer")
				Expect(got.HolderIdentity).To(Equal("b"), "the holder, when b has written before a's command number %d", n+1)
			}
		})
	})
}

func expirySpecs(w *world) {
	Describe("A record", func() {
		It("is there until its lease is over, and not any longer", func(ctx SpecContext) {
			Expect(w.lock("a").Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			w.forward(ctx, 14*time.Second)
			Expect(w.holder(ctx)).To(Equal("a"), "the holder, after 14 seconds of 15")
			w.forward(ctx, 2*time.Second)
			_, _, err := w.lock("b").Get(ctx)
			Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"), "what Get returns after 16 seconds of 15")
		})

		It("is there for another lease after each Update", func(ctx SpecContext) {
			a := w.lock("a")
			Expect(a.Create(ctx, held("a", 15))).To(Succeed(), "a's Create")
			for range 3 {
				w.forward(ctx, 14*time.Second)
				Expect(a.Update(ctx, held("a", 15))).To(Succeed(), "a's Update, after 14 seconds of 15")
			}
			w.forward(ctx, 16*time.Second)
			_, _, err := w.lock("b").Get(ctx)
			Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"), "what Get returns, 16 seconds after the last Update")
		})

		It("is there for as long as the last Update says", func(ctx SpecContext) {
			a := w.lock("a")
			Expect(a.Create(ctx, held("a", 3600))).To(Succeed(), "a's Create")
			Expect(a.Update(ctx, given())).To(Succeed(), "a's Update, for one second")
			w.forward(ctx, 2*time.Second)
			_, _, err := w.lock("b").Get(ctx)
			Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"), "what Get returns, two seconds after a has given the lock back for one second")
		})

		It("has nothing to do with those of other names and namespaces", func(ctx SpecContext) {
			Expect(w.named("a", "invoices").Create(ctx, held("a", 15))).To(Succeed(), "Create of the lock invoices")
			Expect(w.named("b", "reminders").Create(ctx, held("b", 15))).To(Succeed(), "Create of the lock reminders")
			other := w.lock("c")
			other.Namespace += "/2"
			Expect(other.Create(ctx, held("c", 15))).To(Succeed(), "Create of the lock invoices in another namespace")
			Expect(w.holder(ctx)).To(Equal("a"), "the holder of the lock invoices")
		})
	})
}

func tokenSpecs(w *world) {
	// leads lets a lock be created by its holder, and returns its token.
	leads := func(ctx context.Context, l *kata.Lock) int64 {
		GinkgoHelper()
		Expect(l.Create(ctx, held(l.ID, 15))).To(Succeed(), "Create, by %s", l.ID)
		return l.Token()
	}
	// takes lets somebody have the lock who has read it before, and returns its token.
	takes := func(ctx context.Context, l *kata.Lock) int64 {
		GinkgoHelper()
		_, _, err := l.Get(ctx)
		Expect(err).NotTo(HaveOccurred(), "what Get returns to %s", l.ID)
		Expect(l.Update(ctx, held(l.ID, 15))).To(Succeed(), "Update, by %s", l.ID)
		return l.Token()
	}

	Describe("Token", func() {
		It("is 0 as long as the candidate has not led", func(ctx SpecContext) {
			Expect(leads(ctx, w.lock("a"))).To(BeNumerically(">", 0), "a's token")
			b := w.lock("b")
			_, _, err := b.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to b")
			Expect(b.Token()).To(BeZero(), "b's token, who has read the record of a")
		})

		It("stays the same while the holder renews", func(ctx SpecContext) {
			a := w.lock("a")
			first := leads(ctx, a)
			Expect(first).To(BeNumerically(">", 0), "a's token")
			for range 3 {
				Expect(a.Update(ctx, held("a", 15))).To(Succeed(), "a's Update")
				Expect(a.Token()).To(Equal(first), "a's token after a renewal")
			}
			Expect(takes(ctx, a)).To(Equal(first), "a's token after a Get and a renewal")
		})

		It("is greater for who takes the lock", func(ctx SpecContext) {
			first := leads(ctx, w.lock("a"))
			second := takes(ctx, w.lock("b"))
			Expect(second).To(BeNumerically(">", first), "b's token, who has taken the lock from a (%d)", first)
			Expect(takes(ctx, w.lock("c"))).To(BeNumerically(">", second), "c's token, who has taken the lock from b (%d)", second)
		})

		It("is greater for who begins after the lease of another", func(ctx SpecContext) {
			first := leads(ctx, w.lock("a"))
			w.forward(ctx, 16*time.Second)
			Expect(leads(ctx, w.lock("b"))).To(BeNumerically(">", first), "b's token, when a's record (%d) has expired", first)
		})

		It("is greater for who begins when a lock that was given back has expired", func(ctx SpecContext) {
			a := w.lock("a")
			first := leads(ctx, a)
			Expect(a.Update(ctx, given())).To(Succeed(), "a's Update, without a holder")
			w.forward(ctx, 2*time.Second)
			Expect(leads(ctx, w.lock("b"))).To(BeNumerically(">", first), "b's token, when the record that a (%d) has given back for one second has expired", first)
		})

		It("is greater in the second term of the same candidate", func(ctx SpecContext) {
			a := w.lock("a")
			first := leads(ctx, a)
			Expect(a.Update(ctx, given())).To(Succeed(), "a's Update, without a holder")
			Expect(a.Update(ctx, held("a", 15))).To(Succeed(), "a's Update, who leads again")
			second := a.Token()
			Expect(second).To(BeNumerically(">", first), "a's token, who has given the lock back (%d) and has it again", first)
			w.forward(ctx, 16*time.Second)
			Expect(leads(ctx, a)).To(BeNumerically(">", second), "a's token, whose record (%d) has expired, and who has begun anew", second)
		})

		It("is the candidate's own, not that of who has the lock now", func(ctx SpecContext) {
			a := w.lock("a")
			first := leads(ctx, a)
			Expect(first).To(BeNumerically(">", 0), "a's token")
			takes(ctx, w.lock("b"))
			Expect(a.Update(ctx, held("a", 15))).To(MatchError(apierrors.IsConflict, "IsConflict"), "what a's Update returns")
			_, _, err := a.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to a")
			Expect(a.Token()).To(Equal(first), "a's token, who has lost the lock and has read that it is b's")
		})

		It("is known to who has the lock, and has not heard the answer", func(ctx SpecContext) {
			h := &hook{}
			a := w.hooked(ctx, "a", "invoices", h)
			h.after = func(int) error {
				if w.holderOrNone(ctx) != "a" {
					return nil // it was not this command that has written
				}
				return io.ErrUnexpectedEOF
			}
			Expect(a.Create(ctx, held("a", 15))).To(MatchError(io.ErrUnexpectedEOF), "what Create returns when the connection breaks before the answer: the error of go-redis, wrapped")
			h.after = nil
			_, _, err := a.Get(ctx)
			Expect(err).NotTo(HaveOccurred(), "what Get returns to a, whose Create has succeeded without an answer")
			Expect(a.Update(ctx, held("a", 15))).To(Succeed(), "a's Update: client-go finds its own name in the record, and goes on with it")
			Expect(a.Token()).To(BeNumerically(">", 0), "a's token, who leads")
			Expect(takes(ctx, w.lock("b"))).To(BeNumerically(">", a.Token()), "the token of b, who comes after a")
		})
	})
}

// holderOrNone returns who has the lock, "" when there is no record.
func (w *world) holderOrNone(ctx context.Context) string {
	record, _, err := w.lock("observer").Get(ctx)
	if err != nil {
		return ""
	}
	return record.HolderIdentity
}
