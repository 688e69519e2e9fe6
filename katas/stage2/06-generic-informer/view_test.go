package genericinformer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	generic "github.com/kubekata/kubekata/katas/stage2/06-generic-informer"
)

var _ = Describe("Get", func() {
	It("returns an object as what it is", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		made := create(ctx, ns, configMaps, "ConfigMap", "menu")
		f := factory(ctx, ns)
		v := view[*corev1.ConfigMap](f, configMaps)
		synced(ctx, f)
		got, err := v.Get(ns, "menu")
		Expect(err).NotTo(HaveOccurred())
		Expect(got.UID).To(Equal(made.GetUID()), "the UID of ConfigMap %s/menu", ns)
	})

	It("returns objects of another type from another View", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, leases, "Lease", "oven")
		f := factory(ctx, ns)
		v := view[*coordinationv1.Lease](f, leases)
		synced(ctx, f)
		got, err := v.Get(ns, "oven")
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Name).To(Equal("oven"))
	})

	It("returns an object of a resource that is in no namespace", func(ctx SpecContext) {
		class := priorityClass(ctx, api.Namespace(ctx))
		f := factory(ctx, "")
		v := view[*schedulingv1.PriorityClass](f, priorityClasses)
		synced(ctx, f)
		got, err := v.Get("", class)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Value).To(BeEquivalentTo(1), "the value of PriorityClass %s", class)
	})

	It("returns objects of any type from a View of Objects", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, leases, "Lease", "oven")
		f := factory(ctx, ns)
		v := view[generic.Object](f, leases)
		synced(ctx, f)
		got, err := v.Get(ns, "oven")
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(BeAssignableToTypeOf(&coordinationv1.Lease{}))
		Expect(got.GetName()).To(Equal("oven"))
	})

	It("reports an object that the cache does not have", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		f := factory(ctx, ns)
		v := view[*corev1.ConfigMap](f, configMaps)
		synced(ctx, f)
		got, err := v.Get(ns, "nowhere")
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring("configmaps")), "the error names the resource")
		Expect(got).To(BeNil(), "an object together with an error")
	})

	It("reports an object of another type", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, configMaps, "ConfigMap", "menu")
		f := factory(ctx, ns)
		v := view[*corev1.Secret](f, configMaps)
		synced(ctx, f)
		got, err := v.Get(ns, "menu")
		Expect(err).To(MatchError(And(ContainSubstring("v1.ConfigMap"), ContainSubstring("v1.Secret"))), "the error names the type that there is, and the one that was wanted")
		Expect(err).NotTo(Satisfy(apierrors.IsNotFound), "the object is there: %v", err)
		Expect(got).To(BeNil(), "an object together with an error")
	})

	It("names an interface, too, when the object is none", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, configMaps, "ConfigMap", "menu")
		f := factory(ctx, ns)
		v := view[baker](f, configMaps)
		synced(ctx, f)
		_, err := v.Get(ns, "menu")
		Expect(err).To(MatchError(And(ContainSubstring("v1.ConfigMap"), ContainSubstring("genericinformer_test.baker"))), "the error names the type that there is, and the interface that was wanted")
	})

	It("returns a copy", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, configMaps, "ConfigMap", "menu")
		f := factory(ctx, ns)
		v := view[*corev1.ConfigMap](f, configMaps)
		synced(ctx, f)
		first, err := v.Get(ns, "menu")
		Expect(err).NotTo(HaveOccurred())
		first.Labels["made-for"] = "me"
		second, err := v.Get(ns, "menu")
		Expect(err).NotTo(HaveOccurred())
		Expect(second.Labels).NotTo(HaveKeyWithValue("made-for", "me"), "labels in the cache, after the caller has changed what it was given")
	})

	It("asks the server for nothing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, configMaps, "ConfigMap", "menu")
		f := factory(ctx, ns)
		v := view[*corev1.ConfigMap](f, configMaps)
		synced(ctx, f)
		before := len(api.Requests())
		for range 10 {
			_, err := v.Get(ns, "menu")
			Expect(err).NotTo(HaveOccurred())
			_, err = v.List(ns, nil)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(api.Requests()).To(HaveLen(before), "requests after twenty questions, compared to those before")
	})
})

