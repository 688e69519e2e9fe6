package codegen_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	codegen "github.com/kubekata/kubekata/katas/stage3/02-codegen"
	bakeryv1 "github.com/kubekata/kubekata/katas/stage3/02-codegen/apis/bakery/v1"
)

var _ = harness.NoLeaks()

// The API group is in the types, so two suites could not share a server.
var api = cluster.Separate()

func TestCodegen(t *testing.T) {
	if tool := os.Getenv(generatorEnv); tool != "" {
		if err := runGenerator(tool); err != nil {
			t.Fatal(err)
		}
		return
	}
	harness.RunSpecs(t, "Stage 3 · 02-codegen")
}

var _ = Describe("Order", func() {
	It("creates a Loaf with its defaults", func(ctx SpecContext) {
		k := newKitchen(ctx)
		made, err := codegen.Order(ctx, k.client, k.loaf("rye", bakeryv1.LoafSpec{Flour: "rye", Salt: new(int32(0))}))
		Expect(err).NotTo(HaveOccurred())
		want := bakeryv1.LoafSpec{Flour: "rye", Salt: new(int32(0)), Steps: []bakeryv1.Step{{Name: "bake", Minutes: new(int32(10))}}}
		Expect(made.Spec).To(Equal(want), "the spec of the Loaf that Order returns")
		Expect(made.UID).NotTo(BeEmpty(), "the UID of the Loaf that Order returns: the server has made it")
		Expect(k.get(ctx, "rye").Spec).To(Equal(want), "the spec of the Loaf that the server has")
	})

	It("leaves the Loaf that it was given as it is", func(ctx SpecContext) {
		k := newKitchen(ctx)
		mine := k.loaf("rye", bakeryv1.LoafSpec{Steps: []bakeryv1.Step{{Name: "bake"}}})
		before := mine.DeepCopy()
		_, err := codegen.Order(ctx, k.client, mine)
		Expect(err).NotTo(HaveOccurred())
		Expect(mine).To(Equal(before), "the Loaf that was passed to Order")
	})

	It("returns the server's error, as it is", func(ctx SpecContext) {
		k := newKitchen(ctx)
		k.create(ctx, "rye", bakeryv1.LoafStatus{})
		_, err := codegen.Order(ctx, k.client, k.loaf("rye", bakeryv1.LoafSpec{}))
		Expect(apierrors.IsAlreadyExists(err)).To(BeTrue(), "the error of Order, when there is a Loaf of that name: got %v", err)
		Expect(err).To(BeAssignableToTypeOf(&apierrors.StatusError{}), "the error of Order")
	})

	It("ends with its context", func(ctx SpecContext) {
		k := newKitchen(ctx)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := codegen.Order(ended, k.client, k.loaf("rye", bakeryv1.LoafSpec{}))
		Expect(err).To(MatchError(context.Canceled), "the error of Order, whose context has ended")
		Expect(codegen.Weigh(ended, k.client, k.ns, "rye", 1)).To(MatchError(context.Canceled), "the error of Weigh, whose context has ended")
	})
})

var _ = Describe("Weigh", func() {
	It("writes the weight into the status", func(ctx SpecContext) {
		k := newKitchen(ctx)
		baked := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		k.create(ctx, "rye", bakeryv1.LoafStatus{BakedAt: &baked})
		Expect(codegen.Weigh(ctx, k.client, k.ns, "rye", 750)).To(Succeed())
		status := k.get(ctx, "rye").Status
		Expect(status.Grams).To(HaveValue(BeEquivalentTo(750)), "status.grams of loaf %s/rye", k.ns)
		Expect(status.BakedAt).NotTo(BeNil(), "status.bakedAt of loaf %s/rye, which was there before", k.ns)
	})

	It("tries again when somebody was faster, and faster again", func(ctx SpecContext) {
		k := newKitchen(ctx)
		k.create(ctx, "rye", bakeryv1.LoafStatus{})
		k.meanwhile(3, func(ctx context.Context, n int) { k.note(ctx, "rye", "en", fmt.Sprintf("contains %d nuts", n)) })
		Expect(codegen.Weigh(ctx, k.client, k.ns, "rye", 750)).To(Succeed())
		loaf := k.get(ctx, "rye")
		Expect(loaf.Status.Grams).To(HaveValue(BeEquivalentTo(750)), "status.grams of loaf %s/rye", k.ns)
		Expect(loaf.Spec.Notes).To(HaveKey("en"), "spec.notes, which somebody else has written in between")
	})

	It("gives up on what is no conflict", func(ctx SpecContext) {
		k := newKitchen(ctx)
		Expect(apierrors.IsNotFound(codegen.Weigh(ctx, k.client, k.ns, "nothing", 750))).To(BeTrue(), "the error of Weigh is the server's: there is no such Loaf")
		Expect(len(api.Requests())).To(BeNumerically("<=", 2), "requests of Weigh for a Loaf that is not there: %v", api.Requests())
		k.create(ctx, "rye", bakeryv1.LoafStatus{})
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "get" {
				return nil
			}
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "not today"}}
		})
		Expect(apierrors.IsForbidden(codegen.Weigh(ctx, k.client, k.ns, "rye", 750))).To(BeTrue(), "the error of Weigh is the server's: it has refused the write")
		writes := 0
		for _, r := range api.Requests() {
			if r.Name == "rye" && (r.Verb == "update" || r.Verb == "patch") {
				writes++
			}
		}
		Expect(writes).To(Equal(1), "writes of Weigh, of which the first was refused for good")
	})
})

