package preemption_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	preemption "github.com/kubekata/kubekata/katas/stage5/05-preemption"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/scheduler"
)

var _ = Describe("ProcessPreemption", func() {
	inBothWays("leaves a node whose victim may go, in NodeNameToMetaVictims", func(ctx SpecContext, extender configv1.Extender) {
		expectsOf(ctx, extender, pod("web", 500), left{"a": {"test"}}, on("a", pod("test", 0)))
	})

	inBothWays("drops a node whose victim stays", func(ctx SpecContext, extender configv1.Extender) {
		expectsOf(ctx, extender, pod("web", 500), left{"b": {"test"}}, on("a", pod("simulation", 0, stay("true"))), on("b", pod("test", 0)))
	})

	inBothWays("drops a node whole when one of its victims may not go: the others alone would not make room", func(ctx SpecContext, extender configv1.Extender) {
		for _, place := range []int{0, 1, 2} {
			victims := []*corev1.Pod{pod("red", 20), pod("green", 20), pod("blue", 20)}
			stay("true")(victims[place])
			expectsOf(ctx, extender, pod("web", 500), left{"b": {"test"}}, on("a", victims...), on("b", pod("test", 0)))
		}
	})

	inBothWays("leaves all the nodes on which the victims may go, of which the scheduler chooses one", func(ctx SpecContext, extender configv1.Extender) {
		expectsOf(ctx, extender, pod("web", 500), left{"a": {"one", "two"}, "b": {"three"}, "d": {"five"}},
			on("a", pod("one", 300), pod("two", 200)), on("b", pod("three", 0)), on("c", pod("four", 0, stay("true"))), on("d", pod("five", 400)))
	})

	inBothWays("has the victims in the order in which they came: the scheduler takes the first one for the most important", func(ctx SpecContext, extender configv1.Extender) {
		want := []string{"m", "z", "a", "q", "b", "k"}
		victims := []*corev1.Pod{pod("m", 300), pod("z", 300), pod("a", 200), pod("q", 100), pod("b", 0), pod("k", -10)}
		expectsOf(ctx, extender, pod("web", 500), left{"a": want}, on("a", victims...))
	})

	inBothWays("names nobody but the victims that it was asked about, though others are on the same node", func(ctx SpecContext, extender configv1.Extender) {
		test, simulation := pod("test", 0, scheduler.Bound("a")), pod("simulation", 0, stay("true"), scheduler.Bound("b"))
		idle, idler := pod("idle", 0, scheduler.Bound("a")), pod("idler", 0, scheduler.Bound("b"))
		w := newWatcher(test, simulation, idle, idler)
		w.expects(ctx, extender, pod("web", 500), left{"a": {"test"}},
			scheduler.Candidate{Node: "a", Victims: []*corev1.Pod{test}, Pods: []*corev1.Pod{idle}}, scheduler.Candidate{Node: "b", Victims: []*corev1.Pod{simulation}, Pods: []*corev1.Pod{idler}})
	})

	Describe("for the annotation", func() {
		for _, value := range []string{"true", "True", "yes", "", "False", "0"} {
			It(fmt.Sprintf("lets a pod stay with the value %q", value), func(ctx SpecContext) {
				expectsOf(ctx, byUID, pod("web", 500), left{}, on("a", pod("simulation", 0, stay(value))))
			})
		}

		It("lets a pod go with the value \"false\"", func(ctx SpecContext) {
			expectsOf(ctx, byUID, pod("web", 500), left{"a": {"test"}}, on("a", pod("test", 0, stay("false"))))
		})

		It("does not look at the preemptor's own", func(ctx SpecContext) {
			expectsOf(ctx, byUID, pod("web", 500, stay("true")), left{"a": {"test"}}, on("a", pod("test", 0)))
		})
	})

	Describe("for priorities", func() {
		inBothWays("lets a victim go whose priority is lower by the Gap, and none that is nearer", func(ctx SpecContext, extender configv1.Extender) {
			expectsOf(ctx, extender, pod("web", 500), left{"a": {"far"}, "b": {"just"}}, on("a", pod("far", 399)), on("b", pod("just", 400)), on("c", pod("near", 401)), on("d", pod("nearer", 499)))
		})

		inBothWays("lets nobody go whose priority is the same or higher", func(ctx SpecContext, extender configv1.Extender) {
			expectsOf(ctx, extender, pod("web", 500), left{}, on("a", pod("same", 500)), on("b", pod("higher", 501)), on("c", pod("highest", 5000)))
		})

		for _, gap := range []int32{0, 1, -100} {
			It(fmt.Sprintf("lets anybody go who is lower, and nobody else, with a Gap of %d", gap), func(ctx SpecContext) {
				same, lower := pod("same", 500), pod("lower", 499)
				w := newWatcher(same, lower)
				w.Gap = gap
				w.expects(ctx, byUID, pod("web", 500), left{"b": {"lower"}}, on("a", same), on("b", lower))
			})
		}

		It("takes a pod without a priority for one of 0", func(ctx SpecContext) {
			nobody := func(name string) *corev1.Pod { return scheduler.Pod(name) }
			expectsOf(ctx, byUID, pod("web", 100), left{"a": {"test"}}, on("a", nobody("test")))
			expectsOf(ctx, byUID, pod("web", 99), left{}, on("a", nobody("test")))
			expectsOf(ctx, byUID, nobody("web"), left{"a": {"idle"}}, on("a", pod("idle", -100)), on("b", pod("test", 0)))
		})

		It("knows that the highest and the lowest priority are far apart", func(ctx SpecContext) {
			lowest := pod("idle", math.MinInt32)
			w := newWatcher(lowest)
			w.Critical = math.MaxInt32
			w.expects(ctx, byUID, pod("web", 2_000_000_000), left{"a": {"idle"}}, on("a", lowest))
			w.expects(ctx, byUID, pod("web", math.MaxInt32), left{"a": {"idle"}}, on("a", lowest))
		})
	})

	Describe("for budgets", func() {
		inBothWays("drops a node with a violation, when the preemptor is not critical", func(ctx SpecContext, extender configv1.Extender) {
			v := expectsOf(ctx, extender, pod("web", 999), left{"b": {"test"}}, violating(1, "a", pod("db", 0), pod("cache", 0)), on("b", pod("test", 0)))
			Expect(v.PDBViolations).To(Equal(map[string]int64{"b": 0}), "NumPDBViolations of the answer")
		})

		inBothWays("leaves a node with violations to a critical preemptor, and says how many they are", func(ctx SpecContext, extender configv1.Extender) {
			v := expectsOf(ctx, extender, pod("dns", 1000), left{"a": {"db", "queue", "cache"}, "b": {"test"}, "c": {"web"}},
				violating(2, "a", pod("db", 300), pod("queue", 200), pod("cache", 100)), on("b", pod("test", 0)), violating(1, "c", pod("web", 0)))
			Expect(v.PDBViolations).To(Equal(map[string]int64{"a": 2, "b": 0, "c": 1}), "NumPDBViolations of the answer: the scheduler prefers the node with the fewest")
		})
	})

	Describe("for a critical preemptor", func() {
		inBothWays("heeds neither annotations nor the Gap", func(ctx SpecContext, extender configv1.Extender) {
			expectsOf(ctx, extender, pod("dns", 1000), left{"a": {"simulation"}, "b": {"near"}}, on("a", pod("simulation", 0, stay("true"))), on("b", pod("near", 999)))
		})

		inBothWays("heeds priorities all the same", func(ctx SpecContext, extender configv1.Extender) {
			expectsOf(ctx, extender, pod("dns", 1000), left{"c": {"test"}}, on("a", pod("same", 1000)), on("b", pod("higher", 2000)), on("c", pod("test", 0)))
		})

		It("begins at Critical, and not below", func(ctx SpecContext) {
			expectsOf(ctx, byUID, pod("web", 999), left{}, on("a", pod("simulation", 0, stay("true"))))
			expectsOf(ctx, byUID, pod("dns", 1000), left{"a": {"simulation"}}, on("a", pod("simulation", 0, stay("true"))))
			expectsOf(ctx, byUID, pod("dns", 1001), left{"a": {"simulation"}}, on("a", pod("simulation", 0, stay("true"))))
		})
	})

	Describe("for a victim that is being deleted already", func() {
		inBothWays("lets it go whatever else there is to say about it, and has it in the answer", func(ctx SpecContext, extender configv1.Extender) {
			expectsOf(ctx, extender, pod("web", 500), left{"a": {"simulation"}, "b": {"near"}, "c": {"same"}, "d": {"test", "going"}},
				on("a", pod("simulation", 0, stay("true"), terminating)), on("b", pod("near", 450, terminating)), on("c", pod("same", 500, terminating)),
				on("d", pod("test", 0), pod("going", 0, terminating)))
		})

		It("lets the others on its node stay", func(ctx SpecContext) {
			expectsOf(ctx, byUID, pod("web", 500), left{}, on("a", pod("going", 0, terminating), pod("simulation", 0, stay("true"))))
		})
	})

	Describe("for what it knows", func() {
		It("drops a node with a victim that the indexer does not have, and leaves the others", func(ctx SpecContext) {
			test, old := pod("test", 0), pod("old", 0)
			w := newWatcher(test, old)
			w.expects(ctx, byUID, pod("web", 500), left{"b": {"test"}}, on("a", old, pod("unknown", 0)), on("b", test))
			w.expects(ctx, byUID, pod("dns", 1000), left{"b": {"test"}}, on("a", pod("unknown", 0), old), on("b", test))
		})

		It("goes by a victim's UID, and not by its name", func(ctx SpecContext) {
			next := pod("test", 0, func(p *corev1.Pod) { p.UID = "uid-of-the-next" })
			newWatcher(next).expects(ctx, byUID, pod("web", 500), left{}, on("a", pod("test", 0)))
			expectsOf(ctx, byUID, pod("web", 500), left{"a": {"test"}, "b": {"test"}},
				on("a", pod("test", 0, func(p *corev1.Pod) { p.Namespace, p.UID = "red", "b9c0" })), on("b", pod("test", 0, func(p *corev1.Pod) { p.Namespace, p.UID = "blue", "17fe" })))
		})

		It("looks victims up by the index, and does not go through all the pods", func(ctx SpecContext) {
			test := pod("test", 0)
			w := newWatcher(test, pod("other", 0), pod("another", 0))
			w.expects(ctx, byUID, pod("web", 500), left{"a": {"test"}}, on("a", test))
			Expect(w.pods.walked.Load()).To(BeZero(), "how often it went through all the pods of the indexer, of which there may be 150000")
		})

		It("goes by the pods as they were sent, whatever the indexer has", func(ctx SpecContext) {
			w := newWatcher(pod("test", 0, stay("true")), pod("simulation", 0))
			w.expects(ctx, byPod, pod("web", 500), left{"a": {"test"}, "c": {"new"}},
				on("a", pod("test", 0)), on("b", pod("simulation", 0, stay("true"))), on("c", pod("new", 0)))
		})

		It("looks again for each question", func(ctx SpecContext) {
			w := newWatcher(pod("test", 0))
			candidate := on("a", pod("test", 0))
			w.expects(ctx, byUID, pod("web", 500), left{"a": {"test"}}, candidate)
			Expect(w.pods.Update(pod("test", 0, stay("true")))).To(Succeed())
			w.expects(ctx, byUID, pod("web", 500), left{}, candidate)
			Expect(w.pods.Update(pod("test", 0))).To(Succeed())
			w.expects(ctx, byUID, pod("web", 500), left{"a": {"test"}}, candidate)
			w.expects(ctx, byUID, pod("web", 50), left{}, candidate)
			Expect(w.pods.Delete(pod("test", 0))).To(Succeed())
			w.expects(ctx, byUID, pod("web", 500), left{}, candidate)
		})
	})

	Describe("has an answer", func() {
		inBothWays("with an empty map when no node is left", func(ctx SpecContext, extender configv1.Extender) {
			v := expectsOf(ctx, extender, pod("web", 500), left{}, on("a", pod("simulation", 0, stay("true"))))
			Expect(v.Exchange.Body).To(MatchJSON(`{"NodeNameToMetaVictims": {}}`), "the answer, as the scheduler reads it")
		})

		It("with an empty map to a question about no node", func() {
			for _, args := range []extenderv1.ExtenderPreemptionArgs{
				{Pod: pod("web", 500), NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}},
				{Pod: pod("web", 500), NodeNameToVictims: map[string]*extenderv1.Victims{}},
			} {
				Expect(newWatcher().ProcessPreemption(args)).To(Equal(none()), "the result for %s", text(args))
			}
		})

		It("without the nodes that have no victims: the scheduler takes such a node for an error", func() {
			test := pod("test", 0)
			w := newWatcher(test)
			want := &extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{"a": {Pods: []*extenderv1.MetaPod{{UID: "uid-of-test"}}}}}
			for _, args := range []extenderv1.ExtenderPreemptionArgs{
				{Pod: pod("dns", 1000), NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{
					"a": {Pods: []*extenderv1.MetaPod{{UID: "uid-of-test"}}}, "null": nil, "nobody": {}, "none": {Pods: []*extenderv1.MetaPod{}},
				}},
				{Pod: pod("dns", 1000), NodeNameToVictims: map[string]*extenderv1.Victims{
					"a": {Pods: []*corev1.Pod{test}}, "null": nil, "nobody": {}, "none": {Pods: []*corev1.Pod{}},
				}},
			} {
				Expect(w.ProcessPreemption(args)).To(Equal(want), "the result for %s", text(args))
			}
		})

		It("without the nodes on which a victim is nil", func() {
			test := pod("test", 0)
			for _, args := range []extenderv1.ExtenderPreemptionArgs{
				{Pod: pod("dns", 1000), NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{"a": {Pods: []*extenderv1.MetaPod{{UID: "uid-of-test"}, nil}}}},
				{Pod: pod("dns", 1000), NodeNameToVictims: map[string]*extenderv1.Victims{"a": {Pods: []*corev1.Pod{test, nil}}}},
			} {
				Expect(newWatcher(test).ProcessPreemption(args)).To(Equal(none()), "the result for %s", text(args))
			}
		})
	})

	Describe("has no answer", func() {
		It("to a question without a pod", func() {
			test := pod("test", 0)
			for _, args := range []extenderv1.ExtenderPreemptionArgs{
				{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{"a": {Pods: []*extenderv1.MetaPod{{UID: "uid-of-test"}}}}},
				{NodeNameToVictims: map[string]*extenderv1.Victims{"a": {Pods: []*corev1.Pod{test}}}},
				{NodeNameToVictims: map[string]*extenderv1.Victims{}},
			} {
				Expect(newWatcher(test).ProcessPreemption(args)).To(BeNil(), "the result for %s", text(args))
			}
		})

		It("to a question without either map", func() {
			args := extenderv1.ExtenderPreemptionArgs{Pod: pod("web", 500)}
			Expect(newWatcher().ProcessPreemption(args)).To(BeNil(), "the result for %s", text(args))
		})

		It("when the indexer fails, which is not the same as a pod that is not there", func() {
			test := pod("test", 0)
			args := extenderv1.ExtenderPreemptionArgs{Pod: pod("web", 500), NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{"a": {Pods: []*extenderv1.MetaPod{{UID: "uid-of-test"}}}}}
			w := newWatcher(test)
			w.pods.broken = true
			Expect(w.ProcessPreemption(args)).To(BeNil(), "the result, when the indexer says %q", errBroken)
			w.Extender.Pods = cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
			Expect(w.ProcessPreemption(args)).To(BeNil(), "the result, when the indexer has no index with the name %q", preemption.UIDIndex)
		})
	})

	It("changes nothing in the question, nor in what the indexer has", func() {
		made := func() []*corev1.Pod {
			return []*corev1.Pod{pod("one", 0), pod("two", 50), pod("simulation", 0, stay("true")), pod("four", 499), pod("bare", 0, func(p *corev1.Pod) { p.Annotations = nil })}
		}
		asked := func(pods []*corev1.Pod) []extenderv1.ExtenderPreemptionArgs {
			victims := func(violations int64, all ...*corev1.Pod) (*extenderv1.Victims, *extenderv1.MetaVictims) {
				meta := &extenderv1.MetaVictims{NumPDBViolations: violations}
				for _, p := range all {
					meta.Pods = append(meta.Pods, &extenderv1.MetaPod{UID: string(p.UID)})
				}
				return &extenderv1.Victims{Pods: all, NumPDBViolations: violations}, meta
			}
			byPods := extenderv1.ExtenderPreemptionArgs{Pod: pod("web", 500), NodeNameToVictims: map[string]*extenderv1.Victims{}}
			byUIDs := extenderv1.ExtenderPreemptionArgs{Pod: pod("web", 500), NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
			byPods.NodeNameToVictims["a"], byUIDs.NodeNameToMetaVictims["a"] = victims(0, pods[1], pods[0], pods[4])
			byPods.NodeNameToVictims["b"], byUIDs.NodeNameToMetaVictims["b"] = victims(0, pods[1], pods[2])
			byPods.NodeNameToVictims["c"], byUIDs.NodeNameToMetaVictims["c"] = victims(1, pods[3])
			byPods.NodeNameToVictims["d"], byUIDs.NodeNameToMetaVictims["d"] = victims(0)
			return []extenderv1.ExtenderPreemptionArgs{byUIDs, byPods}
		}
		pods := made()
		w, before := newWatcher(pods...), asked(made())
		for i, args := range asked(pods) {
			Expect(w.ProcessPreemption(args)).To(Equal(&extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{
				"a": {Pods: []*extenderv1.MetaPod{{UID: "uid-of-two"}, {UID: "uid-of-one"}, {UID: "uid-of-bare"}}},
			}}), "the result for %s", text(args))
			Expect(args).To(Equal(before[i]), "the args after the call")
			Expect(pods).To(Equal(made()), "the pods of the indexer after the call")
		}
	})

	It("answers two questions at the same time, each for itself", func(ctx SpecContext) {
		test, simulation := pod("test", 0), pod("simulation", 0, stay("true"))
		w := newWatcher(test, simulation)
		gate := harness.Closed(ctx)
		slow := &slowIndexer{Indexer: w.pods, gate: gate, inside: make(chan struct{})}
		w.Extender.Pods = slow
		ask := func(p *corev1.Pod, nodes map[string]*extenderv1.MetaVictims) chan *extenderv1.ExtenderPreemptionResult {
			answer := make(chan *extenderv1.ExtenderPreemptionResult, 1)
			go func() {
				defer slow.first() // whoever waits for this call to get there need not, when it has panicked
				defer close(answer)
				defer GinkgoRecover()
				answer <- w.ProcessPreemption(extenderv1.ExtenderPreemptionArgs{Pod: p, NodeNameToMetaVictims: nodes})
			}()
			return answer
		}
		DeferCleanup(gate.Open)
		node := func(violations int64, uids ...string) *extenderv1.MetaVictims {
			v := &extenderv1.MetaVictims{NumPDBViolations: violations}
			for _, uid := range uids {
				v.Pods = append(v.Pods, &extenderv1.MetaPod{UID: uid})
			}
			return v
		}
		first := ask(pod("web", 500), map[string]*extenderv1.MetaVictims{"a": node(0, "uid-of-simulation")})
		Eventually(ctx, slow.inside).WithTimeout(bound).Should(BeClosed(), "the first question gets as far as the indexer")
		second := ask(pod("dns", 1000), map[string]*extenderv1.MetaVictims{"b": node(1, "uid-of-simulation", "uid-of-test")})
		var answer *extenderv1.ExtenderPreemptionResult
		Eventually(ctx, second).WithTimeout(bound).Should(Receive(&answer), "the second question is answered while the first one waits for the indexer")
		Expect(answer).To(HaveValue(HaveField("NodeNameToMetaVictims", Equal(map[string]*extenderv1.MetaVictims{"b": node(1, "uid-of-simulation", "uid-of-test")}))), "the answer for pod dns, which is critical")
		gate.Open()
		Eventually(ctx, first).WithTimeout(bound).Should(Receive(&answer), "the first question is answered")
		Expect(answer).To(Equal(none()), "the answer for pod web, which is not")
	})
})

