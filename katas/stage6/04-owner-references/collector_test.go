package ownerreferences_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kata "github.com/kubekata/kubekata/katas/stage6/04-owner-references"
)

// predicted is what Preview says of a deletion in a namespace, from what the server has. It has the names of the objects.
func predicted(ctx context.Context, policy metav1.DeletionPropagation, owner *corev1.ConfigMap) fate {
	GinkgoHelper()
	list, err := api.Judge().CoreV1().ConfigMaps(owner.Namespace).List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	var objects []metav1.Object
	rename := []string{}
	for i := range list.Items {
		objects = append(objects, &list.Items[i])
		rename = append(rename, string(list.Items[i].UID), list.Items[i].Name)
	}
	outcome, err := kata.Preview(policy, owner, objects)
	Expect(err).NotTo(HaveOccurred(), "what Preview returns")
	named := func(uids []string) []string {
		if len(uids) == 0 {
			return nil
		}
		return sortedNames(strings.Split(strings.NewReplacer(rename...).Replace(strings.Join(uids, " ")), " "))
	}
	return fate{named(sorted(outcome.Deleted)), named(sorted(outcome.Kept)), named(sorted(outcome.Orphaned)), named(sorted(outcome.Blocking))}
}

// deletes calls the learner's Delete.
func deletes(ctx context.Context, m *corev1.ConfigMap, policy metav1.DeletionPropagation) {
	GinkgoHelper()
	Expect(kata.Delete(ctx, learner(), m, policy)).To(Succeed(), "what Delete returns for configmap %s", m.Name)
}

// becomes waits for the garbage collector. A † is one that is being deleted.
func becomes(ctx context.Context, ns, situation string, wanted ...string) {
	GinkgoHelper()
	Eventually(there(ns)).WithContext(ctx).WithTimeout(patience()).Should(Equal(sortedNames(wanted)), "the configmaps that there are in the end, %s (with a †: being deleted)", situation)
}

// stays expects that it remains so for a while.
func stays(ctx context.Context, ns, situation string, wanted ...string) {
	GinkgoHelper()
	Consistently(there(ns)).WithContext(ctx).WithTimeout(500*time.Millisecond).Should(Equal(sortedNames(wanted)), "the configmaps that there are, %s (with a †: being deleted)", situation)
}

var _ = Describe("Delete", func() {
	It("deletes no other object that has the name by now", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu := create(ctx, ns, "menu")
		remove(ctx, menu)
		successor := create(ctx, ns, "menu")
		Expect(kata.Delete(ctx, learner(menu), menu, background)).To(Succeed(), "what Delete returns for a configmap whose name another one has")
		Expect(get(ctx, menu).UID).To(Equal(successor.UID), "the UID of configmap menu, which is another one by now")
	})

	It("is content when the object is gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu := create(ctx, ns, "menu")
		remove(ctx, menu)
		Expect(kata.Delete(ctx, learner(menu), menu, foreground)).To(Succeed(), "what Delete returns for a configmap that is gone")
	})

	It("refuses an object without a UID, and does not ask the server", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, "menu")
		Expect(kata.Delete(ctx, learner(), configMap(ns, "menu"), background)).To(MatchError(kata.ErrNoUID), "what Delete returns for a configmap that nobody has read")
		Expect(writes()).To(BeEmpty(), "what Delete has asked for")
	})

	It("returns that it was refused", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu := create(ctx, ns, "menu")
		refuse("delete", "menu")
		Expect(kata.Delete(ctx, learner(menu), menu, background)).To(Satisfy(apierrors.IsForbidden), "what Delete returns when the server forbids it: apierrors.IsForbidden")
	})
})

