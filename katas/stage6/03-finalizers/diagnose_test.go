package finalizers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	kata "github.com/kubekata/kubekata/katas/stage6/03-finalizers"

	"github.com/kubekata/kubekata/harness/cluster"
)

var (
	secrets    = corev1.SchemeGroupVersion.WithResource("secrets")
	pods       = corev1.SchemeGroupVersion.WithResource("pods")
	namespaces = corev1.SchemeGroupVersion.WithResource("namespaces")
)

// diagnose asks a Diagnoser who believes that it is now, and expects that it changes nothing.
func diagnose(ctx context.Context, ref kata.Ref, now time.Time) (kata.Report, error) {
	GinkgoHelper()
	d := &kata.Diagnoser{
		Metadata: learner(), Clientset: api.Clientset(), Clock: clocktesting.NewFakePassiveClock(now),
		Dependants: []schema.GroupVersionResource{secrets, configMaps},
	}
	report, err := d.Diagnose(ctx, ref)
	Expect(asked(isWrite)).To(BeEmpty(), "writes: a diagnosis changes nothing")
	return report, err
}

// diagnosed expects a report.
func diagnosed(ctx context.Context, ref kata.Ref, now time.Time) kata.Report {
	GinkgoHelper()
	report, err := diagnose(ctx, ref, now)
	Expect(err).NotTo(HaveOccurred(), "Diagnose")
	return report
}

// names are the finalizers in a report.
func names(report kata.Report) []string {
	all := []string{}
	for _, h := range report.Finalizers {
		all = append(all, h.Finalizer)
	}
	return all
}

// managersOf are those in a report that have written a finalizer.
func managersOf(report kata.Report, finalizer string) []string {
	GinkgoHelper()
	Expect(names(report)).To(ContainElement(finalizer), "the finalizers in the report")
	for _, h := range report.Finalizers {
		if h.Finalizer == finalizer {
			return h.Managers
		}
	}
	return nil
}

// foreground deletes a ConfigMap so that it waits for its dependants.
func foreground(ctx context.Context, m *corev1.ConfigMap) *corev1.ConfigMap {
	GinkgoHelper()
	err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Delete(ctx, m.Name, metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationForeground)})
	Expect(err).NotTo(HaveOccurred(), "delete configmap %s/%s for the spec", m.Namespace, m.Name)
	return get(ctx, m)
}

// dependant makes a ConfigMap or a Secret that refers to an owner, and stays.
func dependant(ctx context.Context, kind, name string, owner *corev1.ConfigMap, blocks *bool) {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: owner.Namespace, Name: name, Finalizers: []string{third}, OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, BlockOwnerDeletion: blocks},
	}}
	if kind == "ConfigMap" {
		createAs(ctx, &corev1.ConfigMap{ObjectMeta: meta})
		return
	}
	client := api.Judge().CoreV1().Secrets(owner.Namespace)
	_, err := client.Create(ctx, &corev1.Secret{ObjectMeta: meta}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make secret %s/%s for the spec", owner.Namespace, name)
	DeferCleanup(func(ctx SpecContext) {
		_, err := client.Patch(ctx, name, "application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if !apierrors.IsNotFound(err) {
			Expect(err).NotTo(HaveOccurred(), "free secret %s/%s", owner.Namespace, name)
		}
	})
}

// dependants are those of a report, as a person calls them.
func dependants(report kata.Report) []string {
	all := []string{}
	for _, d := range report.Dependants {
		all = append(all, d.String())
	}
	return all
}

