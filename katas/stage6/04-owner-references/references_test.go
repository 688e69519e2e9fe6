package ownerreferences_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kata "github.com/kubekata/kubekata/katas/stage6/04-owner-references"
)

// Objects that were never on a server. The Go types of client-go have an empty TypeMeta, as nearly always.
func deployment(namespace, name string, uid types.UID) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: uid}}
}

func configMap(namespace, name string, refs ...metav1.OwnerReference) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: refs}}
}

func node(name string, uid types.UID) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid}}
}

func volume(name string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// plain is a reference to a Deployment that is not the controller, and blocks nothing.
func plain(name string, uid types.UID) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name, UID: uid}
}

// controlling is a reference to a Deployment that is the controller.
func controlling(name string, uid types.UID) metav1.OwnerReference {
	ref := plain(name, uid)
	ref.Controller, ref.BlockOwnerDeletion = ptr.To(true), ptr.To(true)
	return ref
}

// adders are the two functions that refuse the same owners.
var adders = map[string]func(kata.Kinds, client.Object, client.Object) error{
	"SetController": kata.SetController,
	"AddOwner": func(kinds kata.Kinds, owner, dependant client.Object) error {
		return kata.AddOwner(kinds, owner, dependant, true)
	},
}

var _ = Describe("SetController", func() {
	It("refers to the owner by apiVersion, kind, name and UID, as the controller, and blocks its deletion", func() {
		dependant := configMap("shop", "menu")
		Expect(kata.SetController(offline, deployment("shop", "web", "uid-1"), dependant)).To(Succeed(), "what SetController returns")
		Expect(dependant.OwnerReferences).To(Equal([]metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "uid-1", Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
		}}), "the references of configmap shop/menu, with an owner whose TypeMeta is empty")
	})

	It("writes the apiVersion of a core kind without a group", func() {
		owner := configMap("shop", "list")
		owner.UID = "uid-1"
		dependant := configMap("shop", "menu")
		Expect(kata.SetController(offline, owner, dependant)).To(Succeed(), "what SetController returns")
		Expect(dependant.OwnerReferences).To(HaveLen(1), "the references of configmap shop/menu")
		Expect(dependant.OwnerReferences[0].APIVersion).To(Equal("v1"), "apiVersion of the reference to a ConfigMap")
	})

	It("takes an owner that says its kind itself, of which there is no Go type", func() {
		owner := &unstructured.Unstructured{}
		owner.SetAPIVersion("kubekata.dev/v1")
		owner.SetKind("Shop")
		owner.SetNamespace("shop")
		owner.SetName("web")
		owner.SetUID("uid-1")
		dependant := configMap("shop", "menu")
		Expect(kata.SetController(offline, owner, dependant)).To(Succeed(), "what SetController returns, with an Unstructured owner of a kind that the mapper knows")
		Expect(dependant.OwnerReferences).To(HaveLen(1), "the references of configmap shop/menu")
		Expect(dependant.OwnerReferences[0].APIVersion).To(Equal("kubekata.dev/v1"), "apiVersion of the reference")
		Expect(dependant.OwnerReferences[0].Kind).To(Equal("Shop"), "kind of the reference")
	})

	It("changes nothing when it is called again", func() {
		dependant := configMap("shop", "menu", plain("other", "uid-2"))
		owner := deployment("shop", "web", "uid-1")
		Expect(kata.SetController(offline, owner, dependant)).To(Succeed(), "what SetController returns")
		once := dependant.DeepCopy()
		Expect(kata.SetController(offline, owner, dependant)).To(Succeed(), "what SetController returns the second time")
		Expect(dependant).To(Equal(once), "configmap shop/menu after the second call")
	})

	It("brings a reference with the owner's UID up to date where it stands", func() {
		old := controlling("web", "uid-1")
		old.APIVersion, old.BlockOwnerDeletion = "extensions/v1beta1", nil
		dependant := configMap("shop", "menu", old, plain("other", "uid-2"))
		Expect(kata.SetController(offline, deployment("shop", "web", "uid-1"), dependant)).To(Succeed(), "what SetController returns")
		Expect(dependant.OwnerReferences).To(Equal([]metav1.OwnerReference{controlling("web", "uid-1"), plain("other", "uid-2")}),
			"the references of configmap shop/menu, the first of which was to the same UID, of extensions/v1beta1 and not blocking")
	})

	It("makes the controller of a plain owner", func() {
		dependant := configMap("shop", "menu", plain("web", "uid-1"))
		Expect(kata.SetController(offline, deployment("shop", "web", "uid-1"), dependant)).To(Succeed(), "what SetController returns")
		Expect(dependant.OwnerReferences).To(Equal([]metav1.OwnerReference{controlling("web", "uid-1")}), "the references of configmap shop/menu")
	})

	It("keeps a reference of the same name with another UID: it is another owner", func() {
		dependant := configMap("shop", "menu", plain("web", "uid-of-yesterday"))
		Expect(kata.SetController(offline, deployment("shop", "web", "uid-1"), dependant)).To(Succeed(), "what SetController returns")
		Expect(dependant.OwnerReferences).To(Equal([]metav1.OwnerReference{plain("web", "uid-of-yesterday"), controlling("web", "uid-1")}),
			"the references of configmap shop/menu, which had one to a Deployment web that is gone")
	})

	It("refuses a second controller, and names the first", func() {
		dependant := configMap("shop", "menu", plain("other", "uid-3"), controlling("kitchen", "uid-2"))
		err := kata.SetController(offline, deployment("shop", "web", "uid-1"), dependant)
		Expect(err).To(MatchError(kata.ErrControlled), "what SetController returns for a configmap that has the controller kitchen")
		Expect(err).To(MatchError(And(ContainSubstring("Deployment"), ContainSubstring("kitchen"))), "the text, which names the controller that there is")
	})

	It("leaves a dependant alone that has another controller", func() {
		dependant := configMap("shop", "menu", controlling("kitchen", "uid-2"))
		before := dependant.DeepCopy()
		Expect(kata.SetController(offline, deployment("shop", "web", "uid-1"), dependant)).To(MatchError(kata.ErrControlled), "what SetController returns")
		Expect(dependant).To(Equal(before), "configmap shop/menu, whose controller is the deployment kitchen")
	})

	It("refuses a second controller that has the name of the first, and another UID", func() {
		dependant := configMap("shop", "menu", controlling("web", "uid-of-yesterday"))
		err := kata.SetController(offline, deployment("shop", "web", "uid-1"), dependant)
		Expect(err).To(MatchError(kata.ErrControlled), "what SetController returns for a configmap whose controller was a Deployment web that is gone")
	})

	It("leaves a slice of references alone that the dependant shares with its copy", func() {
		refs := make([]metav1.OwnerReference, 1, 4)
		refs[0] = plain("web", "uid-1")
		dependant := configMap("shop", "menu")
		dependant.OwnerReferences = refs
		Expect(kata.SetController(offline, deployment("shop", "web", "uid-1"), dependant)).To(Succeed(), "what SetController returns")
		Expect(refs).To(Equal([]metav1.OwnerReference{plain("web", "uid-1")}), "the slice that somebody else has, too")
	})
})

