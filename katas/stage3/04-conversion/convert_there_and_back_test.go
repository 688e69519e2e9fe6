package conversion_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1alpha1"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1beta1"
)

var _ = Describe("There and back", func() {
	DescribeTable("a v1beta1 Delivery is the same", func(ctx SpecContext, spec v1beta1.DeliverySpec) {
		hubTrip(ctx, current("o-1", spec.Address, spec.ETAMinutes, spec.Instructions...))
	},
		Entry("with all that v1alpha1 knows", v1beta1.DeliverySpec{Address: &v1beta1.Address{Street: "Via Roma 1", Postcode: "80100", City: "Napoli"}, ETAMinutes: new(int32(45))}),
		Entry("with instructions", v1beta1.DeliverySpec{Instructions: []string{"ring twice", "beware of the dog"}}),
		Entry("with nothing", v1beta1.DeliverySpec{}),
		Entry("without a postcode", v1beta1.DeliverySpec{Address: &v1beta1.Address{Street: "Via Roma 1", City: "Napoli"}}),
		Entry("with a street and nothing else", v1beta1.DeliverySpec{Address: &v1beta1.Address{Street: "Via Roma 1"}}),
		Entry("with an address that is empty", v1beta1.DeliverySpec{Address: &v1beta1.Address{}}),
		Entry("with a city that looks like an address", v1beta1.DeliverySpec{Address: &v1beta1.Address{Street: "A", Postcode: "80100", City: "B, 80200 C"}}),
		Entry("with a negative ETA", v1beta1.DeliverySpec{ETAMinutes: new(int32(-5))}),
	)

	DescribeTable("a v1alpha1 Delivery is the same", func(ctx SpecContext, address, eta string) {
		spokeTrip(ctx, old("o-1", address, eta))
	},
		Entry("with all that v1beta1 knows", "Via Roma 1, 80100 Napoli", "45m"),
		Entry("with texts that cannot be read", "the blue door behind the church", "soon"),
		Entry("with an address that cannot be read", "the blue door behind the church", "45m"),
		Entry("with an ETA that cannot be read", "Via Roma 1, 80100 Napoli", "soon"),
		Entry("with an ETA that is written otherwise", "Via Roma 1, 80100 Napoli", "1h30m"),
		Entry("with an ETA in seconds", "", "90s"),
		Entry("with blanks everywhere", " Via Roma 1,  80100  Napoli ", " 45m"),
		Entry("with nothing", "", ""),
	)

	It("a thousand v1beta1 Deliveries are the same", func(ctx SpecContext) {
		random := rand.New(rand.NewPCG(80100, 1))
		for range 1000 {
			hubTrip(ctx, randomCurrent(random))
		}
	})

	It("a thousand v1alpha1 Deliveries are the same", func(ctx SpecContext) {
		random := rand.New(rand.NewPCG(80100, 2))
		for range 1000 {
			spokeTrip(ctx, randomOld(random))
		}
	})

	It("several times, a Delivery is the same, and its annotations do not grow", func(ctx SpecContext) {
		src := current("o-1", &v1beta1.Address{City: "Napoli"}, new(int32(-1)), "ring twice")
		once := toSpoke(ctx, src)
		again := toSpoke(ctx, toHub(ctx, toSpoke(ctx, toHub(ctx, once))))
		expectSame(again, once, "a v1alpha1 Delivery, after two more trips,")
	})
})