var _ = Describe("A Shelf", func() {
	It("asks the server for nothing until it runs", func(ctx SpecContext) {
		k := newKitchen(ctx)
		Expect(codegen.NewShelf(k.client, k.ns)).NotTo(BeNil())
		Expect(api.Requests()).To(BeEmpty(), "requests of NewShelf")
	})

	It("has the Loaves that are baked, by name", func(ctx SpecContext) {
		k := newKitchen(ctx)
		k.create(ctx, "wheat", bakeryv1.LoafStatus{Grams: new(int32(500))})
		k.create(ctx, "dough", bakeryv1.LoafStatus{})
		k.create(ctx, "air", bakeryv1.LoafStatus{Grams: new(int32(0))})
		k.create(ctx, "rye", bakeryv1.LoafStatus{Grams: new(int32(750))})
		shelf, wait := k.shelf(ctx)
		Expect(shelf.Wait(wait)).To(Succeed())
		Expect(names(shelf.Baked())).To(Equal([]string{"air", "rye", "wheat"}), "the Loaves with a weight, and 0 is one")
	})

	It("follows the server, without asking it for each look", func(ctx SpecContext) {
		k := newKitchen(ctx)
		k.create(ctx, "rye", bakeryv1.LoafStatus{Grams: new(int32(750))})
		shelf, wait := k.shelf(ctx)
		Expect(shelf.Wait(wait)).To(Succeed())
		k.create(ctx, "wheat", bakeryv1.LoafStatus{Grams: new(int32(500))})
		Eventually(func() []string { return names(shelf.Baked()) }).WithContext(wait).Should(Equal([]string{"rye", "wheat"}), "the shelf, after wheat was baked")
		k.remove(ctx, "rye")
		Eventually(func() []string { return names(shelf.Baked()) }).WithContext(wait).Should(Equal([]string{"wheat"}), "the shelf, after rye was sold")
		lists := 0
		for _, r := range api.Requests() {
			if r.Verb == "get" || r.Verb == "list" {
				lists++
			}
		}
		Expect(lists).To(BeNumerically("<=", 1), "gets and lists of the shelf: it has a cache")
	})

	It("ends with its context, without an error", func(ctx SpecContext) {
		k := newKitchen(ctx)
		shelf := codegen.NewShelf(k.client, k.ns)
		wait, loop := harness.Start(ctx, "Shelf.Run", shelf.Run)
		Expect(shelf.Wait(wait)).To(Succeed())
		Expect(loop.Stop()).To(Succeed())
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returns when its context has ended")
	})

	It("looks at its own namespace alone", func(ctx SpecContext) {
		k := newKitchen(ctx)
		k.create(ctx, "rye", bakeryv1.LoafStatus{Grams: new(int32(750))})
		elsewhere := &kitchen{client: k.client, judge: k.judge, ns: "default"}
		elsewhere.create(ctx, "foreign", bakeryv1.LoafStatus{Grams: new(int32(1))})
		shelf, wait := k.shelf(ctx)
		Expect(shelf.Wait(wait)).To(Succeed())
		Expect(names(shelf.Baked())).To(Equal([]string{"rye"}))
		for _, r := range api.Requests() {
			Expect(r.Namespace).To(Equal(k.ns), "the namespace of a request of the shelf's: %s", r)
		}
	})

	It("gives out Loaves that one may change", func(ctx SpecContext) {
		k := newKitchen(ctx)
		k.create(ctx, "rye", bakeryv1.LoafStatus{Grams: new(int32(750))})
		shelf, wait := k.shelf(ctx)
		Expect(shelf.Wait(wait)).To(Succeed())
		baked, err := shelf.Baked()
		Expect(err).NotTo(HaveOccurred())
		Expect(baked).To(HaveLen(1))
		baked[0].Name = "changed"
		*baked[0].Status.Grams = 1
		again, err := shelf.Baked()
		Expect(err).NotTo(HaveOccurred())
		Expect(again[0].Name).To(Equal("rye"), "a Loaf of the shelf, after a copy of it was changed")
		Expect(again[0].Status.Grams).To(HaveValue(BeEquivalentTo(750)), "a Loaf of the shelf, after a copy of it was changed")
	})

	It("says that it is not full, when the context ends before it is", func(ctx SpecContext) {
		k := newKitchen(ctx)
		gate := harness.Closed(ctx)
		api.Intercept(func(cluster.Request) *cluster.Answer { gate.Wait(); return nil })
		shelf, _ := k.shelf(ctx)
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		Expect(shelf.Wait(short)).To(MatchError(context.DeadlineExceeded), "the error of Wait, while the server does not answer")
		gate.Open()
	})
})

func names(loaves []*bakeryv1.Loaf, err error) []string {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred(), "Baked")
	all := []string{}
	for _, l := range loaves {
		all = append(all, l.Name)
	}
	return all
}
