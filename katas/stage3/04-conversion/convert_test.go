package conversion_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	webhook "sigs.k8s.io/controller-runtime/pkg/webhook/conversion"

	conversion "github.com/kubekata/kubekata/katas/stage3/04-conversion"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1alpha1"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1beta1"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestConversion(t *testing.T) {
	harness.RunSpecs(t, "Stage 3 · 04-conversion")
}

var _ = Describe("SpokeToHub", func() {
	DescribeTable("takes an address apart", func(ctx SpecContext, text, street, postcode, city string) {
		got := toHub(ctx, old("o-1", text, ""))
		Expect(got.Spec.Address).To(Equal(&v1beta1.Address{Street: street, Postcode: postcode, City: city}), "the address of %q", text)
	},
		Entry("of a street and a city", "Via Roma 1, 80100 Napoli", "Via Roma 1", "80100", "Napoli"),
		Entry("whose street has a comma", "Via Roma 1, scala B, 80100 Napoli", "Via Roma 1, scala B", "80100", "Napoli"),
		Entry("whose city has a blank", "Corso Garibaldi 8, 89123 Reggio Calabria", "Corso Garibaldi 8", "89123", "Reggio Calabria"),
		Entry("whose letters are not ASCII", "Straße 5 Böge, 39100 Bozen", "Straße 5 Böge", "39100", "Bozen"),
	)

	DescribeTable("makes no address of", func(ctx SpecContext, text string) {
		Expect(toHub(ctx, old("o-1", text, "")).Spec.Address).To(BeNil(), "the address of %q", text)
	},
		Entry("no text", ""),
		Entry("a description", "the blue door behind the church"),
		Entry("a postcode of four digits", "Via Roma 1, 8010 Napoli"),
		Entry("a postcode of six digits", "Via Roma 1, 801000 Napoli"),
		Entry("a text without a comma", "Via Roma 1 80100 Napoli"),
		Entry("a text without a city", "Via Roma 1, 80100"),
		Entry("a text without a street", ", 80100 Napoli"),
		Entry("a text with a comma after the city", "Via Roma 1, 80100 Napoli, Italia"),
		Entry("two blanks after the comma", "Via Roma 1,  80100 Napoli"),
		Entry("no blank after the comma", "Via Roma 1,80100 Napoli"),
		Entry("two blanks after the postcode", "Via Roma 1, 80100  Napoli"),
	)

	DescribeTable("reads an ETA", func(ctx SpecContext, text string, minutes int32) {
		Expect(toHub(ctx, old("o-1", "", text)).Spec.ETAMinutes).To(HaveValue(Equal(minutes)), "the minutes of %q", text)
	},
		Entry("in minutes", "45m", int32(45)),
		Entry("in hours and minutes", "1h30m", int32(90)),
		Entry("in seconds, if they are whole minutes", "120s", int32(2)),
		Entry("of zero", "0m", int32(0)),
		Entry("of zero, which needs no unit", "0", int32(0)),
		Entry("of more than a day", "25h", int32(1500)),
	)

	DescribeTable("makes no ETA of", func(ctx SpecContext, text string) {
		Expect(toHub(ctx, old("o-1", "", text)).Spec.ETAMinutes).To(BeNil(), "the minutes of %q", text)
	},
		Entry("no text", ""),
		Entry("a promise", "soon"),
		Entry("a number without a unit", "45"),
		Entry("half a minute", "30s"),
		Entry("a time that has passed", "-5m"),
		Entry("a time with a blank", " 45m"),
	)

	It("takes over the status and the metadata, and leaves the TypeMeta to its caller", func(ctx SpecContext) {
		src := old("o-1", "Via Roma 1, 80100 Napoli", "45m")
		src.TypeMeta = metav1.TypeMeta{Kind: "Delivery", APIVersion: "given/v1alpha1"}
		src.Status.Phase = "Riding"
		dst := &v1beta1.Delivery{TypeMeta: metav1.TypeMeta{Kind: "Delivery", APIVersion: "given/v1beta1"}}
		Expect(conversion.SpokeToHub(ctx, src, dst)).To(Succeed())
		Expect(dst.Status.Phase).To(Equal("Riding"), "status.phase")
		Expect(others(dst.ObjectMeta)).To(same(others(src.ObjectMeta)), "the metadata")
		Expect(dst.TypeMeta).To(Equal(metav1.TypeMeta{Kind: "Delivery", APIVersion: "given/v1beta1"}), "the TypeMeta, which the caller has set")
		Expect(toHub(ctx, src).TypeMeta).To(Equal(metav1.TypeMeta{}), "the TypeMeta, which the caller has left empty")
	})

	It("leaves nothing else of what its target was before", func(ctx SpecContext) {
		dst := current("o-0", &v1beta1.Address{City: "Roma"}, new(int32(7)), "beware of the dog")
		dst.Labels["left"], dst.Annotations["left"] = "over", "over"
		Expect(conversion.SpokeToHub(ctx, toSpoke(ctx, current("o-1", nil, nil, "ring twice")), dst)).To(Succeed())
		expectSame(dst, current("o-1", nil, nil, "ring twice"), "the target, which was another Delivery before,")
		Expect(conversion.SpokeToHub(ctx, &v1alpha1.Delivery{}, dst)).To(Succeed())
		expectSame(dst, &v1beta1.Delivery{}, "the target, after the conversion of a Delivery that is empty,")
	})

	It("does not take over an annotation that says nothing on a v1alpha1 Delivery", func(ctx SpecContext) {
		src := old("o-1", "", "")
		src.Annotations[delivery.CarriesV1alpha1] = `{"address":"the red door"}`
		dst := toHub(ctx, src)
		Expect(dst.Annotations).NotTo(HaveKey(delivery.CarriesV1alpha1), "the annotations of a v1beta1 Delivery that needs none")
		Expect(toSpoke(ctx, dst).Spec).To(same(v1alpha1.DeliverySpec{}), "the spec, back in v1alpha1")
	})

	It("leaves its source alone, and shares nothing with it", func(ctx SpecContext) {
		src := toSpoke(ctx, current("o-1", nil, nil, "ring twice")) // carries something
		src.Spec.Address = "the blue door"
		before := src.DeepCopy()
		dst := toHub(ctx, src)
		expectSame(src, before, "the source, after SpokeToHub,")
		scribble(&dst.ObjectMeta)
		expectSame(src, before, "the source, after somebody has changed the maps and slices of what SpokeToHub has made,")
	})
})