// none is the answer when no node is left.
func none() *extenderv1.ExtenderPreemptionResult {
	return &extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
}

// slowIndexer lets the first caller wait.
type slowIndexer struct {
	cache.Indexer
	gate   *harness.Gate
	once   sync.Once
	inside chan struct{}
}

func (s *slowIndexer) ByIndex(name, value string) ([]any, error) {
	if s.first() {
		s.gate.Wait()
	}
	return s.Indexer.ByIndex(name, value)
}

func (s *slowIndexer) Index(name string, obj any) ([]any, error) {
	if s.first() {
		s.gate.Wait()
	}
	return s.Indexer.Index(name, obj)
}

func (s *slowIndexer) IndexKeys(name, value string) ([]string, error) {
	if s.first() {
		s.gate.Wait()
	}
	return s.Indexer.IndexKeys(name, value)
}

// first says whether nobody has been here before.
func (s *slowIndexer) first() (yes bool) {
	s.once.Do(func() {
		yes = true
		close(s.inside)
	})
	return yes
}

// text is a question in a message.
func text(args extenderv1.ExtenderPreemptionArgs) string {
	victims, err := json.Marshal(map[string]any{"NodeNameToMetaVictims": args.NodeNameToMetaVictims, "NodeNameToVictims": len(args.NodeNameToVictims)})
	Expect(err).NotTo(HaveOccurred())
	if args.Pod == nil {
		return "no pod, and " + string(victims)
	}
	return fmt.Sprintf("pod %s of priority %s, and %s", args.Pod.Name, says(args.Pod), victims)
}

// says is a pod's priority in a message.
func says(p *corev1.Pod) string {
	if p.Spec.Priority == nil {
		return "nil"
	}
	return fmt.Sprint(*p.Spec.Priority)
}

// about is the candidates in a message.
func about(candidates []scheduler.Candidate) string {
	var lines []string
	for _, c := range candidates {
		var victims []string
		for _, p := range c.Victims {
			line := fmt.Sprintf("%s (priority %s", p.Name, says(p))
			if value, ok := p.Annotations[preemption.StayAnnotation]; ok {
				line += fmt.Sprintf(", stay %q", value)
			}
			if p.DeletionTimestamp != nil {
				line += ", being deleted"
			}
			victims = append(victims, line+")")
		}
		line := fmt.Sprintf("node %s: %s", c.Node, strings.Join(victims, ", "))
		if c.PDBViolations != 0 {
			line += fmt.Sprintf("; NumPDBViolations %d", c.PDBViolations)
		}
		lines = append(lines, line)
	}
	return "\n    " + strings.Join(lines, "\n    ")
}
