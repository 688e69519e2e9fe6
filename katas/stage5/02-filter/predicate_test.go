package filter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	filter "github.com/kubekata/kubekata/katas/stage5/02-filter"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/scheduler"
)

// want is what a spec wants of a verdict: each node is in one of its parts.
type want struct {
	fits              []string
	refused, hopeless map[string]string
}

// expects asks about a pod and some nodes.
func expects(ctx context.Context, h *hall, extender configv1.Extender, p *corev1.Pod, nodes []*corev1.Node, w want) {
	GinkgoHelper()
	v := h.oracle(extender).Filter(ctx, p, nodes...)
	Expect(v.Unresolvable).To(Equal(orEmpty(w.hopeless)), "FailedAndUnresolvableNodes for pod %s, which draws %q W", p.Name, p.Annotations[filter.WattsAnnotation])
	Expect(v.Refused).To(Equal(orEmpty(w.refused)), "FailedNodes for pod %s, which draws %q W", p.Name, p.Annotations[filter.WattsAnnotation])
	if len(w.fits) == 0 {
		Expect(v.Fits).To(BeEmpty(), "the nodes that pod %s fits on", p.Name)
		return
	}
	Expect(v.Fits).To(Equal(w.fits), "the nodes that pod %s fits on, in their order", p.Name)
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

var _ = Describe("Predicate", func() {
	inBothWays("lets a pod onto a node whose rack has enough left", func(ctx SpecContext, extender configv1.Extender) {
		nodes := []*corev1.Node{node("a", "r1")}
		expects(ctx, newHall(nodes...), extender, pod("web", 400), nodes, want{fits: []string{"a"}})
	})

	It("lets a pod have the last watt", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "r1")}
		h := newHall(nodes...).has("a", pod("old", 600))
		expects(ctx, h, byName, pod("web", 400), nodes, want{fits: []string{"a"}})
	})

	It("lets a pod that draws nothing onto each node, known or not", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "r1"), node("b", "r9"), node("c", "")}
		h := newHall(nodes...).has("a", pod("old", 1000))
		expects(ctx, h, byName, scheduler.Pod("web"), append(nodes, node("new", "r1")), want{fits: []string{"a", "b", "c", "new"}})
	})

	inBothWays("refuses a node whose rack has too little left, and says that it would help if others went", func(ctx SpecContext, extender configv1.Extender) {
		nodes := []*corev1.Node{node("a", "r1"), node("b", "r2")}
		h := newHall(nodes...).has("a", pod("old", 500), pod("older", 300))
		expects(ctx, h, extender, pod("web", 300), nodes, want{fits: []string{"b"}, refused: map[string]string{"a": "rack r1 has 200 W left"}})
	})

	inBothWays("refuses a node whose rack supplies too little in all, and says that nobody's leaving would help", func(ctx SpecContext, extender configv1.Extender) {
		nodes := []*corev1.Node{node("a", "r1"), node("b", "r2")}
		expects(ctx, newHall(nodes...), extender, pod("web", 400), nodes, want{fits: []string{"a"}, hopeless: map[string]string{"b": "rack r2 supplies 300 W in all"}})
	})

	It("has the hopeless reason where both apply", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("b", "r2")}
		h := newHall(nodes...).has("b", pod("old", 200))
		expects(ctx, h, byName, pod("web", 400), nodes, want{hopeless: map[string]string{"b": "rack r2 supplies 300 W in all"}})
	})

	inBothWays("refuses a node without a rack, and one in a rack without supply, for good", func(ctx SpecContext, extender configv1.Extender) {
		empty := node("d", "")
		empty.Labels[filter.RackLabel] = ""
		nodes := []*corev1.Node{node("a", "r1"), node("b", "r9"), node("c", ""), empty}
		expects(ctx, newHall(nodes...), extender, pod("web", 100), nodes, want{fits: []string{"a"}, hopeless: map[string]string{
			"b": "rack r9 has no supply", "c": "node(s) without a rack", "d": "node(s) without a rack",
		}})
	})

	It("refuses a node whose name its lister does not know yet, for good", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "r1")}
		expects(ctx, newHall(nodes...), byName, pod("web", 100), append(nodes, node("new", "r1")), want{
			fits: []string{"a"}, hopeless: map[string]string{"new": "node(s) that the extender does not know yet"},
		})
	})

	for _, text := range []string{"4OO", "", "0", "-100", "1.5", "400 W"} {
		It(fmt.Sprintf("refuses a pod whose annotation is %q on each node, for good, and it is no error", text), func(ctx SpecContext) {
			nodes := []*corev1.Node{node("a", "r1"), node("b", "r2"), node("c", "")}
			reason := fmt.Sprintf("power.kubekata.dev/watts %q is no number of watts", text)
			expects(ctx, newHall(nodes...), byName, scheduler.Pod("web", annotated(text)), nodes, want{hopeless: map[string]string{"a": reason, "b": reason, "c": reason}})
		})
	}

	It("has the nodes that fit in the order in which they came", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("m", "r1"), node("z", "r1"), node("a", "r1"), node("q", "r2"), node("k", "r1"), node("b", "r1")}
		for _, extender := range []configv1.Extender{byName, byNode} {
			expects(ctx, newHall(nodes...), extender, pod("web", 400), nodes, want{
				fits: []string{"m", "z", "a", "k", "b"}, hopeless: map[string]string{"q": "rack r2 supplies 300 W in all"},
			})
		}
	})

	inBothWays("answers with an empty list where no node fits, and without an Error", func(ctx SpecContext, extender configv1.Extender) {
		nodes := []*corev1.Node{node("a", "r1")}
		h := newHall(nodes...).has("a", pod("old", 1000))
		v := h.oracle(extender).Filter(ctx, pod("web", 100), nodes...)
		Expect(v.Result.Error).To(BeEmpty(), "Error, when no node fits")
		Expect(v.Message).To(Equal("0/1 nodes are available: 1 rack r1 has 0 W left."), "what the user reads")
	})

	inBothWays("answers with an empty list when it was asked about no node", func(ctx SpecContext, extender configv1.Extender) {
		v := newHall().oracle(extender).Filter(ctx, pod("web", 100))
		Expect(v.Result.Error).To(BeEmpty(), "Error, when there was no node in the question")
	})

	It("answers by NodeNames or Nodes, as it was asked, and not by both", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "r1"), node("b", "r1")}
		h := newHall(nodes...)
		v := h.oracle(byName).Filter(ctx, pod("web", 100), nodes...)
		Expect(v.Result.NodeNames).To(HaveValue(Equal([]string{"a", "b"})), "NodeNames of the answer, asked by NodeNames")
		Expect(v.Result.Nodes).To(BeNil(), "Nodes of the answer, asked by NodeNames")
		v = h.oracle(byNode).Filter(ctx, pod("web", 100), nodes...)
		Expect(v.Result.Nodes).NotTo(BeNil(), "Nodes of the answer, asked by Nodes")
		Expect(v.Result.NodeNames).To(BeNil(), "NodeNames of the answer, asked by Nodes")
	})

	Describe("for a rack's load", func() {
		inBothWays("counts what pods draw on all of its nodes, and not only on those that were asked about", func(ctx SpecContext, extender configv1.Extender) {
			a, cordoned := node("a", "r1"), node("cordoned", "r1")
			h := newHall(a, cordoned).has("cordoned", pod("old", 700))
			expects(ctx, h, extender, pod("web", 400), []*corev1.Node{a}, want{refused: map[string]string{"a": "rack r1 has 300 W left"}})
		})

		It("does not count what pods draw from other racks, or from none", func(ctx SpecContext) {
			a := node("a", "r1")
			h := newHall(a, node("b", "r2"), node("c", "")).has("b", pod("old", 300)).has("c", pod("older", 900)).has("gone", pod("oldest", 900))
			expects(ctx, h, byName, pod("web", 1000), []*corev1.Node{a}, want{fits: []string{"a"}})
		})

		It("counts the pods of all namespaces", func(ctx SpecContext) {
			a := node("a", "r1")
			h := newHall(a).has("a", pod("old", 400, func(p *corev1.Pod) { p.Namespace = "red" }), pod("old", 400, func(p *corev1.Pod) { p.Namespace = "blue" }))
			expects(ctx, h, byName, pod("web", 400), []*corev1.Node{a}, want{refused: map[string]string{"a": "rack r1 has 200 W left"}})
		})

		It("does not count pods that are over", func(ctx SpecContext) {
			a := node("a", "r1")
			h := newHall(a).has("a", pod("done", 900, phase(corev1.PodSucceeded)), pod("broken", 900, phase(corev1.PodFailed)), pod("starting", 100, phase(corev1.PodPending)))
			expects(ctx, h, byName, pod("web", 900), []*corev1.Node{a}, want{fits: []string{"a"}})
		})

		It("counts a pod from when it has a node, and until it has really gone", func(ctx SpecContext) {
			a := node("a", "r1")
			h := newHall(a).has("a", pod("starting", 300, phase(corev1.PodPending)), pod("going", 300, phase(corev1.PodRunning), terminating), pod("running", 300, phase(corev1.PodRunning)))
			expects(ctx, h, byName, pod("web", 200), []*corev1.Node{a}, want{refused: map[string]string{"a": "rack r1 has 100 W left"}})
		})

		It("does not count annotations that are no number of watts", func(ctx SpecContext) {
			a := node("a", "r1")
			h := newHall(a).has("a", scheduler.Pod("word", annotated("many")), pod("negative", -500), scheduler.Pod("nothing"), pod("old", 800))
			expects(ctx, h, byName, pod("web", 300), []*corev1.Node{a}, want{refused: map[string]string{"a": "rack r1 has 200 W left"}})
		})

		It("has 0 W left where more is drawn than supplied", func(ctx SpecContext) {
			a := node("a", "r1")
			h := newHall(a).has("a", pod("old", 700), pod("older", 700))
			expects(ctx, h, byName, pod("web", 100), []*corev1.Node{a}, want{refused: map[string]string{"a": "rack r1 has 0 W left"}})
		})

		It("counts again for each question", func(ctx SpecContext) {
			a := node("a", "r1")
			h := newHall(a)
			expects(ctx, h, byName, pod("web", 600), []*corev1.Node{a}, want{fits: []string{"a"}})
			old := pod("old", 600)
			h.has("a", old)
			expects(ctx, h, byName, pod("web", 600), []*corev1.Node{a}, want{refused: map[string]string{"a": "rack r1 has 400 W left"}})
			Expect(h.pods.Delete(old)).To(Succeed())
			expects(ctx, h, byName, pod("web", 600), []*corev1.Node{a}, want{fits: []string{"a"}})
		})

		It("goes by the nodes as they were sent, where the lister has older ones", func(ctx SpecContext) {
			h := newHall(node("a", "r2"), node("b", "r1")).has("a", pod("old", 700)).has("new", pod("older", 100))
			sent := []*corev1.Node{node("a", "r1"), node("new", "r1")}
			reason := "rack r1 has 200 W left"
			expects(ctx, h, byNode, pod("web", 400), sent, want{refused: map[string]string{"a": reason, "new": reason}})
		})
	})

	Describe("answers with an Error and nothing else", func() {
		alone := func(result *extenderv1.ExtenderFilterResult, what string) {
			GinkgoHelper()
			Expect(result).NotTo(BeNil(), "the result for %s", what)
			Expect(result.Error).NotTo(BeEmpty(), "Error for %s", what)
			Expect(*result).To(Equal(extenderv1.ExtenderFilterResult{Error: result.Error}), "the result for %s, which has an Error and nothing else", what)
		}

		It("to a question without a pod", func() {
			alone(newHall(node("a", "r1")).Predicate(extenderv1.ExtenderArgs{NodeNames: names("a")}), "args without a Pod")
		})

		It("to a question with neither Nodes nor NodeNames", func() {
			alone(newHall(node("a", "r1")).Predicate(extenderv1.ExtenderArgs{Pod: pod("web", 100)}), "args with neither Nodes nor NodeNames")
		})

		It("when the pods cannot be listed", func() {
			h := newHall(node("a", "r1"))
			h.Extender.Pods = brokenPods{h.Extender.Pods}
			result := h.Predicate(extenderv1.ExtenderArgs{Pod: pod("web", 100), NodeNames: names("a")})
			alone(result, "a lister that fails")
			Expect(result.Error).To(ContainSubstring(errBroken.Error()), "Error, which says what has failed")
		})

		It("when a node cannot be read, which is not the same as one that is not there", func() {
			h := newHall(node("a", "r1"))
			h.Extender.Nodes = brokenNodes{h.Extender.Nodes}
			result := h.Predicate(extenderv1.ExtenderArgs{Pod: pod("web", 100), NodeNames: names("a")})
			alone(result, "a lister that fails")
			Expect(result.Error).To(ContainSubstring(errBroken.Error()), "Error, which says what has failed")
		})
	})

	It("changes nothing in the question, nor in what the listers have", func() {
		nodes := []*corev1.Node{node("a", "r2"), node("b", "r1"), node("c", ""), node("d", "r1")}
		old := pod("old", 100)
		h := newHall(nodes...).has("b", old)
		for _, args := range []extenderv1.ExtenderArgs{
			{Pod: pod("web", 400), NodeNames: names("a", "b", "c", "d")},
			{Pod: pod("web", 400), Nodes: &corev1.NodeList{Items: []corev1.Node{*nodes[0], *nodes[1], *nodes[2], *nodes[3]}}},
		} {
			before := copied(args)
			kept := old.DeepCopy()
			h.Predicate(args)
			Expect(args).To(Equal(before), "the args after the call")
			Expect(old).To(Equal(kept), "pod old, which the lister has")
			for i, n := range nodes {
				Expect(n).To(Equal(node(n.Name, []string{"r2", "r1", "", "r1"}[i])), "node %s, which the lister has", n.Name)
			}
		}
	})

	It("lists the pods once for a question, however many nodes are in it", func(ctx SpecContext) {
		var nodes []*corev1.Node
		for i := range 20 {
			nodes = append(nodes, node(fmt.Sprintf("n%d", i), "r1"))
		}
		h := newHall(nodes...)
		counting := &countingPods{PodLister: h.Extender.Pods}
		h.Extender.Pods = counting
		for _, extender := range []configv1.Extender{byName, byNode} {
			counting.lists = 0
			h.oracle(extender).Filter(ctx, pod("web", 400), nodes...)
			Expect(counting.lists).To(BeNumerically("<=", 1), "how often the pods have been listed, for a question with 20 nodes")
		}
	})

	It("answers two questions at the same time, each for itself", func(ctx SpecContext) {
		h := newHall(node("a", "r1"), node("b", "r2")).has("a", pod("old", 500))
		gate := harness.Closed(ctx)
		slow := &slowPods{PodLister: h.Extender.Pods, gate: gate, inside: make(chan struct{})}
		h.Extender.Pods = slow
		ask := func(p *corev1.Pod, nodes ...string) chan *extenderv1.ExtenderFilterResult {
			answer := make(chan *extenderv1.ExtenderFilterResult, 1)
			go func() {
				defer slow.first() // whoever waits for this call to get there need not, when it has panicked
				defer close(answer)
				defer GinkgoRecover()
				answer <- h.Predicate(extenderv1.ExtenderArgs{Pod: p, NodeNames: names(nodes...)})
			}()
			return answer
		}
		DeferCleanup(gate.Open)
		first := ask(pod("big", 600), "a")
		Eventually(ctx, slow.inside).WithTimeout(bound).Should(BeClosed(), "the first question gets as far as the pods' lister")
		second := ask(pod("small", 200), "b")
		var answer *extenderv1.ExtenderFilterResult
		Eventually(ctx, second).WithTimeout(bound).Should(Receive(&answer), "the second question is answered while the first one waits for the pods' lister")
		Expect(answer.NodeNames).To(HaveValue(Equal([]string{"b"})), "where pod small fits, which draws 200 W")
		gate.Open()
		Eventually(ctx, first).WithTimeout(bound).Should(Receive(&answer), "the first question is answered")
		Expect(answer.NodeNames).To(HaveValue(BeEmpty()), "where pod big fits, which draws 600 W")
		Expect(answer.FailedNodes).To(Equal(extenderv1.FailedNodesMap{"a": "rack r1 has 500 W left"}), "FailedNodes for pod big")
	})
})