var _ = Describe("HubToSpoke", func() {
	DescribeTable("writes", func(ctx SpecContext, spec v1beta1.DeliverySpec, address, eta string) {
		src := current("o-1", spec.Address, spec.ETAMinutes, spec.Instructions...)
		Expect(toSpoke(ctx, src).Spec).To(same(v1alpha1.DeliverySpec{Address: address, ETA: eta}), "the v1alpha1 spec of %s", text(spec))
	},
		Entry("an address and minutes", v1beta1.DeliverySpec{Address: &v1beta1.Address{Street: "Via Roma 1", Postcode: "80100", City: "Napoli"}, ETAMinutes: new(int32(45))}, "Via Roma 1, 80100 Napoli", "45m"),
		Entry("more than an hour in minutes", v1beta1.DeliverySpec{ETAMinutes: new(int32(90))}, "", "90m"),
		Entry("an address of a city alone", v1beta1.DeliverySpec{Address: &v1beta1.Address{City: "Napoli"}}, ",  Napoli", ""),
		Entry("an address that is empty", v1beta1.DeliverySpec{Address: &v1beta1.Address{}}, ",  ", ""),
		Entry("no minutes at all", v1beta1.DeliverySpec{ETAMinutes: new(int32(0))}, "", "0m"),
		Entry("nothing for nothing", v1beta1.DeliverySpec{Instructions: []string{"ring twice"}}, "", ""),
	)

	It("takes over the status and the metadata, and leaves the TypeMeta to its caller", func(ctx SpecContext) {
		src := current("o-1", nil, nil)
		src.TypeMeta = metav1.TypeMeta{Kind: "Delivery", APIVersion: "given/v1beta1"}
		src.Status.Phase = "Riding"
		dst := &v1alpha1.Delivery{TypeMeta: metav1.TypeMeta{Kind: "Delivery", APIVersion: "given/v1alpha1"}}
		Expect(conversion.HubToSpoke(ctx, src, dst)).To(Succeed())
		Expect(dst.Status.Phase).To(Equal("Riding"), "status.phase")
		Expect(others(dst.ObjectMeta)).To(same(others(src.ObjectMeta)), "the metadata")
		Expect(dst.TypeMeta).To(Equal(metav1.TypeMeta{Kind: "Delivery", APIVersion: "given/v1alpha1"}), "the TypeMeta, which the caller has set")
		Expect(toSpoke(ctx, src).TypeMeta).To(Equal(metav1.TypeMeta{}), "the TypeMeta, which the caller has left empty")
	})

	It("leaves nothing else of what its target was before", func(ctx SpecContext) {
		dst := old("o-0", "Via Roma 1, 80100 Napoli", "45m")
		dst.Labels["left"], dst.Annotations["left"] = "over", "over"
		Expect(conversion.HubToSpoke(ctx, toHub(ctx, old("o-1", "the blue door", "")), dst)).To(Succeed())
		expectSame(dst, old("o-1", "the blue door", ""), "the target, which was another Delivery before,")
		Expect(conversion.HubToSpoke(ctx, &v1beta1.Delivery{}, dst)).To(Succeed())
		expectSame(dst, &v1alpha1.Delivery{}, "the target, after the conversion of a Delivery that is empty,")
	})

	It("does not take over an annotation that says nothing on a v1beta1 Delivery", func(ctx SpecContext) {
		src := current("o-1", nil, nil)
		src.Annotations[delivery.CarriesV1beta1] = `{"instructions":["break the door"]}`
		dst := toSpoke(ctx, src)
		Expect(dst.Annotations).NotTo(HaveKey(delivery.CarriesV1beta1), "the annotations of a v1alpha1 Delivery that needs none")
		Expect(toHub(ctx, dst).Spec).To(same(v1beta1.DeliverySpec{}), "the spec, back in v1beta1")
	})

	It("leaves its source alone, and shares nothing with it", func(ctx SpecContext) {
		src := toHub(ctx, old("o-1", "the blue door", "soon")) // carries something
		src.Spec.Instructions = []string{"ring twice"}
		before := src.DeepCopy()
		dst := toSpoke(ctx, src)
		expectSame(src, before, "the source, after HubToSpoke,")
		scribble(&dst.ObjectMeta)
		expectSame(src, before, "the source, after somebody has changed the maps and slices of what HubToSpoke has made,")
	})

	It("fits into controller-runtime's converter", func(ctx SpecContext) {
		scheme := runtime.NewScheme()
		Expect(v1alpha1.AddToScheme(testGroup)(scheme)).To(Succeed())
		Expect(v1beta1.AddToScheme(testGroup)(scheme)).To(Succeed())
		spoke := webhook.NewSpokeConverter(&v1alpha1.Delivery{}, conversion.HubToSpoke, conversion.SpokeToHub)
		converter, err := webhook.NewHubSpokeConverter(&v1beta1.Delivery{}, spoke)(scheme)
		Expect(err).NotTo(HaveOccurred())
		src := current("o-1", &v1beta1.Address{Street: "Via Roma 1", Postcode: "80100", City: "Napoli"}, nil)
		src.TypeMeta = metav1.TypeMeta{APIVersion: testGroup + "/v1beta1", Kind: delivery.Kind}
		dst := &v1alpha1.Delivery{TypeMeta: metav1.TypeMeta{APIVersion: testGroup + "/v1alpha1", Kind: delivery.Kind}}
		Expect(converter.ConvertObject(ctx, src, dst)).To(Succeed(), "convert through controller-runtime")
		Expect(dst.Spec.Address).To(Equal("Via Roma 1, 80100 Napoli"))
	})
})