var _ = Describe("List", func() {
	It("returns the namespace's objects in order", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		for _, name := range []string{"e", "b", "d", "a", "c"} {
			create(ctx, mine, podTemplates, "PodTemplate", name)
		}
		create(ctx, other, podTemplates, "PodTemplate", "x")
		f := factory(ctx, "")
		v := view[*corev1.PodTemplate](f, podTemplates)
		synced(ctx, f)
		Expect(list(v.List(mine, labels.Everything()))).To(Equal([]string{"a", "b", "c", "d", "e"}), "PodTemplates of %s, from a factory for all namespaces", mine)
	})

	It("returns the objects of all namespaces when none is given, in order", func(ctx SpecContext) {
		one, two := api.Namespace(ctx), api.Namespace(ctx)
		for _, ns := range []string{two, one} {
			create(ctx, ns, podTemplates, "PodTemplate", "b", "zoo", one)
			create(ctx, ns, podTemplates, "PodTemplate", "a", "zoo", one)
		}
		f := factory(ctx, "")
		v := view[*corev1.PodTemplate](f, podTemplates)
		synced(ctx, f)
		first, second := min(one, two), max(one, two)
		Expect(withNamespace(v.List("", labels.SelectorFromSet(labels.Set{"zoo": one})))).To(Equal([]string{
			first + "/a", first + "/b", second + "/a", second + "/b",
		}), "PodTemplates with zoo=%s", one)
	})

	It("returns what the selector matches", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, podTemplates, "PodTemplate", "a", "menu", "summer")
		create(ctx, ns, podTemplates, "PodTemplate", "b", "menu", "winter")
		f := factory(ctx, ns)
		v := view[*corev1.PodTemplate](f, podTemplates)
		synced(ctx, f)
		Expect(list(v.List(ns, labels.SelectorFromSet(labels.Set{"menu": "winter"})))).To(Equal([]string{"b"}), "PodTemplates with menu=winter")
		Expect(list(v.List(ns, nil))).To(Equal([]string{"a", "b"}), "PodTemplates, without a selector")
		Expect(list(v.List(ns, labels.Nothing()))).To(BeEmpty(), "PodTemplates that match a selector which matches nothing")
	})

	It("returns the objects of a resource that is in no namespace", func(ctx SpecContext) {
		class := priorityClass(ctx, api.Namespace(ctx))
		f := factory(ctx, "")
		v := view[generic.Object](f, priorityClasses)
		synced(ctx, f)
		Expect(list(v.List("", nil))).To(ContainElement(class), "PriorityClasses")
	})

	It("reports objects of another type", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, configMaps, "ConfigMap", "menu")
		f := factory(ctx, ns)
		v := view[*corev1.Secret](f, configMaps)
		synced(ctx, f)
		got, err := v.List(ns, nil)
		Expect(err).To(MatchError(And(ContainSubstring("v1.ConfigMap"), ContainSubstring("v1.Secret"))), "the error names the type that there is, and the one that was wanted")
		Expect(got).To(BeEmpty(), "objects together with an error")
	})

	It("returns copies", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, podTemplates, "PodTemplate", "a")
		f := factory(ctx, ns)
		v := view[*corev1.PodTemplate](f, podTemplates)
		synced(ctx, f)
		first, err := v.List(ns, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(first).To(HaveLen(1))
		first[0].Labels["made-for"] = "me"
		second, err := v.List(ns, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(second[0].Labels).NotTo(HaveKeyWithValue("made-for", "me"), "labels in the cache, after the caller has changed what it was given")
	})

	It("follows the server", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, podTemplates, "PodTemplate", "a")
		f := factory(ctx, ns)
		v := view[*corev1.PodTemplate](f, podTemplates)
		wait := synced(ctx, f)
		create(ctx, ns, podTemplates, "PodTemplate", "b")
		remove(ctx, ns, podTemplates, "a")
		Eventually(func() []string { return list(v.List(ns, nil)) }).WithContext(wait).Should(Equal([]string{"b"}), "PodTemplates, after one came and one went")
	})
})

// baker is an interface that no object of client-go has.
type baker interface {
	generic.Object
	Bake()
}