var _ = Describe("Diagnose", func() {
	It("says that an object is alive, and what would hold it", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs, mine)
		report := diagnosed(ctx, refTo(m), time.Now())
		Expect(report.Phase).To(Equal(kata.Alive), "the phase of configmap menu, which nobody has deleted")
		Expect(names(report)).To(Equal([]string{theirs, mine}), "its finalizers")
		Expect(report.Requested).To(BeZero(), "when its deletion was asked for")
		Expect(report.Waiting).To(BeZero(), "how long ago that is")
	})

	It("says that an object is gone", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		remove(ctx, m)
		Expect(diagnosed(ctx, refTo(m), time.Now()).Phase).To(Equal(kata.Gone), "the phase of configmap menu")
	})

	It("does not take a successor of the name for the object", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		replace(ctx, m, theirs)
		Expect(diagnosed(ctx, refTo(m), time.Now()).Phase).To(Equal(kata.Gone), "the phase of configmap menu, which was replaced")
	})

	It("takes whoever has the name when the Ref has no UID", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		ref := refTo(m)
		ref.UID = ""
		report := diagnosed(ctx, ref, time.Now())
		Expect(report.Phase).To(Equal(kata.Alive), "the phase of configmap menu")
		Expect(report.Ref).To(Equal(refTo(m)), "the Ref in the report, with the UID that was found")
	})

	It("says since when an object is being deleted, and what holds it", func(ctx SpecContext) {
		m := deleted(ctx, theirs, mine)
		since := get(ctx, m).DeletionTimestamp.Time
		report := diagnosed(ctx, refTo(m), since.Add(90*time.Second))
		Expect(report.Phase).To(Equal(kata.Deleting), "the phase of configmap menu")
		Expect(report.Requested).To(BeTemporally("==", since), "when its deletion was asked for")
		Expect(report.Waiting).To(Equal(90*time.Second), "how long ago that is")
		Expect(report.Grace).To(BeZero(), "its grace period: ConfigMaps have none")
		Expect(names(report)).To(Equal([]string{theirs, mine}), "its finalizers")
	})

	It("counts from when the deletion was asked for, and not from the end of the grace period", func(ctx SpecContext) {
		p := dyingPod(ctx, 3600)
		report := diagnosed(ctx, kata.RefTo(pods, p), p.DeletionTimestamp.Add(-3500*time.Second))
		Expect(report.Grace).To(Equal(time.Hour), "the grace period of pod oven, which somebody has deleted with 3600 seconds")
		Expect(report.Requested).To(BeTemporally("==", p.DeletionTimestamp.Add(-time.Hour)), "when its deletion was asked for: an hour before its deletionTimestamp")
		Expect(report.Waiting).To(Equal(100*time.Second), "how long ago that is")
	})

	It("says who has written each finalizer", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		put(ctx, m, theirs, mine, third)
		_, err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Apply(ctx, corev1ac.ConfigMap(m.Name, m.Namespace).WithFinalizers(third), metav1.ApplyOptions{FieldManager: "applier"})
		Expect(err).NotTo(HaveOccurred(), "apply a finalizer for the spec")
		report := diagnosed(ctx, refTo(m), time.Now())
		Expect(managersOf(report, theirs)).To(Equal([]string{"kitchen"}), "who has written %s", theirs)
		Expect(managersOf(report, mine)).To(Equal([]string{"somebody"}), "who has written %s", mine)
		Expect(managersOf(report, third)).To(Equal([]string{"applier", "somebody"}), "who has written %s, which two have", third)
	})

	It("says each writer once", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		_, err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Apply(ctx, corev1ac.ConfigMap(m.Name, m.Namespace).WithFinalizers(theirs), metav1.ApplyOptions{FieldManager: "kitchen"})
		Expect(err).NotTo(HaveOccurred(), "apply a finalizer for the spec")
		Expect(managersOf(diagnosed(ctx, refTo(m), time.Now()), theirs)).To(Equal([]string{"kitchen"}), "who has written %s: kitchen by a create, and by an apply", theirs)
	})

	It("does not suspect who has written a longer name, or the same one elsewhere", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		put(ctx, m, theirs, theirs+"-too")
		_, err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Apply(ctx, corev1ac.ConfigMap(m.Name, m.Namespace).WithLabels(map[string]string{theirs: "yes"}), metav1.ApplyOptions{FieldManager: "labeller"})
		Expect(err).NotTo(HaveOccurred(), "apply a label for the spec")
		Expect(managersOf(diagnosed(ctx, refTo(m), time.Now()), theirs)).To(Equal([]string{"kitchen"}), "who has written the finalizer %s", theirs)
	})

	It("knows nobody who has written what the server has", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		dependant(ctx, "ConfigMap", "dish", m, ptr.To(true))
		report := diagnosed(ctx, refTo(foreground(ctx, m)), time.Now())
		Expect(managersOf(report, metav1.FinalizerDeleteDependents)).To(BeEmpty(), "who has written %s, which comes from the Delete", metav1.FinalizerDeleteDependents)
	})

	It("names the dependants for which a deletion in the foreground waits", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		dependant(ctx, "Secret", "recipe", m, ptr.To(true))
		dependant(ctx, "ConfigMap", "pasta", m, ptr.To(true))
		dependant(ctx, "ConfigMap", "dish", m, ptr.To(true))
		report := diagnosed(ctx, refTo(foreground(ctx, m)), time.Now())
		Expect(dependants(report)).To(Equal([]string{
			"configmaps " + m.Namespace + "/dish", "configmaps " + m.Namespace + "/pasta", "secrets " + m.Namespace + "/recipe",
		}), "what configmap menu waits for, sorted")
		Expect(report.Dependants[0].UID).NotTo(BeEmpty(), "the UID of the first one")
	})

	It("does not name dependants that do not block, and those of another of the name", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		dependant(ctx, "ConfigMap", "dish", m, ptr.To(true))
		dependant(ctx, "ConfigMap", "leaflet", m, ptr.To(false))
		dependant(ctx, "ConfigMap", "poster", m, nil)
		createAs(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: "alone", Finalizers: []string{third}}})
		before := m.DeepCopy()
		before.UID = "of-yesterday"
		dependantOf(ctx, "old", before, m)
		report := diagnosed(ctx, refTo(foreground(ctx, m)), time.Now())
		Expect(dependants(report)).To(Equal([]string{"configmaps " + m.Namespace + "/dish"}), "what configmap menu waits for")
	})

	It("looks for no dependants when the deletion is not in the foreground", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		dependant(ctx, "ConfigMap", "dish", m, ptr.To(true))
		remove(ctx, m)
		Expect(dependants(diagnosed(ctx, refTo(m), time.Now()))).To(BeEmpty(), "what configmap menu waits for, which was deleted in the background")
		Expect(asked(func(r cluster.Request) bool { return r.Verb == "list" })).To(BeEmpty(), "lists of dependants, for which nothing waits")
	})

	It("reports the rest when a resource cannot be listed", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		dependant(ctx, "ConfigMap", "dish", m, ptr.To(true))
		foreground(ctx, m)
		refuse(func(r cluster.Request) bool { return r.Resource == "secrets" }, metav1.StatusReasonForbidden, 403)
		report, err := diagnose(ctx, refTo(m), time.Now())
		Expect(err).To(MatchError(ContainSubstring("secrets")), "what Diagnose returns when it may not list Secrets")
		Expect(report.Phase).To(Equal(kata.Deleting), "the phase of configmap menu")
		Expect(dependants(report)).To(Equal([]string{"configmaps " + m.Namespace + "/dish"}), "what configmap menu waits for, as far as Diagnose may know")
	})

	It("says of a Namespace what is in its spec, and which conditions are in the way", func(ctx SpecContext) {
		ns := &corev1.Namespace{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{
				Name: "shop", UID: "uid-shop", ResourceVersion: "7", DeletionTimestamp: ptr.To(metav1.Now()), DeletionGracePeriodSeconds: ptr.To[int64](0),
			},
			Spec: corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
			Status: corev1.NamespaceStatus{Phase: corev1.NamespaceTerminating, Conditions: []corev1.NamespaceCondition{
				{Type: corev1.NamespaceDeletionDiscoveryFailure, Status: corev1.ConditionFalse, Message: "All resources successfully discovered"},
				{Type: corev1.NamespaceContentRemaining, Status: corev1.ConditionTrue, Message: "Some resources are remaining: configmaps. has 1 resource instances"},
				{Type: corev1.NamespaceFinalizersRemaining, Status: corev1.ConditionTrue, Message: "Some content in the namespace has finalizers remaining: example.com/theirs in 1 resource instances"},
			}},
		}
		body, err := json.Marshal(ns)
		Expect(err).NotTo(HaveOccurred())
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "get" && r.Resource == "namespaces" && r.Name == "shop" {
				return &cluster.Answer{Body: body}
			}
			return nil
		})
		report := diagnosed(ctx, kata.RefTo(namespaces, ns), time.Now())
		Expect(report.Phase).To(Equal(kata.Deleting), "the phase of namespace shop")
		Expect(report.Namespace).NotTo(BeNil(), "what only Namespaces have")
		Expect(report.Namespace.Finalizers).To(Equal(ns.Spec.Finalizers), "the finalizers in the spec of namespace shop")
		Expect(report.Namespace.Conditions).To(HaveExactElements(
			HaveField("Type", corev1.NamespaceContentRemaining),
			And(HaveField("Type", corev1.NamespaceFinalizersRemaining), HaveField("Message", ContainSubstring(theirs))),
		), "the conditions of namespace shop that are True")
	})

	It("says of a Namespace that is alive what is in its spec and in its metadata", func(ctx SpecContext) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "kubekata-finalizers-", Finalizers: []string{mine}}}
		api.Own(ns)
		made, err := api.Judge().CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{FieldManager: "kitchen"})
		Expect(err).NotTo(HaveOccurred(), "make a namespace for the spec")
		DeferCleanup(func(ctx SpecContext) {
			_, err := api.Judge().CoreV1().Namespaces().Patch(ctx, made.Name, "application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			Expect(err).NotTo(HaveOccurred(), "free namespace %s", made.Name)
			Expect(api.Judge().CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{})).To(Succeed())
		})
		report := diagnosed(ctx, kata.RefTo(namespaces, made), time.Now())
		Expect(report.Phase).To(Equal(kata.Alive), "the phase of namespace %s", made.Name)
		Expect(managersOf(report, mine)).To(Equal([]string{"kitchen"}), "who has written %s, which is in its metadata", mine)
		Expect(report.Namespace).To(HaveValue(HaveField("Finalizers", ConsistOf(corev1.FinalizerKubernetes))), "what is in its spec")
	})

	It("says nothing of Namespaces about another object", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		report := diagnosed(ctx, refTo(m), time.Now())
		Expect(report.Phase).To(Equal(kata.Alive), "the phase of configmap menu")
		Expect(report.Namespace).To(BeNil(), "what only Namespaces have")
	})

	It("returns the server's error when the object cannot be read", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		refuse(anyRequest, metav1.StatusReasonForbidden, 403)
		_, err := diagnose(ctx, refTo(m), time.Now())
		expectForbidden(err)
		Expect(err).To(MatchError(ContainSubstring("menu")), "which object")
	})
})