// toHub calls the learner's SpokeToHub.
func toHub(ctx context.Context, src *v1alpha1.Delivery) *v1beta1.Delivery {
	GinkgoHelper()
	dst := &v1beta1.Delivery{}
	Expect(conversion.SpokeToHub(ctx, src, dst)).To(Succeed(), "SpokeToHub of %s", text(src.Spec))
	return dst
}

// toSpoke calls the learner's HubToSpoke.
func toSpoke(ctx context.Context, src *v1beta1.Delivery) *v1alpha1.Delivery {
	GinkgoHelper()
	dst := &v1alpha1.Delivery{}
	Expect(conversion.HubToSpoke(ctx, src, dst)).To(Succeed(), "HubToSpoke of %s", text(src.Spec))
	return dst
}

// others is the metadata without the annotations that carry something.
func others(meta metav1.ObjectMeta) metav1.ObjectMeta {
	meta = *meta.DeepCopy()
	delete(meta.Annotations, delivery.CarriesV1alpha1)
	delete(meta.Annotations, delivery.CarriesV1beta1)
	return meta
}

// scribble changes all that may be shared.
func scribble(meta *metav1.ObjectMeta) {
	for key := range meta.Annotations {
		meta.Annotations[key] = "scribbled"
	}
	for key := range meta.Labels {
		meta.Labels[key] = "scribbled"
	}
	for i := range meta.Finalizers {
		meta.Finalizers[i] = "scribbled"
	}
	for i := range meta.OwnerReferences {
		meta.OwnerReferences[i].Name = "scribbled"
	}
	for i := range meta.ManagedFields {
		meta.ManagedFields[i].Manager = "scribbled"
	}
}

// text is an object or a part of one as it is shown in a failure.
func text(v any) string { return asJSON(v) }
