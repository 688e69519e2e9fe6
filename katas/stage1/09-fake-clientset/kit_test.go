package fakeclientset_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes/fake"

	fakeclientset "github.com/kubekata/kubekata/katas/stage1/09-fake-clientset"

	"github.com/kubekata/kubekata/harness"
)

func TestFakeClientset(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 09-fake-clientset") }

var errOven = errors.New("the oven is cold")

// oven is the Deployment lab/oven, with three replicas.
func oven() *appsv1.Deployment { return fakeclientset.Deployment("lab", "oven", "off", 3) }

// scale updates lab/oven to a number of replicas, as a component would.
func scale(ctx context.Context, client *fake.Clientset, replicas int32) error {
	return verdict(ctx, func(ctx context.Context) error {
		d := oven()
		d.Spec.Replicas = new(replicas)
		_, err := client.AppsV1().Deployments("lab").Update(ctx, d, metav1.UpdateOptions{})
		return err
	})
}

// held returns what the fake holds of lab/oven.
func held(ctx context.Context, client *fake.Clientset) *appsv1.Deployment {
	GinkgoHelper()
	obj, err := client.Tracker().Get(appsv1.SchemeGroupVersion.WithResource("deployments"), "lab", "oven")
	Expect(err).NotTo(HaveOccurred(), "what the fake holds of lab/oven")
	return obj.(*appsv1.Deployment)
}

var _ = Describe("Seeded", func() {
	It("holds the objects, of whatever kind and namespace", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lab"}})
		got, err := client.AppsV1().Deployments("lab").Get(ctx, "oven", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Spec.Replicas).To(HaveValue(Equal(int32(3))), "replicas of lab/oven")
		_, err = client.CoreV1().Namespaces().Get(ctx, "lab", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
	})

	It("has not been asked for anything", func() {
		Expect(fakeclientset.Seeded(oven()).Actions()).To(BeEmpty(), "actions: seeding is no request")
	})

	It("applies an object that is not there", func(ctx SpecContext) {
		client := fakeclientset.Seeded()
		menu := applycorev1.ConfigMap("menu", "lab").WithData(map[string]string{"today": "pizza"})
		got, err := client.CoreV1().ConfigMaps("lab").Apply(ctx, menu, metav1.ApplyOptions{FieldManager: "spec"})
		Expect(err).NotTo(HaveOccurred(), "server-side apply of an object that is not there: one of the two constructors can do it")
		Expect(got.Data).To(HaveKeyWithValue("today", "pizza"))
	})
})

var _ = Describe("FailOnce", func() {
	It("makes the next request fail, and nothing of it is stored", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		fakeclientset.FailOnce(client, "update", "deployments", errOven)
		Expect(scale(ctx, client, 0)).To(MatchError(errOven), "the first update: is the reactor before the one that answers everything?")
		Expect(held(ctx, client).Spec.Replicas).To(HaveValue(Equal(int32(3))), "replicas of lab/oven")
	})

	It("lets the request after it pass", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		fakeclientset.FailOnce(client, "update", "deployments", errOven)
		Expect(scale(ctx, client, 0)).To(MatchError(errOven), "the first update")
		Expect(scale(ctx, client, 0)).To(Succeed(), "the second update")
		Expect(held(ctx, client).Spec.Replicas).To(HaveValue(Equal(int32(0))), "replicas of lab/oven")
	})

	It("lets other verbs and other resources pass", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		fakeclientset.FailOnce(client, "update", "deployments", errOven)
		_, err := client.AppsV1().Deployments("lab").Get(ctx, "oven", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get deployments")
		menu, err := client.CoreV1().ConfigMaps("lab").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "menu"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create configmaps")
		_, err = client.CoreV1().ConfigMaps("lab").Update(ctx, menu, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "update configmaps")
		Expect(scale(ctx, client, 0)).To(MatchError(errOven), "the update, after all that")
	})
})

