package codegen_test

import (
	"fmt"
	"reflect"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	bakeryv1 "github.com/kubekata/kubekata/katas/stage3/02-codegen/apis/bakery/v1"
)

var _ = Describe("The types", func() {
	It("are known to a scheme", func() {
		s := newScheme()
		for kind, obj := range map[string]runtime.Object{"Loaf": &bakeryv1.Loaf{}, "LoafList": &bakeryv1.LoafList{}} {
			kinds, _, err := s.ObjectKinds(obj)
			Expect(err).NotTo(HaveOccurred(), "the scheme's name for the Go type of %s", kind)
			Expect(kinds).To(ConsistOf(loaves.GroupVersion().WithKind(kind)), "the scheme's name for the Go type of %s", kind)
		}
	})

	It("come with the options of list, watch and delete", func() {
		s := newScheme()
		for _, kind := range []string{"ListOptions", "DeleteOptions", "WatchEvent"} {
			Expect(s.Recognizes(loaves.GroupVersion().WithKind(kind))).To(BeTrue(), "the scheme knows %s of bakery.kubekata.dev/v1", kind)
		}
	})
})

var _ = Describe("DeepCopy", func() {
	It("makes an equal Loaf", func() {
		Expect(full().DeepCopy()).To(Equal(full()))
	})

	It("makes a Loaf that shares no slice, map or pointer with the original", func() {
		original := full()
		Expect(shared("Loaf", reflect.ValueOf(original), reflect.ValueOf(original.DeepCopy()))).To(BeEmpty(), "what a Loaf shares with its copy")
	})

	It("makes a list that shares nothing either", func() {
		original := &bakeryv1.LoafList{ListMeta: metav1.ListMeta{ResourceVersion: "7"}, Items: []bakeryv1.Loaf{*full()}}
		copied, ok := original.DeepCopyObject().(*bakeryv1.LoafList)
		Expect(ok).To(BeTrue(), "the copy of a LoafList is a LoafList")
		Expect(copied).To(Equal(original))
		Expect(shared("LoafList", reflect.ValueOf(original), reflect.ValueOf(copied))).To(BeEmpty(), "what a LoafList shares with its copy")
	})

	It("keeps the difference between none and empty", func() {
		copied := (&bakeryv1.LoafSpec{Toppings: []string{}}).DeepCopy()
		Expect(copied.Toppings).To(And(BeEmpty(), Not(BeNil())), "an empty list of toppings")
		Expect(copied.Steps).To(BeNil(), "a list of steps that was not there")
		Expect((*bakeryv1.Loaf)(nil).DeepCopy()).To(BeNil(), "the copy of nil")
	})
})

