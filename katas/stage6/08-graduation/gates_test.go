package graduation_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/component-base/featuregate"

	graduation "github.com/kubekata/kubekata/katas/stage6/08-graduation"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
)

func spoken(text string) func(*api.Line) { return func(l *api.Line) { l.Spec.Voicemail = text } }

var _ = Describe("The feature gate Voicemail", func() {
	It("is alpha, and off", func() {
		gate, err := graduation.NewGate()
		Expect(err).NotTo(HaveOccurred(), "NewGate")
		Expect(gate.Enabled(graduation.Voicemail)).To(BeFalse(), "Voicemail, as it is by default")
		Expect(gate.GetAll()[graduation.Voicemail].PreRelease).To(Equal(featuregate.Alpha), "the stage of Voicemail")
		Expect(gate.GetAll()[graduation.Voicemail].LockToDefault).To(BeFalse(), "Voicemail is locked")
	})

	It("is one gate for each caller", func() {
		one, err := graduation.NewGate()
		Expect(err).NotTo(HaveOccurred(), "NewGate")
		other, err := graduation.NewGate()
		Expect(err).NotTo(HaveOccurred(), "NewGate, called again")
		Expect(one.Set("Voicemail=true")).To(Succeed(), "switch Voicemail on")
		Expect(one.Enabled(graduation.Voicemail)).To(BeTrue(), "Voicemail, which was switched on")
		Expect(other.Enabled(graduation.Voicemail)).To(BeFalse(), "Voicemail of another gate")
	})

	When("the operator runs", func() {
		var w *world
		BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

		It("keeps the voicemail from the phone while it is off", func(ctx SpecContext) {
			r := w.start(ctx, "ada")
			l := w.connected(ctx, r, "desk", spoken("nobody is in"))
			Expect(w.phone("desk")(ctx)).To(Equal("number="+l.Status.Number), "the data of the phone")
		})

		It("is asked when the phone is made, and not before", func(ctx SpecContext) {
			r := w.start(ctx, "ada")
			l := w.connected(ctx, r, "desk", spoken("nobody is in"))
			Expect(r.gate.Set("Voicemail=true")).To(Succeed(), "switch Voicemail on")
			w.patch(ctx, "desk", `{"metadata":{"labels":{"round":"two"}}}`)
			Eventually(w.phone("desk")).WithContext(r.wait).Should(Equal("number="+l.Status.Number+" voicemail=nobody is in"), "the data of the phone, after Voicemail was switched on")
			Expect(r.gate.Set("Voicemail=false")).To(Succeed(), "switch Voicemail off")
			w.patch(ctx, "desk", `{"metadata":{"labels":{"round":"three"}}}`)
			Eventually(w.phone("desk")).WithContext(r.wait).Should(Equal("number="+l.Status.Number), "the data of the phone, after Voicemail was switched off")
			Expect(w.get(ctx, "desk").Spec.Voicemail).To(Equal("nobody is in"), "spec.voicemail, which is not the operator's to change")
		})
	})
})
