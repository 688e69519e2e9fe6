package dynamicinformer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	dynamicinformer "github.com/kubekata/kubekata/katas/stage2/07-dynamic-informer"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestDynamicInformer(t *testing.T) {
	harness.RunSpecs(t, "Stage 2 · 07-dynamic-informer")
}

var _ = Describe("Await", func() {
	It("returns the resource of a kind that is there, in the version that the server prefers", func(ctx SpecContext) {
		resource := pizzas(ctx)
		got := answer(ctx, awaiting(ctx, mapper(), schema.GroupKind{Group: resource.Group, Kind: "Pizza"}, time.Hour))
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.resource).To(Equal(resource))
	})

	It("asks the server for the resource's name, and does not guess it", func(ctx SpecContext) {
		resource := once(ctx, api.Namespace(ctx)+".kubekata.dev", "Focaccia", "focacce")
		installed(ctx, resource)
		got := answer(ctx, awaiting(ctx, mapper(), schema.GroupKind{Group: resource.Group, Kind: "Focaccia"}, time.Hour))
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.resource).To(Equal(resource))
	})

	It("asks the server for nothing when the mapper knows the kind", func(ctx SpecContext) {
		resource, m := pizzas(ctx), mapper()
		kind := schema.GroupKind{Group: resource.Group, Kind: "Pizza"}
		_, err := m.RESTMappingWithContext(ctx, kind)
		Expect(err).NotTo(HaveOccurred(), "ask the mapper, for the spec")
		before := discoveries()
		got := answer(ctx, awaiting(ctx, m, kind, time.Hour))
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.resource).To(Equal(resource))
		Expect(discoveries()).To(Equal(before), "questions for what the server has: the rest of the program lives on what this mapper remembers")
	})

	It("waits for a kind that is installed later", func(ctx SpecContext) {
		group := api.Namespace(ctx) + ".kubekata.dev"
		done := awaiting(ctx, mapper(), schema.GroupKind{Group: group, Kind: "Pizza"}, 20*time.Millisecond)
		Eventually(func() int { early(done); return discoveries() }).WithContext(ctx).Should(BeNumerically(">", 0), "questions for what the server has")
		resource := once(ctx, group, "Pizza", "pizzas")
		got := answer(ctx, done)
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.resource).To(Equal(resource))
	})

	It("waits for the kind when its group is there, with another one", func(ctx SpecContext) {
		group := api.Namespace(ctx) + ".kubekata.dev"
		installed(ctx, once(ctx, group, "Calzone", "calzones"))
		done := awaiting(ctx, mapper(), schema.GroupKind{Group: group, Kind: "Pizza"}, 20*time.Millisecond)
		Eventually(func() int { early(done); return discoveries() }).WithContext(ctx).Should(BeNumerically(">", 2), "questions for what the server has")
		resource := once(ctx, group, "Pizza", "pizzas")
		got := answer(ctx, done)
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.resource).To(Equal(resource))
	})

	It("asks no more often than it was told to", func(ctx SpecContext) {
		done := awaiting(ctx, mapper(), schema.GroupKind{Group: "nowhere.kubekata.dev", Kind: "Pizza"}, time.Hour)
		Eventually(func() int { early(done); return discoveries() }).WithContext(ctx).Should(Equal(1), "questions for what the server has")
		Consistently(func() int { early(done); return discoveries() }).WithContext(ctx).WithTimeout(300*time.Millisecond).Should(BeNumerically("<=", 2), "questions, when one is due every hour")
	})

	It("returns when its context ends, and says what it has waited for", func(ctx SpecContext) {
		waiting, cancel := context.WithCancelCause(ctx)
		done := awaiting(waiting, mapper(), schema.GroupKind{Group: "nowhere.kubekata.dev", Kind: "Pizza"}, time.Hour)
		Eventually(func() int { early(done); return discoveries() }).WithContext(ctx).Should(BeNumerically(">", 0), "questions for what the server has")
		cancel(errors.New("the shop is closed"))
		got := answer(ctx, done)
		Expect(got.err).To(MatchError(context.Canceled), "the error wraps the context's")
		Expect(got.err).To(MatchError(ContainSubstring("Pizza.nowhere.kubekata.dev")), "the error names the kind")
		Expect(got.resource).To(BeZero(), "a resource together with an error")
	})

	It("returns an error that is not about the kind at once", func(ctx SpecContext) {
		refusal := apierrors.NewUnauthorized("the token has expired").Status()
		api.Intercept(func(r cluster.Request) *cluster.Answer { return &cluster.Answer{Status: &refusal} })
		got := answer(ctx, awaiting(ctx, mapper(), schema.GroupKind{Group: "nowhere.kubekata.dev", Kind: "Pizza"}, 20*time.Millisecond))
		Expect(got.err).To(Satisfy(apierrors.IsUnauthorized), "want the server's 401, got: %v", got.err)
		Expect(got.err).To(MatchError(ContainSubstring("Pizza.nowhere.kubekata.dev")), "the error names the kind")
	})
})