var _ = Describe("The defaults", func() {
	defaulted := func(spec bakeryv1.LoafSpec) bakeryv1.LoafSpec {
		GinkgoHelper()
		loaf := &bakeryv1.Loaf{Spec: spec}
		newScheme().Default(loaf)
		return loaf.Spec
	}
	ten := func() *int32 { return new(int32(10)) }

	It("fill in what is left out", func() {
		Expect(defaulted(bakeryv1.LoafSpec{})).To(Equal(bakeryv1.LoafSpec{
			Flour: "wheat", Salt: new(int32(20)), Steps: []bakeryv1.Step{{Name: "bake", Minutes: ten()}},
		}))
	})

	It("reach every step", func() {
		got := defaulted(bakeryv1.LoafSpec{Steps: []bakeryv1.Step{{Name: "knead"}, {Name: "rest", Minutes: new(int32(90))}}})
		Expect(got.Steps).To(Equal([]bakeryv1.Step{
			{Name: "knead", Minutes: ten()}, {Name: "rest", Minutes: new(int32(90))}, {Name: "bake", Minutes: ten()},
		}))
	})

	It("keep an explicit zero", func() {
		got := defaulted(bakeryv1.LoafSpec{Salt: new(int32(0)), Steps: []bakeryv1.Step{{Name: "bake", Minutes: new(int32(0))}}})
		Expect(got.Salt).To(HaveValue(BeEquivalentTo(0)), "salt: 0 is a Tuscan loaf")
		Expect(got.Steps).To(Equal([]bakeryv1.Step{{Name: "bake", Minutes: new(int32(0))}}), "minutes: 0 is a step that is done at once")
	})

	It("keep what somebody has chosen", func() {
		spec := bakeryv1.LoafSpec{
			Flour: "rye", Salt: new(int32(5)), Toppings: []string{"seeds"}, Notes: map[string]string{"en": "contains seeds"},
			Steps: []bakeryv1.Step{{Name: "bake", Minutes: new(int32(50))}, {Name: "cool", Minutes: new(int32(5))}},
		}
		Expect(defaulted(*spec.DeepCopy())).To(Equal(spec))
	})

	It("change nothing the second time", func() {
		once := defaulted(bakeryv1.LoafSpec{Steps: []bakeryv1.Step{{Name: "knead"}}})
		Expect(defaulted(*once.DeepCopy())).To(Equal(once))
	})

	It("are each Loaf's own", func() {
		spec := bakeryv1.LoafSpec{Steps: []bakeryv1.Step{{Name: "knead"}}}
		one, other := defaulted(*spec.DeepCopy()), defaulted(*spec.DeepCopy())
		Expect(shared("LoafSpec", reflect.ValueOf(&one), reflect.ValueOf(&other))).To(BeEmpty(), "what two Loaves with defaults share")
	})

	It("are those of a list's Loaves as well", func() {
		list := &bakeryv1.LoafList{Items: []bakeryv1.Loaf{{}, {Spec: bakeryv1.LoafSpec{Flour: "rye"}}}}
		newScheme().Default(list)
		Expect(list.Items[0].Spec.Flour).To(Equal("wheat"), "the flour of the first")
		Expect(list.Items[1].Spec.Salt).To(HaveValue(BeEquivalentTo(20)), "the salt of the second")
	})
})

func newScheme() *runtime.Scheme {
	GinkgoHelper()
	s := runtime.NewScheme()
	Expect(bakeryv1.AddToScheme(s)).To(Succeed(), "AddToScheme")
	return s
}

// full is a Loaf in which every field has a value.
func full() *bakeryv1.Loaf {
	baked := metav1.Unix(1_800_000_000, 0)
	return &bakeryv1.Loaf{
		TypeMeta: metav1.TypeMeta{Kind: "Loaf", APIVersion: "bakery.kubekata.dev/v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "rye", Labels: map[string]string{"shelf": "top"}, Annotations: map[string]string{"by": "hand"}, Finalizers: []string{"a.b/c"},
		},
		Spec: bakeryv1.LoafSpec{
			Flour: "rye", Salt: new(int32(18)), Toppings: []string{"seeds", "salt"}, Notes: map[string]string{"en": "contains seeds"},
			Steps: []bakeryv1.Step{{Name: "knead", Minutes: new(int32(15)), Until: &bakeryv1.Sign{Seen: []string{"smooth"}}}, {Name: "bake"}},
		},
		Status: bakeryv1.LoafStatus{Grams: new(int32(750)), BakedAt: &baked},
	}
}

// shared lists the slices, maps and pointers that two values have in common.
func shared(path string, a, b reflect.Value) (found []string) {
	switch a.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if a.IsNil() || b.IsNil() {
			return nil
		}
		if a.Type() == reflect.TypeFor[*metav1.Time]() && a.Pointer() != b.Pointer() {
			return nil // what a time points to is the process's time zone
		}
		if a.Pointer() == b.Pointer() {
			return []string{path}
		}
	default:
	}
	switch a.Kind() {
	case reflect.Pointer:
		return shared(path, a.Elem(), b.Elem())
	case reflect.Slice:
		for i := range min(a.Len(), b.Len()) {
			found = append(found, shared(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i))...)
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type() != reflect.TypeFor[metav1.Time]() {
				found = append(found, shared(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))...)
			}
		}
	default:
	}
	return found
}
