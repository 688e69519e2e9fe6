package graduation_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	graduation "github.com/kubekata/kubekata/katas/stage6/08-graduation"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"
)

const (
	rentedTotal   = "lines_rented_total"
	releasedTotal = "lines_released_total"
)

var _ = Describe("The metrics", func() {
	It("are two counters at 0, in the registry that NewMetrics is given", func() {
		registry := prometheus.NewRegistry()
		m, err := graduation.NewMetrics(registry)
		Expect(err).NotTo(HaveOccurred(), "NewMetrics")
		Expect(m).NotTo(BeNil(), "what NewMetrics returns")
		r := &replica{name: "nobody", registry: registry}
		Expect(r.counter(rentedTotal)).To(BeZero(), rentedTotal)
		Expect(r.counter(releasedTotal)).To(BeZero(), releasedTotal)
		m.Rented.Inc()
		m.Rented.Inc()
		m.Released.Inc()
		Expect(r.counter(rentedTotal)).To(BeEquivalentTo(2), "%s, after Rented was counted twice", rentedTotal)
		Expect(r.counter(releasedTotal)).To(BeEquivalentTo(1), "%s, after Released was counted once", releasedTotal)
	})

	It("can be had in each of two registries, and not twice in one", func() {
		one, other := prometheus.NewRegistry(), prometheus.NewRegistry()
		_, err := graduation.NewMetrics(one)
		Expect(err).NotTo(HaveOccurred(), "NewMetrics")
		_, err = graduation.NewMetrics(other)
		Expect(err).NotTo(HaveOccurred(), "NewMetrics with another registry")
		_, err = graduation.NewMetrics(one)
		Expect(err).To(MatchError(ContainSubstring("duplicate")), "NewMetrics with a registry that has them already")
	})

	When("the operator runs", func() {
		var w *world
		BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

		It("count numbers that were rented, and not the calls", func(ctx SpecContext) {
			r := w.start(ctx, "ada")
			l := w.connected(ctx, r, "desk")
			w.connected(ctx, r, "hall")
			w.reconcile(ctx, r, l, "one")
			w.reconcile(ctx, r, l, "two")
			Expect(r.counter(rentedTotal)).To(BeEquivalentTo(2), "%s, for two lines that were looked at several times", rentedTotal)
			Expect(r.counter(releasedTotal)).To(BeZero(), releasedTotal)
		})

		It("count numbers that were given back, and none that the exchange had not", func(ctx SpecContext) {
			r := w.start(ctx, "ada")
			w.connected(ctx, r, "desk")
			l := w.connected(ctx, r, "hall")
			w.service.Lose(string(l.UID))
			w.delete(ctx, "desk")
			w.gone(r, "desk")
			w.delete(ctx, "hall")
			w.gone(r, "hall")
			Expect(w.calls(exchange.OpRelease, l)()).To(Equal(1), "calls of release for line %s/hall, whose number was lost", w.ns)
			Expect(r.counter(releasedTotal)).To(BeEquivalentTo(1), "%s, after two lines are gone, one of which had lost its number", releasedTotal)
		})

		It("end Run with an error when they are in the registry already", func(ctx SpecContext) {
			registry := prometheus.NewRegistry()
			_, err := graduation.NewMetrics(registry)
			Expect(err).NotTo(HaveOccurred(), "NewMetrics")
			r, ended := w.alone(ctx, "ada", func(o *graduation.Options) { o.Registry = registry })
			Eventually(ended).WithContext(r.wait).WithTimeout(5*time.Second).Should(Receive(MatchError(ContainSubstring("duplicate"))), "Run with a registry that has the metrics already")
		})
	})
})