var _ = Describe("AddOwner", func() {
	DescribeTable("refers to the owner, not as the controller, and blocks its deletion", func(blocks bool) {
		dependant := configMap("shop", "menu")
		Expect(kata.AddOwner(offline, deployment("shop", "web", "uid-1"), dependant, blocks)).To(Succeed(), "what AddOwner returns")
		Expect(dependant.OwnerReferences).To(HaveLen(1), "the references of configmap shop/menu")
		got := dependant.OwnerReferences[0]
		Expect(ptr.Deref(got.Controller, false)).To(BeFalse(), "controller of the reference")
		Expect(ptr.Deref(got.BlockOwnerDeletion, false)).To(Equal(blocks), "blockOwnerDeletion of the reference")
		got.Controller, got.BlockOwnerDeletion = nil, nil
		Expect(got).To(Equal(plain("web", "uid-1")), "the rest of the reference")
	},
		Entry("if it is told to", true),
		Entry("or not", false),
	)

	It("adds an owner beside the controller", func() {
		dependant := configMap("shop", "menu", controlling("kitchen", "uid-2"))
		Expect(kata.AddOwner(offline, deployment("shop", "web", "uid-1"), dependant, false)).To(Succeed(), "what AddOwner returns")
		Expect(dependant.OwnerReferences).To(HaveLen(2), "the references of configmap shop/menu")
		Expect(dependant.OwnerReferences[0]).To(Equal(controlling("kitchen", "uid-2")), "the reference to the controller")
		Expect(dependant.OwnerReferences[1].UID).To(BeEquivalentTo("uid-1"), "UID of the other reference")
	})

	It("leaves the controller the controller", func() {
		dependant := configMap("shop", "menu", controlling("web", "uid-1"))
		Expect(kata.AddOwner(offline, deployment("shop", "web", "uid-1"), dependant, true)).To(Succeed(), "what AddOwner returns")
		Expect(dependant.OwnerReferences).To(Equal([]metav1.OwnerReference{controlling("web", "uid-1")}), "the references of configmap shop/menu")
	})

	It("changes whether the owner is blocked", func() {
		ref := plain("web", "uid-1")
		ref.BlockOwnerDeletion = ptr.To(true)
		dependant := configMap("shop", "menu", ref)
		Expect(kata.AddOwner(offline, deployment("shop", "web", "uid-1"), dependant, false)).To(Succeed(), "what AddOwner returns")
		Expect(dependant.OwnerReferences).To(HaveLen(1), "the references of configmap shop/menu")
		Expect(ptr.Deref(dependant.OwnerReferences[0].BlockOwnerDeletion, false)).To(BeFalse(), "blockOwnerDeletion, which was true")
	})

	It("keeps a reference of the same name with another UID", func() {
		dependant := configMap("shop", "menu", plain("web", "uid-of-yesterday"))
		Expect(kata.AddOwner(offline, deployment("shop", "web", "uid-1"), dependant, false)).To(Succeed(), "what AddOwner returns")
		Expect(dependant.OwnerReferences).To(HaveLen(2), "the references of configmap shop/menu")
		Expect(dependant.OwnerReferences[0]).To(Equal(plain("web", "uid-of-yesterday")), "the reference to the Deployment web that is gone")
	})
})

