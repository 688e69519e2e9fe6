package crdbasics_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	tooManySlots = "a wood oven has at most 4 slots"
	tooHotIdle   = "idle must be lower than baking"
	otherSerial  = "serial is immutable: another oven is another object"
)

var _ = Describe("The schema", func() {
	It("accepts a complete Oven, and keeps it as it was written", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			k.make(ctx, version, ns, "made-as-"+version, complete())
			for _, read := range both {
				Expect(k.get(ctx, read, ns, "made-as-"+version).Object["spec"]).To(be(complete()), "the spec of an oven that was made as %s, read as %s", version, read)
			}
		}
	})

	It("fills in what a short Oven leaves out", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			made := k.make(ctx, version, ns, "made-as-"+version, plain())
			Expect(made.Object["spec"]).To(be(map[string]any{
				"serial": "NA-0042", "fuel": "gas", "slots": int64(2), "temperature": map[string]any{"idle": int64(120), "baking": int64(380)},
			}), "the spec of a %s oven of which only serial and fuel were written", version)
			written := plain()
			written["contact"], written["slots"] = nil, nil
			Expect(k.make(ctx, version, ns, "null-as-"+version, written).Object["spec"]).To(be(plain(map[string]any{
				"slots": int64(2), "temperature": map[string]any{"idle": int64(120), "baking": int64(380)},
			})), "the spec of a %s oven whose contact and slots are null", version)
		}
	})

	It("fills in one temperature when the other is there", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			made := k.make(ctx, version, ns, "made-as-"+version, plain(map[string]any{"temperature": map[string]any{"idle": int64(60)}}))
			Expect(made.Object["spec"]).To(HaveKeyWithValue("temperature", map[string]any{"idle": int64(60), "baking": int64(380)}),
				"the spec of a %s oven with an idle temperature", version)
		}
	})

	DescribeTable("refuses", func(ctx SpecContext, field string, change map[string]any) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			what := fmt.Sprintf("%s oven with %v", version, plain(change))
			refusedFor(k.try(ctx, version, ns, k.oven(version, "wrong", plain(change))), "a "+what, field)
		}
	},
		Entry("an Oven without a serial", "spec.serial", map[string]any{"serial": nil}),
		Entry("a serial of another form", "spec.serial", map[string]any{"serial": "42"}),
		Entry("a serial with something before it", "spec.serial", map[string]any{"serial": "UNA-0042"}),
		Entry("a serial with something behind it", "spec.serial", map[string]any{"serial": "NA-00421"}),
		Entry("a serial in small letters", "spec.serial", map[string]any{"serial": "na-0042"}),
		Entry("a serial without a dash", "spec.serial", map[string]any{"serial": "NA0042"}),
		Entry("a serial of one letter", "spec.serial", map[string]any{"serial": "N-0042"}),
		Entry("a serial of three digits", "spec.serial", map[string]any{"serial": "NA-042"}),
		Entry("a serial that begins with a digit", "spec.serial", map[string]any{"serial": "4A-0042"}),
		Entry("an Oven without a fuel", "spec.fuel", map[string]any{"fuel": nil}),
		Entry("another fuel", "spec.fuel", map[string]any{"fuel": "coal"}),
		Entry("a fuel that is no text at all", "spec.fuel", map[string]any{"fuel": ""}),
		Entry("a fuel with a capital letter", "spec.fuel", map[string]any{"fuel": "Gas"}),
		Entry("steam, which is no fuel", "spec.fuel", map[string]any{"fuel": "steam"}),
		Entry("slots that are not a number", "spec.slots", map[string]any{"slots": "two"}),
		Entry("half a slot more", "spec.slots", map[string]any{"slots": 2.5}),
		Entry("no slots", "spec.slots", map[string]any{"slots": int64(0)}),
		Entry("13 slots", "spec.slots", map[string]any{"slots": int64(13)}),
		Entry("an idle temperature of 49", "spec.temperature.idle", map[string]any{"temperature": map[string]any{"idle": int64(49)}}),
		Entry("an idle temperature of 401", "spec.temperature.idle", map[string]any{"temperature": map[string]any{"idle": int64(401), "baking": int64(500)}}),
		Entry("a baking temperature of 199", "spec.temperature.baking", map[string]any{"temperature": map[string]any{"baking": int64(199)}}),
		Entry("a baking temperature of 501", "spec.temperature.baking", map[string]any{"temperature": map[string]any{"baking": int64(501)}}),
		Entry("a contact that is no email address", "spec.contact", map[string]any{"contact": "ask Nino"}),
		Entry("a contact without a name", "spec.contact", map[string]any{"contact": "@kitchen.example"}),
		Entry("a contact without a host", "spec.contact", map[string]any{"contact": "nino@"}),
		Entry("a day of inspection that no calendar has", "spec.inspected", map[string]any{"inspected": "2026-02-30"}),
		Entry("a day of inspection with an hour", "spec.inspected", map[string]any{"inspected": "2026-02-28T10:00:00Z"}),
		Entry("vendor settings that are not an object", "spec.vendor", map[string]any{"vendor": "as before"}),
	)

	It("refuses an Oven without a spec", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			obj := k.oven(version, "wrong", nil)
			delete(obj.Object, "spec")
			refusedFor(k.try(ctx, version, ns, obj), "a "+version+" oven without a spec", "spec")
		}
	})

	It("accepts what is just within the bounds", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			for _, change := range []map[string]any{
				{"slots": int64(1)}, {"slots": int64(12)}, {"fuel": "wood"}, {"fuel": "electric"}, {"inspected": "2019-12-31"},
				{"temperature": map[string]any{"idle": int64(123), "baking": int64(321)}}, {"serial": "ZZ-9999", "slots": int64(7)},
				{"temperature": map[string]any{"idle": int64(50)}}, {"temperature": map[string]any{"idle": int64(400), "baking": int64(401)}},
				{"vendor": map[string]any{}},
				{"temperature": map[string]any{"baking": int64(200)}}, {"temperature": map[string]any{"baking": int64(500)}},
			} {
				Expect(k.try(ctx, version, ns, k.oven(version, "right", plain(change)))).To(Succeed(), "a %s oven with %v", version, plain(change))
			}
			long := strings.Repeat("napoli-", 30) + "1"
			Expect(k.try(ctx, version, ns, k.oven(version, long, plain()))).To(Succeed(), "a %s oven with a name of %d letters", version, len(long))
		}
	})

	It("keeps the vendor's settings, whatever they are", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		vendor := complete()["vendor"].(map[string]any)
		vendor["firmware"], vendor["door"] = "1.4", map[string]any{"glass": map[string]any{"panes": int64(3)}}
		for _, version := range both {
			k.make(ctx, version, ns, "made-as-"+version, plain(map[string]any{"vendor": vendor}))
			Expect(k.get(ctx, "v1", ns, "made-as-"+version).Object["spec"]).To(HaveKeyWithValue("vendor", vendor), "the spec of an oven that was made as %s", version)
		}
	})

	It("drops what it does not know everywhere else", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			obj := k.oven(version, "made-as-"+version, plain(map[string]any{
				"colour": "red", "temperature": map[string]any{"idle": int64(120), "baking": int64(380), "kelvin": int64(653)},
			}))
			obj.Object["remark"] = "smokes"
			made, err := k.ovens(version, ns).Create(ctx, obj, metav1.CreateOptions{FieldValidation: metav1.FieldValidationIgnore})
			Expect(err).NotTo(HaveOccurred())
			Expect(made.Object).NotTo(HaveKey("remark"), "a %s oven to which somebody has added a field at the top", version)
			Expect(made.Object["spec"]).NotTo(HaveKey("colour"), "the spec of a %s oven to which somebody has added a colour", version)
			Expect(made.Object["spec"]).To(HaveKeyWithValue("temperature", Not(HaveKey("kelvin"))), "the temperatures of a %s oven, with a third one", version)
			k.status(ctx, version, ns, obj.GetName(), map[string]any{"phase": "Ready", "smoke": "white"})
			Expect(k.get(ctx, version, ns, obj.GetName()).Object["status"]).To(Equal(map[string]any{"phase": "Ready"}), "the status of a %s oven, with a smoke", version)
		}
	})

	It("loses nothing when somebody writes through v1alpha1", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		k.make(ctx, "v1", ns, "napoli", complete())
		old := k.get(ctx, "v1alpha1", ns, "napoli")
		Expect(unstructured.SetNestedField(old.Object, int64(7), "spec", "slots")).To(Succeed())
		_, err := k.ovens("v1alpha1", ns).Update(ctx, old, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "set the slots of oven %s/napoli through v1alpha1", ns)
		Expect(k.get(ctx, "v1", ns, "napoli").Object["spec"]).To(be(changed(complete(), "slots", int64(7))), "the spec, read as v1")
	})
})

