package frameworkplugin_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	fwk "k8s.io/kube-scheduler/framework"
)

var _ = Describe("Permit", func() {
	It("lets a pod without a job pass", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "solver")))
		w.places(ctx, pod("a", licence("solver"), team("render")))
		w.places(ctx, pod("plain"))
	})

	It("has the pods of a job wait until there are enough of them, and then pass together", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1"), node("n2")))
		a := w.waits(ctx, pod("a", job("movie", "3")))
		Expect(a.Status.Message()).To(Equal("1 of 3 pods of the job have a node"), "what pod a waits for")
		b := w.waits(ctx, pod("b", job("movie", "3")))
		Expect(b.Status.Message()).To(Equal("2 of 3 pods of the job have a node"), "what pod b waits for")

		w.places(ctx, pod("c", job("movie", "3")))
		Expect(a.Bound(ctx).IsSuccess()).To(BeTrue(), "pod a passes when pod c has come: %s", a.Bound(ctx).Message())
		Expect(b.Bound(ctx).IsSuccess()).To(BeTrue(), "pod b passes when pod c has come: %s", b.Bound(ctx).Message())
	})

	It("counts the pods of the job that are bound already", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1"), node("n2")))
		w.has("n1", pod("a", job("movie", "3")))
		w.has("n2", pod("b", job("movie", "3")))
		w.places(ctx, pod("c", job("movie", "3")))
	})

	It("knows a job by its namespace, too", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1")))
		theirs := w.waits(ctx, pod("a", job("movie", "2"), namespace("sound")))
		w.waits(ctx, pod("b", job("movie", "2")))
		w.places(ctx, pod("c", job("movie", "2")))
		w.clock.Step(args.PermitTimeout)
		Expect(theirs.Bound(ctx).Message()).To(HavePrefix("rejected due to timeout"),
			"the binding cycle of pod sound/a, when job movie of namespace render is complete, and that of namespace sound is not")
	})

	It("leaves other jobs waiting", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1")))
		a := w.waits(ctx, pod("a", job("trailer", "2")))
		w.waits(ctx, pod("b", job("movie", "2")))
		w.places(ctx, pod("c", job("movie", "2")))
		w.clock.Step(args.PermitTimeout)
		Expect(a.Bound(ctx).Message()).To(HavePrefix("rejected due to timeout"), "the binding cycle of pod a, when job movie is complete, and job trailer is not")
	})

	It("waits for PermitTimeout, and the licence comes back", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "solver")))
		p := pod("a", licence("solver"), job("movie", "2"))
		a := w.waits(ctx, p)
		w.clock.Step(args.PermitTimeout - time.Second)
		w.holders("solver", p)
		w.clock.Step(time.Second)
		status := a.Bound(ctx)
		Expect(status.Code().String()).To(Equal(fwk.Unschedulable.String()), "the binding cycle of pod a after %v: %s", args.PermitTimeout, status.Message())
		Expect(status.Message()).To(Equal("rejected due to timeout after waiting 1m0s at plugin TeamLicences"), "the binding cycle of pod a")
		w.holders("solver")
	})

	It("sends the other pods of the job home when one has failed, and their licences come back", func(ctx SpecContext) {
		w := newWorld(args, map[string]int{"solver": 3}, nodes(node("n1", "solver")))
		w.waits(ctx, pod("a", licence("solver"), job("movie", "3")))
		w.clock.Step(args.PermitTimeout / 2)
		b := w.waits(ctx, pod("b", licence("solver"), job("movie", "3")))
		w.clock.Step(args.PermitTimeout / 2)
		status := b.Bound(ctx)
		Expect(status.Code().String()).To(Equal(fwk.Unschedulable.String()), "the binding cycle of pod b when pod a has waited too long: %s", status.Message())
		Expect(status.Message()).To(Equal("the job's pod a has failed"), "the binding cycle of pod b")
		w.holders("solver")
	})

	It("sends nobody home of another job", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1")))
		a := w.waits(ctx, pod("a", job("movie", "2")))
		w.clock.Step(args.PermitTimeout / 2)
		b := w.waits(ctx, pod("b", job("trailer", "2")))
		w.clock.Step(args.PermitTimeout / 2)
		Expect(a.Bound(ctx).Message()).To(HavePrefix("rejected due to timeout"), "the binding cycle of pod a")
		w.places(ctx, pod("c", job("trailer", "2")))
		Expect(b.Bound(ctx).IsSuccess()).To(BeTrue(), "pod b passes, whose job is another than that of pod a: %s", b.Bound(ctx).Message())
	})

	It("tells the waiting pods when a pod of their job does not get a licence", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "solver")), refuserOf("b"))
		a := w.waits(ctx, pod("a", licence("solver"), job("movie", "2")))
		w.refuses(ctx, pod("b", job("movie", "2")))
		Expect(a.Bound(ctx).Message()).To(Equal("the job's pod b has failed"), "the binding cycle of pod a")
		w.holders("solver")
	})
})
