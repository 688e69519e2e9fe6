package apicompat_test

import (
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/validation/field"

	apicompat "github.com/kubekata/kubekata/katas/stage3/03-api-compat"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"
)

// Names that nobody could type by mistake, and that somebody did.
const (
	tab  = "sal\tami"
	bell = "olives\a"
)

// verdict has a line for each error: its type and its path. They are sorted.
func verdict(errs field.ErrorList) []string {
	lines := []string{}
	for _, err := range errs {
		lines = append(lines, fmt.Sprintf("%s at %s", err.Type, err.Field))
	}
	slices.Sort(lines)
	return lines
}

const (
	noTopping    = "Required value at spec.topping"
	noToppings   = "Required value at spec.toppings"
	firstInvalid = "Invalid value at spec.toppings[0]"
)

var _ = Describe("Validate", func() {
	DescribeTable("takes", func(o *order.Order) {
		Expect(apicompat.Validate(o)).To(BeEmpty(), "what is wrong with: %s", card(o))
	},
		Entry("a topping", pizza("salami", "salami")),
		Entry("several", pizza("salami", "salami", "olives", "capers")),
		Entry("none", pizza("")),
		Entry("none, and an empty list", bare("")),
		Entry("two whose names differ in a capital letter", pizza("salami", "salami", "Salami")),
		Entry("a name with spaces and accents", pizza("jalapeño, no seeds", "jalapeño, no seeds")),
	)

	DescribeTable("refuses", func(o *order.Order, want ...string) {
		before := o.DeepCopy()
		Expect(verdict(apicompat.Validate(o))).To(Equal(slices.Sorted(slices.Values(want))), "what is wrong with: %s", card(o))
		Expect(o).To(Equal(before), "the order, after it was validated")
	},
		Entry("toppings without a topping", pizza("", "olives"), noTopping),
		Entry("a topping without toppings, which nobody has normalised", pizza("salami"), noToppings),
		Entry("a topping and an empty list", bare("salami"), noToppings),
		Entry("toppings that begin with another topping", pizza("salami", "olives"), firstInvalid),
		Entry("toppings that have the topping elsewhere", pizza("salami", "olives", "salami"), firstInvalid),
		Entry("a topping that comes twice", pizza("salami", "salami", "olives", "salami"), "Duplicate value at spec.toppings[2]"),
		Entry("a topping that comes three times", pizza("salami", "salami", "salami", "salami"),
			"Duplicate value at spec.toppings[1]", "Duplicate value at spec.toppings[2]"),
		Entry("a blank name", pizza("salami", "salami", " "), "Invalid value at spec.toppings[1]"),
		Entry("a name that does not print", pizza(tab, tab), firstInvalid),
		Entry("a name that does not print, twice", pizza("salami", "salami", bell, bell),
			"Invalid value at spec.toppings[1]", "Duplicate value at spec.toppings[2]", "Invalid value at spec.toppings[2]"),
		Entry("a name that does not print, and is not the topping", pizza("salami", tab), firstInvalid, firstInvalid),
	)

	It("says all that is wrong at once", func() {
		o := pizza("salami", "olives", "olives", bell, "")
		Expect(verdict(apicompat.Validate(o))).To(Equal([]string{
			"Duplicate value at spec.toppings[1]", firstInvalid, "Invalid value at spec.toppings[2]", "Invalid value at spec.toppings[3]",
		}), "what is wrong with: %s", card(o))
	})

	It("shows the value that is wrong, and why", func() {
		errs := apicompat.Validate(pizza("salami", "salami", bell))
		Expect(verdict(errs)).To(Equal([]string{"Invalid value at spec.toppings[1]"}))
		Expect(errs[0].BadValue).To(Equal(bell), "the error's value")
		Expect(errs[0].Detail).To(ContainSubstring(order.NameProblem(bell)), "the error's detail")
		errs = apicompat.Validate(pizza("salami", "olives", "olives"))
		Expect(verdict(errs)).To(Equal([]string{"Duplicate value at spec.toppings[1]", firstInvalid}))
		for _, err := range errs {
			Expect(err.BadValue).To(Equal("olives"), "the value of the error at %s: the topping that stands there", err.Field)
		}
	})
})

var _ = Describe("ValidateUpdate", func() {
	DescribeTable("takes", func(old, updated *order.Order) {
		Expect(apicompat.ValidateUpdate(updated, old)).To(BeEmpty(), "what is wrong with: %s\nthere was: %s", card(updated), card(old))
	},
		Entry("a topping more", pizza("salami", "salami"), pizza("salami", "salami", "olives")),
		Entry("other toppings", pizza("salami", "salami"), pizza("capers", "capers", "olives")),
		Entry("none any more", pizza("salami", "salami"), pizza("")),
		Entry("a bad name that was there before", pizza(tab, tab), pizza(tab, tab)),
		Entry("a bad name that was there before, with good ones beside", pizza(tab, tab), pizza(tab, tab, "olives")),
		Entry("a bad name that was there before, at another place", pizza(tab, tab, "olives"), pizza("olives", "olives", tab)),
		Entry("a bad name that was there before, behind a good one", pizza("salami", "salami", bell), pizza("olives", "olives", bell)),
		Entry("a good name for a bad one", pizza(tab, tab), pizza("salami", "salami")),
	)

	DescribeTable("refuses", func(old, updated *order.Order, want ...string) {
		before, was := updated.DeepCopy(), old.DeepCopy()
		Expect(verdict(apicompat.ValidateUpdate(updated, old))).To(Equal(slices.Sorted(slices.Values(want))), "what is wrong with: %s\nthere was: %s", card(updated), card(old))
		Expect(updated).To(Equal(before), "the new order, after it was validated")
		Expect(old).To(Equal(was), "the old order, after the new one was validated")
	},
		Entry("a bad name where there was a good one", pizza("salami", "salami"), pizza(tab, tab), firstInvalid),
		Entry("a bad name beside one that was there before", pizza(tab, tab), pizza(tab, tab, bell), "Invalid value at spec.toppings[1]"),
		Entry("another bad name in the place of one", pizza(tab, tab), pizza(bell, bell), firstInvalid),
		Entry("toppings without a topping", pizza("salami", "salami"), pizza("", "olives"), noTopping),
		Entry("toppings that begin with another topping", pizza("salami", "salami"), pizza("salami", "olives"), firstInvalid),
		Entry("toppings that begin with another topping than the bad one that was there before", pizza(tab, tab), pizza("olives", tab), firstInvalid),
		Entry("a bad name that was there before, twice", pizza(tab, tab), pizza(tab, tab, tab), "Duplicate value at spec.toppings[1]"),
		Entry("a topping without toppings, which nobody has normalised", pizza("salami", "salami"), pizza("salami"), noToppings),
		Entry("a topping that comes twice, as it did before", pizza("salami", "salami", "salami"), pizza("salami", "salami", "salami"), "Duplicate value at spec.toppings[1]"),
		Entry("toppings that begin with another topping, as they did before", pizza("salami", "olives"), pizza("salami", "olives"), firstInvalid),
	)
})
