package frameworkplugin_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	frameworkplugin "github.com/kubekata/kubekata/katas/stage5/01-framework-plugin"
	"github.com/kubekata/kubekata/katas/stage5/01-framework-plugin/cycle"
)

// bound is for what an informer takes a moment to notice.
const bound = 10 * time.Second

var _ = Describe("On the API server", func() {
	It("the pods of a team are bound to different nodes", func(ctx SpecContext) {
		s := serve(ctx, args, nil, "n1", "n2", "n3")
		for _, name := range []string{"a", "b", "c"} {
			s.places(ctx, s.create(ctx, pod(name, team("render"))))
		}
		Expect([]string{s.nodeOf(ctx, "a"), s.nodeOf(ctx, "b"), s.nodeOf(ctx, "c")}).To(ConsistOf(s.node("n1"), s.node("n2"), s.node("n3")),
			"spec.nodeName of the pods a, b and c in namespace %s", s.namespace)
	})

	It("a licence is free again when its pod has been deleted", func(ctx SpecContext) {
		s := serve(ctx, args, solver, "n1")
		a := s.create(ctx, pod("a", licence("solver")))
		s.places(ctx, a)
		b := s.create(ctx, pod("b", licence("solver")))
		s.refuses(ctx, b)
		s.delete(ctx, "a")
		Eventually(ctx, func() int { return len(s.licences.Holders("solver")) }).WithTimeout(bound).Should(BeZero(), "how many hold a licence when pod a is deleted")
		s.places(ctx, b)
		s.holders("solver", b)
	})

	It("a licence is free again when a pod is deleted that waits in Permit", func(ctx SpecContext) {
		s := serve(ctx, args, solver, "n1")
		waiting := s.waits(ctx, s.create(ctx, pod("a", licence("solver"), job("movie", "2"))))
		s.delete(ctx, "a")
		Expect(waiting.Bound(ctx).Message()).To(Equal("removed"), "the binding cycle of pod %s/a, which is deleted", s.namespace)
		s.holders("solver")
	})

	It("a licence is free again when the pod has gone by the time it is to be bound", func(ctx SpecContext) {
		s := serve(ctx, args, solver, "n1")
		a := s.create(ctx, pod("a", licence("solver")))
		s.delete(ctx, "a")
		status := s.Schedule(ctx, a).Bound(ctx)
		Expect(status.Message()).To(ContainSubstring(`pods "a" not found`), "the binding cycle of pod %s/a, which is deleted", s.namespace)
		s.holders("solver")
	})
})

// served is a world whose pods are the API server's, in a namespace of its own. Its nodes are nobody else's: they exist in memory.
type served struct {
	*world
	namespace string
}

func serve(ctx context.Context, args frameworkplugin.Args, total map[string]int, names ...string) *served {
	GinkgoHelper()
	s := &served{namespace: api.Namespace(ctx)}
	var all []*corev1.Node
	for _, name := range names {
		all = append(all, node(s.node(name), "solver"))
	}
	factory := informers.NewSharedInformerFactoryWithOptions(api.Clientset(), 0, informers.WithNamespace(s.namespace))
	s.world = makeWorld(args, total, all, cycle.Options{Informers: factory, Client: api.Clientset()})
	handler, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.SetPod(obj.(*corev1.Pod)) },
		UpdateFunc: func(_, obj any) { s.SetPod(obj.(*corev1.Pod)) },
		DeleteFunc: func(obj any) {
			if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = unknown.Obj
			}
			s.DeletePod(obj.(*corev1.Pod))
			s.Handle().RejectWaitingPod(obj.(*corev1.Pod).UID)
		},
	})
	Expect(err).NotTo(HaveOccurred(), "watch the pods of namespace %s", s.namespace)
	stop := make(chan struct{})
	factory.Start(stop)
	DeferCleanup(func() {
		close(stop)
		factory.Shutdown()
	})
	Eventually(ctx, handler.HasSynced).WithTimeout(bound).Should(BeTrue(), "the informer for the pods of namespace %s has synced", s.namespace)
	return s
}

// node is the name of a node, which the namespace makes unique.
func (s *served) node(name string) string { return s.namespace + "-" + name }

func (s *served) create(ctx context.Context, p *corev1.Pod) *corev1.Pod {
	GinkgoHelper()
	p.Namespace, p.UID = "", ""
	created, err := api.Judge().CoreV1().Pods(s.namespace).Create(ctx, p, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create pod %s/%s", s.namespace, p.Name)
	return created
}

func (s *served) delete(ctx context.Context, name string) {
	GinkgoHelper()
	now := int64(0)
	Expect(api.Judge().CoreV1().Pods(s.namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now})).To(Succeed(), "delete pod %s/%s", s.namespace, name)
}

func (s *served) nodeOf(ctx context.Context, name string) string {
	GinkgoHelper()
	p, err := api.Judge().CoreV1().Pods(s.namespace).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pod %s/%s", s.namespace, name)
	return p.Spec.NodeName
}