var _ = Describe("ConflictTimes", func() {
	menu := func(d *appsv1.Deployment) { metav1.SetMetaDataAnnotation(&d.ObjectMeta, "example.com/menu", "winter") }

	It("refuses that many updates with a conflict", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		fakeclientset.ConflictTimes(client, 2, nil)
		for i := range 2 {
			Expect(scale(ctx, client, 0)).To(Satisfy(apierrors.IsConflict), "update %d of lab/oven", i+1)
			Expect(held(ctx, client).Spec.Replicas).To(HaveValue(Equal(int32(3))), "replicas of lab/oven after a refused update")
		}
		Expect(scale(ctx, client, 0)).To(Succeed(), "the third update")
		Expect(held(ctx, client).Spec.Replicas).To(HaveValue(Equal(int32(0))), "replicas of lab/oven")
	})

	It("stores the other writer's change before the refusal", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		fakeclientset.ConflictTimes(client, 1, menu)
		Expect(scale(ctx, client, 0)).To(Satisfy(apierrors.IsConflict), "the update of lab/oven")
		Expect(held(ctx, client).Annotations).To(HaveKeyWithValue("example.com/menu", "winter"), "annotations of lab/oven, as the fake holds it")
		Expect(held(ctx, client).Spec.Replicas).To(HaveValue(Equal(int32(3))), "replicas of lab/oven: nothing of the refused update is stored")
	})

	It("lets the other writer write before each refusal", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		fakeclientset.ConflictTimes(client, 3, func(d *appsv1.Deployment) {
			metav1.SetMetaDataAnnotation(&d.ObjectMeta, "example.com/menu", d.Annotations["example.com/menu"]+"*")
		})
		for i := range 3 {
			Expect(scale(ctx, client, 0)).To(Satisfy(apierrors.IsConflict), "update %d of lab/oven", i+1)
		}
		Expect(held(ctx, client).Annotations).To(HaveKeyWithValue("example.com/menu", "***"), "annotations of lab/oven after three refusals, before each of which the other writer has added a star")
	})

	It("leaves no trace of the other writer among the client's actions", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		fakeclientset.ConflictTimes(client, 1, menu)
		Expect(scale(ctx, client, 0)).To(Satisfy(apierrors.IsConflict), "the update of lab/oven")
		Expect(client.Actions()).To(HaveLen(1), "actions: the one update")
	})

	It("lets updates of the status pass, and does not count them", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		fakeclientset.ConflictTimes(client, 1, nil)
		_, err := client.AppsV1().Deployments("lab").UpdateStatus(ctx, oven(), metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "a reactor for deployments sees deployments/status, too")
		Expect(scale(ctx, client, 0)).To(Satisfy(apierrors.IsConflict), "the update after it")
	})

	It("says not found of what is not there", func(ctx SpecContext) {
		client := fakeclientset.Seeded()
		fakeclientset.ConflictTimes(client, 1, nil)
		Expect(scale(ctx, client, 0)).To(Satisfy(apierrors.IsNotFound), "the update of a Deployment that nobody has made")
	})
})

var _ = Describe("Watches", func() {
	It("hands over a watcher for each watch", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		opened := fakeclientset.Watches(client, "deployments")
		var began []watch.Interface
		var handed []*watch.RaceFreeFakeWatcher
		for i := range 2 {
			began = append(began, begin(ctx, client))
			var w *watch.RaceFreeFakeWatcher
			Eventually(opened).WithContext(ctx).WithTimeout(2*time.Second).Should(Receive(&w), "the watcher of watch %d", i+1)
			handed = append(handed, w)
		}
		handed[0].Stop()
		Eventually(began[0].ResultChan()).WithContext(ctx).WithTimeout(2*time.Second).Should(BeClosed(), "the first watch, whose watcher was stopped")
		handed[1].Modify(oven())
		var event watch.Event
		Eventually(began[1].ResultChan()).WithContext(ctx).WithTimeout(2*time.Second).Should(Receive(&event), "what was sent through the second watcher: each watch has one of its own")
		Expect(event.Type).To(Equal(watch.Modified))
	})

	It("does not make the client wait until somebody takes the watcher", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		opened := fakeclientset.Watches(client, "deployments")
		for range 3 {
			begin(ctx, client)
		}
		Expect(opened).To(HaveLen(3), "watchers that wait to be taken")
		Expect(cap(opened)).To(BeNumerically(">=", 100), "the room of the channel")
	})

	It("leaves the watches of other resources alone", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		opened := fakeclientset.Watches(client, "deployments")
		w, err := client.CoreV1().ConfigMaps("lab").Watch(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(w.Stop)
		Expect(opened).To(BeEmpty(), "watchers of deployments")
	})
})