// early fails when Await has returned, and there is nothing yet to return.
func early(done <-chan awaited) {
	GinkgoHelper()
	select {
	case got := <-done:
		Expect(got.err).NotTo(HaveOccurred(), "Await has returned early")
		Fail("Await has returned " + got.resource.String() + ", and the server does not have the kind yet")
	default:
	}
}

var _ = Describe("Read", func() {
	It("reads a Pizza", func() {
		obj := object("shop", "margherita", small("basil", "tomato"), map[string]any{"phase": "Baking"})
		obj.SetUID("1234")
		Expect(dynamicinformer.Read(obj)).To(Equal(dynamicinformer.Pizza{
			Namespace: "shop", Name: "margherita", UID: "1234", Size: "small", Toppings: []string{"basil", "tomato"}, Phase: "Baking",
		}))
	})

	It("reads a Pizza without toppings and without a phase", func() {
		pizza, err := dynamicinformer.Read(object("shop", "plain", map[string]any{"size": "large"}, nil))
		Expect(err).NotTo(HaveOccurred())
		Expect(pizza.Size).To(Equal("large"))
		Expect(pizza.Toppings).To(BeEmpty())
		Expect(pizza.Phase).To(BeEmpty())
	})

	DescribeTable("refuses", func(spec, status any, field string) {
		obj := object("shop", "odd", nil, nil)
		if spec != nil {
			obj.Object["spec"] = spec
		}
		if status != nil {
			obj.Object["status"] = status
		}
		obj.SetUID("1234")
		before := obj.DeepCopy()
		pizza, err := dynamicinformer.Read(obj)
		Expect(err).To(MatchError(And(ContainSubstring("shop/odd"), ContainSubstring(field))), "the error names the pizza and the field")
		Expect(pizza).To(Equal(dynamicinformer.Pizza{Namespace: "shop", Name: "odd", UID: "1234"}), "what comes with the error")
		Expect(obj).To(Equal(before), "the object that was read")
	},
		Entry("a Pizza without a spec", nil, nil, "spec.size"),
		Entry("a Pizza without a size", map[string]any{"toppings": []any{"basil"}}, nil, "spec.size"),
		Entry("a size that is a number", map[string]any{"size": int64(30)}, nil, "spec.size"),
		Entry("toppings that are one string", map[string]any{"size": "small", "toppings": "basil"}, nil, "spec.toppings"),
		Entry("a topping that is no string", small("basil", int64(4)), nil, "spec.toppings"),
		Entry("a phase that is an object", small(), map[string]any{"phase": map[string]any{"name": "Baking"}}, "status.phase"),
		Entry("a spec that is a string", "a small one", nil, "spec.size"),
		Entry("a status that is a string", small(), "Baking", "status.phase"),
	)

	It("shares nothing with the object", func() {
		obj := object("shop", "margherita", small("basil"), nil)
		pizza, err := dynamicinformer.Read(obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(pizza.Toppings).To(Equal([]string{"basil"}))
		pizza.Toppings[0] = "pineapple"
		Expect(obj).To(Equal(object("shop", "margherita", small("basil"), nil)), "the object, after its Pizza was changed")
	})
})

var _ = Describe("Follow", func() {
	It("tells of the Pizzas that are there at the start", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		made := order(ctx, ns, "margherita", small("basil", "tomato"), map[string]any{"phase": "Baking"})
		wait, _ := follow(ctx, ns, diary)
		Eventually(diary.all).WithContext(wait).Should(Equal([]dynamicinformer.Event{{Type: "ADDED", Pizza: dynamicinformer.Pizza{
			Namespace: ns, Name: "margherita", UID: made.GetUID(), Size: "small", Toppings: []string{"basil", "tomato"}, Phase: "Baking",
		}}}))
	})

	It("tells of Pizzas that come, change and go, in order", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		wait, _ := follow(ctx, ns, diary)
		order(ctx, ns, "diavola", small("salami"), nil)
		change(ctx, ns, "diavola", map[string]any{"size": "large"})
		setStatus(ctx, ns, "diavola", map[string]any{"phase": "Baking"})
		remove(ctx, ns, "diavola")
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{
			"ADDED diavola small salami", "MODIFIED diavola large salami", "MODIFIED diavola large salami Baking", "DELETED diavola large salami Baking",
		}))
	})

	It("tells of a Pizza that is deleted and made again", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		first := order(ctx, ns, "diavola", small("salami"), nil)
		wait, _ := follow(ctx, ns, diary)
		remove(ctx, ns, "diavola")
		second := order(ctx, ns, "diavola", small("salami"), nil)
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{
			"ADDED diavola small salami", "DELETED diavola small salami", "ADDED diavola small salami",
		}))
		Expect(diary.uids()).To(HaveExactElements(first.GetUID(), first.GetUID(), second.GetUID()), "UIDs of the Pizzas, event by event")
	})

	It("tells of the Pizzas of its namespace alone", func(ctx SpecContext) {
		ns, other, diary := api.Namespace(ctx), api.Namespace(ctx), &diary{}
		order(ctx, other, "theirs", small(), nil)
		wait, _ := follow(ctx, ns, diary)
		order(ctx, other, "theirs-too", small(), nil)
		order(ctx, ns, "ours", small(), nil)
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"ADDED ours small"}))
	})

	It("tells of the Pizzas of all namespaces when none is given", func(ctx SpecContext) {
		one, two, diary := api.Namespace(ctx), api.Namespace(ctx), &diary{}
		order(ctx, one, "one-of-"+one, small(), nil)
		wait, _ := follow(ctx, "", diary)
		order(ctx, two, "two-of-"+two, small(), nil)
		Eventually(diary.read).WithContext(wait).Should(ContainElements("ADDED one-of-"+one+" small", "ADDED two-of-"+two+" small"))
	})

	It("tells of a Pizza that it cannot read, and goes on", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		odd := order(ctx, ns, "odd", map[string]any{"size": int64(30)}, nil)
		wait, _ := follow(ctx, ns, diary)
		order(ctx, ns, "margherita", small("basil"), nil)
		change(ctx, ns, "odd", map[string]any{"size": "small"})
		change(ctx, ns, "odd", map[string]any{"size": nil})
		remove(ctx, ns, "odd")
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{
			"ADDED odd unreadable", "ADDED margherita small basil", "MODIFIED odd small", "MODIFIED odd unreadable", "DELETED odd unreadable",
		}))
		first := diary.all()[0]
		Expect(first.Err).To(MatchError(ContainSubstring(ns+"/odd")), "the event's error names the pizza")
		Expect(first.Pizza).To(Equal(dynamicinformer.Pizza{Namespace: ns, Name: "odd", UID: odd.GetUID()}), "the Pizza that comes with the error")
	})

	It("tells of the Pizzas that go with their kind", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		resource := once(ctx, ns+".kubekata.dev", "Pizza", "pizzas")
		installed(ctx, resource)
		obj := object(ns, "last", small(), nil)
		obj.SetAPIVersion(resource.GroupVersion().String())
		_, err := api.JudgeDynamic().Resource(resource).Namespace(ns).Create(ctx, obj, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make pizza %s/last for the spec", ns)
		wait, _ := following(ctx, resource, ns, diary.tell)
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"ADDED last small"}))
		undefine(ctx, resource)
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"ADDED last small", "DELETED last small"}), "after the kind was deleted")
	})

	It("tells nothing of a Pizza to which nothing happens", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		order(ctx, ns, "margherita", small("basil"), nil)
		wait, _ := follow(ctx, ns, diary)
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"ADDED margherita small basil"}))
		Consistently(diary.read).WithContext(wait).WithTimeout(1500 * time.Millisecond).Should(Equal([]string{"ADDED margherita small basil"}))
	})

	It("tells of one event at a time", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			order(ctx, ns, name, small(), nil)
		}
		hold := harness.Closed(ctx)
		wait, _ := following(ctx, pizzas(ctx), ns, func(e dynamicinformer.Event) {
			diary.tell(e)
			hold.Wait()
		})
		DeferCleanup(hold.Open)
		Eventually(diary.read).WithContext(wait).ShouldNot(BeEmpty(), "what is told")
		Consistently(diary.read).WithContext(wait).WithTimeout(200*time.Millisecond).Should(HaveLen(1), "what is told while the first event is being looked at")
		hold.Open()
		Eventually(diary.read).WithContext(wait).Should(HaveLen(6), "what is told")
	})

	It("tells of any change, also of one that it does not read", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		wait, _ := follow(ctx, ns, diary)
		order(ctx, ns, "diavola", small("salami"), nil)
		change(ctx, ns, "diavola", map[string]any{"table": 7})
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"ADDED diavola small salami", "MODIFIED diavola small salami"}))
	})

	It("waits with its end for what it is telling", func(ctx SpecContext) {
		ns, diary, hold := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
		order(ctx, ns, "margherita", small("basil"), nil)
		wait, loop := following(ctx, pizzas(ctx), ns, func(e dynamicinformer.Event) {
			diary.tell(e)
			hold.Wait()
		})
		DeferCleanup(hold.Open)
		Eventually(diary.read).WithContext(wait).Should(HaveLen(1))
		stopped := make(chan error, 1)
		go func() { stopped <- loop.Stop() }()
		Consistently(loop.Done()).WithContext(ctx).WithTimeout(200*time.Millisecond).ShouldNot(BeClosed(), "Follow, while tell is being called")
		hold.Open()
		Eventually(stopped).WithContext(ctx).Should(Receive(Succeed()))
	})

	It("ends with its context, and tells nothing after that", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		order(ctx, ns, "margherita", small("basil"), nil)
		wait, loop := follow(ctx, ns, diary)
		Eventually(diary.read).WithContext(wait).Should(HaveLen(1))
		Expect(loop.Stop()).To(Succeed())
		Expect(loop.Err()).NotTo(HaveOccurred(), "Follow's error after its context has ended")
		remove(ctx, ns, "margherita")
		Consistently(diary.read).WithContext(ctx).WithTimeout(300*time.Millisecond).Should(HaveLen(1), "events, after Follow has returned")
	})

	When("the watch was interrupted", func() {
		It("tells of a deletion that it has not seen", func(ctx SpecContext) {
			ns, diary, over := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
			api.InterruptWatch("pizzas", order(ctx, ns, "diavola", small("salami"), nil), over)
			wait, _ := follow(ctx, ns, diary)
			remove(ctx, ns, "diavola")
			over.Open()
			Eventually(diary.read).WithContext(wait).Should(Equal([]string{"ADDED diavola small salami", "DELETED diavola small salami"}),
				"nobody has seen the Pizza go: it is missed when the cache is filled anew")
		})

		It("tells of a Pizza that was deleted and made again meanwhile as of two", func(ctx SpecContext) {
			ns, diary, over := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
			first := order(ctx, ns, "diavola", small("salami"), map[string]any{"phase": "Served"})
			api.InterruptWatch("pizzas", first, over)
			wait, _ := follow(ctx, ns, diary)
			remove(ctx, ns, "diavola")
			second := order(ctx, ns, "diavola", small("salami"), nil)
			over.Open()
			Eventually(diary.read).WithContext(wait).Should(Equal([]string{
				"ADDED diavola small salami Served", "DELETED diavola small salami Served", "ADDED diavola small salami",
			}), "another Pizza has the name now")
			Expect(diary.uids()).To(HaveExactElements(first.GetUID(), first.GetUID(), second.GetUID()), "UIDs of the Pizzas, event by event")
		})

		It("tells of a change that it has not seen", func(ctx SpecContext) {
			ns, diary, over := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
			api.InterruptWatch("pizzas", order(ctx, ns, "diavola", small("salami"), nil), over)
			wait, _ := follow(ctx, ns, diary)
			change(ctx, ns, "diavola", map[string]any{"size": "large"})
			over.Open()
			Eventually(diary.read).WithContext(wait).Should(Equal([]string{"ADDED diavola small salami", "MODIFIED diavola large salami"}))
		})

		It("tells nothing of a Pizza to which nothing has happened", func(ctx SpecContext) {
			ns, diary, over := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
			api.InterruptWatch("pizzas", order(ctx, ns, "diavola", small("salami"), nil), over)
			wait, _ := follow(ctx, ns, diary)
			over.Open()
			order(ctx, ns, "later", small(), nil)
			Eventually(diary.read).WithContext(wait).Should(ContainElement("ADDED later small"))
			Expect(diary.read()).To(Equal([]string{"ADDED diavola small salami", "ADDED later small"}))
		})
	})
})
