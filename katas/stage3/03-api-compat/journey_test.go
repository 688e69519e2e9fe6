package apicompat_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	apicompat "github.com/kubekata/kubekata/katas/stage3/03-api-compat"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/wire"
)

// shop is a server with the learner's strategy, and a client of each age.
func shop() (*wire.Server, wire.Old, wire.New) {
	server := wire.NewServer(wire.Strategy{
		OnRead: apicompat.NormalizeOnRead, OnCreate: apicompat.NormalizeOnCreate, OnUpdate: apicompat.NormalizeOnUpdate,
		Validate: apicompat.Validate, ValidateUpdate: apicompat.ValidateUpdate,
	})
	return server, wire.OldClient(server), wire.NewClient(server)
}

// seen is what a new client sees of table-7's order.
func seen(c wire.New) string {
	GinkgoHelper()
	o, err := c.Get("table-7")
	Expect(err).NotTo(HaveOccurred(), "a new client reads the order")
	return card(o)
}

// seenByOld is what an old one does.
func seenByOld(c wire.Old) string {
	GinkgoHelper()
	o, err := c.Get("table-7")
	Expect(err).NotTo(HaveOccurred(), "an old client reads the order")
	return o.Spec.Topping
}

// wanted is what a new client writes into its Order, oldWants what an old one does.
func wanted(topping string, toppings ...string) func(*order.Order) {
	return func(o *order.Order) { o.Spec.Topping, o.Spec.Toppings = topping, toppings }
}

func oldWants(topping string) func(*wire.OldOrder) {
	return func(o *wire.OldOrder) { o.Spec.Topping = topping }
}

func oldResizes(o *wire.OldOrder) { o.Spec.Size = "small" }