var _ = Describe("The scope of an owner", func() {
	for _, name := range []string{"SetController", "AddOwner"} {
		add := adders[name]
		// refuses expects an error, and a dependant that was not touched.
		refuses := func(owner, dependant client.Object, wanted error, situation string) {
			GinkgoHelper()
			before := dependant.DeepCopyObject()
			Expect(add(offline, owner, dependant)).To(MatchError(wanted), "what %s returns for %s", name, situation)
			Expect(dependant).To(Equal(before), "the dependant, which was refused")
		}
		accepts := func(owner, dependant client.Object, situation string) {
			GinkgoHelper()
			Expect(add(offline, owner, dependant)).To(Succeed(), "what %s returns for %s", name, situation)
			Expect(dependant.GetOwnerReferences()).To(HaveLen(1), "the references")
		}

		It(name+" refuses an owner in another namespace", func() {
			refuses(deployment("shop", "web", "uid-1"), configMap("kitchen", "menu"), kata.ErrScope, "a deployment in shop and a configmap in kitchen")
		})

		It(name+" refuses an owner in a namespace for a dependant that is in none", func() {
			refuses(deployment("shop", "web", "uid-1"), volume("disk"), kata.ErrScope, "a deployment in shop and a persistentvolume")
		})

		It(name+" asks the mapper whether the dependant is in a namespace, and not its metadata", func() {
			dependant := volume("disk")
			dependant.Namespace = "shop"
			refuses(deployment("shop", "web", "uid-1"), dependant, kata.ErrScope, "a deployment in shop and a persistentvolume with metadata.namespace shop, which the server ignores")
		})

		It(name+" asks the mapper whether the owner is in a namespace, and not its metadata", func() {
			owner := node("n1", "uid-1")
			owner.Namespace = "shop"
			accepts(owner, configMap("kitchen", "menu"), "a node with metadata.namespace shop, which the server ignores, and a configmap in kitchen")
		})

		It(name+" accepts an owner in no namespace for a dependant that is in one", func() {
			accepts(node("n1", "uid-1"), configMap("shop", "menu"), "a node and a configmap in shop")
		})

		It(name+" accepts an owner in no namespace for a dependant that is in none either", func() {
			accepts(node("n1", "uid-1"), volume("disk"), "a node and a persistentvolume")
		})

		It(name+" refuses an owner without a UID", func() {
			refuses(deployment("shop", "web", ""), configMap("shop", "menu"), kata.ErrNoUID, "a deployment that was not created yet")
		})

		It(name+" says when the scheme does not know the type of the owner", func() {
			dependant := configMap("shop", "menu")
			nothing := known{scheme: runtime.NewScheme(), mapper: offline.mapper}
			err := add(nothing, deployment("shop", "web", "uid-1"), dependant)
			Expect(err).To(Satisfy(func(err error) bool { return anyInTree(err, runtime.IsNotRegisteredError) }), "what %s returns with an empty scheme: runtime.IsNotRegisteredError", name)
			Expect(dependant.OwnerReferences).To(BeEmpty(), "the references of configmap shop/menu")
		})

		It(name+" says when the mapper does not know the kind", func() {
			dependant := configMap("shop", "menu")
			nothing := known{scheme: offline.scheme, mapper: meta.NewDefaultRESTMapper(nil)}
			err := add(nothing, deployment("shop", "web", "uid-1"), dependant)
			Expect(err).To(Satisfy(func(err error) bool { return anyInTree(err, meta.IsNoMatchError) }), "what %s returns with an empty mapper: meta.IsNoMatchError", name)
			Expect(dependant.OwnerReferences).To(BeEmpty(), "the references of configmap shop/menu")
		})
	}
})