var _ = Describe("The garbage collector", func() {
	It("in the background, deletes at every level what Preview says", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", owned(shop))
		page := create(ctx, ns, "page", owned(menu, blocks))
		create(ctx, ns, "dish", owned(page))
		create(ctx, ns, "other")
		Expect(predicted(ctx, background, shop)).To(Equal(fate{deleted: []string{"dish", "menu", "page"}}), "what Preview says")
		deletes(ctx, shop, background)
		becomes(ctx, ns, "after the deletion of shop, which owned menu, which owned page, which owned dish", "other")
	})

	It("in the background, does not let the owner wait", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", owned(shop, blocks), finalized)
		create(ctx, ns, "page", owned(menu, blocks))
		deletes(ctx, shop, background)
		Expect(predicted(ctx, background, shop)).To(Equal(fate{deleted: []string{"menu", "page"}}), "what Preview says")
		becomes(ctx, ns, "after the deletion of shop, which owned menu, which has a finalizer and owned page", "menu†", "page")
		free(ctx, menu)
		becomes(ctx, ns, "when menu has lost its finalizer")
	})

	It("in the foreground, lets the owner wait for those that block it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", owned(shop, blocks))
		page := create(ctx, ns, "page", owned(menu, blocks), finalized)
		Expect(predicted(ctx, foreground, shop)).To(Equal(fate{deleted: []string{"menu", "page"}, blocking: []string{"menu", "page"}}), "what Preview says")
		deletes(ctx, shop, foreground)
		becomes(ctx, ns, "after the deletion of shop in the foreground, which menu blocks, which page blocks, which has a finalizer", "menu†", "page†", "shop†")
		Expect(get(ctx, shop).Finalizers).To(Equal([]string{metav1.FinalizerDeleteDependents}), "the finalizers of configmap shop, which waits")
		stays(ctx, ns, "while page has its finalizer", "menu†", "page†", "shop†")
		free(ctx, page)
		becomes(ctx, ns, "when page has lost its finalizer")
	})

	It("in the foreground, does not let the owner wait for one that does not block", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		create(ctx, ns, "menu", owned(shop), finalized)
		Expect(predicted(ctx, foreground, shop)).To(Equal(fate{deleted: []string{"menu"}}), "what Preview says")
		deletes(ctx, shop, foreground)
		becomes(ctx, ns, "after the deletion of shop in the foreground, which owned menu, which does not block, and has a finalizer", "menu†")
	})

	It("keeps a dependant until its last owner is gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		menu := create(ctx, ns, "menu", owned(shop, controls), owned(other))
		Expect(predicted(ctx, foreground, shop)).To(Equal(fate{kept: []string{"menu"}}), "what Preview says")
		deletes(ctx, shop, foreground)
		becomes(ctx, ns, "after the deletion of shop in the foreground, which owned menu, which other owns, too", "menu", "other")
		Eventually(func(ctx context.Context) ([]string, error) {
			got, err := api.Judge().CoreV1().ConfigMaps(ns).Get(ctx, menu.Name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return nameOwners(got), nil
		}).WithContext(ctx).WithTimeout(patience()).Should(Equal([]string{"other"}), "the owners of configmap menu, after the deletion of shop")
		deletes(ctx, other, background)
		becomes(ctx, ns, "after the deletion of other as well")
	})

	It("lets a dependant live that RemoveOwner has freed", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", owned(shop, controls))
		create(ctx, ns, "wine", owned(shop, controls))
		Expect(kata.RemoveOwner(ctx, learner(menu), live(), menu, shop.UID)).To(Succeed(), "what RemoveOwner returns")
		deletes(ctx, shop, background)
		becomes(ctx, ns, "after the deletion of shop, which owned wine, and menu until RemoveOwner", "menu")
	})

	It("leaves orphans when it is told to, and what they own", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", owned(shop, blocks))
		page := create(ctx, ns, "page", owned(menu, blocks))
		Expect(predicted(ctx, orphan, shop)).To(Equal(fate{orphaned: []string{"menu"}}), "what Preview says")
		deletes(ctx, shop, orphan)
		becomes(ctx, ns, "after the deletion of shop, which leaves menu an orphan, which owns page", "menu", "page")
		Expect(owners(ctx, menu)).To(BeEmpty(), "the owners of configmap menu, when shop is gone")
		Expect(owners(ctx, page)).To(Equal([]string{"menu"}), "the owners of configmap page")
	})

	It("deletes what refers to an owner in another namespace, which lives, and AddOwner refuses", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, api.Namespace(ctx), "shop")
		menu := configMap(ns, "menu")
		Expect(kata.AddOwner(dial(api.Config()), shop, menu, false)).To(MatchError(kata.ErrScope), "what AddOwner returns for an owner in another namespace")
		create(ctx, ns, "menu", owned(shop))
		becomes(ctx, ns, "where menu refers to an owner that is in another namespace")
		get(ctx, shop)
		Eventually(func(ctx context.Context) ([]string, error) {
			events, err := api.Judge().CoreV1().Events(ns).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, err
			}
			all := []string{}
			for _, e := range events.Items {
				all = append(all, e.Reason+" "+e.InvolvedObject.Name)
			}
			return all, nil
		}).WithContext(ctx).WithTimeout(patience()).Should(ContainElement("OwnerRefInvalidNamespace menu"), "the events in the namespace of the dependant")
	})

	It("deletes what belongs to an owner of yesterday, although another one has its name", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		yesterday := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", owned(yesterday, controls))
		deletes(ctx, yesterday, background)
		today := create(ctx, ns, "shop")
		Expect(kata.IsControlledBy(menu, today)).To(BeFalse(), "IsControlledBy, for the configmap shop of today, where menu belongs to yesterday's")
		becomes(ctx, ns, "after shop was deleted and made again, whose menu was the old one's", "shop")
	})
})
