package graduation_test

import (
	"net/http"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"
)

var _ = Describe("A Line that is deleted", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	It("gives its number back, and nobody else's", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk")
		stays := w.connected(ctx, r, "hall")
		w.delete(ctx, "desk")
		w.gone(r, "desk")
		Expect(w.rented()).To(Equal([]string{stays.Status.Number}), "what the exchange has")
	})

	It("has our finalizer until the number is back", func(ctx SpecContext) {
		var mu sync.Mutex
		var seen []string
		w.service.After(func(c exchange.Call) {
			mu.Lock()
			defer mu.Unlock()
			if c.Op == exchange.OpRelease {
				seen = append(seen, w.finalizers(ctx, "desk"))
			}
		})
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk")
		w.delete(ctx, "desk")
		w.gone(r, "desk")
		mu.Lock()
		defer mu.Unlock()
		Expect(seen).To(Equal([]string{api.Finalizer}), "the finalizers of line %s/desk when its number was back", w.ns)
	})

	It("keeps other people's finalizers, and its number is given back once", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk", func(l *api.Line) { l.Finalizers = []string{theirs} })
		w.delete(ctx, "desk")
		Eventually(func() string { return w.finalizers(ctx, "desk") }).WithContext(r.wait).Should(Equal(theirs), "the finalizers of line %s/desk, which is being deleted", w.ns)
		w.patch(ctx, "desk", `{"metadata":{"labels":{"round":"two"}}}`)
		w.connected(ctx, r, "after") // and desk was looked at meanwhile: there is one worker
		Expect(w.calls(exchange.OpRelease, l)()).To(Equal(1), "calls of release for line %s/desk", w.ns)
		Expect(w.calls(exchange.OpRent, l)()).To(BeNumerically(">", 0))
		Expect(w.rented()).To(HaveLen(1), "what the exchange has: nothing for line %s/desk any more", w.ns)
		w.patch(ctx, "desk", `{"metadata":{"finalizers":null}}`)
		w.gone(r, "desk")
	})

	It("is gone although the exchange does not know its number any more", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk")
		w.service.Lose(string(l.UID))
		w.delete(ctx, "desk")
		w.gone(r, "desk")
	})

	It("stays until the exchange has taken the number back, and says why", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk")
		w.service.Fail(exchange.OpRelease, 4, http.StatusInternalServerError)
		var mu sync.Mutex
		var said string
		w.service.After(func(c exchange.Call) {
			mu.Lock()
			defer mu.Unlock()
			if c.Op == exchange.OpRelease && c.Status == http.StatusOK {
				said, _ = w.ready("desk")(ctx)
			}
		})
		w.delete(ctx, "desk")
		w.gone(r, "desk")
		mu.Lock()
		defer mu.Unlock()
		Expect(said).To(Equal("False ExchangeFailed, generation 2"), "the condition Ready of line %s/desk, after the exchange has failed four times", w.ns)
		Expect(w.rented()).To(BeEmpty(), "what the exchange has")
	})

	It("has nothing to do with its successor of the same name", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		first := w.connected(ctx, r, "desk")
		w.delete(ctx, "desk")
		w.gone(r, "desk")
		second := w.make(ctx, "desk")
		Eventually(func() string { return w.get(ctx, "desk").Status.Number }).WithContext(r.wait).ShouldNot(BeEmpty(), "status.number of the second line %s/desk", w.ns)
		Expect(w.get(ctx, "desk").Status.Number).NotTo(Equal(first.Status.Number), "status.number of the second line %s/desk", w.ns)
		Expect(w.service.Numbers()[0].Reference).To(Equal(string(second.UID)), "the reference of the number")
	})
})
