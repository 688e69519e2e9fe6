package dynamiccrd_test

import (
	"context"
	"fmt"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/harness/cluster"
	dynamiccrd "github.com/kubekata/kubekata/katas/stage1/08-dynamic-crd"
)

// attempts is the most writes that a function may make of its one change.
const attempts = 20

var _ = Describe("Order", func() {
	It("creates the Pizza", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := dynamiccrd.Order(ctx, api.Dynamic(), our(ctx), ns, "diavola", "large", "salami", "peppers")
		Expect(err).NotTo(HaveOccurred())
		Expect(stored(ctx, ns, "diavola")).To(HaveKeyWithValue("spec", map[string]any{"size": "large", "toppings": []any{"salami", "peppers"}}), "the spec of %s/diavola", ns)
	})

	It("creates a Pizza without toppings", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := dynamiccrd.Order(ctx, api.Dynamic(), our(ctx), ns, "plain", "small")
		Expect(err).NotTo(HaveOccurred())
		Expect(dynamiccrd.List(ctx, api.Dynamic(), our(ctx), ns)).To(HaveExactElements(And(
			HaveField("Name", "plain"), HaveField("Size", "small"), HaveField("Toppings", BeEmpty()))))
	})

	It("returns the Pizza as the server stored it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got, err := dynamiccrd.Order(ctx, api.Dynamic(), our(ctx), ns, "diavola", "large", "salami")
		Expect(err).NotTo(HaveOccurred())
		Expect(got.GetUID()).To(Equal(object(ctx, ns, "diavola").GetUID()), "the UID of the Pizza that Order returned")
	})

	It("reports a Pizza that is there already", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "large"}, nil)
		got, err := dynamiccrd.Order(ctx, api.Dynamic(), our(ctx), ns, "diavola", "small")
		Expect(err).To(Satisfy(apierrors.IsAlreadyExists), "the server said 409 AlreadyExists, got: %v", err)
		Expect(got).To(BeNil(), "the Pizza that is returned with an error")
	})
})

var _ = Describe("Resize", func() {
	It("changes the size", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small", "toppings": []any{"salami"}}, nil)
		Expect(dynamiccrd.Resize(ctx, api.Dynamic(), our(ctx), ns, "diavola", "large")).To(Succeed())
		Expect(stored(ctx, ns, "diavola")).To(HaveKeyWithValue("spec", map[string]any{"size": "large", "toppings": []any{"salami"}}), "the spec of %s/diavola", ns)
	})

	It("keeps fields that it has never heard of", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		delivery := map[string]any{"street": "Via Toledo", "floor": int64(3), "codes": []any{int64(1), "b", true}}
		bake(ctx, ns, "diavola", map[string]any{"size": "small", "delivery": delivery}, map[string]any{"oven": int64(2)})
		Expect(dynamiccrd.Resize(ctx, api.Dynamic(), our(ctx), ns, "diavola", "large")).To(Succeed())
		Expect(stored(ctx, ns, "diavola")).To(Equal(map[string]any{
			"spec": map[string]any{"size": "large", "delivery": delivery}, "status": map[string]any{"oven": int64(2)},
		}), "spec and status of %s/diavola: somebody else's spec.delivery and status.oven", ns)
	})

	It("keeps labels and annotations", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		obj := pizza(our(ctx), "diavola", map[string]any{"size": "small"})
		obj.SetLabels(map[string]string{"example.com/table": "4"})
		obj.SetAnnotations(map[string]string{"example.com/waiter": "the new one"})
		_, err := judge(our(ctx), ns).Create(ctx, obj, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make a Pizza for the spec")
		Expect(dynamiccrd.Resize(ctx, api.Dynamic(), our(ctx), ns, "diavola", "large")).To(Succeed())
		Expect(object(ctx, ns, "diavola").GetLabels()).To(Equal(obj.GetLabels()), "labels")
		Expect(object(ctx, ns, "diavola").GetAnnotations()).To(Equal(obj.GetAnnotations()), "annotations")
	})

	It("keeps what another writer changes meanwhile", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small", "toppings": []any{"salami"}}, nil)
		another(ctx, ns, "diavola", []any{"salami", "olives"}, "spec", "toppings")
		Expect(dynamiccrd.Resize(ctx, api.Dynamic(), our(ctx), ns, "diavola", "large")).To(Succeed(),
			"another writer added olives between our read and our write: start again from the Pizza as it is then")
		Expect(stored(ctx, ns, "diavola")).To(HaveKeyWithValue("spec", map[string]any{"size": "large", "toppings": []any{"salami", "olives"}}), "the spec of %s/diavola", ns)
	})
})

