package genericinformer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	generic "github.com/kubekata/kubekata/katas/stage2/06-generic-informer"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestGenericInformer(t *testing.T) {
	harness.RunSpecs(t, "Stage 2 · 06-generic-informer")
}

var (
	configMaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	secrets         = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	podTemplates    = schema.GroupVersionResource{Version: "v1", Resource: "podtemplates"}
	leases          = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	priorityClasses = schema.GroupVersionResource{Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"}

	pizzas = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "pizzas"}
)

var _ = Describe("Watch", func() {
	DescribeTable("tells of any resource:", func(ctx SpecContext, resource schema.GroupVersionResource, kind string) {
		ns, diary := api.Namespace(ctx), &diary{}
		f := factory(ctx, ns)
		Expect(generic.Watch(f, resources(resource), diary.tell)).To(Succeed())
		wait := synced(ctx, f)
		create(ctx, ns, resource, kind, "mine")
		Eventually(diary.of(ns)).WithContext(wait).Should(Equal([]string{"ADDED " + resource.Resource + " mine"}), "events")
	},
		Entry("ConfigMaps", configMaps, "ConfigMap"),
		Entry("Secrets", secrets, "Secret"),
		Entry("PodTemplates", podTemplates, "PodTemplate"),
		Entry("Leases, which are in a group of their own", leases, "Lease"),
	)

	It("tells of a resource that is in no namespace", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		f := factory(ctx, ns)
		Expect(generic.Watch(f, resources(priorityClasses), diary.tell)).To(Succeed())
		wait := synced(ctx, f)
		class := priorityClass(ctx, ns)
		Eventually(diary.named(class)).WithContext(wait).Should(Equal([]string{"ADDED priorityclasses " + class}), "events of PriorityClass %s", class)
	})

	It("tells of several resources, of each as what it is", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		f := factory(ctx, ns)
		Expect(generic.Watch(f, resources(configMaps, podTemplates, leases), diary.tell)).To(Succeed())
		wait := synced(ctx, f)
		create(ctx, ns, configMaps, "ConfigMap", "one")
		create(ctx, ns, podTemplates, "PodTemplate", "two")
		create(ctx, ns, leases, "Lease", "three")
		Eventually(diary.of(ns)).WithContext(wait).Should(ConsistOf("ADDED configmaps one", "ADDED podtemplates two", "ADDED leases three"))
		Expect(diary.resources(ns)).To(ConsistOf(configMaps, podTemplates, leases), "the events' Resource, with group and version")
	})

	It("tells of one resource while somebody still looks at another's event", func(ctx SpecContext) {
		ns, diary, hold := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
		f := factory(ctx, ns)
		DeferCleanup(hold.Open)
		Expect(generic.Watch(f, resources(podTemplates, leases), func(e generic.Event) {
			diary.tell(e)
			if e.Resource == podTemplates {
				hold.Wait()
			}
		})).To(Succeed())
		wait := synced(ctx, f)
		create(ctx, ns, podTemplates, "PodTemplate", "one")
		Eventually(diary.of(ns)).WithContext(wait).Should(Equal([]string{"ADDED podtemplates one"}))
		create(ctx, ns, leases, "Lease", "two")
		Eventually(diary.of(ns)).WithContext(wait).Should(Equal([]string{"ADDED podtemplates one", "ADDED leases two"}), "while tell has not come back from the PodTemplate's event")
	})

	It("tells what happens to an object, in order", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		f := factory(ctx, ns)
		Expect(generic.Watch(f, resources(podTemplates), diary.tell)).To(Succeed())
		wait := synced(ctx, f)
		create(ctx, ns, podTemplates, "PodTemplate", "a")
		label(ctx, ns, podTemplates, "a", "menu", "summer")
		remove(ctx, ns, podTemplates, "a")
		Eventually(diary.of(ns)).WithContext(wait).Should(Equal([]string{"ADDED podtemplates a", "MODIFIED podtemplates a", "DELETED podtemplates a"}))
	})

	It("says which objects were there at the start", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		create(ctx, ns, podTemplates, "PodTemplate", "early")
		f := factory(ctx, ns)
		Expect(generic.Watch(f, resources(podTemplates), diary.tell)).To(Succeed())
		wait := synced(ctx, f)
		create(ctx, ns, podTemplates, "PodTemplate", "late")
		Eventually(diary.of(ns)).WithContext(wait).Should(Equal([]string{"ADDED podtemplates early, initially", "ADDED podtemplates late"}))
	})

	It("tells of a deletion that happened while the watch was interrupted", func(ctx SpecContext) {
		ns, diary, over := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
		api.InterruptWatch("configmaps", create(ctx, ns, configMaps, "ConfigMap", "a"), over)
		f := factory(ctx, ns)
		Expect(generic.Watch(f, resources(configMaps), diary.tell)).To(Succeed())
		wait := synced(ctx, f)
		DeferCleanup(over.Open)
		remove(ctx, ns, configMaps, "a")
		over.Open()
		Eventually(diary.of(ns)).WithContext(wait).Should(Equal([]string{"ADDED configmaps a, initially", "DELETED configmaps a"}),
			"nobody has seen the ConfigMap go: it is missed when the cache is filled anew")
	})

	It("starts nothing", func(ctx SpecContext) {
		f := factory(ctx, api.Namespace(ctx))
		Expect(generic.Watch(f, resources(configMaps, leases), (&diary{}).tell)).To(Succeed())
		Consistently(api.Requests).WithContext(ctx).WithTimeout(200*time.Millisecond).Should(BeEmpty(), "requests before Sync")
	})

	DescribeTable("refuses what the factory does not know:", func(ctx SpecContext, resource schema.GroupVersionResource) {
		err := generic.Watch(factory(ctx, "default"), resources(resource), (&diary{}).tell)
		Expect(err).To(MatchError(ContainSubstring(resource.String())), "the error names the resource")
	},
		Entry("a resource of a CRD", pizzas),
		Entry("a kind instead of a resource", schema.GroupVersionResource{Version: "v1", Resource: "ConfigMap"}),
		Entry("a version that there is not", schema.GroupVersionResource{Group: "apps", Version: "v7", Resource: "deployments"}),
	)

	It("names all that the factory does not know, and tells of none of the others", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		f := factory(ctx, ns)
		pasta := schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "pastas"}
		err := generic.Watch(f, resources(podTemplates, pizzas, leases, pasta), diary.tell)
		Expect(err).To(MatchError(And(ContainSubstring(pizzas.String()), ContainSubstring(pasta.String()))), "the error names both")
		create(ctx, ns, podTemplates, "PodTemplate", "a")
		create(ctx, ns, leases, "Lease", "b")
		wait := synced(ctx, f)
		Consistently(diary.of(ns)).WithContext(wait).WithTimeout(300*time.Millisecond).Should(BeEmpty(), "events, after Watch has returned an error")
	})
})