var _ = Describe("Whose a dependant is", func() {
	for _, question := range []struct {
		name string
		is   func(dependant, owner metav1.Object) bool
	}{{"IsOwnedBy", kata.IsOwnedBy}, {"IsControlledBy", kata.IsControlledBy}} {
		name, is := question.name, question.is
		It(name+" knows the controller by its UID", func() {
			dependant := configMap("shop", "menu", plain("other", "uid-2"), controlling("renamed", "uid-1"))
			Expect(is(dependant, deployment("shop", "web", "uid-1"))).To(BeTrue(), "%s, with the reference uid-1 to the owner uid-1", name)
		})

		It(name+" does not take another owner for it that has the name", func() {
			dependant := configMap("shop", "menu", controlling("web", "uid-of-yesterday"))
			Expect(is(dependant, deployment("shop", "web", "uid-1"))).To(BeFalse(), "%s, with the reference uid-of-yesterday to the owner uid-1, both called web", name)
		})

		It(name+" is false for an owner without a UID", func() {
			dependant := configMap("shop", "menu", controlling("web", ""))
			Expect(is(dependant, deployment("shop", "web", ""))).To(BeFalse(), "%s, with an owner without a UID", name)
		})

		It(name+" is false without references", func() {
			Expect(is(configMap("shop", "menu"), deployment("shop", "web", "uid-1"))).To(BeFalse(), name)
		})
	}

	It("IsOwnedBy is true for a plain owner as well", func() {
		dependant := configMap("shop", "menu", controlling("other", "uid-2"), plain("web", "uid-1"))
		Expect(kata.IsOwnedBy(dependant, deployment("shop", "web", "uid-1"))).To(BeTrue(), "IsOwnedBy, for an owner beside the controller")
	})

	It("IsControlledBy is false for a plain owner", func() {
		no := plain("web", "uid-1")
		no.Controller = ptr.To(false)
		dependant := configMap("shop", "menu", controlling("other", "uid-2"), no)
		Expect(kata.IsControlledBy(dependant, deployment("shop", "web", "uid-1"))).To(BeFalse(), "IsControlledBy, for an owner beside the controller")
	})
})