var _ = Describe("SetPhase", func() {
	It("sets the phase of a Pizza that has no status", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small"}, nil)
		Expect(dynamiccrd.SetPhase(ctx, api.Dynamic(), our(ctx), ns, "diavola", "Baking")).To(Succeed())
		Expect(stored(ctx, ns, "diavola")).To(HaveKeyWithValue("status", map[string]any{"phase": "Baking"}), "the status of %s/diavola: it is written through the status subresource alone", ns)
	})

	It("keeps the rest of the status", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small"}, map[string]any{"phase": "Ordered", "oven": int64(2)})
		Expect(dynamiccrd.SetPhase(ctx, api.Dynamic(), our(ctx), ns, "diavola", "Baking")).To(Succeed())
		Expect(stored(ctx, ns, "diavola")).To(HaveKeyWithValue("status", map[string]any{"phase": "Baking", "oven": int64(2)}), "the status of %s/diavola", ns)
	})

	It("leaves the spec alone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small", "delivery": map[string]any{"floor": int64(3)}}, nil)
		before := object(ctx, ns, "diavola")
		Expect(dynamiccrd.SetPhase(ctx, api.Dynamic(), our(ctx), ns, "diavola", "Baking")).To(Succeed())
		after := object(ctx, ns, "diavola")
		Expect(after.Object["spec"]).To(Equal(before.Object["spec"]), "the spec of %s/diavola", ns)
		Expect(after.GetGeneration()).To(Equal(before.GetGeneration()), "the generation, which counts the changes of the spec")
	})

	It("sets the phase when another writer changes the spec meanwhile", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small"}, nil)
		another(ctx, ns, "diavola", "large", "spec", "size")
		Expect(dynamiccrd.SetPhase(ctx, api.Dynamic(), our(ctx), ns, "diavola", "Baking")).To(Succeed(),
			"another writer made it large between our read and our write: start again from the Pizza as it is then")
		Expect(stored(ctx, ns, "diavola")).To(Equal(map[string]any{
			"spec": map[string]any{"size": "large"}, "status": map[string]any{"phase": "Baking"},
		}), "spec and status of %s/diavola", ns)
	})
})

var _ = Describe("A change", func() {
	type change func(ctx context.Context, ns, name string) error
	resize := change(func(ctx context.Context, ns, name string) error {
		return dynamiccrd.Resize(ctx, api.Dynamic(), our(ctx), ns, name, "large")
	})
	setPhase := change(func(ctx context.Context, ns, name string) error {
		return dynamiccrd.SetPhase(ctx, api.Dynamic(), our(ctx), ns, name, "Baking")
	})

	DescribeTable("of a Pizza that does not exist is NotFound", func(ctx SpecContext, f change) {
		err := f(ctx, api.Namespace(ctx), "calzone")
		Expect(err).To(Satisfy(apierrors.IsNotFound), "the server said 404 NotFound, got: %v", err)
	}, Entry("by Resize", resize), Entry("by SetPhase", setPhase))

	DescribeTable("that never stops conflicting is given up", func(ctx SpecContext, f change) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small"}, nil)
		refuse(isWrite, metav1.StatusReasonConflict, 409)
		err := f(ctx, ns, "diavola")
		Expect(err).To(Satisfy(apierrors.IsConflict), "every write was answered with 409 Conflict, got: %v", err)
		Expect(writes()).To(BeNumerically("<=", attempts), "attempts")
		Expect(writes()).To(BeNumerically(">", 2), "attempts: a conflict alone, or two, is no reason to give up")
	}, Entry("by Resize", resize), Entry("by SetPhase", setPhase))

	DescribeTable("that is refused is not tried again", func(ctx SpecContext, f change) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small"}, nil)
		refuse(isWrite, metav1.StatusReasonForbidden, 403)
		err := f(ctx, ns, "diavola")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", err)
		Expect(writes()).To(Equal(1), "attempts")
	}, Entry("by Resize", resize), Entry("by SetPhase", setPhase))

	DescribeTable("whose context ends before it is written ends", func(ctx SpecContext, f change) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "small"}, nil)
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if isWrite(r) {
				cancel()
			}
			return nil
		})
		Expect(f(ending, ns, "diavola")).To(MatchError(context.Canceled), "every request takes the caller's context, also the second")
	}, Entry("by Resize", resize), Entry("by SetPhase", setPhase))
})