var _ = Describe("What somebody changes in between", func() {
	napoli := &v1beta1.Address{Street: "Via Roma 1", Postcode: "80100", City: "Napoli"}

	It("counts when it is a v1alpha1 address", func(ctx SpecContext) {
		between := toSpoke(ctx, current("o-1", &v1beta1.Address{City: "Napoli"}, new(int32(-5)), "ring twice"))
		between.Spec.Address = "Corso Umberto 7, 80138 Napoli"
		Expect(toHub(ctx, between).Spec).To(same(v1beta1.DeliverySpec{
			Address:    &v1beta1.Address{Street: "Corso Umberto 7", Postcode: "80138", City: "Napoli"},
			ETAMinutes: new(int32(-5)), Instructions: []string{"ring twice"},
		}), "the v1beta1 spec: the new address, and all else as it was")
	})

	It("counts when it is a v1alpha1 address that cannot be read", func(ctx SpecContext) {
		between := toSpoke(ctx, current("o-1", napoli, nil, "ring twice"))
		between.Spec.Address = "the blue door"
		after := toHub(ctx, between)
		Expect(after.Spec).To(same(v1beta1.DeliverySpec{Instructions: []string{"ring twice"}}), "the v1beta1 spec: no address, and all else as it was")
		Expect(toSpoke(ctx, after).Spec.Address).To(Equal("the blue door"), "the address, back in v1alpha1")
	})

	It("counts when it is a v1alpha1 ETA", func(ctx SpecContext) {
		between := toSpoke(ctx, current("o-1", &v1beta1.Address{City: "Napoli"}, new(int32(-5)), "ring twice"))
		between.Spec.ETA = "20m"
		Expect(toHub(ctx, between).Spec).To(same(v1beta1.DeliverySpec{
			Address: &v1beta1.Address{City: "Napoli"}, ETAMinutes: new(int32(20)), Instructions: []string{"ring twice"},
		}), "the v1beta1 spec: the new ETA, and all else as it was")
	})

	It("counts when a v1alpha1 text is taken away", func(ctx SpecContext) {
		between := toSpoke(ctx, current("o-1", &v1beta1.Address{City: "Napoli"}, new(int32(45)), "ring twice"))
		between.Spec = v1alpha1.DeliverySpec{}
		Expect(toHub(ctx, between).Spec).To(same(v1beta1.DeliverySpec{Instructions: []string{"ring twice"}}), "the v1beta1 spec, of which v1alpha1 has taken away address and ETA")
	})

	It("counts when it is a v1beta1 value", func(ctx SpecContext) {
		between := toHub(ctx, old("o-1", "the blue door", "soon"))
		between.Spec.ETAMinutes = new(int32(20))
		Expect(toSpoke(ctx, between).Spec).To(same(v1alpha1.DeliverySpec{Address: "the blue door", ETA: "20m"}), "the v1alpha1 spec: the new ETA, and the address as it was")
		between.Spec.Address = napoli
		Expect(toSpoke(ctx, between).Spec).To(same(v1alpha1.DeliverySpec{Address: "Via Roma 1, 80100 Napoli", ETA: "20m"}), "the v1alpha1 spec: a new address, too")
	})

	It("counts when a v1beta1 value is taken away", func(ctx SpecContext) {
		between := toHub(ctx, old("o-1", "Via Roma 1, 80100 Napoli", "1h30m"))
		between.Spec.ETAMinutes = nil
		Expect(toSpoke(ctx, between).Spec).To(same(v1alpha1.DeliverySpec{Address: "Via Roma 1, 80100 Napoli"}), "the v1alpha1 spec: no ETA")
	})

	It("counts when it is an instruction", func(ctx SpecContext) {
		between := toHub(ctx, toSpoke(ctx, current("o-1", napoli, nil, "ring twice")))
		between.Spec.Instructions = nil
		Expect(toHub(ctx, toSpoke(ctx, between)).Spec).To(same(v1beta1.DeliverySpec{Address: napoli}), "the v1beta1 spec: no instructions any more")
	})

	It("is as good as nothing when it makes an annotation unreadable", func(ctx SpecContext) {
		between := toSpoke(ctx, current("o-1", napoli, nil, "ring twice"))
		between.Annotations[delivery.CarriesV1beta1] = "{scribbled"
		after := toHub(ctx, between)
		Expect(after.Spec).To(same(v1beta1.DeliverySpec{Address: napoli}), "the v1beta1 spec: what v1alpha1 says")
		Expect(after.Annotations).NotTo(HaveKey(delivery.CarriesV1beta1), "the annotation is gone")

		before := toHub(ctx, old("o-1", "the blue door", "soon"))
		before.Annotations[delivery.CarriesV1alpha1] = "{scribbled"
		back := toSpoke(ctx, before)
		Expect(back.Spec).To(same(v1alpha1.DeliverySpec{}), "the v1alpha1 spec: what v1beta1 says")
		Expect(back.Annotations).NotTo(HaveKey(delivery.CarriesV1alpha1), "the annotation is gone")
	})

	It("is as good as nothing when it makes a part of an annotation unreadable", func(ctx SpecContext) {
		between := toSpoke(ctx, current("o-1", napoli, new(int32(-5)), "ring twice"))
		var carried map[string]any
		if json.Unmarshal([]byte(between.Annotations[delivery.CarriesV1beta1]), &carried) != nil {
			return // the learner carries something else than an object with fields
		}
		for field, value := range carried {
			carried[field] = true
			between.Annotations[delivery.CarriesV1beta1] = asJSON(carried)
			Expect(toHub(ctx, between).Spec).To(same(v1beta1.DeliverySpec{Address: napoli}), "the v1beta1 spec, of what v1alpha1 says, and the annotation %s", asJSON(carried))
			carried[field] = value
		}
	})
})

