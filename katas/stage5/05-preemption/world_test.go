package preemption_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	preemption "github.com/kubekata/kubekata/katas/stage5/05-preemption"

	"github.com/kubekata/kubekata/harness/scheduler"
)

// The suite's schedulers: one asks with UIDs, the other one with pods.
var (
	capable = scheduler.Share(api, func(c *configv1.KubeSchedulerConfiguration) { c.Extenders = []configv1.Extender{byUID} })
	sending = scheduler.Share(api, func(c *configv1.KubeSchedulerConfiguration) { c.Extenders = []configv1.Extender{byPod} })
)

// The priority classes of a world.
const (
	idle   = "idle"   // 0
	batch  = "batch"  // 10
	online = "online" // 500
	system = "system" // critical
)

var _ = Describe("kube-scheduler with the extender", func() {
	for way, shared := range map[string]*scheduler.Shared{"UIDs": capable, "pods": sending} {
		It("evicts a pod that may go, and not the less important one that stays, asking with "+way, func(ctx SpecContext) {
			w := start(ctx, shared, scheduler.Node("a", scheduler.Has("cpu", "2")), scheduler.Node("b", scheduler.Has("cpu", "2")))
			w.has(ctx, "a", whole("simulation", idle, stay("true")))
			w.has(ctx, "b", whole("test", batch))
			web := w.Create(ctx, whole("web", online))
			w.says(ctx, "web", "found a potential placement for pod on node "+w.Long("b")+", preempting 1 victims")
			Expect(w.LandsLater(ctx, "web")).To(Equal("b"), "the node of pod %s/web", w.Namespace)
			Expect(w.Event(ctx, "test", "Preempted")).To(Equal(fmt.Sprintf("Preempted by pod %s on node %s", web.UID, w.Long("b"))), "the event of pod %s/test, which was on node b", w.Namespace)
			w.stays(ctx, "simulation")
		})
	}

	It("says that no node is left for preemption when the extender leaves none, and nobody goes", func(ctx SpecContext) {
		w := start(ctx, capable, scheduler.Node("a", scheduler.Has("cpu", "2")), scheduler.Node("b", scheduler.Has("cpu", "2")))
		w.has(ctx, "a", whole("simulation", batch, stay("true")))
		w.has(ctx, "b", half("one", idle), half("two", idle, stay("true")))
		w.Create(ctx, whole("web", online))
		message := w.Refused(ctx, "web")
		Expect(message).To(HaveSuffix(" preemption: no candidate node for preemption"), "the message of PodScheduled of pod %s/web", w.Namespace)
		Expect(scheduler.Reasons(message)).To(Equal(map[string]int{"Insufficient cpu": 2}), "the reasons of the scheduler's own plugins: %s", message)
		w.says(ctx, "web", "no candidate node for preemption")
		Expect(w.Outcome(ctx, "web").Nominated).To(BeEmpty(), "the node that pod %s/web is nominated for", w.Namespace)
		w.stays(ctx, "simulation", "one", "two")
	})

	It("makes room when the owner of the pod that stays has changed the annotation, at the next try", func(ctx SpecContext) {
		w := start(ctx, capable, scheduler.Node("a", scheduler.Has("cpu", "2")))
		w.has(ctx, "a", whole("simulation", batch, stay("true")), scheduler.Pod("other"))
		w.Create(ctx, whole("web", online))
		Expect(w.Refused(ctx, "web")).To(HaveSuffix(" preemption: no candidate node for preemption"), "the message of PodScheduled of pod %s/web", w.Namespace)
		w.annotate(ctx, "simulation", "false")
		// The annotation is nothing that the scheduler waits for. That a pod has gone is, whoever it was.
		w.Delete(ctx, "other")
		Expect(w.LandsLater(ctx, "web")).To(Equal("a"), "the node of pod %s/web", w.Namespace)
	})

	It("keeps a budget for everybody but a critical pod, where the scheduler alone would break it", func(ctx SpecContext) {
		w := start(ctx, capable, scheduler.Node("a", scheduler.Has("cpu", "2")))
		w.protects(ctx, "db")
		w.has(ctx, "a", whole("db", batch, labelled("db")))
		w.knowsBudget(ctx)
		w.Create(ctx, whole("web", online))
		Expect(w.Refused(ctx, "web")).To(HaveSuffix(" preemption: no candidate node for preemption"), "the message of PodScheduled of pod %s/web, for which a budget would have to be broken", w.Namespace)
		w.stays(ctx, "db")
		w.Create(ctx, whole("dns", system))
		Expect(w.LandsLater(ctx, "dns")).To(Equal("a"), "the node of pod %s/dns, which is critical", w.Namespace)
	})

	It("tells who describes the pod that there is no answer when the extender has none, and nobody goes", func(ctx SpecContext) {
		w := start(ctx, capable, scheduler.Node("a", scheduler.Has("cpu", "2")))
		w.has(ctx, "a", whole("test", batch))
		w.fails.Store(true)
		w.Create(ctx, whole("web", online))
		Expect(w.Refused(ctx, "web")).To(HaveSuffix(" preemption: failed preempt with extender at URL "+capable.URL()+"/preempt, code 500"), "the message of PodScheduled of pod %s/web", w.Namespace)
		w.stays(ctx, "test")
	})
})