var _ = Describe("List", func() {
	It("returns the Pizzas of the namespace, and of no other", func(ctx SpecContext) {
		ns, elsewhere := api.Namespace(ctx), api.Namespace(ctx)
		bake(ctx, ns, "diavola", map[string]any{"size": "large", "toppings": []any{"salami", "peppers"}}, map[string]any{"phase": "Baking"})
		bake(ctx, elsewhere, "marinara", map[string]any{"size": "small"}, nil)
		Expect(dynamiccrd.List(ctx, api.Dynamic(), our(ctx), ns)).To(Equal([]dynamiccrd.Pizza{
			{Name: "diavola", Size: "large", Toppings: []string{"salami", "peppers"}, Phase: "Baking"},
		}), "the Pizzas of %s", ns)
	})

	It("returns all of them, in the server's order", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		for _, name := range []string{"c", "a", "b"} {
			bake(ctx, ns, name, map[string]any{"size": "small"}, nil)
		}
		Expect(dynamiccrd.List(ctx, api.Dynamic(), our(ctx), ns)).To(HaveExactElements(HaveField("Name", "a"), HaveField("Name", "b"), HaveField("Name", "c")))
	})

	It("returns all of them, also when there are more than it asks for at once", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "first", map[string]any{"size": "small"}, nil)
		Expect(dynamiccrd.List(ctx, api.Dynamic(), our(ctx), ns)).To(HaveLen(1))
		// Whoever lists page by page gets one Pizza more than a page holds; to whoever does not, two are as good as many.
		more := 1
		for _, r := range api.Requests() {
			if limit, err := strconv.Atoi(r.Query.Get("limit")); err == nil {
				more = min(limit, 1000)
			}
		}
		for i := range more {
			bake(ctx, ns, fmt.Sprintf("more-%d", i), map[string]any{"size": "small"}, nil)
		}
		got, err := dynamiccrd.List(ctx, api.Dynamic(), our(ctx), ns)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(got)).To(Equal(more+1), "Pizzas of %s", ns)
	})

	It("returns a Pizza that has neither toppings nor a status", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "plain", map[string]any{"size": "small"}, nil)
		Expect(dynamiccrd.List(ctx, api.Dynamic(), our(ctx), ns)).To(HaveExactElements(And(
			HaveField("Name", "plain"), HaveField("Size", "small"), HaveField("Toppings", BeEmpty()), HaveField("Phase", ""))))
	})

	It("returns none where there are none", func(ctx SpecContext) {
		got, err := dynamiccrd.List(ctx, api.Dynamic(), our(ctx), api.Namespace(ctx))
		Expect(err).NotTo(HaveOccurred(), "a namespace without Pizzas is no failure")
		Expect(got).To(BeEmpty())
	})

	DescribeTable("names the Pizza that is not what it thinks", func(ctx SpecContext, spec, status map[string]any) {
		ns := api.Namespace(ctx)
		bake(ctx, ns, "fine", map[string]any{"size": "small"}, nil)
		bake(ctx, ns, "odd", spec, status)
		got, err := dynamiccrd.List(ctx, api.Dynamic(), our(ctx), ns)
		Expect(err).To(HaveOccurred(), "a Pizza with the spec %v and the status %v: a wrong type is not an absent field", spec, status)
		Expect(err).To(MatchError(ContainSubstring("odd")), "the message names the Pizza")
		Expect(got).To(BeEmpty(), "the list that is returned with an error")
	},
		Entry("in size", map[string]any{"size": int64(3)}, nil),
		Entry("in toppings", map[string]any{"size": "small", "toppings": "salami"}, nil),
		Entry("in one topping", map[string]any{"size": "small", "toppings": []any{"salami", int64(4)}}, nil),
		Entry("in phase", map[string]any{"size": "small"}, map[string]any{"phase": map[string]any{"oven": "2"}}),
	)

	DescribeTable("names the Pizza of which a whole part is not what it thinks", func(ctx SpecContext, field string) {
		ns := api.Namespace(ctx)
		odd := pizza(our(ctx), "odd", map[string]any{"size": "small"})
		odd.Object[field] = "hot"
		made, err := judge(ours, ns).Create(ctx, odd, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make pizza %s/odd for the spec", ns)
		if field == "status" {
			made.Object[field] = "hot"
			_, err = judge(ours, ns).UpdateStatus(ctx, made, metav1.UpdateOptions{})
			Expect(err).NotTo(HaveOccurred(), "set the status of pizza %s/odd for the spec", ns)
		}
		_, err = dynamiccrd.List(ctx, api.Dynamic(), our(ctx), ns)
		Expect(err).To(MatchError(ContainSubstring("odd")), "a Pizza whose %s is a string: the message names the Pizza", field)
	},
		Entry("spec", "spec"),
		Entry("status", "status"),
	)

	It("reports a resource that the server does not serve", func(ctx SpecContext) {
		_, err := dynamiccrd.List(ctx, api.Dynamic(), dynamiccrd.Pizzas("nowhere.kubekata.dev"), api.Namespace(ctx))
		Expect(err).To(Satisfy(apierrors.IsNotFound), "the server said 404 NotFound, got: %v", err)
	})
})

var _ = DescribeTable("A context that has ended ends", func(ctx SpecContext, call func(context.Context, string) error) {
	ns := api.Namespace(ctx)
	bake(ctx, ns, "diavola", map[string]any{"size": "small"}, nil)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	Expect(call(ended, ns)).To(MatchError(context.Canceled), "every request takes the caller's context")
},
	Entry("Order", func(ctx context.Context, ns string) error {
		_, err := dynamiccrd.Order(ctx, api.Dynamic(), ours, ns, "calzone", "small")
		return err
	}),
	Entry("Resize", func(ctx context.Context, ns string) error {
		return dynamiccrd.Resize(ctx, api.Dynamic(), ours, ns, "diavola", "large")
	}),
	Entry("SetPhase", func(ctx context.Context, ns string) error {
		return dynamiccrd.SetPhase(ctx, api.Dynamic(), ours, ns, "diavola", "Baking")
	}),
	Entry("List", func(ctx context.Context, ns string) error {
		_, err := dynamiccrd.List(ctx, api.Dynamic(), ours, ns)
		return err
	}),
)
