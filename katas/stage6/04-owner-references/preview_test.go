package ownerreferences_test

import (
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	kata "github.com/kubekata/kubekata/katas/stage6/04-owner-references"
)

// thing is an object of any kind: "shop/menu", or "disk" for one that is in no namespace. Its UID is the same. Its owners are written like that as
// well, with a ! for one that it blocks.
func thing(path string, owners ...string) *metav1.PartialObjectMetadata {
	obj := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: path, UID: types.UID(path)}}
	if namespace, name, ok := strings.Cut(path, "/"); ok {
		obj.Namespace, obj.Name = namespace, name
	}
	for _, owner := range owners {
		path, blocks := strings.CutSuffix(owner, "!")
		ref := metav1.OwnerReference{APIVersion: "v1", Kind: "Thing", Name: path[strings.Index(path, "/")+1:], UID: types.UID(path)}
		if blocks {
			ref.BlockOwnerDeletion = ptr.To(true)
		}
		obj.OwnerReferences = append(obj.OwnerReferences, ref)
	}
	return obj
}

// leaving is a thing that is being deleted.
func leaving(path string, owners ...string) *metav1.PartialObjectMetadata {
	obj := thing(path, owners...)
	obj.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	obj.Finalizers = []string{"kubekata.dev/spec"}
	return obj
}

// fate is an Outcome that a spec can compare.
type fate struct{ deleted, kept, orphaned, blocking []string }

func sorted(uids sets.Set[types.UID]) []string {
	var all []string
	for uid := range uids {
		all = append(all, string(uid))
	}
	slices.Sort(all)
	return all
}

// foresees expects what Preview says of the deletion of the owner, whatever order the objects are in.
func foresees(policy metav1.DeletionPropagation, owner *metav1.PartialObjectMetadata, wanted fate, others ...*metav1.PartialObjectMetadata) {
	GinkgoHelper()
	for _, order := range []string{"in this order", "the other way round"} {
		objects := []metav1.Object{owner.DeepCopy()}
		for _, obj := range others {
			objects = append(objects, obj)
		}
		if order != "in this order" {
			slices.Reverse(objects)
		}
		outcome, err := kata.Preview(policy, owner, objects)
		Expect(err).NotTo(HaveOccurred(), "what Preview returns")
		list := []string{}
		for _, obj := range objects {
			refs := []string{}
			for _, ref := range obj.GetOwnerReferences() {
				refs = append(refs, string(ref.UID))
			}
			list = append(list, string(obj.GetUID())+" owned by ["+strings.Join(refs, " ")+"]")
		}
		where := "of the %s deletion of %s, of these objects: " + strings.Join(list, ", ")
		Expect(sorted(outcome.Deleted)).To(Equal(wanted.deleted), "Deleted, "+where, policy, owner.UID)
		Expect(sorted(outcome.Kept)).To(Equal(wanted.kept), "Kept, "+where, policy, owner.UID)
		Expect(sorted(outcome.Orphaned)).To(Equal(wanted.orphaned), "Orphaned, "+where, policy, owner.UID)
		Expect(sorted(outcome.Blocking)).To(Equal(wanted.blocking), "Blocking, "+where, policy, owner.UID)
	}
}

const (
	background = metav1.DeletePropagationBackground
	foreground = metav1.DeletePropagationForeground
	orphan     = metav1.DeletePropagationOrphan
)