var _ = Describe("Sync", func() {
	DescribeTable("waits for every cache:", func(ctx SpecContext, held, other string) {
		ns, list := api.Namespace(ctx), harness.Closed(ctx)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == held {
				list.Wait()
			}
			return nil
		})
		f := factory(ctx, ns)
		DeferCleanup(list.Open)
		_ = view[*corev1.ConfigMap](f, configMaps)
		_ = view[*corev1.PodTemplate](f, podTemplates)
		done := make(chan error, 1)
		informing := informersOf(ctx)
		go func() { done <- generic.Sync(informing, f, time.Minute) }()
		Eventually(func() int { return watches(other) + finished(done) }).WithContext(ctx).Should(Equal(1), "watches of %s, which nobody holds up", other)
		Consistently(done).WithContext(ctx).WithTimeout(300*time.Millisecond).ShouldNot(Receive(), "Sync has returned, and the server has not yet answered for %s", held)
		list.Open()
		Eventually(done).WithContext(ctx).Should(Receive(BeNil()), "what Sync returns when all caches are full")
	},
		Entry("the first", "configmaps", "podtemplates"),
		Entry("the last", "podtemplates", "configmaps"),
	)

	It("gives up after a while, and names what is not there", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		missing("configmaps")
		f := factory(ctx, ns)
		_ = view[*corev1.ConfigMap](f, configMaps)
		_ = view[*corev1.PodTemplate](f, podTemplates)
		err := generic.Sync(informersOf(ctx), f, 1500*time.Millisecond)
		Expect(err).To(MatchError(context.DeadlineExceeded), "the error of a Sync whose patience is at an end")
		Expect(err).To(MatchError(ContainSubstring("*v1.ConfigMap")), "the error names the type whose cache is not full")
	})

	It("gives up when its context ends", func(ctx SpecContext) {
		missing("configmaps")
		f := factory(ctx, api.Namespace(ctx))
		_ = view[*corev1.ConfigMap](f, configMaps)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		Expect(generic.Sync(ended, f, time.Minute)).To(MatchError(context.Canceled), "the error of a Sync whose context has ended")
	})

	It("leaves the informers running when it has returned", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		f := factory(ctx, ns)
		templates := view[*corev1.PodTemplate](f, podTemplates)
		wait := synced(ctx, f)
		create(ctx, ns, podTemplates, "PodTemplate", "late")
		Eventually(func() (*corev1.PodTemplate, error) { return templates.Get(ns, "late") }).WithContext(wait).ShouldNot(BeNil(), "a PodTemplate that was made after Sync had returned")
	})

	It("leaves an informer trying that was not ready in time", func(ctx SpecContext) {
		ns, there := api.Namespace(ctx), harness.Closed(ctx)
		create(ctx, ns, podTemplates, "PodTemplate", "a")
		api.Intercept(func(cluster.Request) *cluster.Answer { there.Wait(); return nil })
		f := factory(ctx, ns)
		DeferCleanup(there.Open)
		templates := view[*corev1.PodTemplate](f, podTemplates)
		Expect(generic.Sync(informersOf(ctx), f, 100*time.Millisecond)).To(MatchError(context.DeadlineExceeded))
		there.Open()
		Eventually(func() (*corev1.PodTemplate, error) { return templates.Get(ns, "a") }).WithContext(ctx).ShouldNot(BeNil(), "the PodTemplate, when the server answers in the end")
	})

	It("starts what has been asked for since the last time", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, podTemplates, "PodTemplate", "a")
		create(ctx, ns, leases, "Lease", "b")
		f := factory(ctx, ns)
		templates := view[generic.Object](f, podTemplates)
		synced(ctx, f)
		Expect(list(templates.List(ns, nil))).To(Equal([]string{"a"}))
		others := view[generic.Object](f, leases)
		synced(ctx, f)
		Expect(list(others.List(ns, nil))).To(Equal([]string{"b"}), "Leases, for which the factory was asked after the first Sync")
	})
})