// dependantOf makes a ConfigMap with a reference to an owner that is not there, beside one to an owner that is, which does not block: so
// that the garbage collector leaves it alone.
func dependantOf(ctx context.Context, name string, gone, owner *corev1.ConfigMap) {
	GinkgoHelper()
	createAs(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: owner.Namespace, Name: name, Finalizers: []string{third}, OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: gone.Name, UID: gone.UID, BlockOwnerDeletion: ptr.To(true)},
		{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID},
	}}})
}

// dyingPod makes a pod on a node that is not there, and deletes it with a grace period.
func dyingPod(ctx context.Context, grace int64) *corev1.Pod {
	GinkgoHelper()
	client := api.Judge().CoreV1().Pods(api.Namespace(ctx))
	_, err := client.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "oven"},
		Spec:       corev1.PodSpec{NodeName: "nowhere", Containers: []corev1.Container{{Name: "oven", Image: "busybox:1.37"}}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pod oven for the spec")
	DeferCleanup(func(ctx SpecContext) {
		err := client.Delete(ctx, "oven", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
		if !apierrors.IsNotFound(err) {
			Expect(err).NotTo(HaveOccurred(), "remove pod oven")
		}
	})
	Expect(client.Delete(ctx, "oven", metav1.DeleteOptions{GracePeriodSeconds: &grace})).To(Succeed(), "delete pod oven for the spec")
	got, err := client.Get(ctx, "oven", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pod oven")
	return got
}

var _ = Describe("A Report", Label("given"), func() {
	It("is a text for a person", func() {
		at := time.Date(2026, 10, 2, 9, 0, 0, 0, time.UTC)
		report := kata.Report{
			Ref: kata.Ref{Resource: configMaps, Namespace: "shop", Name: "menu"}, Phase: kata.Deleting, Requested: at, Waiting: 90 * time.Second, Grace: 30 * time.Second,
			Finalizers: []kata.Holder{{Finalizer: mine, Managers: []string{"alice", "bob"}}, {Finalizer: metav1.FinalizerDeleteDependents}},
			Dependants: []kata.Ref{{Resource: secrets, Namespace: "shop", Name: "recipe"}},
		}
		Expect(strings.Split(fmt.Sprint(report), "\n")).To(HaveExactElements(
			"configmaps shop/menu was deleted 1m30s ago, at 2026-10-02T09:00:00Z, with a grace period of 30s, and is still there",
			"  finalizer kubekata.dev/mine, written by alice and bob",
			"  finalizer foregroundDeletion, which the server has written itself, or somebody long ago",
			"  waits for secrets shop/recipe",
		))
	})
})