var _ = Describe("On a server with this strategy", func() {
	It("a new client reads what an old one has ordered", func() {
		_, old, young := shop()
		Expect(old.Create("table-7", oldWants("salami"))).To(Succeed())
		Expect(seen(young)).To(Equal(card(pizza("salami", "salami"))))
	})

	It("an old client reads the first of what a new one has ordered", func() {
		_, old, young := shop()
		Expect(young.Create("table-7", wanted("salami", "salami", "olives"))).To(Succeed())
		Expect(seenByOld(old)).To(Equal("salami"))
	})

	DescribeTable("an old client changes the size, and loses nothing, by", func(write func(wire.Old, string, func(*wire.OldOrder)) error) {
		_, old, young := shop()
		Expect(young.Create("table-7", wanted("salami", "salami", "olives"))).To(Succeed())
		Expect(write(old, "table-7", oldResizes)).To(Succeed(), "an old client sends another size")
		Expect(seen(young)).To(Equal(card(pizza("salami", "salami", "olives"))))
		o, err := old.Get("table-7")
		Expect(err).NotTo(HaveOccurred())
		Expect(o.Spec.Size).To(Equal("small"), "the size, which the old client has changed")
	},
		Entry("an update", wire.Old.Update),
		Entry("a patch", wire.Old.Patch),
	)

	DescribeTable("an old client changes the topping, and gets what it has always got, by", func(write func(wire.Old, string, func(*wire.OldOrder)) error) {
		_, old, young := shop()
		Expect(young.Create("table-7", wanted("salami", "salami", "olives"))).To(Succeed())
		Expect(write(old, "table-7", oldWants("capers"))).To(Succeed(), "an old client sends the topping capers")
		Expect(seenByOld(old)).To(Equal("capers"))
		Expect(seen(young)).To(Equal(card(pizza("capers", "capers"))))
	},
		Entry("an update", wire.Old.Update),
		Entry("a patch", wire.Old.Patch),
	)

	DescribeTable("an old client clears the topping, and gets none, by", func(write func(wire.Old, string, func(*wire.OldOrder)) error) {
		_, old, young := shop()
		Expect(young.Create("table-7", wanted("salami", "salami", "olives"))).To(Succeed())
		Expect(write(old, "table-7", oldWants(""))).To(Succeed(), "an old client clears the topping")
		Expect(seenByOld(old)).To(BeEmpty())
		Expect(seen(young)).To(Equal(card(pizza(""))))
	},
		Entry("an update", wire.Old.Update),
		Entry("a patch", wire.Old.Patch),
	)

	DescribeTable("a new client changes both, and gets what it says, by", func(write func(wire.New, string, func(*order.Order)) error) {
		_, old, young := shop()
		Expect(old.Create("table-7", oldWants("salami"))).To(Succeed())
		Expect(write(young, "table-7", wanted("olives", "olives", "capers"))).To(Succeed(), "a new client sends other toppings, and the first of them as the topping")
		Expect(seen(young)).To(Equal(card(pizza("olives", "olives", "capers"))))
		Expect(seenByOld(old)).To(Equal("olives"))
	},
		Entry("an update", wire.New.Update),
		Entry("a patch", wire.New.Patch),
	)

	DescribeTable("a new client that forgets the topping is refused, by", func(write func(wire.New, string, func(*order.Order)) error) {
		_, _, young := shop()
		Expect(young.Create("table-7", wanted("salami", "salami"))).To(Succeed())
		err := write(young, "table-7", wanted("", "olives"))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "want an error that apierrors.IsInvalid recognises, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring("spec.topping: Required value")))
		Expect(seen(young)).To(Equal(card(pizza("salami", "salami"))), "the order, which must be as before")
	},
		Entry("an update", wire.New.Update),
		Entry("a patch", wire.New.Patch),
		Entry("making the order", func(c wire.New, _ string, fill func(*order.Order)) error { return c.Create("table-8", fill) }),
	)

	It("an order from before can be read, and changed by an old client", func() {
		server, old, young := shop()
		server.Restore("table-7", []byte(`{"metadata":{"name":"table-7"},"spec":{"size":"large","topping":"salami"}}`))
		Expect(seen(young)).To(Equal(card(pizza("salami", "salami"))))
		Expect(old.Update("table-7", oldResizes)).To(Succeed(), "an old client sends another size")
		Expect(seen(young)).To(Equal(card(pizza("salami", "salami"))))
	})

	It("an order from before can be given a second topping", func() {
		server, old, young := shop()
		server.Restore("table-7", []byte(`{"metadata":{"name":"table-7"},"spec":{"size":"large","topping":"salami"}}`))
		Expect(young.Update("table-7", func(o *order.Order) { o.Spec.Toppings = append(o.Spec.Toppings, "olives") })).To(Succeed())
		Expect(seen(young)).To(Equal(card(pizza("salami", "salami", "olives"))))
		Expect(seenByOld(old)).To(Equal("salami"))
	})

	It("an order from before whose topping would be refused today can be changed all the same", func() {
		server, old, young := shop()
		server.Restore("table-7", []byte(`{"metadata":{"name":"table-7","finalizers":["shop.kubekata.dev/paid"]},"spec":{"topping":"sal\tami"}}`))
		Expect(old.Patch("table-7", func(o *wire.OldOrder) { o.Finalizers = nil })).To(Succeed(), "an old client takes its finalizer off")
		Expect(seen(young)).To(Equal(card(pizza(tab, tab))))
		err := old.Create("table-8", oldWants(tab))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "an order that is made today, with the same topping: want an error that apierrors.IsInvalid recognises, got: %v", err)
	})

	It("what a client has read, it can send back, and nothing changes", func() {
		server, old, young := shop()
		Expect(young.Create("table-7", wanted("salami", "salami", "olives"))).To(Succeed())
		before := string(server.Stored("table-7"))
		Expect(old.Update("table-7", func(*wire.OldOrder) {})).To(Succeed())
		Expect(young.Update("table-7", func(*order.Order) {})).To(Succeed())
		Expect(old.Patch("table-7", func(*wire.OldOrder) {})).To(Succeed())
		Expect(string(server.Stored("table-7"))).To(MatchJSON(before), "what is stored")
	})
})