// served is a world with an extender whose indexer is that of an informer of the namespace's pods.
type served struct {
	*scheduler.World
	pods  cache.Indexer
	fails atomic.Bool // the indexer
	shut  atomic.Bool // nobody may go, and the extender is not asked
}

func start(ctx context.Context, shared *scheduler.Shared, nodes ...*corev1.Node) *served {
	GinkgoHelper()
	s := &served{}
	e := &preemption.Extender{Gap: gap, Critical: critical}
	// The handler first: on the stub there is no need of a world.
	handler := preemption.NewHandler(e.ProcessPreemption, 64<<20)
	made := make(chan struct{})
	s.World = shared.World(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-made
		if s.shut.Load() {
			_ = json.NewEncoder(w).Encode(none())
			return
		}
		handler.ServeHTTP(w, r)
	}), nodes...)
	for class, value := range map[string]int32{idle: 0, batch: 10, online: 500, system: critical} {
		s.AddClass(ctx, class, value)
	}
	s.pods = follow(ctx, s.Namespace)
	e.Pods = failing{s.pods, &s.fails}
	close(made)
	return s
}

// follow starts an informer of a namespace's pods, with the learner's index.
func follow(ctx context.Context, namespace string) cache.Indexer {
	GinkgoHelper()
	factory := informers.NewSharedInformerFactoryWithOptions(api.Clientset(), 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().Pods().Informer()
	Expect(informer.AddIndexers(cache.Indexers{preemption.UIDIndex: func(obj any) (keys []string, _ error) {
		defer GinkgoRecover()
		keys, err := preemption.IndexByUID(obj)
		Expect(err).NotTo(HaveOccurred(), "the error of IndexByUID, at which an informer panics")
		return keys, nil
	}})).To(Succeed())
	stop := make(chan struct{})
	factory.Start(stop)
	DeferCleanup(func() {
		close(stop)
		factory.Shutdown()
	})
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		Expect(synced).To(BeTrue(), "the informer of %v has synced", kind)
	}
	return informer.GetIndexer()
}

// failing is an indexer whose index fails when it is told to.
type failing struct {
	cache.Indexer
	fails *atomic.Bool
}

func (f failing) ByIndex(name, value string) ([]any, error) {
	if f.fails.Load() {
		return nil, errBroken
	}
	return f.Indexer.ByIndex(name, value)
}

func (f failing) Index(name string, obj any) ([]any, error) {
	if f.fails.Load() {
		return nil, errBroken
	}
	return f.Indexer.Index(name, obj)
}

func (f failing) IndexKeys(name, value string) ([]string, error) {
	if f.fails.Load() {
		return nil, errBroken
	}
	return f.Indexer.IndexKeys(name, value)
}

// whole asks for all the CPUs of a node, half for half of them.
func whole(name, class string, changes ...func(*corev1.Pod)) *corev1.Pod {
	return scheduler.Pod(name, append(changes, scheduler.Class(class), scheduler.Asks("cpu", "2"))...)
}

func half(name, class string, changes ...func(*corev1.Pod)) *corev1.Pod {
	return scheduler.Pod(name, append(changes, scheduler.Class(class), scheduler.Asks("cpu", "1"))...)
}

func labelled(app string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels["app"] = app }
}

