package filter_test

import (
	"context"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"

	filter "github.com/kubekata/kubekata/katas/stage5/02-filter"

	"github.com/kubekata/kubekata/harness/scheduler"
)

// The suite's schedulers: one asks by NodeNames, the other one by Nodes.
var (
	capable = scheduler.Share(api, func(c *configv1.KubeSchedulerConfiguration) { c.Extenders = []configv1.Extender{byName} })
	sending = scheduler.Share(api, func(c *configv1.KubeSchedulerConfiguration) { c.Extenders = []configv1.Extender{byNode} })
)

// noVictims is what preemption says of a node at which it has looked.
const noVictims = "No preemption victims found for incoming pod"

var _ = Describe("kube-scheduler with the extender", func() {
	BeforeEach(func(ctx SpecContext) { capable.Up(ctx) })

	It("puts a pod where there is power, asking by NodeNames", func(ctx SpecContext) { lands(ctx, capable) })

	It("tells who describes the pod why it fits nowhere, with the number of nodes for each reason", func(ctx SpecContext) {
		w := start(ctx, capable, node("a", "r1"), node("b", "r1"), node("c", "r2"), node("d", ""))
		w.fill(ctx, "a", 800)
		w.Create(ctx, pod("web", 400))
		reasons := map[string]int{"rack r1 has 200 W left": 2, "rack r2 supplies 300 W in all": 1, "node(s) without a rack": 1}
		message := w.Refused(ctx, "web")
		Expect(scheduler.Reasons(message)).To(Equal(reasons), "the message of PodScheduled of pod %s/web: %s", w.Namespace, message)
		message = w.Event(ctx, "web", "FailedScheduling")
		Expect(scheduler.Reasons(message)).To(Equal(reasons), "the event of pod %s/web: %s", w.Namespace, message)
	})

	It("looks for victims on the nodes that would fit if others went, and not on the others", func(ctx SpecContext) {
		w := start(ctx, capable, node("a", "r1"), node("b", "r2"), node("c", ""), node("d", "r9"))
		w.fill(ctx, "a", 800)
		w.Create(ctx, pod("web", 400))
		message := w.Refused(ctx, "web")
		Expect(scheduler.Preemption(message)).To(HaveKeyWithValue(noVictims, 1), "on how many nodes preemption has looked for victims: %s", message)
	})

	It("schedules the pod when power has become free", func(ctx SpecContext) {
		w := start(ctx, capable, node("a", "r1"))
		w.fill(ctx, "a", 800)
		w.Create(ctx, pod("web", 400))
		message := w.Refused(ctx, "web")
		Expect(scheduler.Reasons(message)).To(Equal(map[string]int{"rack r1 has 200 W left": 1}), "the message of PodScheduled of pod %s/web: %s", w.Namespace, message)
		w.Delete(ctx, "load")
		w.forgets(ctx, "load")
		// Any event lets the scheduler try again; this one comes when our informer knows what has changed.
		w.UpdateNode(ctx, "a", func(n *corev1.Node) { n.Labels["seen"] = "yes" })
		Expect(w.LandsLater(ctx, "web")).To(Equal("a"), "the node of pod %s/web", w.Namespace)
	})

	It("tells who describes the pod what has failed when it is the extender that has", func(ctx SpecContext) {
		w := startWith(ctx, capable, func(e *filter.Extender) { e.Pods = brokenPods{e.Pods} }, node("a", "r1"))
		w.Create(ctx, pod("web", 400))
		Expect(w.Failed(ctx, "web")).To(ContainSubstring(errBroken.Error()), "the message of PodScheduled of pod %s/web", w.Namespace)
	})
})

var _ = Describe("kube-scheduler with the extender", func() {
	BeforeEach(func(ctx SpecContext) { sending.Up(ctx) })

	It("puts a pod where there is power, asking by Nodes", func(ctx SpecContext) { lands(ctx, sending) })
})

// lands lets a pod find the only node where there is enough power.
func lands(ctx context.Context, shared *scheduler.Shared) {
	GinkgoHelper()
	w := start(ctx, shared, node("a", "r1"), node("b", "r2"), node("c", ""))
	w.fill(ctx, "a", 800)
	w.Create(ctx, pod("web", 300))
	Expect(w.Lands(ctx, "web")).To(Equal("b"), "the node of pod %s/web, which draws 300 W", w.Namespace)
}

// served is a world with an extender whose listers are informers of the namespace's pods and the world's nodes.
type served struct {
	*scheduler.World
	*filter.Extender
	pods corelisters.PodLister
}

func start(ctx context.Context, shared *scheduler.Shared, nodes ...*corev1.Node) *served {
	GinkgoHelper()
	return startWith(ctx, shared, func(*filter.Extender) {}, nodes...)
}

// startWith changes the extender before anybody asks it.
func startWith(ctx context.Context, shared *scheduler.Shared, change func(*filter.Extender), nodes ...*corev1.Node) *served {
	GinkgoHelper()
	s := &served{Extender: &filter.Extender{Racks: racks}}
	// The handler first: on the stub there is no need of a world.
	handler, made := filter.NewHandler(s.Predicate, 64<<20), make(chan struct{})
	s.World = shared.World(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-made
		handler.ServeHTTP(w, r)
	}), nodes...)
	all := informers.NewSharedInformerFactory(api.Clientset(), 0)
	mine := informers.NewSharedInformerFactoryWithOptions(api.Clientset(), 0, informers.WithNamespace(s.Namespace))
	s.Extender.Nodes, s.Extender.Pods = all.Core().V1().Nodes().Lister(), mine.Core().V1().Pods().Lister()
	s.pods = s.Extender.Pods
	// A lister that has been asked for registers its informer.
	stop := make(chan struct{})
	for _, factory := range []informers.SharedInformerFactory{all, mine} {
		factory.Start(stop)
		DeferCleanup(factory.Shutdown)
	}
	DeferCleanup(func() { close(stop) })
	for _, factory := range []informers.SharedInformerFactory{all, mine} {
		for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
			Expect(synced).To(BeTrue(), "the informer of %v has synced", kind)
		}
	}
	change(s.Extender)
	close(made)
	return s
}

// fill puts a pod onto a node that draws some watts, and waits until both the scheduler and the extender's informer know.
func (s *served) fill(ctx context.Context, short string, watts int) {
	GinkgoHelper()
	s.World.Create(ctx, pod("load", watts, scheduler.Bound(short)))
	s.Sync(ctx)
	Eventually(ctx, func() error {
		_, err := s.pods.Pods(s.Namespace).Get("load")
		return err
	}).WithTimeout(bound).Should(Succeed(), "the informer knows pod %s/load", s.Namespace)
}

// forgets waits until the informer knows that a pod has gone.
func (s *served) forgets(ctx context.Context, name string) {
	GinkgoHelper()
	Eventually(ctx, func() error {
		_, err := s.pods.Pods(s.Namespace).Get(name)
		return err
	}).WithTimeout(bound).ShouldNot(Succeed(), "the informer knows that pod %s/%s has gone", s.Namespace, name)
}
