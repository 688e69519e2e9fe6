package crdbasics_test

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// reported is what a controller says in the status of an Oven.
func reported() map[string]any {
	return map[string]any{"slots": int64(1), "selector": "oven=napoli", "phase": "Heating"}
}

var _ = Describe("The status", func() {
	for _, version := range both {
		Describe("of "+version, func() {
			It("is written through the status subresource, and kept", func(ctx SpecContext) {
				k, ns := installed(ctx), api.Namespace(ctx)
				k.make(ctx, version, ns, "napoli", plain())
				k.status(ctx, version, ns, "napoli", reported())
				Expect(k.get(ctx, version, ns, "napoli").Object).To(HaveKeyWithValue("status", reported()), "oven %s/napoli", ns)
			})

			It("needs no field, and has no bounds, but types", func(ctx SpecContext) {
				k, ns := installed(ctx), api.Namespace(ctx)
				for i, status := range []map[string]any{{"slots": int64(0)}, {"slots": int64(100)}, {"phase": "Smoking a little"}, {"selector": ""}} {
					name := fmt.Sprintf("oven-%d", i)
					k.make(ctx, version, ns, name, plain())
					k.status(ctx, version, ns, name, status)
					Expect(k.get(ctx, version, ns, name).Object).To(HaveKeyWithValue("status", status), "oven %s/%s", ns, name)
				}
				for field, value := range map[string]any{"slots": 1.5, "selector": int64(1), "phase": int64(1)} {
					what := fmt.Sprintf("a %s oven whose status.%s is %v", version, field, value)
					refusedFor(k.tryStatus(ctx, version, ns, "oven-0", map[string]any{field: value}), what, "status."+field)
				}
			})

			It("is not the business of those who write the Oven", func(ctx SpecContext) {
				k, ns := installed(ctx), api.Namespace(ctx)
				obj := k.oven(version, "napoli", plain())
				obj.Object["status"] = map[string]any{"phase": "Ready"}
				made, err := k.ovens(version, ns).Create(ctx, obj, metav1.CreateOptions{})
				Expect(err).NotTo(HaveOccurred())
				Expect(made.Object).NotTo(HaveKey("status"), "oven %s/napoli, which was created with a status", ns)
				k.status(ctx, version, ns, "napoli", reported())
				got := k.get(ctx, version, ns, "napoli")
				got.Object["status"] = map[string]any{"phase": "Ready"}
				_, err = k.ovens(version, ns).Update(ctx, got, metav1.UpdateOptions{})
				Expect(err).NotTo(HaveOccurred())
				Expect(k.get(ctx, version, ns, "napoli").Object).To(HaveKeyWithValue("status", reported()), "oven %s/napoli, which was updated with another status", ns)
			})

			It("leaves the spec and the generation alone", func(ctx SpecContext) {
				k, ns := installed(ctx), api.Namespace(ctx)
				k.make(ctx, version, ns, "napoli", plain())
				got := k.get(ctx, version, ns, "napoli")
				Expect(unstructured.SetNestedField(got.Object, int64(9), "spec", "slots")).To(Succeed())
				got.Object["status"] = reported()
				_, err := k.ovens(version, ns).UpdateStatus(ctx, got, metav1.UpdateOptions{})
				Expect(err).NotTo(HaveOccurred(), "write the status of oven %s/napoli: %s has the status subresource", ns, version)
				after := k.get(ctx, version, ns, "napoli")
				Expect(after.Object["spec"]).To(HaveKeyWithValue("slots", int64(2)), "the spec, after a status was written along with 9 slots")
				Expect(after.GetGeneration()).To(BeEquivalentTo(1), "metadata.generation, after a status was written")
			})
		})
	}
})

var _ = Describe("The scale", func() {
	for _, version := range both {
		Describe("of "+version, func() {
			It("shows the slots, those that there are, and the selector", func(ctx SpecContext) {
				k, ns := installed(ctx), api.Namespace(ctx)
				k.make(ctx, version, ns, "napoli", plain(map[string]any{"slots": int64(3)}))
				k.status(ctx, version, ns, "napoli", reported())
				scale, err := k.ovens(version, ns).Get(ctx, "napoli", metav1.GetOptions{}, "scale")
				Expect(err).NotTo(HaveOccurred(), "get the scale of oven %s/napoli: %s has the scale subresource", ns, version)
				Expect(scale.Object).To(HaveKeyWithValue("spec", map[string]any{"replicas": int64(3)}), "the scale's spec: spec.slots")
				Expect(scale.Object).To(HaveKeyWithValue("status", map[string]any{"replicas": int64(1), "selector": "oven=napoli"}),
					"the scale's status: status.slots and status.selector")
			})

			It("sets the slots", func(ctx SpecContext) {
				k, ns := installed(ctx), api.Namespace(ctx)
				k.make(ctx, version, ns, "napoli", complete())
				Expect(k.scale(ctx, version, ns, "napoli", 12)).To(Succeed(), "scale %s oven %s/napoli to 12", version, ns)
				Expect(k.get(ctx, version, ns, "napoli").Object["spec"]).To(be(changed(complete(), "slots", int64(12))), "the spec of oven %s/napoli", ns)
			})

			It("obeys the schema and its rules", func(ctx SpecContext) {
				k, ns := installed(ctx), api.Namespace(ctx)
				k.make(ctx, version, ns, "napoli", plain(map[string]any{"fuel": "wood"}))
				refusedFor(k.scale(ctx, version, ns, "napoli", 13), "to scale an oven to 13", "spec.slots")
				refusedWith(k.scale(ctx, version, ns, "napoli", 5), "to scale a wood oven to 5", tooManySlots)
			})
		})
	}
})

// status writes an Oven's status, as a controller does.
func (k *kitchen) status(ctx context.Context, version, ns, name string, status map[string]any) {
	GinkgoHelper()
	Expect(k.tryStatus(ctx, version, ns, name, status)).To(Succeed(), "write the status of %s oven %s/%s", version, ns, name)
}

func (k *kitchen) tryStatus(ctx context.Context, version, ns, name string, status map[string]any) error {
	GinkgoHelper()
	data, err := json.Marshal(map[string]any{"status": status})
	Expect(err).NotTo(HaveOccurred())
	_, err = k.ovens(version, ns).Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{}, "status")
	return err
}

// scale scales an Oven, as kubectl scale does.
func (k *kitchen) scale(ctx context.Context, version, ns, name string, replicas int) error {
	_, err := k.ovens(version, ns).Patch(ctx, name, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas), metav1.PatchOptions{}, "scale")
	return err
}