// has puts pods onto a node, and waits until both the scheduler and the extender's informer know.
func (s *served) has(ctx context.Context, node string, pods ...*corev1.Pod) {
	GinkgoHelper()
	for _, p := range pods {
		scheduler.Bound(node)(p)
		s.Create(ctx, p)
	}
	s.Sync(ctx)
	for _, p := range pods {
		s.informed(ctx, p.Name, func(*corev1.Pod) bool { return true })
	}
}

// annotate changes a pod's annotation, and waits until the extender's informer knows.
func (s *served) annotate(ctx context.Context, name, value string) {
	GinkgoHelper()
	p := s.Get(ctx, name)
	p.Annotations[preemption.StayAnnotation] = value
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, preemption.StayAnnotation, value)
	_, err := api.Judge().CoreV1().Pods(s.Namespace).Patch(ctx, name, "application/merge-patch+json", patch, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred())
	s.informed(ctx, name, func(p *corev1.Pod) bool { return p.Annotations[preemption.StayAnnotation] == value })
}

// informed waits until the informer has a pod as wanted.
func (s *served) informed(ctx context.Context, name string, as func(*corev1.Pod) bool) {
	GinkgoHelper()
	Eventually(ctx, func() bool {
		obj, ok, err := s.pods.GetByKey(s.Namespace + "/" + name)
		return err == nil && ok && as(obj.(*corev1.Pod))
	}).WithTimeout(bound).Should(BeTrue(), "the informer knows pod %s/%s", s.Namespace, name)
}

// says waits for an event about a pod that has not been scheduled, which ends with these words about preemption.
//
// Whatever happens on the lab's nodes lets the scheduler try again, and each try has its event. While the victims are leaving it says that they are; that is not waited for.
func (s *served) says(ctx context.Context, name, words string) {
	GinkgoHelper()
	message := ""
	Eventually(s.Guard(ctx), func() string {
		for _, e := range s.Events(ctx, name) {
			_, about, _ := strings.Cut(e.Message, " preemption: ")
			if e.Reason != "FailedScheduling" || strings.HasPrefix(about, "not eligible due to a terminating pod") {
				continue
			}
			if message == "" || about == words {
				message = e.Message
			}
		}
		return message
	}).WithTimeout(bound).ShouldNot(BeEmpty(), "the message of an event FailedScheduling of pod %s/%s", s.Namespace, name)
	Expect(message).To(HaveSuffix(" preemption: "+words), "the event FailedScheduling of pod %s/%s", s.Namespace, name)
}

// stays says that the scheduler has evicted none of these pods.
func (s *served) stays(ctx context.Context, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		p := s.Get(ctx, name)
		Expect(p.DeletionTimestamp).To(BeNil(), "deletionTimestamp of pod %s/%s, which stays", s.Namespace, name)
		Expect(p.Status.Conditions).NotTo(ContainElement(HaveField("Type", corev1.DisruptionTarget)), "the conditions of pod %s/%s, which stays", s.Namespace, name)
	}
}

// protects makes a budget by which no pod with a label may go.
func (s *served) protects(ctx context.Context, app string) {
	GinkgoHelper()
	_, err := api.Judge().PolicyV1().PodDisruptionBudgets(s.Namespace).Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: app},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: new(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
}

// knowsBudget waits until the scheduler knows the budget. Scouts find out: for each of them it counts the violations, and is told that nobody may go.
func (s *served) knowsBudget(ctx context.Context) {
	GinkgoHelper()
	s.shut.Store(true)
	defer s.shut.Store(false)
	scouts := 0
	Eventually(s.Guard(ctx), func(g Gomega) {
		scouts++
		scout := fmt.Sprintf("scout-%d", scouts)
		s.Create(ctx, whole(scout, online))
		s.Refused(ctx, scout)
		s.Delete(ctx, scout)
		var counted int64
		for _, e := range s.Requests() {
			var args extenderv1.ExtenderPreemptionArgs
			if e.Pod == scout && json.Unmarshal([]byte(e.Request), &args) == nil {
				for _, victims := range args.NodeNameToMetaVictims {
					counted += victims.NumPDBViolations
				}
			}
		}
		g.Expect(counted).To(BeEquivalentTo(1), "NumPDBViolations of the scheduler's question about pod %s/%s", s.Namespace, scout)
	}).WithTimeout(bound).Should(Succeed())
}