var _ = Describe("Preview", func() {
	shop := thing("ns/shop")

	It("says that a dependant goes with its owner, and the dependant's dependants, and so on, and nothing else", func() {
		foresees(background, shop, fate{deleted: []string{"ns/dish", "ns/menu", "ns/page"}},
			thing("ns/menu", "ns/shop"), thing("ns/page", "ns/menu"), thing("ns/dish", "ns/page"), thing("ns/other"), thing("ns/theirs", "ns/other"))
	})

	It("does not need the owner among the objects", func() {
		outcome, err := kata.Preview(background, shop, []metav1.Object{thing("ns/menu", "ns/shop")})
		Expect(err).NotTo(HaveOccurred(), "what Preview returns")
		Expect(sorted(outcome.Deleted)).To(Equal([]string{"ns/menu"}), "Deleted, where menu is owned by shop, and menu is the only object beside the owner")
	})

	It("keeps a dependant while another owner lives, and what the dependant owns", func() {
		foresees(background, shop, fate{deleted: []string{"ns/wine"}, kept: []string{"ns/menu"}},
			thing("ns/other"), thing("ns/menu", "ns/shop", "ns/other"), thing("ns/page", "ns/menu"), thing("ns/wine", "ns/shop"))
	})

	It("says that a dependant goes when all its owners go", func() {
		foresees(background, shop, fate{deleted: []string{"ns/menu", "ns/page", "ns/wine"}},
			thing("ns/menu", "ns/shop"), thing("ns/wine", "ns/shop"), thing("ns/page", "ns/menu", "ns/wine"))
	})

	It("keeps what has one owner that goes and one that is kept", func() {
		foresees(background, shop, fate{deleted: []string{"ns/wine"}, kept: []string{"ns/menu", "ns/page"}},
			thing("ns/other"), thing("ns/menu", "ns/shop", "ns/other"), thing("ns/wine", "ns/shop"), thing("ns/page", "ns/menu", "ns/wine"))
	})

	It("counts no owner that there is not", func() {
		foresees(background, shop, fate{deleted: []string{"ns/menu"}}, thing("ns/menu", "ns/shop", "ns/gone"))
	})

	It("counts no owner that has the right name and another UID", func() {
		old := thing("ns/menu", "ns/shop", "ns/other")
		old.OwnerReferences[1].UID = "uid-of-yesterday"
		foresees(background, shop, fate{deleted: []string{"ns/menu"}}, thing("ns/other"), old)
	})

	It("has nothing to say of a dependant of another object that had the owner's name", func() {
		old := thing("ns/menu", "ns/shop")
		old.OwnerReferences[0].UID = "uid-of-yesterday"
		foresees(background, shop, fate{}, old)
	})

	It("counts no owner that is in another namespace", func() {
		foresees(background, shop, fate{deleted: []string{"ns/menu"}}, thing("far/other"), thing("ns/menu", "ns/shop", "far/other"))
	})

	It("has nothing to say of what is in another namespace than the owner", func() {
		foresees(background, shop, fate{}, thing("far/menu", "ns/shop"))
	})

	It("has nothing to say of what is in no namespace, when the owner is in one", func() {
		foresees(background, shop, fate{}, thing("disk", "ns/shop"))
	})

	It("counts an owner that is in no namespace", func() {
		foresees(background, shop, fate{kept: []string{"ns/menu"}}, thing("cluster"), thing("ns/menu", "ns/shop", "cluster"))
	})

	It("follows an owner that is in no namespace into all of them", func() {
		foresees(background, thing("cluster"), fate{deleted: []string{"a/menu", "b/menu", "b/page", "disk"}},
			thing("a/menu", "cluster"), thing("b/menu", "cluster"), thing("b/page", "b/menu"), thing("disk", "cluster"))
	})

	It("counts no owner that is being deleted", func() {
		foresees(background, shop, fate{deleted: []string{"ns/menu"}}, leaving("ns/other"), thing("ns/menu", "ns/shop", "ns/other"))
	})

	It("lets two that own each other keep each other", func() {
		foresees(background, shop, fate{kept: []string{"ns/menu"}}, thing("ns/menu", "ns/shop", "ns/page"), thing("ns/page", "ns/menu"))
	})

	It("comes to an end when the owner is owned by its dependant", func() {
		foresees(background, thing("ns/shop", "ns/menu"), fate{deleted: []string{"ns/menu"}}, thing("ns/menu", "ns/shop"))
	})

	It("has nobody in front in the background, whoever blocks", func() {
		foresees(background, shop, fate{deleted: []string{"ns/menu"}}, thing("ns/menu", "ns/shop!"))
	})

	It("says that in the foreground the same go", func() {
		foresees(foreground, shop, fate{deleted: []string{"ns/dish", "ns/menu", "ns/page"}, kept: []string{"ns/wine"}},
			thing("ns/menu", "ns/shop"), thing("ns/page", "ns/menu"), thing("ns/dish", "ns/page"),
			thing("ns/other"), thing("ns/wine", "ns/shop", "ns/other"))
	})

	It("says that in the foreground those go first that block, and what blocks those", func() {
		foresees(foreground, shop, fate{deleted: []string{"ns/dish", "ns/menu", "ns/page", "ns/wine"}, blocking: []string{"ns/dish", "ns/menu", "ns/page"}},
			thing("ns/menu", "ns/shop!"), thing("ns/page", "ns/menu!"), thing("ns/dish", "ns/page!"), thing("ns/wine", "ns/shop"))
	})

	It("does not let the owner wait for what blocks only one that does not block", func() {
		foresees(foreground, shop, fate{deleted: []string{"ns/menu", "ns/page"}},
			thing("ns/menu", "ns/shop"), thing("ns/page", "ns/menu!"))
	})

	It("goes by the reference to the owner, and not by another that blocks", func() {
		foresees(foreground, shop, fate{deleted: []string{"ns/menu", "ns/page"}, blocking: nil},
			thing("ns/menu", "ns/shop"), thing("ns/page", "ns/shop", "ns/menu!"))
	})

	It("does not let the owner wait for a dependant that another owner keeps", func() {
		foresees(foreground, shop, fate{kept: []string{"ns/menu"}}, thing("ns/other"), thing("ns/menu", "ns/shop!", "ns/other"))
	})

	It("leaves all dependants of an owner that leaves orphans, and theirs", func() {
		foresees(orphan, shop, fate{orphaned: []string{"ns/menu"}}, thing("ns/menu", "ns/shop!"), thing("ns/page", "ns/menu!"))
	})

	It("calls none an orphan that has another owner", func() {
		foresees(orphan, shop, fate{kept: []string{"ns/menu"}, orphaned: []string{"ns/wine"}},
			thing("ns/other"), thing("ns/menu", "ns/shop", "ns/other"), thing("ns/wine", "ns/shop", "far/other"), thing("far/other"))
	})

	It("refuses a policy that is none", func() {
		_, err := kata.Preview("Sideways", shop, nil)
		Expect(err).To(MatchError(ContainSubstring("Sideways")), "what Preview returns for the policy Sideways")
	})
})
