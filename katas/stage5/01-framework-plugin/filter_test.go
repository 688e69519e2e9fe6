package frameworkplugin_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	fwk "k8s.io/kube-scheduler/framework"

	frameworkplugin "github.com/kubekata/kubekata/katas/stage5/01-framework-plugin"
	"github.com/kubekata/kubekata/katas/stage5/01-framework-plugin/cycle"
)

var (
	solver = map[string]int{"solver": 1}
	onePer = frameworkplugin.Args{MaxPerNode: 1}
)

// of says what is expected of a status.
const of = "why node %s does not fit: %q"

var _ = Describe("PreFilter", func() {
	It("skips a pod that wants nothing of the plugin", func(ctx SpecContext) {
		w := newWorld(args, solver, nil)
		_, status := w.plugin.PreFilter(ctx, cycle.NewState(), pod("plain"), nil)
		Expect(status.Code().String()).To(Equal(fwk.Skip.String()), "what PreFilter says of a pod without labels: %q", status.Message())
	})

	It("asks the licence server once in a cycle, however many nodes there are", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "solver"), node("n2", "solver"), node("n3", "solver"), node("n4", "solver")))
		w.places(ctx, pod("a", licence("solver"), team("render")))
		Expect(w.licences.Asked()).To(Equal(1), "how often the licence server was asked what is free, in one cycle with four nodes")
	})

	It("refuses a product that the licence server does not know, for good", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "mesher")))
		a := w.refuses(ctx, pod("a", licence("mesher")))
		Expect(a.Message).To(HavePrefix("0/1 nodes are available: the licence server does not know mesher. preemption: "), "the event of pod a")
		Expect(a.Nodes["n1"].Code().String()).To(Equal(fwk.UnschedulableAndUnresolvable.String()), "would it help to evict somebody? The code for each node")
	})

	DescribeTable("refuses a job without a size that makes sense, for good", func(ctx SpecContext, size string) {
		w := newWorld(args, solver, nodes(node("n1")))
		a := w.refuses(ctx, pod("a", job("movie", size)))
		Expect(a.Message).To(ContainSubstring("annotation kubekata.dev/job-size: %q is not a number of pods", size), "the event of pod a")
		Expect(a.Nodes["n1"].Code().String()).To(Equal(fwk.UnschedulableAndUnresolvable.String()), "would it help to evict somebody? The code for each node")
	},
		Entry("when it is a word", "three"),
		Entry("when it is 0", "0"),
		Entry("when it is missing", ""),
	)

	It("keeps what it has found in the pod's own CycleState", func(ctx SpecContext) {
		w := newWorld(args, map[string]int{"solver": 1, "mesher": 0}, nil)
		first, second := cycle.NewState(), cycle.NewState()
		n1 := cycle.NodeInfo(node("n1", "solver"))
		_, status := w.plugin.PreFilter(ctx, first, pod("a", licence("solver")), []fwk.NodeInfo{n1})
		Expect(status.IsSuccess()).To(BeTrue(), "PreFilter of pod a: %s", status.Message())
		_, status = w.plugin.PreFilter(ctx, second, pod("b", licence("mesher")), []fwk.NodeInfo{n1})
		Expect(status.IsSuccess()).To(BeTrue(), "PreFilter of pod b: %s", status.Message())

		status = w.plugin.Filter(ctx, first, pod("a", licence("solver")), n1)
		Expect(status.IsSuccess()).To(BeTrue(), "node n1 fits pod a, which wants a solver, although pod b wants a mesher: %s", status.Message())
		status = w.plugin.Filter(ctx, second, pod("b", licence("mesher")), n1)
		Expect(status.Message()).To(Equal("node(s) without mesher"), "node n1 and pod b")
	})
})

var _ = Describe("Filter", func() {
	It("refuses a node without the product, and says that it would not help to evict somebody", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1"), node("n2", "solver")))
		a := w.places(ctx, pod("a", licence("solver")))
		Expect(a.Node).To(Equal("n2"), "the node of pod a")
		Expect(a.Nodes["n1"].Message()).To(Equal("node(s) without solver"), "why node n1 does not fit")
		Expect(a.Nodes["n1"].Code().String()).To(Equal(fwk.UnschedulableAndUnresolvable.String()), of, "n1", a.Nodes["n1"].Message())
	})

	It("refuses all nodes while no licence is free, and says that it would help to evict somebody", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "solver")))
		w.has("elsewhere", pod("holder", licence("solver")))
		a := w.refuses(ctx, pod("a", licence("solver")))
		Expect(a.Nodes["n1"].Message()).To(Equal("no licence for solver is free"), "why node n1 does not fit")
		Expect(a.Nodes["n1"].Code().String()).To(Equal(fwk.Unschedulable.String()), of, "n1", a.Nodes["n1"].Message())
	})

	It("refuses a node with MaxPerNode pods of the team, and says that it would help to evict somebody", func(ctx SpecContext) {
		w := newWorld(onePer, nil, nodes(node("n1"), node("n2")))
		w.has("n1", pod("old", team("render"), namespace("render-2")))
		a := w.places(ctx, pod("a", team("render")))
		Expect(a.Node).To(Equal("n2"), "the node of pod a, one of whose team is on n1")
		Expect(a.Nodes["n1"].Message()).To(Equal("node(s) with enough pods of team render"), "why node n1 does not fit")
		Expect(a.Nodes["n1"].Code().String()).To(Equal(fwk.Unschedulable.String()), of, "n1", a.Nodes["n1"].Message())
	})

	It("says first what cannot be mended", func(ctx SpecContext) {
		w := newWorld(onePer, solver, nodes(node("n1")))
		w.has("n1", pod("old", team("render"), licence("solver")))
		a := w.refuses(ctx, pod("a", team("render"), licence("solver")))
		Expect(a.Nodes["n1"].Message()).To(Equal("node(s) without solver"), "why node n1 does not fit, which has a pod of the team, while no licence is free either")
	})

	It("does not count other teams", func(ctx SpecContext) {
		w := newWorld(onePer, nil, nodes(node("n1")))
		w.has("n1", pod("theirs", team("sound")), pod("nobodys"))
		w.places(ctx, pod("a", team("render")))
	})

	It("has no limit when MaxPerNode is 0", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1")))
		w.has("n1", pods("old", 3, team("render"))...)
		w.places(ctx, pod("a", team("render")))
	})

	It("lets the pods pass that have no team and no licence, wherever there is one of them", func(ctx SpecContext) {
		w := newWorld(onePer, nil, nodes(node("n1")))
		w.has("n1", pod("old", job("film", "1")))
		w.places(ctx, pod("a", job("movie", "1")))
	})

	It("explains itself in the pod's event", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1", "solver"), node("n2", "solver"), node("n3")))
		w.has("elsewhere", pod("holder", licence("solver")))
		a := w.refuses(ctx, pod("a", licence("solver")))
		Expect(a.Message).To(Equal("0/3 nodes are available: 1 node(s) without solver, 2 no licence for solver is free. "+
			"preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."), "the event of pod a")
	})
})

