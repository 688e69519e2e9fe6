package patch_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/katas/stage1/11-patch"
)

var _ = Describe("AddTopping", func() {
	var ns string
	var gvr schema.GroupVersionResource
	BeforeEach(func(ctx SpecContext) { ns, gvr = api.Namespace(ctx), pizzaResource(ctx) })

	It("adds the topping to the end of the list", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese", "ham"})
		Expect(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "pineapple")).To(Succeed())
		Expect(toppings(ctx, ns)).To(Equal([]any{"cheese", "ham", "pineapple"}), "spec.toppings of pizza %s/hawaii", ns)
	})

	It("begins a list that is not there", func(ctx SpecContext) {
		pizza(ctx, ns, nil)
		Expect(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "cheese")).To(Succeed())
		Expect(toppings(ctx, ns)).To(Equal([]any{"cheese"}), "spec.toppings of pizza %s/hawaii", ns)
	})

	It("writes nothing when the topping is there", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese", "ham"})
		Expect(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "cheese")).To(Succeed())
		Expect(toppings(ctx, ns)).To(Equal([]any{"cheese", "ham"}), "spec.toppings of pizza %s/hawaii", ns)
		Expect(writes()).To(BeEmpty(), "writes, with nothing to change")
	})

	It("keeps the rest of the pizza", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese"})
		Expect(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "ham")).To(Succeed())
		Expect(pizzaSpec(ctx, ns)).To(HaveKeyWithValue("dough", "sour"), "spec of pizza %s/hawaii", ns)
	})

	It("keeps the topping that somebody else adds at the same time", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese"})
		before(func() { putToppings(ctx, ns, []any{"cheese", "olives"}) })
		Expect(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "ham")).To(Succeed())
		Expect(toppings(ctx, ns)).To(Equal([]any{"cheese", "olives", "ham"}),
			"spec.toppings of pizza %s/hawaii, to which somebody added olives between our reading and our patch", ns)
	})

	It("is content when somebody else adds the same topping at the same time", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese"})
		before(func() { putToppings(ctx, ns, []any{"cheese", "ham"}) })
		Expect(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "ham")).To(Succeed())
		Expect(toppings(ctx, ns)).To(Equal([]any{"cheese", "ham"}), "spec.toppings of pizza %s/hawaii", ns)
	})

	It("gives up after a few attempts, with the conflict", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese"})
		refuseWrites(metav1.StatusReasonConflict, 409)
		err := patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "ham")
		Expect(err).To(Satisfy(apierrors.IsConflict), "want an error that apierrors.IsConflict recognises, got: %v", err)
		Expect(len(writes())).To(And(BeNumerically(">", 1), BeNumerically("<=", 20)), "attempts")
	})

	It("reports a write that the server refuses, and does not insist", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese"})
		refuseWrites(metav1.StatusReasonForbidden, 403)
		err := patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "ham")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "want an error that apierrors.IsForbidden recognises, got: %v", err)
		Expect(writes()).To(HaveLen(1), "writes: a refusal that is no conflict will not be another one the next time")
	})

	DescribeTable("leaves alone what it cannot read", func(ctx SpecContext, odd any) {
		pizza(ctx, ns, odd)
		Expect(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "olives")).To(MatchError(ContainSubstring("toppings")),
			"an error that names the field spec.toppings, which is no list of strings")
		Expect(toppings(ctx, ns)).To(Equal(odd), "spec.toppings of pizza %s/hawaii", ns)
	},
		Entry("as a list of more than strings", []any{"cheese", map[string]any{"name": "ham", "grams": int64(80)}}),
		Entry("as a text", "cheese"),
	)

	It("ends with its context, also between its requests", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese"})
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		before(cancel)
		Expect(patch.AddTopping(ending, api.Dynamic(), gvr, ns, "hawaii", "ham")).To(MatchError(context.Canceled), "every request takes the caller's context, also the second")
	})

	It("sends a JSON merge patch", func(ctx SpecContext) {
		pizza(ctx, ns, []any{"cheese"})
		Expect(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", "ham")).To(Succeed())
		Expect(writes()).To(HaveExactElements(HaveField("ContentType", "application/merge-patch+json")), "writes")
	})

	It("reports a pizza that is not there", func(ctx SpecContext) {
		expectNotFound(patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "nowhere", "ham"))
	})
})

var _ = Describe("The field manager", func() {
	DescribeTable("is the same in every call of", func(ctx SpecContext, call func(ctx SpecContext, ns string, second bool) error, managers func(ctx SpecContext, ns string) []string) {
		ns := api.Namespace(ctx)
		web(ctx, ns, map[string]string{shift: "early"})
		menu(ctx, ns, map[string]string{"margherita": "8"})
		pod(ctx, ns)
		Expect(call(ctx, ns, false)).To(Succeed(), "the first call")
		Expect(call(ctx, ns, true)).To(Succeed(), "the second call")
		Expect(managers(ctx, ns)).To(ConsistOf(patch.FieldManager),
			"who has written the object since it was made, by its managedFields: a name for each call would leave fields that nobody gives up")
	},
		Entry("SwapAnnotation", func(ctx SpecContext, ns string, second bool) error {
			values := []string{"early", "late", "night"}
			if second {
				values = values[1:]
			}
			return patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, values[0], values[1])
		}, deploymentManagers),
		Entry("SetData", func(ctx SpecContext, ns string, second bool) error {
			return patch.SetData(ctx, api.Clientset(), ns, "menu", map[string]*string{fmt.Sprint(second): new("9")})
		}, menuManagers),
		Entry("AddTopping", func(ctx SpecContext, ns string, second bool) error {
			gvr := pizzaResource(ctx)
			if !second {
				pizza(ctx, ns, []any{"cheese"})
			}
			return patch.AddTopping(ctx, api.Dynamic(), gvr, ns, "hawaii", fmt.Sprint("topping-", second))
		}, pizzaManagers),
		Entry("SetEnv", func(ctx SpecContext, ns string, second bool) error {
			return patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", fmt.Sprintf("SECOND_%t", second), new("1"))
		}, deploymentManagers),
		Entry("Debug", func(ctx SpecContext, ns string, second bool) error {
			return patch.Debug(ctx, api.Clientset(), ns, "web", fmt.Sprint("look-", second), "busybox:1.37", "web")
		}, podManagers),
		Entry("Apply", func(ctx SpecContext, ns string, second bool) error {
			_, err := patch.Apply(ctx, api.Clientset(), ns, "web", fmt.Sprint("nginx:second-", second), nil, true)
			return err
		}, deploymentManagers),
	)
})

// writes returns the learner's requests that change something.
func writes() []cluster.Request {
	found := []cluster.Request{}
	for _, r := range api.Requests() {
		if isWrite(r) {
			found = append(found, r)
		}
	}
	return found
}
