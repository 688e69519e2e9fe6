package ownerreferences_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kata "github.com/kubekata/kubekata/katas/stage6/04-owner-references"
)

var _ = Describe("RemoveOwner", func() {
	It("takes out the reference to the owner, and leaves the others", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a, b, c := create(ctx, ns, "a"), create(ctx, ns, "b"), create(ctx, ns, "c")
		menu := create(ctx, ns, "menu", owned(a), owned(b, controls), owned(c))
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns")
		Expect(owners(ctx, menu)).To(Equal([]string{"b*", "c"}), "the owners of configmap menu, after RemoveOwner of a (* is the controller)")
	})

	It("takes out the controller, too", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a, b := create(ctx, ns, "a"), create(ctx, ns, "b")
		menu := create(ctx, ns, "menu", owned(a), owned(b, controls))
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, b.UID)).To(Succeed(), "what RemoveOwner returns")
		Expect(owners(ctx, menu)).To(Equal([]string{"a"}), "the owners of configmap menu, after RemoveOwner of its controller")
	})

	It("takes out the last one", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		menu := create(ctx, ns, "menu", owned(a))
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns")
		Expect(owners(ctx, menu)).To(BeEmpty(), "the owners of configmap menu")
	})

	It("goes by the UID, and leaves an owner that has the same name", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		secret, err := api.Judge().CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		menu := create(ctx, ns, "menu", owned(a), func(m *corev1.ConfigMap) {
			m.OwnerReferences = append(m.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: "a", UID: secret.UID})
		})
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns")
		left := get(ctx, menu).OwnerReferences
		Expect(left).To(HaveLen(1), "the references of configmap menu, which was owned by configmap a and by secret a")
		Expect(left[0].Kind).To(Equal("Secret"), "the kind of the owner that is left")
	})

	It("keeps what somebody else has written since the dependant was read", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a, b := create(ctx, ns, "a"), create(ctx, ns, "b")
		menu := create(ctx, ns, "menu", owned(a))
		adds(ctx, menu, b)
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns")
		Expect(owners(ctx, menu)).To(Equal([]string{"b"}), "the owners of configmap menu, to which somebody has added b since it was read")
		Expect(get(ctx, menu).Labels).To(HaveKeyWithValue("touched", "yes"), "the labels of configmap menu, which somebody has labelled since it was read")
	})

	It("keeps what somebody else writes in between", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a, b := create(ctx, ns, "a"), create(ctx, ns, "b")
		menu := create(ctx, ns, "menu", owned(a))
		before("menu", func() { adds(ctx, menu, b) })
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns")
		Expect(owners(ctx, menu)).To(Equal([]string{"b"}), "the owners of configmap menu, to which somebody has added b just before RemoveOwner wrote")
		Expect(get(ctx, menu).Labels).To(HaveKeyWithValue("touched", "yes"), "the labels of configmap menu, which somebody has labelled just before RemoveOwner wrote")
	})

	It("leaves the right one when somebody else removes another in between", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a, b, c := create(ctx, ns, "a"), create(ctx, ns, "b"), create(ctx, ns, "c")
		menu := create(ctx, ns, "menu", owned(a), owned(b), owned(c))
		before("menu", func() {
			patch(ctx, menu, fmt.Sprintf(`{"metadata":{"ownerReferences":[{"$patch":"delete","uid":%q}]}}`, a.UID))
		})
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, b.UID)).To(Succeed(), "what RemoveOwner returns")
		Expect(owners(ctx, menu)).To(Equal([]string{"c"}), "the owners of configmap menu, after RemoveOwner of b; somebody has removed a just before RemoveOwner wrote")
	})

	It("removes a reference that the dependant has got since it was read", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		menu := create(ctx, ns, "menu")
		adds(ctx, menu, a)
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns")
		Expect(owners(ctx, menu)).To(BeEmpty(), "the owners of configmap menu, which has got a since it was read")
	})

	It("writes nothing when there is no such reference", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a, b := create(ctx, ns, "a"), create(ctx, ns, "b")
		menu := create(ctx, ns, "menu", owned(a))
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, b.UID)).To(Succeed(), "what RemoveOwner returns for an owner that is none")
		Expect(get(ctx, menu).ResourceVersion).To(Equal(menu.ResourceVersion), "the resource version of configmap menu")
		Expect(owners(ctx, menu)).To(Equal([]string{"a"}), "the owners of configmap menu")
	})

	It("is content when the dependant is gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		menu := create(ctx, ns, "menu", owned(a))
		remove(ctx, menu)
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns for a configmap that is gone")
	})

	It("is content when the dependant goes in between", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		menu := create(ctx, ns, "menu", owned(a))
		before("menu", func() { remove(ctx, menu) })
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns for a configmap that has gone just before RemoveOwner wrote")
	})

	It("leaves another object alone that has the dependant's name by now", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		menu := create(ctx, ns, "menu", owned(a))
		remove(ctx, menu)
		successor := create(ctx, ns, "menu", owned(a))
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns for a configmap whose name another one has")
		Expect(owners(ctx, successor)).To(Equal([]string{"a"}), "the owners of the other configmap menu")
	})

	It("leaves another object alone that takes the dependant's name in between", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		menu := create(ctx, ns, "menu", owned(a))
		before("menu", func() {
			remove(ctx, menu)
			create(ctx, ns, "menu", owned(a))
		})
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns for a configmap whose name another one has taken just before RemoveOwner wrote")
		Expect(owners(ctx, menu)).To(Equal([]string{"a"}), "the owners of the other configmap menu")
	})

	It("does not change the dependant that it is given, which may be a cache's", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a, b := create(ctx, ns, "a"), create(ctx, ns, "b")
		menu := create(ctx, ns, "menu", owned(a), owned(b))
		given := menu.DeepCopy()
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), given, a.UID)).To(Succeed(), "what RemoveOwner returns")
		Expect(given).To(Equal(menu), "the object that RemoveOwner was given")
	})

	It("returns that it was refused", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		menu := create(ctx, ns, "menu", owned(a))
		refuse("write", "menu")
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Satisfy(apierrors.IsForbidden), "what RemoveOwner returns when the server forbids it: apierrors.IsForbidden")
	})

	It("returns that it was refused to look", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := create(ctx, ns, "a")
		menu := create(ctx, ns, "menu", owned(a))
		refuse("touch", "menu")
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, a.UID)).To(Satisfy(apierrors.IsForbidden), "what RemoveOwner returns when the server forbids to read and to write: apierrors.IsForbidden")
	})

	It("serves a kind of a CustomResourceDefinition", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		Expect(kata.RemoveOwner(ctx, learner(), live(), configMap(ns, "none"), "uid")).To(Succeed(), "what RemoveOwner returns for a configmap that there is not")
		a, b := create(ctx, ns, "a"), create(ctx, ns, "b")
		menu := custom(ctx, ns, "menu", nil, refer(a), refer(b))
		Expect(kata.RemoveOwner(ctx, learner(), live(), menu, a.UID)).To(Succeed(), "what RemoveOwner returns for a custom resource")
		Expect(nameOwners(latest(ctx, menu))).To(Equal([]string{"b"}), "the owners of shop menu, a custom resource")
	})
})

