package frameworkplugin_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Score", func() {
	It("prefers the node with the fewest pods of the team", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1"), node("n2"), node("n3")))
		w.has("n1", pods("a", 2, team("render"))...)
		w.has("n2", pods("b", 1, team("render"))...)
		w.has("n3", pods("c", 5, team("sound"))...)
		a := w.places(ctx, pod("new", team("render")))
		Expect(a.Node).To(Equal("n3"), "the node of the pod, of whose team n1 has two, n2 has one and n3 none; the scores are %v", a.Scores)
	})

	It("stays between 0 and 100, however many pods there are", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1"), node("n2"), node("n3")))
		w.has("n1", pods("a", 220, team("render"))...)
		w.has("n2", pods("b", 110, team("render"))...)
		a := w.places(ctx, pod("new", team("render")))
		Expect(a.Scores).To(Equal(map[string]int64{"n1": 0, "n2": 50, "n3": 100}), "the scores of nodes with 220, 110 and no pods of the team")
	})

	It("gives 100 for the fewest, 0 for the most, and in proportion what lies between", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1"), node("n2"), node("n3")))
		w.has("n1", pods("a", 4, team("render"))...)
		w.has("n2", pods("b", 1, team("render"))...)
		w.has("n3", pods("c", 2, team("render"))...)
		a := w.places(ctx, pod("new", team("render")))
		Expect(a.Scores).To(Equal(map[string]int64{"n1": 0, "n2": 100, "n3": 66}), "the scores of nodes with four, one and two pods of the team")
	})

	It("gives 100 to all when all have the same number", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1"), node("n2")))
		w.has("n1", pod("a", team("render")))
		w.has("n2", pod("b", team("render")))
		a := w.places(ctx, pod("new", team("render")))
		Expect(a.Scores).To(Equal(map[string]int64{"n1": 100, "n2": 100}), "the scores of two nodes with one pod of the team each")
	})

	It("has no preference for a pod that PreFilter has skipped", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1"), node("n2")))
		w.has("n1", pods("a", 3, team("render"))...)
		a := w.places(ctx, pod("plain"))
		Expect(a.Scores["n1"]).To(Equal(a.Scores["n2"]), "the scores of n1 and n2 for a pod without labels: Skip in PreFilter does not skip Score")
	})

	It("spreads a team, one pod after the other", func(ctx SpecContext) {
		w := newWorld(args, nil, nodes(node("n1"), node("n2"), node("n3")))
		for i := range 9 {
			w.places(ctx, pod(fmt.Sprintf("a-%d", i), team("render")))
		}
		for _, name := range []string{"n1", "n2", "n3"} {
			Expect(w.Pods(name)).To(HaveLen(3), "the pods of node %s, when nine of a team have been spread over three nodes", name)
		}
	})
})