var _ = Describe("Preemption", func() {
	It("finds the pod whose licence would do", func(ctx SpecContext) {
		w := newWorld(args, map[string]int{"solver": 1, "mesher": 1}, nodes(node("n1", "solver"), node("n2", "solver")))
		w.has("n1", pod("meshing", licence("mesher")))
		w.has("n2", pod("solving", licence("solver")))
		a := w.refuses(ctx, pod("urgent", licence("solver"), priority(10)))
		Expect(a.Nominated).To(Equal("n2"), "the node that preemption would make room on; the scheduler says: %s", a.Message)
		Expect(a.Victims).To(Equal([]string{"solving"}), "who would have to go")
	})

	It("finds the pod of the team that has the last place", func(ctx SpecContext) {
		w := newWorld(onePer, nil, nodes(node("n1")))
		w.has("n1", pod("old", team("render")), pod("theirs", team("sound")))
		a := w.refuses(ctx, pod("urgent", team("render"), priority(10)))
		Expect(a.Victims).To(Equal([]string{"old"}), "who would have to go from node n1; the scheduler says: %s", a.Message)
	})

	It("evicts no more than it must", func(ctx SpecContext) {
		w := newWorld(args, map[string]int{"solver": 2}, nodes(node("n1", "solver")))
		w.has("n1", pod("important", licence("solver"), priority(5)), pod("spare", licence("solver"), priority(1)))
		a := w.refuses(ctx, pod("urgent", licence("solver"), priority(10)))
		Expect(a.Victims).To(Equal([]string{"spare"}), "who would have to go from node n1, whose two pods have the two licences; the scheduler says: %s", a.Message)
	})

	It("evicts nobody where that would not help", func(ctx SpecContext) {
		w := newWorld(args, solver, nodes(node("n1")))
		w.has("n1", pod("old", licence("solver")))
		a := w.refuses(ctx, pod("urgent", licence("solver"), priority(10)))
		Expect(a.Message).To(HaveSuffix("preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."), "the event of the pod: node n1 has no solver")
	})

	It("gives a licence back on a clone of the state, and the original has none", func(ctx SpecContext) {
		w := newWorld(args, solver, nil)
		victim := pod("old", licence("solver"))
		w.has("n1", victim)
		n1 := cycle.NodeInfo(node("n1", "solver"), victim)
		a, cs := pod("a", licence("solver")), cycle.NewState()
		_, status := w.plugin.PreFilter(ctx, cs, a, []fwk.NodeInfo{n1})
		Expect(status.IsSuccess()).To(BeTrue(), "PreFilter: %s", status.Message())

		clone := cs.Clone()
		Expect(w.plugin.RemovePod(ctx, clone, a, cycle.PodInfo(victim), n1).IsSuccess()).To(BeTrue(), "RemovePod")
		Expect(w.plugin.Filter(ctx, clone, a, n1).IsSuccess()).To(BeTrue(), "the clone, without pod old: node n1 fits")
		Expect(w.plugin.Filter(ctx, cs, a, n1).Message()).To(Equal("no licence for solver is free"), "the state of which the clone was made: nobody has been evicted there")
	})

	It("makes room on a clone of the state, and the original has none", func(ctx SpecContext) {
		w := newWorld(onePer, nil, nil)
		victim := pod("old", team("render"))
		n1 := cycle.NodeInfo(node("n1"), victim)
		a, cs := pod("a", team("render")), cycle.NewState()
		_, status := w.plugin.PreFilter(ctx, cs, a, []fwk.NodeInfo{n1})
		Expect(status.IsSuccess()).To(BeTrue(), "PreFilter: %s", status.Message())

		clone, without := cs.Clone(), cycle.NodeInfo(node("n1"))
		Expect(w.plugin.RemovePod(ctx, clone, a, cycle.PodInfo(victim), without).IsSuccess()).To(BeTrue(), "RemovePod")
		Expect(w.plugin.Filter(ctx, clone, a, without).IsSuccess()).To(BeTrue(), "the clone, without pod old: node n1 fits")
		Expect(w.plugin.Filter(ctx, cs, a, n1).Message()).To(Equal("node(s) with enough pods of team render"), "the state of which the clone was made: nobody has been evicted there")
	})
})