var _ = Describe("The rules", func() {
	It("refuse an idle temperature that is not lower than the baking temperature, and say so", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			for _, idle := range []int64{300, 301} {
				spec := plain(map[string]any{"temperature": map[string]any{"idle": idle, "baking": int64(300)}})
				refusedWith(k.try(ctx, version, ns, k.oven(version, "wrong", spec)), fmt.Sprintf("a %s oven with %v", version, spec), tooHotIdle)
			}
		}
	})

	It("take a temperature that was filled in like one that was written", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			spec := plain(map[string]any{"temperature": map[string]any{"idle": int64(390)}})
			refusedWith(k.try(ctx, version, ns, k.oven(version, "wrong", spec)), fmt.Sprintf("a %s oven with %v", version, spec), tooHotIdle)
		}
	})

	It("refuse a wood oven with more than 4 slots, and say so", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			spec := plain(map[string]any{"fuel": "wood", "slots": int64(5)})
			refusedWith(k.try(ctx, version, ns, k.oven(version, "wrong", spec)), fmt.Sprintf("a %s oven with %v", version, spec), tooManySlots)
			Expect(k.try(ctx, version, ns, k.oven(version, "right", changed(spec, "slots", int64(4))))).To(Succeed(), "a %s wood oven with 4 slots", version)
		}
	})

	It("refuse another serial, and say so", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			k.make(ctx, version, ns, "made-as-"+version, plain())
			got := k.get(ctx, version, ns, "made-as-"+version)
			Expect(unstructured.SetNestedField(got.Object, "NA-0043", "spec", "serial")).To(Succeed())
			_, err := k.ovens(version, ns).Update(ctx, got, metav1.UpdateOptions{})
			refusedWith(err, "a "+version+" oven whose serial was NA-0042 and is to be NA-0043", otherSerial)
		}
	})

	It("accept every other change", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		k.make(ctx, "v1", ns, "napoli", plain())
		got := k.get(ctx, "v1", ns, "napoli")
		got.Object["spec"] = complete()
		_, err := k.ovens("v1", ns).Update(ctx, got, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "change all of oven %s/napoli except its serial", ns)
		got = k.get(ctx, "v1", ns, "napoli")
		Expect(got.Object["spec"]).To(be(complete()))
		got.Object["spec"] = plain()
		_, err = k.ovens("v1", ns).Update(ctx, got, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "take all of oven %s/napoli away except its serial and its fuel", ns)
	})
})
