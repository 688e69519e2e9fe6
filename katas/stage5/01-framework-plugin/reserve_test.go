package frameworkplugin_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/kubekata/kubekata/katas/stage5/01-framework-plugin/cycle"
)

var _ = Describe("Reserve", func() {
	It("takes a licence for the pod", func(ctx SpecContext) {
		w := newWorld(args, map[string]int{"solver": 2}, nodes(node("n1", "solver")))
		a := pod("a", licence("solver"))
		w.places(ctx, a)
		w.holders("solver", a)
	})

	It("takes none for a pod that wants none", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "solver")))
		w.places(ctx, pod("a", team("render")))
		w.holders("solver")
	})

	It("says that the pod is Unschedulable when somebody has been faster than it", func(ctx SpecContext) {
		w := newWorld(args, solver, nil)
		a, cs, n1 := pod("a", licence("solver")), cycle.NewState(), cycle.NodeInfo(node("n1", "solver"))
		_, status := w.plugin.PreFilter(ctx, cs, a, []fwk.NodeInfo{n1})
		Expect(status.IsSuccess()).To(BeTrue(), "PreFilter: %s", status.Message())
		Expect(w.licences.Checkout("solver", "somebody at a desk")).To(BeTrue(), "the last licence goes, between PreFilter and Reserve")

		status = w.plugin.Reserve(ctx, cs, a, "n1")
		Expect(status.Message()).To(Equal("the last licence for solver has just gone"), "Reserve")
		Expect(status.Code().String()).To(Equal(fwk.Unschedulable.String()), "the code of Reserve: nothing is broken, and the pod may wait for a licence")
	})

	It("says Error when the licence server fails", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "solver")))
		w.licences.Break()
		a := w.refuses(ctx, pod("a", licence("solver")))
		Expect(a.Status.Code().String()).To(Equal(fwk.Error.String()), "the code of the cycle; the scheduler says: %s", a.Message)
		Expect(a.Message).To(ContainSubstring("the licence server is down"), "what the scheduler says")
	})
})

var _ = Describe("Unreserve", func() {
	DescribeTable("gives the licence back when another plugin refuses the pod", func(ctx SpecContext, at string) {
		w := newWorld(args, solver, nodes(node("n1", "solver")))
		w.Add(refuser{at: at})
		a := w.refuses(ctx, pod("a", licence("solver")))
		Expect(a.Message).To(Equal("0/1 nodes are available: 1 refused in "+at+"."), "the event of pod a")
		w.holders("solver")
	},
		Entry("in Reserve", "Reserve"),
		Entry("in Permit", "Permit"),
	)

	It("takes nothing from anybody else when the pod has not got a licence yet", func(ctx SpecContext) {
		w := newWorld(args, map[string]int{"solver": 2}, nodes(node("n1", "solver")), refuser{at: "Reserve"})
		holder := pod("holder", licence("solver"))
		w.has("n1", holder)
		w.refuses(ctx, pod("a", licence("solver")))
		w.holders("solver", holder)
	})

	It("takes nothing from a pod that has the same name", func(ctx SpecContext) {
		w := newWorld(args, map[string]int{"solver": 2}, nil)
		before, after := pod("a", licence("solver"), uid("before")), pod("a", licence("solver"), uid("after"))
		cs := w.reserves(ctx, before)
		w.reserves(ctx, after)
		w.plugin.Unreserve(ctx, cs, before, "n1")
		w.holders("solver", after)
	})

	It("may be called twice", func(ctx SpecContext) {
		w := newWorld(args, map[string]int{"solver": 2}, nil)
		a, b := pod("a", licence("solver")), pod("b", licence("solver"))
		cs := w.reserves(ctx, a)
		w.reserves(ctx, b)
		w.plugin.Unreserve(ctx, cs, a, "n1")
		w.plugin.Unreserve(ctx, cs, a, "n1")
		w.holders("solver", b)
	})
})

// reserves takes a pod through PreFilter and Reserve by hand, for node n1, and returns its CycleState.
func (w *world) reserves(ctx context.Context, pod *corev1.Pod) fwk.CycleState {
	GinkgoHelper()
	cs := cycle.NewState()
	_, status := w.plugin.PreFilter(ctx, cs, pod, []fwk.NodeInfo{cycle.NodeInfo(node("n1", "solver"))})
	Expect(status.IsSuccess()).To(BeTrue(), "PreFilter of pod %s: %s", pod.Name, status.Message())
	status = w.plugin.Reserve(ctx, cs, pod, "n1")
	Expect(status.IsSuccess()).To(BeTrue(), "Reserve of pod %s: %s", pod.Name, status.Message())
	return cs
}
