package prioritize_test

import (
	"context"
	"encoding/json"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	prioritize "github.com/kubekata/kubekata/katas/stage5/03-prioritize"

	"github.com/kubekata/kubekata/harness/scheduler"
)

// Two schedulers, in which one plugin scores: NodeAffinity, with its usual weight, 2. What a pod prefers has up to 200 points there. Our ten have 100 in one, and 300 in the other.
var (
	light = scheduler.Share(api, affinityAnd(1, true))
	heavy = scheduler.Share(api, affinityAnd(3, false))
)

func affinityAnd(weight int64, byNames bool) func(*configv1.KubeSchedulerConfiguration) {
	return func(c *configv1.KubeSchedulerConfiguration) {
		c.Extenders = []configv1.Extender{{PrioritizeVerb: "prioritize", Weight: weight, NodeCacheCapable: byNames}}
		c.Profiles[0].Plugins = &configv1.Plugins{Score: configv1.PluginSet{
			Disabled: []configv1.Plugin{{Name: "*"}}, Enabled: []configv1.Plugin{{Name: "NodeAffinity", Weight: new(int32(2))}},
		}}
	}
}

// prefers makes a pod prefer the nodes with a label.
func prefers(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
			Weight: 1, Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}}},
		}}}}
	}
}

// dear makes a pod prefer the south, where electricity is dear.
var dear = prefers(corev1.LabelTopologyZone, "south")

var _ = Describe("kube-scheduler with the extender", func() {
	cheapAndDear := []*corev1.Node{node("a", "south", "r1"), node("b", "west", "r1"), node("c", "north", "r1"), node("d", "east", "r1")}

	for way, shared := range map[string]*scheduler.Shared{"NodeNames": light, "Nodes": heavy} {
		It("puts a pod onto the node with the best score when nobody else has an opinion, asking by "+way, func(ctx SpecContext) {
			w := start(ctx, shared, nil, cheapAndDear, byPrice(1))
			w.Create(ctx, scheduler.Pod("web"))
			landed := w.Lands(ctx, "web")
			expectHeard(w, len(cheapAndDear))
			Expect(landed).To(Equal("c"), "the node of pod %s/web; c is in the north, where electricity is cheapest", w.Namespace)
		})
	}

	It("listens to a plugin when our weight is small: 200 points are more than 10 × 1 × 10", func(ctx SpecContext) {
		w := start(ctx, light, nil, cheapAndDear, byPrice(1))
		w.Create(ctx, scheduler.Pod("web", dear))
		Expect(w.Lands(ctx, "web")).To(Equal("a"), "the node of pod %s/web, which prefers a, with the weight 1 for us", w.Namespace)
		Expect(w.Requests()).To(HaveLen(1), "how often we were asked")
	})

	It("listens to us when our weight is large: 200 points are less than 10 × 3 × 10", func(ctx SpecContext) {
		w := start(ctx, heavy, nil, cheapAndDear, byPrice(1))
		w.Create(ctx, scheduler.Pod("web", dear))
		Expect(w.Lands(ctx, "web")).To(Equal("c"), "the node of pod %s/web, which prefers a, with the weight 3 for us", w.Namespace)
	})

	It("leaves it to the plugins where we have a tie", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "west", "r1"), node("b", "north", "r1"), node("c", "west", "r2"), node("d", "north", "r2")}
		w := start(ctx, heavy, nil, nodes, byPrice(1))
		w.Create(ctx, scheduler.Pod("web", prefers(rackLabel, "r2")))
		Expect(w.Lands(ctx, "web")).To(Equal("d"), "the node of pod %s/web: electricity is cheapest for b and d, and the pod prefers c and d", w.Namespace)
	})

	It("schedules the pod without us when we fail, and we have told so", func(ctx SpecContext) {
		down := byPrice(1)
		down.Table = func() (map[string]int64, error) { return nil, errDown }
		failures := make(chan error, 10)
		w := start(ctx, heavy, failures, cheapAndDear, down)
		w.Create(ctx, scheduler.Pod("web", dear))
		Expect(w.Lands(ctx, "web")).To(Equal("a"), "the node of pod %s/web, which prefers a", w.Namespace)
		Expect(w.Requests()).To(HaveExactElements(HaveField("Code", http.StatusInternalServerError)), "the codes of our answers")
		Expect(failures).To(Receive(MatchError(errDown)), "what failed was called with")
	})
})

// expectHeard expects that the scheduler could use our answers. Otherwise it goes on without us, and may choose the right node by chance.
func expectHeard(w *scheduler.World, nodes int) {
	GinkgoHelper()
	Expect(w.Requests()).NotTo(BeEmpty(), "what we were asked about the pods of %s", w.Namespace)
	for _, e := range w.Requests() {
		var list extenderv1.HostPriorityList
		Expect(e.Code).To(Equal(http.StatusOK), "the code of our answer: with another one the scheduler goes on without us\n%s", e)
		Expect(json.Unmarshal([]byte(e.Body), &list)).To(Succeed(), "our answer is a HostPriorityList: otherwise the scheduler goes on without us\n%s", e)
		Expect(list).To(HaveLen(nodes), "the scores for %d nodes\n%s", nodes, e)
	}
}

// start makes a world with an extender whose lister is an informer of the nodes, and whose failures are the spec's, unless they go elsewhere.
func start(ctx context.Context, shared *scheduler.Shared, failures chan<- error, nodes []*corev1.Node, criteria ...prioritize.Criterion) *scheduler.World {
	GinkgoHelper()
	factory := informers.NewSharedInformerFactory(api.Clientset(), 0)
	e := &prioritize.Extender{Criteria: criteria, Nodes: factory.Core().V1().Nodes().Lister()}
	// The handler first: on the stub there is no need of a world.
	handler := prioritize.NewHandler(e.Prioritize, 64<<20, func(err error) {
		if failures == nil {
			defer GinkgoRecover()
			Fail("prioritize has failed: " + err.Error())
		}
		failures <- err
	})
	var copies []*corev1.Node
	for _, n := range nodes {
		copies = append(copies, n.DeepCopy())
	}
	w := shared.World(ctx, handler, copies...)
	stop := make(chan struct{})
	factory.Start(stop)
	DeferCleanup(factory.Shutdown)
	DeferCleanup(func() { close(stop) })
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		Expect(synced).To(BeTrue(), "the informer of %v has synced", kind)
	}
	for _, n := range nodes {
		Eventually(ctx, func() error { return knows(e.Nodes, w.Long(n.Name)) }).WithTimeout(bound).Should(Succeed(), "the informer knows node %s", w.Long(n.Name))
	}
	return w
}

func knows(nodes corelisters.NodeLister, name string) error {
	_, err := nodes.Get(name)
	return err
}
