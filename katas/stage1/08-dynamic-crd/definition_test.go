package dynamiccrd_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	dynamiccrd "github.com/kubekata/kubekata/katas/stage1/08-dynamic-crd"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestDynamicCRD(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 08-dynamic-crd") }

var _ = Describe("Definition", func() {
	It("holds nothing that an Unstructured may not hold", func() {
		definition := dynamiccrd.Definition("pizza.example.com")
		Expect(func() { definition.DeepCopy() }).NotTo(Panic(),
			"DeepCopy of the definition: inside an Unstructured there are map[string]any, []any, string, bool, int64 and float64 alone")
	})

	It("names the resource as the server wants it", func() {
		definition := dynamiccrd.Definition("pizza.example.com")
		Expect(definition.GetAPIVersion()).To(Equal("apiextensions.k8s.io/v1"))
		Expect(definition.GetKind()).To(Equal("CustomResourceDefinition"))
		Expect(definition.GetName()).To(Equal("pizzas.pizza.example.com"), "plural, dot, group")
	})

	It("is one that the server serves", func(ctx SpecContext) {
		gvr := defined(ctx)
		ns := api.Namespace(ctx)
		made, err := judge(gvr, ns).Create(ctx, pizza(gvr, "margherita", map[string]any{"size": "small", "toppings": []any{"basil"}}), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create a small Pizza with basil")
		Expect(made.Object["spec"]).To(Equal(map[string]any{"size": "small", "toppings": []any{"basil"}}), "its spec, as stored")
	})

	It("has one version", func() {
		versions, _, err := unstructured.NestedSlice(dynamiccrd.Definition("pizza.example.com").Object, "spec", "versions")
		Expect(err).NotTo(HaveOccurred())
		Expect(versions).To(HaveExactElements(HaveKeyWithValue("name", "v1")), "spec.versions")
	})

	It("is one of a kind in namespaces", func() {
		scope, _, err := unstructured.NestedString(dynamiccrd.Definition("pizza.example.com").Object, "spec", "scope")
		Expect(err).NotTo(HaveOccurred())
		Expect(scope).To(Equal("Namespaced"), "spec.scope")
	})

	DescribeTable("lets the server refuse", func(ctx SpecContext, spec map[string]any, where string) {
		gvr := defined(ctx)
		bad := pizza(gvr, "bad", spec)
		if spec == nil {
			delete(bad.Object, "spec")
		}
		_, err := judge(gvr, api.Namespace(ctx)).Create(ctx, bad, metav1.CreateOptions{})
		Expect(err).To(Satisfy(apierrors.IsInvalid), "creating a Pizza with the spec %v: want 422 Invalid, got: %v", spec, err)
		Expect(err).To(MatchError(ContainSubstring(where)), "the field that the server complains about")
	},
		Entry("a Pizza without a spec", nil, "spec"),
		Entry("a Pizza without a size", map[string]any{"toppings": []any{"basil"}}, "spec.size"),
		Entry("a size that there is not", map[string]any{"size": "huge"}, "spec.size"),
		Entry("a size that is a number", map[string]any{"size": int64(3)}, "spec.size"),
		Entry("toppings that are not a list", map[string]any{"size": "small", "toppings": "basil"}, "spec.toppings"),
		Entry("toppings that are not strings", map[string]any{"size": "small", "toppings": []any{int64(1)}}, "spec.toppings"),
	)

	DescribeTable("lets the server take", func(ctx SpecContext, size string) {
		gvr := defined(ctx)
		_, err := judge(gvr, api.Namespace(ctx)).Create(ctx, pizza(gvr, "good", map[string]any{"size": size}), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create a Pizza of the size %s, without toppings", size)
	},
		Entry("small", "small"), Entry("medium", "medium"), Entry("large", "large"),
	)

	It("keeps fields of the spec that it does not name", func(ctx SpecContext) {
		gvr := defined(ctx)
		spec := map[string]any{"size": "small", "delivery": map[string]any{"street": "Via Toledo", "floor": int64(3)}}
		made, err := judge(gvr, api.Namespace(ctx)).Create(ctx, pizza(gvr, "delivered", spec), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create a Pizza with a field that the schema does not name")
		Expect(made.Object["spec"]).To(Equal(spec), "the spec, as stored: the server prunes what the schema neither names nor preserves")
	})

	It("has a status that only the status subresource writes", func(ctx SpecContext) {
		gvr := defined(ctx)
		ns := api.Namespace(ctx)
		obj := pizza(gvr, "baked", map[string]any{"size": "small"})
		obj.Object["status"] = map[string]any{"phase": "Baked"}
		made, err := judge(gvr, ns).Create(ctx, obj.DeepCopy(), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create a Pizza")
		Expect(made.Object).NotTo(HaveKey("status"), "the status that the Pizza was created with: the server drops it where there is a subresource")
		made.Object["status"] = obj.Object["status"]
		made, err = judge(gvr, ns).UpdateStatus(ctx, made, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "update the status")
		Expect(made.Object["status"]).To(Equal(obj.Object["status"]), "the status, as stored")
	})

	It("lets the server refuse a phase that is not a string", func(ctx SpecContext) {
		gvr := defined(ctx)
		ns := api.Namespace(ctx)
		made, err := judge(gvr, ns).Create(ctx, pizza(gvr, "baked", map[string]any{"size": "small"}), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create a Pizza")
		made.Object["status"] = map[string]any{"phase": int64(2)}
		_, err = judge(gvr, ns).UpdateStatus(ctx, made, metav1.UpdateOptions{})
		Expect(err).To(Satisfy(apierrors.IsInvalid), "a phase of 2: want 422 Invalid, got: %v", err)
	})
})

var _ = Describe("Install", func() {
	It("creates the definition, and returns when it is established", func(ctx SpecContext) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		Expect(dynamiccrd.Install(ctx, api.Dynamic(), crd)).To(Succeed())
		Expect(established(ctx, crd.GetName())).To(BeTrue(), "Established of %s", crd.GetName())
	})

	It("goes on looking as long as it is not established", func(ctx SpecContext) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		var looks atomic.Int32
		unestablished(crd, func() bool { return looks.Add(1) <= 3 })
		Expect(dynamiccrd.Install(ctx, api.Dynamic(), crd)).To(Succeed())
		Expect(looks.Load()).To(BeNumerically(">", 3), "looks at the definition: the first three showed one without conditions")
	})

	It("goes on looking as long as Established is False", func(ctx SpecContext) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		var looks atomic.Int32
		unestablished(crd, func() bool { return looks.Add(1) <= 3 }, map[string]any{"type": "Established", "status": "False", "reason": "Installing", "message": "the initial names have been accepted"})
		Expect(dynamiccrd.Install(ctx, api.Dynamic(), crd)).To(Succeed())
		Expect(looks.Load()).To(BeNumerically(">", 3), "looks at the definition: the first three showed Established, False")
	})

	It("has no patience of its own: the context's is all", func(ctx SpecContext) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		unestablished(crd, func() bool { return true })
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			defer GinkgoRecover()
			done <- dynamiccrd.Install(waiting, api.Dynamic(), crd)
		}()
		Consistently(done).WithContext(ctx).WithTimeout(6*time.Second).WithPolling(100*time.Millisecond).ShouldNot(Receive(), "Install, while the definition is not established: six seconds are nothing to a busy server")
		cancel()
		Eventually(done).WithContext(ctx).Should(Receive(MatchError(context.Canceled)))
	})

	It("waits for a definition that is there already, and leaves it as it is", func(ctx SpecContext) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		first := crd.DeepCopy()
		first.SetAnnotations(map[string]string{"example.com/installed-by": "somebody else"})
		_, err := definitions().Create(ctx, first, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create the definition as somebody else")
		var looks atomic.Int32
		unestablished(crd, func() bool { return looks.Add(1) <= 2 })
		Expect(dynamiccrd.Install(ctx, api.Dynamic(), crd)).To(Succeed(), "the definition is there already: that is no failure")
		Expect(looks.Load()).To(BeNumerically(">", 2), "looks at the definition: the first two showed one without conditions")
		got, err := definitions().Get(ctx, crd.GetName(), metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get the definition")
		Expect(got.GetAnnotations()).To(HaveKeyWithValue("example.com/installed-by", "somebody else"), "an annotation of the one who installed it")
	})

	It("gives a definition up whose names another one has", func(ctx SpecContext) {
		g := group(ctx)
		first, second := open(g, "pizzas"), open(g, "pizze") // both of the kind Pizza
		remove(first.GetName())
		remove(second.GetName())
		api.Define(ctx, first)
		err := answered(ctx, 5*time.Second, func(ctx context.Context) error { return dynamiccrd.Install(ctx, api.Dynamic(), second) })
		Expect(err).To(MatchError(dynamiccrd.ErrRefused), "another definition has the kind Pizza, and NamesAccepted is False: Established never comes")
		Expect(err).To(MatchError(ContainSubstring("already in use")), "the server's message, which says what is wrong")
	})

	It("ends with its context", func(ctx SpecContext) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		short, cancel := context.WithCancel(ctx)
		defer cancel()
		var looks atomic.Int32
		unestablished(crd, func() bool {
			if looks.Add(1) == 3 {
				cancel()
			}
			return true
		})
		err := answered(short, 15*time.Second, func(ctx context.Context) error { return dynamiccrd.Install(ctx, api.Dynamic(), crd) })
		Expect(err).To(MatchError(context.Canceled), "the context ended at the third look, and the definition was not established")
	})

	DescribeTable("reports at once that it may not", func(ctx SpecContext, match func(cluster.Request) bool) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		refuse(match, metav1.StatusReasonForbidden, 403)
		err := answered(ctx, 15*time.Second, func(ctx context.Context) error { return dynamiccrd.Install(ctx, api.Dynamic(), crd) })
		Expect(err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", err)
	},
		Entry("create definitions", isWrite),
		Entry("look at definitions", func(r cluster.Request) bool { return !isWrite(r) }),
	)

	DescribeTable("reports at once what the server answers", func(ctx SpecContext, reason metav1.StatusReason, code int32) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		refuse(func(r cluster.Request) bool { return !isWrite(r) }, reason, code)
		err := answered(ctx, 5*time.Second, func(ctx context.Context) error { return dynamiccrd.Install(ctx, api.Dynamic(), crd) })
		Expect(apierrors.ReasonForError(err)).To(Equal(reason), "the reason of the error, when every look at definitions is answered with %d; got: %v", code, err)
	},
		Entry("an error of its own", metav1.StatusReasonInternalError, int32(500)),
		Entry("that the token has expired", metav1.StatusReasonUnauthorized, int32(401)),
	)

	It("leaves the caller's object as it is", func(ctx SpecContext) {
		crd := open(group(ctx), "pizzas")
		remove(crd.GetName())
		before := crd.DeepCopy()
		Expect(dynamiccrd.Install(ctx, api.Dynamic(), crd)).To(Succeed())
		Expect(crd.Object).To(Equal(before.Object), "the definition that the caller holds")
	})
})

// answered runs f beside the spec, with a context that ends after the bound, and returns its error. A function that does not
// look at its context is left behind, and fails the spec.
func answered(ctx context.Context, bound time.Duration, f func(context.Context) error) error {
	GinkgoHelper()
	short, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer GinkgoRecover()
		done <- f(short)
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(bound + 2*time.Second):
		Fail("it has not returned although its context has ended")
		return errors.New("unreachable")
	}
}

func established(ctx context.Context, name string) bool {
	GinkgoHelper()
	crd, err := definitions().Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get the definition %s", name)
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, c := range conditions {
		if c := c.(map[string]any); c["type"] == "Established" {
			return c["status"] == "True"
		}
	}
	return false
}