// begin begins a watch of the Deployments in lab, and waits for no more than that.
func begin(ctx context.Context, client *fake.Clientset) watch.Interface {
	GinkgoHelper()
	var w watch.Interface
	Expect(verdict(ctx, func(ctx context.Context) (err error) {
		w, err = client.AppsV1().Deployments("lab").Watch(ctx, metav1.ListOptions{})
		return err
	})).To(Succeed(), "begin a watch")
	DeferCleanup(w.Stop)
	return w
}

var _ = Describe("Writes", func() {
	It("lists what was changed, in order, and leaves reads out", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		deployments := client.AppsV1().Deployments("lab")
		_, _ = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lab"}}, metav1.CreateOptions{})
		_, _ = deployments.Get(ctx, "oven", metav1.GetOptions{})
		_, _ = deployments.List(ctx, metav1.ListOptions{})
		_, _ = deployments.Update(ctx, oven(), metav1.UpdateOptions{})
		_, _ = deployments.UpdateStatus(ctx, oven(), metav1.UpdateOptions{})
		_, _ = deployments.Patch(ctx, "oven", "application/merge-patch+json", []byte(`{}`), metav1.PatchOptions{})
		w, err := deployments.Watch(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(w.Stop)
		_ = deployments.Delete(ctx, "oven", metav1.DeleteOptions{})
		Expect(fakeclientset.Writes(client)).To(Equal([]string{
			"create namespaces lab",
			"update deployments lab/oven",
			"update deployments/status lab/oven",
			"patch deployments lab/oven",
			"delete deployments lab/oven",
		}))
	})

	It("lists a delete-collection, and the creation of a subresource", func(ctx SpecContext) {
		client := fakeclientset.Seeded(oven())
		_ = client.AppsV1().Deployments("lab").DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		_ = client.PolicyV1().Evictions("lab").Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "oven-1", Namespace: "lab"}})
		Expect(fakeclientset.Writes(client)).To(HaveExactElements(
			HavePrefix("delete-collection deployments"),
			HavePrefix("create pods/eviction lab/"),
		))
	})

	It("lists a refused write", func(ctx SpecContext) {
		client := fakeclientset.Seeded()
		_, err := client.AppsV1().Deployments("lab").Update(ctx, oven(), metav1.UpdateOptions{})
		Expect(err).To(Satisfy(apierrors.IsNotFound), "the update of what is not there")
		Expect(fakeclientset.Writes(client)).To(Equal([]string{"update deployments lab/oven"}))
	})
})

var _ = Describe("Within", func() {
	It("returns what the call returns", func(ctx SpecContext) {
		Expect(fakeclientset.Within(ctx, time.Minute, func(context.Context) error { return errOven })).To(MatchError(errOven))
		Expect(fakeclientset.Within(ctx, time.Minute, func(context.Context) error { return nil })).To(Succeed())
	})

	It("gives up a call that never returns", func(ctx SpecContext) {
		forever := make(chan struct{})
		DeferCleanup(func() { close(forever) })
		Expect(verdict(ctx, func(ctx context.Context) error {
			return fakeclientset.Within(ctx, 50*time.Millisecond, func(context.Context) error { <-forever; return nil })
		})).To(MatchError(context.DeadlineExceeded), "the call looks at no context")
	})

	It("gives up when its context ends", func(ctx SpecContext) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		forever := make(chan struct{})
		DeferCleanup(func() { close(forever) })
		Expect(verdict(ctx, func(context.Context) error {
			return fakeclientset.Within(ended, time.Minute, func(context.Context) error { <-forever; return nil })
		})).To(MatchError(context.Canceled))
	})

	It("gives the call a context that ends with the limit", func(ctx SpecContext) {
		Expect(verdict(ctx, func(ctx context.Context) error {
			return fakeclientset.Within(ctx, 50*time.Millisecond, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		})).To(MatchError(context.DeadlineExceeded))
	})
})