func copied(args extenderv1.ExtenderArgs) extenderv1.ExtenderArgs {
	c := extenderv1.ExtenderArgs{Pod: args.Pod.DeepCopy(), Nodes: args.Nodes.DeepCopy()}
	if args.NodeNames != nil {
		c.NodeNames = new(slices.Clone(*args.NodeNames))
	}
	return c
}

var errBroken = errors.New("the informer has stopped")

type brokenPods struct{ corelisters.PodLister }

func (brokenPods) List(labels.Selector) ([]*corev1.Pod, error) { return nil, errBroken }

func (brokenPods) Pods(string) corelisters.PodNamespaceLister {
	panic("there is no namespace to ask about")
}

type brokenNodes struct{ corelisters.NodeLister }

func (brokenNodes) List(labels.Selector) ([]*corev1.Node, error) { return nil, errBroken }

func (brokenNodes) Get(string) (*corev1.Node, error) { return nil, errBroken }

// slowPods lets the first caller wait.
type slowPods struct {
	corelisters.PodLister
	gate   *harness.Gate
	once   sync.Once
	inside chan struct{}
}

func (s *slowPods) List(selector labels.Selector) ([]*corev1.Pod, error) {
	if s.first() {
		s.gate.Wait()
	}
	return s.PodLister.List(selector)
}

// first says whether nobody has been here before.
func (s *slowPods) first() (yes bool) {
	s.once.Do(func() {
		yes = true
		close(s.inside)
	})
	return yes
}

// countingPods counts lists, of all namespaces or of one.
type countingPods struct {
	corelisters.PodLister
	lists int
}

func (c *countingPods) List(selector labels.Selector) ([]*corev1.Pod, error) {
	c.lists++
	return c.PodLister.List(selector)
}

func (c *countingPods) Pods(namespace string) corelisters.PodNamespaceLister {
	c.lists++
	return c.PodLister.Pods(namespace)
}
