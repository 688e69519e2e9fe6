package apicompat_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	apicompat "github.com/kubekata/kubekata/katas/stage3/03-api-compat"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"
)

// step is an update: what was there, what a client sends, and what comes of it.
type step struct {
	does            string
	old, sent, want *order.Order
}

// Each combination of what a client can do to the one field and to the other.
var (
	oldClients = []step{
		{"an update that changes something else", pizza("salami", "salami"), pizza("salami"), pizza("salami", "salami")},
		{"an update that changes something else, and there are two", pizza("salami", "salami", "olives"), pizza("salami"), pizza("salami", "salami", "olives")},
		{"an update with an empty list", pizza("salami", "salami", "olives"), bare("salami"), pizza("salami", "salami", "olives")},
		{"an update that changes the topping", pizza("salami", "salami"), pizza("capers"), pizza("capers", "capers")},
		{"an update that changes the topping, and there are two", pizza("salami", "salami", "olives"), pizza("capers"), pizza("capers", "capers")},
		{"an update that changes the topping to the second", pizza("salami", "salami", "olives"), pizza("olives"), pizza("olives", "olives")},
		{"an update that changes the topping, with an empty list", pizza("salami", "salami"), bare("capers"), pizza("capers", "capers")},
		{"an update that clears the topping", pizza("salami", "salami", "olives"), pizza(""), pizza("")},
		{"an update that sets the first topping", pizza(""), pizza("capers"), pizza("capers", "capers")},
		{"an update of a pizza without any", pizza(""), pizza(""), pizza("")},
		{"a patch that changes something else", pizza("salami", "salami", "olives"), pizza("salami", "salami", "olives"), pizza("salami", "salami", "olives")},
		{"a patch that changes the topping", pizza("salami", "salami"), pizza("capers", "salami"), pizza("capers", "capers")},
		{"a patch that changes the topping, and there are two", pizza("salami", "salami", "olives"), pizza("capers", "salami", "olives"), pizza("capers", "capers")},
		{"a patch that changes the topping to the second", pizza("salami", "salami", "olives"), pizza("olives", "salami", "olives"), pizza("olives", "olives")},
		{"a patch that clears the topping", pizza("salami", "salami", "olives"), pizza("", "salami", "olives"), pizza("")},
	}
	newClients = []step{
		{"a topping more", pizza("salami", "salami"), pizza("salami", "salami", "olives"), nil},
		{"a topping less", pizza("salami", "salami", "olives"), pizza("salami", "salami"), nil},
		{"the first ones", pizza(""), pizza("salami", "salami", "olives"), nil},
		{"other ones", pizza("salami", "salami"), pizza("capers", "capers", "olives"), nil},
		{"the same ones in another order", pizza("salami", "salami", "olives"), pizza("olives", "olives", "salami"), nil},
		{"the topping is another one, and the toppings do not fit it", pizza("salami", "salami"), pizza("capers", "olives"), nil},
		{"the topping is another one, and the toppings have it elsewhere", pizza("salami", "salami"), pizza("capers", "salami", "capers"), nil},
		{"the topping is the same, and the toppings begin with another", pizza("salami", "salami"), pizza("salami", "olives"), nil},
		{"the topping is the same, and the toppings are in another order", pizza("salami", "salami", "olives"), pizza("salami", "olives", "salami"), nil},
		{"the topping is cleared, and the toppings are others", pizza("salami", "salami"), pizza("", "olives"), nil},
		{"the topping is cleared, and the toppings are fewer", pizza("salami", "salami", "olives"), pizza("", "olives"), nil},
		{"toppings without a topping, where there were none", pizza(""), pizza("", "olives"), nil},
	}
)

var _ = Describe("NormalizeOnUpdate", func() {
	when := func(steps []step) []TableEntry {
		var entries []TableEntry
		for _, s := range steps {
			entries = append(entries, Entry(s.does, s))
		}
		return entries
	}

	DescribeTable("completes what an old client sends:", func(s step) {
		sent := s.sent.DeepCopy()
		apicompat.NormalizeOnUpdate(sent, s.old.DeepCopy())
		Expect(card(sent)).To(Equal(card(s.want)), "there was: %s\nthe client sent: %s", card(s.old), card(s.sent))
	}, when(oldClients))

	DescribeTable("leaves what a new client sends as it is:", func(s step) {
		sent := s.sent.DeepCopy()
		apicompat.NormalizeOnUpdate(sent, s.old.DeepCopy())
		Expect(card(sent)).To(Equal(card(s.sent)), "there was: %s", card(s.old))
	}, when(newClients))

	It("does nothing the second time", func() {
		for _, s := range append(oldClients, newClients...) {
			once := s.sent.DeepCopy()
			apicompat.NormalizeOnUpdate(once, s.old.DeepCopy())
			twice := once.DeepCopy()
			apicompat.NormalizeOnUpdate(twice, s.old.DeepCopy())
			Expect(card(twice)).To(Equal(card(once)), "%s: normalised twice, and once; there was: %s", s.does, card(s.old))
		}
	})

	It("changes nothing in the old object", func() {
		for _, s := range append(oldClients, newClients...) {
			old := s.old.DeepCopy()
			apicompat.NormalizeOnUpdate(s.sent.DeepCopy(), old)
			Expect(old).To(Equal(s.old), "%s: the old object afterwards", s.does)
		}
	})

	It("changes nothing but the toppings", func() {
		old := pizza("salami", "salami")
		old.Spec.Size, old.Labels, old.Finalizers = "small", nil, []string{"shop.kubekata.dev/paid"}
		for _, topping := range []string{"salami", "capers"} {
			for _, size := range []string{"large", ""} {
				sent, want := pizza(topping), pizza(topping, topping)
				sent.Spec.Size, want.Spec.Size = size, size
				apicompat.NormalizeOnUpdate(sent, old.DeepCopy())
				Expect(sent).To(Equal(want), "the whole object, of which a client has sent the topping %q and the size %q", topping, size)
			}
		}
	})

	It("lets the two objects share no list", func() {
		for how, sent := range map[string]*order.Order{"update": pizza("salami"), "patch": pizza("salami", "salami", "olives")} {
			old := pizza("salami", "salami", "olives")
			apicompat.NormalizeOnUpdate(sent, old)
			Expect(card(sent)).To(Equal(card(pizza("salami", "salami", "olives"))), "an old client's %s", how)
			sent.Spec.Toppings[1] = "pineapple"
			Expect(card(old)).To(Equal(card(pizza("salami", "salami", "olives"))), "the old object of a %s, after somebody has changed the toppings of the new one", how)
		}
	})

	It("lets the two objects share no room behind the list's end", func() {
		old, sent := pizza("salami", make([]string, 0, 8)...), pizza("salami")
		old.Spec.Toppings = append(old.Spec.Toppings, "salami")
		apicompat.NormalizeOnUpdate(sent, old)
		Expect(card(sent)).To(Equal(card(pizza("salami", "salami"))), "an old client's update")
		theirs := append(old.Spec.Toppings, "olives")
		_ = append(sent.Spec.Toppings, "pineapple")
		Expect(theirs).To(Equal([]string{"salami", "olives"}), "what somebody has appended to the old toppings, after somebody else has appended to the new ones")
	})
})