// shops is the resource of a definition that the first spec that needs one makes.
var shops struct {
	schema.GroupVersionResource
}

// custom makes an object of a CustomResourceDefinition's kind.
func custom(ctx context.Context, ns, name string, labels map[string]string, refs ...metav1.OwnerReference) *unstructured.Unstructured {
	GinkgoHelper()
	if shops.Resource == "" {
		group := ns + ".kubekata.dev"
		shops.GroupVersionResource = api.Define(ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": "shops." + group},
			"spec": map[string]any{
				"group": group, "scope": "Namespaced",
				"names": map[string]any{"kind": "Shop", "listKind": "ShopList", "plural": "shops", "singular": "shop"},
				"versions": []any{map[string]any{
					"name": "v1", "served": true, "storage": true,
					"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
				}},
			},
		}})
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(shops.GroupVersion().WithKind("Shop"))
	obj.SetName(name)
	obj.SetLabels(labels)
	obj.SetOwnerReferences(refs)
	made, err := api.JudgeDynamic().Resource(shops.GroupVersionResource).Namespace(ns).Create(ctx, obj, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make shop %s/%s for the spec", ns, name)
	return made
}

// latest is what the server has.
func latest(ctx context.Context, obj *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	got, err := api.JudgeDynamic().Resource(shops.GroupVersionResource).Namespace(obj.GetNamespace()).Get(ctx, obj.GetName(), metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get shop %s/%s", obj.GetNamespace(), obj.GetName())
	return got
}
