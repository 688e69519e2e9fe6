package apicompat_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apicompat "github.com/kubekata/kubekata/katas/stage3/03-api-compat"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"

	"github.com/kubekata/kubekata/harness"
)

func TestAPICompat(t *testing.T) { harness.RunSpecs(t, "Stage 3 · 03-api-compat") }

// pizza is an Order with a topping and toppings. One without toppings has no list; see bare.
func pizza(topping string, toppings ...string) *order.Order {
	return &order.Order{
		ObjectMeta: metav1.ObjectMeta{Name: "table-7", Labels: map[string]string{"waiter": "Ada"}},
		Spec:       order.Spec{Size: "large", Topping: topping, Toppings: toppings},
	}
}

// bare is an Order with a topping and an empty list of toppings.
func bare(topping string) *order.Order { return pizza(topping, []string{}...) }

// card says in a line what is on a pizza. No list and an empty one look the same.
func card(o *order.Order) string {
	return fmt.Sprintf("topping %q, toppings %q", o.Spec.Topping, o.Spec.Toppings)
}

var _ = Describe("NormalizeOnRead", func() {
	DescribeTable("makes complete what was stored before there were toppings:", func(stored, want *order.Order) {
		apicompat.NormalizeOnRead(stored)
		Expect(card(stored)).To(Equal(card(want)), "what a client reads")
	},
		Entry("an order with a topping", pizza("salami"), pizza("salami", "salami")),
		Entry("an order with a topping and an empty list", bare("salami"), pizza("salami", "salami")),
		Entry("an order without one, which stays without", pizza(""), pizza("")),
	)

	DescribeTable("leaves alone any other:", func(stored *order.Order) {
		before := stored.DeepCopy()
		apicompat.NormalizeOnRead(stored)
		Expect(stored).To(Equal(before), "what a client reads")
	},
		Entry("one with a topping in its list", pizza("salami", "salami")),
		Entry("one with two", pizza("salami", "salami", "olives")),
		Entry("one with some that do not fit the topping", pizza("salami", "olives")),
		Entry("one with some and without a topping", pizza("", "olives")),
		Entry("one with an empty list and without a topping", bare("")),
	)

	It("does nothing the second time", func() {
		stored := pizza("salami")
		apicompat.NormalizeOnRead(stored)
		apicompat.NormalizeOnRead(stored)
		Expect(card(stored)).To(Equal(card(pizza("salami", "salami"))), "an order that was read twice")
	})
})

var _ = Describe("NormalizeOnCreate", func() {
	DescribeTable("completes what an old client sends:", func(created, want *order.Order) {
		apicompat.NormalizeOnCreate(created)
		Expect(card(created)).To(Equal(card(want)), "what is made")
	},
		Entry("a topping", pizza("salami"), pizza("salami", "salami")),
		Entry("a topping and an empty list", bare("salami"), pizza("salami", "salami")),
		Entry("no topping", pizza(""), pizza("")),
	)

	DescribeTable("leaves what a new client sends as it is:", func(created *order.Order) {
		before := created.DeepCopy()
		apicompat.NormalizeOnCreate(created)
		Expect(created).To(Equal(before), "what is made, and validated next")
	},
		Entry("a topping, and toppings that begin with it", pizza("salami", "salami", "olives")),
		Entry("a topping, and toppings that begin with another", pizza("salami", "olives", "capers")),
		Entry("a topping, and toppings that have it elsewhere", pizza("salami", "olives", "salami")),
		Entry("toppings without a topping", pizza("", "olives", "capers")),
		Entry("the same topping twice", pizza("salami", "salami", "salami")),
	)

	It("does nothing the second time", func() {
		created := pizza("salami")
		apicompat.NormalizeOnCreate(created)
		apicompat.NormalizeOnCreate(created)
		Expect(card(created)).To(Equal(card(pizza("salami", "salami"))), "an order that was normalised twice")
	})

	It("changes nothing but the toppings", func() {
		created, want := pizza("salami"), pizza("salami", "salami")
		apicompat.NormalizeOnCreate(created)
		Expect(created).To(Equal(want), "the whole object")
	})
})