var _ = Describe("NewView", func() {
	It("refuses a resource that the factory does not know", func(ctx SpecContext) {
		v, err := generic.NewView[*corev1.Pod](factory(ctx, "default"), pizzas)
		Expect(err).To(MatchError(ContainSubstring(pizzas.String())), "the error names the resource")
		Expect(v).To(BeNil(), "a View together with an error")
	})

	It("starts nothing", func(ctx SpecContext) {
		_ = view[*corev1.ConfigMap](factory(ctx, api.Namespace(ctx)), configMaps)
		Consistently(api.Requests).WithContext(ctx).WithTimeout(200*time.Millisecond).Should(BeEmpty(), "requests before Sync")
	})

	It("shares its cache with Watch, and with other Views of the factory", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		f := factory(ctx, ns)
		_ = view[*corev1.PodTemplate](f, podTemplates)
		_ = view[generic.Object](f, podTemplates)
		Expect(generic.Watch(f, resources(podTemplates), diary.tell)).To(Succeed())
		synced(ctx, f)
		Expect(watches("podtemplates")).To(Equal(1), "watches of PodTemplates")
	})
})

// priorityClass makes a PriorityClass that is the spec's own.
func priorityClass(ctx context.Context, name string) string {
	GinkgoHelper()
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "kata-" + name}, Value: 1}
	api.Own(class)
	_, err := api.Judge().SchedulingV1().PriorityClasses().Create(ctx, class, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make PriorityClass %s for the spec", class.Name)
	DeferCleanup(func(ctx context.Context) error {
		err := api.Judge().SchedulingV1().PriorityClasses().Delete(ctx, class.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete PriorityClass %s: %w", class.Name, err)
		}
		return nil
	})
	return class.Name
}