// hubTrip converts a v1beta1 Delivery to v1alpha1 and back, through JSON, as it travels.
func hubTrip(ctx context.Context, src *v1beta1.Delivery) {
	GinkgoHelper()
	between := travel(toSpoke(ctx, src.DeepCopy()), &v1alpha1.Delivery{})
	expectSame(toHub(ctx, between), src, "a v1beta1 Delivery that was in between, as v1alpha1,\n%s\n", excerpt(between))
}

// spokeTrip converts a v1alpha1 Delivery to v1beta1 and back, through JSON, as it travels.
func spokeTrip(ctx context.Context, src *v1alpha1.Delivery) {
	GinkgoHelper()
	between := travel(toHub(ctx, src.DeepCopy()), &v1beta1.Delivery{})
	expectSame(toSpoke(ctx, between), src, "a v1alpha1 Delivery that was in between, as v1beta1,\n%s\n", excerpt(between))
}

// randomText is put together of parts that are dangerous where texts are taken apart.
func randomText(random *rand.Rand, parts ...string) string {
	var b strings.Builder
	for range random.IntN(5) {
		b.WriteString(parts[random.IntN(len(parts))])
	}
	return b.String()
}

func randomCurrent(random *rand.Rand) *v1beta1.Delivery {
	parts := []string{"Via Roma 1", ", ", ",", " ", "80100", "8010", "Napoli", "\n", "è", `"`, "{}", "Reggio Calabria"}
	d := current("o-1", nil, nil)
	if random.IntN(4) > 0 {
		d.Spec.Address = &v1beta1.Address{Street: randomText(random, parts...), Postcode: randomText(random, parts...), City: randomText(random, parts...)}
		if random.IntN(2) == 0 {
			d.Spec.Address.Postcode = "80100"
		}
	}
	if random.IntN(4) > 0 {
		d.Spec.ETAMinutes = new(random.Int32N(200) - 40)
	}
	for range random.IntN(3) {
		d.Spec.Instructions = append(d.Spec.Instructions, randomText(random, parts...))
	}
	return d
}

func randomOld(random *rand.Rand) *v1alpha1.Delivery {
	address := randomText(random, "Via Roma 1", ", ", ",", " ", "80100 ", "80100", "Napoli", "\n", "è", ", 80100 Napoli")
	return old("o-1", address, randomText(random, "1", "0", "5m", "1h", "30s", "-", " ", "soon", "."))
}
