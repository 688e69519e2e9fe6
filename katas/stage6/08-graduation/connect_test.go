package graduation_test

import (
	"context"
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"
)

var _ = Describe("A Line", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	It("gets a number in its area, and says so", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk")
		Expect(w.rented()).To(HaveLen(1), "numbers that the exchange has rented")
		Expect(w.service.Numbers()[0].Area).To(Equal("089"), "the area of the number that is rented")
		Expect(l.Status.Number).To(Equal(w.service.Numbers()[0].Number), "status.number of line %s/desk", w.ns)
		c := meta.FindStatusCondition(l.Status.Conditions, api.Ready)
		Expect(c.Message).To(BeEmpty(), "the message of a condition that is True")
	})

	It("is known to the exchange by its UID", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk")
		Expect(w.service.Numbers()[0].Reference).To(Equal(string(l.UID)), "the number's reference")
	})

	It("has our finalizer before a number is rented for it", func(ctx SpecContext) {
		var mu sync.Mutex
		var seen []string
		w.service.Before(func(_ context.Context, call exchange.Call) {
			mu.Lock()
			defer mu.Unlock()
			if call.Op == exchange.OpRent {
				seen = append(seen, w.finalizers(ctx, "desk"))
			}
		})
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk", func(l *api.Line) { l.Finalizers = []string{theirs} })
		mu.Lock()
		defer mu.Unlock()
		Expect(seen[0]).To(Equal(theirs+" "+api.Finalizer), "the finalizers of line %s/desk when the exchange was asked for a number", w.ns)
	})

	It("has its calls diverted as it says", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk", diverted("+43123456789"))
		Expect(w.rented()).To(Equal([]string{l.Status.Number + " to +43123456789"}), "what the exchange has")
		w.patch(ctx, "desk", `{"spec":{"divert":"+43987654321"}}`)
		w.connects(r, "desk", 2)
		Expect(w.rented()).To(Equal([]string{l.Status.Number + " to +43987654321"}), "what the exchange has, after spec.divert has changed")
		w.patch(ctx, "desk", `{"spec":{"divert":null}}`)
		w.connects(r, "desk", 3)
		Expect(w.rented()).To(Equal([]string{l.Status.Number}), "what the exchange has, after spec.divert is gone")
	})

	It("has a phone with its number and its divert", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk", diverted("+43123456789"))
		Expect(w.phone("desk")(ctx)).To(Equal("divert=+43123456789 number="+l.Status.Number), "the data of ConfigMap %s/%s", w.ns, api.PhoneName("desk"))
		w.patch(ctx, "desk", `{"spec":{"divert":null}}`)
		w.connects(r, "desk", 2)
		Expect(w.phone("desk")(ctx)).To(Equal("number="+l.Status.Number), "the data of ConfigMap %s/%s, after spec.divert is gone", w.ns, api.PhoneName("desk"))
	})

	It("is the controller of its phone", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk")
		phone := w.getPhone(ctx, "desk")
		Expect(phone.OwnerReferences).To(HaveLen(1), "the owners of ConfigMap %s/%s", w.ns, phone.Name)
		owner := phone.OwnerReferences[0]
		Expect(fmt.Sprint(owner.APIVersion, owner.Kind, owner.Name)).To(Equal(fmt.Sprint(group+"/v1", "Line", "desk")), "the owner of ConfigMap %s/%s", w.ns, phone.Name)
		Expect(owner.UID).To(Equal(l.UID), "the owner's UID")
		Expect(metav1.IsControlledBy(phone, l)).To(BeTrue(), "the owner is the controller")
	})

	It("gets its phone back when somebody deletes it", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk")
		Expect(server.Judge().CoreV1().ConfigMaps(w.ns).Delete(ctx, api.PhoneName("desk"), metav1.DeleteOptions{})).To(Succeed(), "delete the phone for the spec")
		Eventually(w.phone("desk")).WithContext(r.wait).Should(Equal("number="+l.Status.Number), "the phone of line %s/desk, which somebody has deleted", w.ns)
	})

	It("has its phone put right when somebody changes it, and their own keys let alone", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk")
		phone := w.getPhone(ctx, "desk")
		phone.Data = map[string]string{api.NumberKey: "110", api.DivertKey: "112", "ring": "softly"}
		_, err := server.Judge().CoreV1().ConfigMaps(w.ns).Update(ctx, phone, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "change the phone for the spec")
		Eventually(w.phone("desk")).WithContext(r.wait).Should(Equal("number="+l.Status.Number+" ring=softly"), "the phone of line %s/desk, which somebody has changed", w.ns)
	})

	When("a ConfigMap of its phone's name is somebody else's", func() {
		BeforeEach(func(ctx SpecContext) {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: api.PhoneName("desk")}, Data: map[string]string{"mine": "all of it"}}
			_, err := server.Judge().CoreV1().ConfigMaps(w.ns).Create(ctx, cm, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred(), "make somebody's ConfigMap for the spec")
		})

		It("says so, with its number, and leaves the ConfigMap as it is", func(ctx SpecContext) {
			r := w.start(ctx, "ada")
			w.make(ctx, "desk")
			Eventually(w.ready("desk")).WithContext(r.wait).Should(Equal("False PhoneTaken, generation 1"), "the condition Ready of line %s/desk", w.ns)
			l := w.get(ctx, "desk")
			Expect(l.Status.Number).To(Equal(w.service.Numbers()[0].Number), "status.number of line %s/desk, which has a number although it has no phone", w.ns)
			Expect(meta.FindStatusCondition(l.Status.Conditions, api.Ready).Message).NotTo(BeEmpty(), "the message of the condition, which says what is wrong")
			cm := w.getPhone(ctx, "desk")
			Expect(cm.Data).To(Equal(map[string]string{"mine": "all of it"}), "the data of somebody's ConfigMap")
			Expect(cm.OwnerReferences).To(BeEmpty(), "the owners of somebody's ConfigMap")
		})

		It("gets its phone when that ConfigMap is gone, with the same number", func(ctx SpecContext) {
			r := w.start(ctx, "ada")
			w.make(ctx, "desk")
			Eventually(w.ready("desk")).WithContext(r.wait).Should(Equal("False PhoneTaken, generation 1"), "the condition Ready of line %s/desk", w.ns)
			Expect(server.Judge().CoreV1().ConfigMaps(w.ns).Delete(ctx, api.PhoneName("desk"), metav1.DeleteOptions{})).To(Succeed(), "delete somebody's ConfigMap for the spec")
			w.connects(r, "desk", 1)
			Expect(w.service.Rented()).To(Equal(1), "numbers that were ever rented")
		})
	})

	It("has one number, and writes nothing, however often it is looked at", func(ctx SpecContext) {
		r := w.start(ctx, "ada")
		l := w.connected(ctx, r, "desk", diverted("+43123456789"))
		w.reconcile(ctx, r, l, "one") // what is left to be done is done now
		w.reconcile(ctx, r, l, "two")
		before := len(server.Requests())
		diverts := w.calls(exchange.OpDivert, l)()
		for _, label := range []string{"three", "four", "five"} {
			w.reconcile(ctx, r, l, label)
		}
		for _, request := range server.Requests()[before:] {
			if request.Resource != "leases" && request.Resource != "events" {
				Expect(request.Verb).To(BeElementOf("get", "list", "watch"), "%s: nothing has changed that is the operator's", request)
			}
		}
		Expect(w.calls(exchange.OpDivert, l)()).To(Equal(diverts), "calls of divert, when the number was diverted already")
		Expect(w.service.Rented()).To(Equal(1), "numbers that were ever rented")
	})

	It("is let alone in another namespace", func(ctx SpecContext) {
		elsewhere := server.Namespace(ctx)
		other := &api.Line{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: "aaa"}, Spec: api.LineSpec{Area: "089"}}
		Expect(w.judge.Create(ctx, other)).To(Succeed(), "make line %s/aaa for the spec", elsewhere)
		DeferCleanup(func(ctx context.Context) { Expect(w.judge.Delete(ctx, other)).To(Succeed()) })
		r := w.start(ctx, "ada")
		w.connected(ctx, r, "desk")
		Expect(w.calls(exchange.OpRent, other)()).To(Equal(0), "calls of rent for line %s/aaa: the operator looks at %s and nothing else", elsewhere, w.ns)
	})
})
