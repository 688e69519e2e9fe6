package crdcontroller_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestCRDController(t *testing.T) {
	harness.RunSpecs(t, "Stage 2 · 08-crd-controller")
}

var _ = Describe("The Deployment", func() {
	It("is made for a Pizzeria", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 2, "oven:1")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens", ns)
		d := deployment(ctx, ns, "napoli-ovens")
		Expect(d.Spec.Template.Labels).To(HaveKeyWithValue("pizzeria", "napoli"), "labels of its pods")
		Expect(d.Spec.Selector.MatchLabels).To(Equal(map[string]string{"pizzeria": "napoli"}), "its selector")
		Expect(d.Spec.Template.Spec.Containers[0].Name).To(Equal("oven"), "the name of its container")
	})

	It("is made for the Pizzerias that are there at the start", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		open(ctx, ns, "napoli", 2, "oven:1")
		open(ctx, ns, "roma", 1, "oven:2")
		wait, _ := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens", ns)
		Eventually(ovens(ns, "roma-ovens")).WithContext(wait).Should(Equal("1 of oven:2"), "deployment %s/roma-ovens", ns)
	})

	It("is owned by the Pizzeria, as its controller", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		made := open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).ShouldNot(Equal("none"), "deployment %s/napoli-ovens", ns)
		Expect(deployment(ctx, ns, "napoli-ovens").OwnerReferences).To(ConsistOf(MatchFields(IgnoreExtras, Fields{
			"APIVersion": Equal(pizzerias(ctx).GroupVersion().String()), "Kind": Equal("Pizzeria"), "Name": Equal("napoli"),
			"UID": Equal(made.GetUID()), "Controller": PointTo(BeTrue()),
		})), "owner references of deployment %s/napoli-ovens", ns)
	})

	It("follows the Pizzeria's ovens and image", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		want(ctx, ns, "napoli", "ovens", 3)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("3 of oven:1"), "deployment %s/napoli-ovens, with spec.ovens 3", ns)
		want(ctx, ns, "napoli", "image", "oven:2")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("3 of oven:2"), "deployment %s/napoli-ovens, with the image oven:2", ns)
		want(ctx, ns, "napoli", "ovens", 0)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("0 of oven:2"), "deployment %s/napoli-ovens, with spec.ovens 0", ns)
	})

	It("is put right when somebody scales it, or changes its image", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		edit(ctx, ns, "napoli-ovens", map[string]any{"spec": map[string]any{"replicas": 3}})
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens, after somebody scaled it to 3", ns)
		edit(ctx, ns, "napoli-ovens", template("containers", []any{map[string]any{"name": "oven", "image": "microwave:1"}}))
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens, after somebody changed its image", ns)
	})

	It("is made again when somebody deletes it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		first := deployment(ctx, ns, "napoli-ovens")
		remove(ctx, ns, "napoli-ovens")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens, after somebody deleted it", ns)
		Expect(deployment(ctx, ns, "napoli-ovens").UID).NotTo(Equal(first.UID), "the UID of the new deployment")
	})

	It("is made again when the deletion was not seen, because the watch was interrupted", func(ctx SpecContext) {
		ns, over := api.Namespace(ctx), harness.Closed(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, loop := run(ctx, ns)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(HaveSuffix("generation 1"), "the status of pizzeria %s/napoli", ns)
		Expect(loop.Stop()).To(Succeed())
		d := deployment(ctx, ns, "napoli-ovens")
		api.InterruptWatch("deployments", d, over)
		wait, _ = run(ctx, ns)
		remove(ctx, ns, "napoli-ovens")
		over.Open()
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens, after the interruption", ns)
	})

	It("keeps what others have written to it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		edit(ctx, ns, "napoli-ovens", map[string]any{"metadata": map[string]any{"annotations": map[string]any{"checked-by": "nonna"}}})
		edit(ctx, ns, "napoli-ovens", template("containers", []any{map[string]any{"name": "chimney", "image": "chimney:1"}}))
		want(ctx, ns, "napoli", "image", "oven:2")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(And(ContainSubstring("oven:2"), ContainSubstring("chimney:1")),
			"the images of deployment %s/napoli-ovens, to which somebody has added a container", ns)
		Expect(deployment(ctx, ns, "napoli-ovens").Annotations).To(HaveKeyWithValue("checked-by", "nonna"), "annotations of deployment %s/napoli-ovens", ns)
	})
})

var _ = Describe("The status", func() {
	It("says how many ovens are ready, and of which generation it speaks", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 2, "oven:1")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens", ns)
		heat(ctx, ns, "napoli-ovens", 2)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Open, 2 ready, generation 1"), "the status of pizzeria %s/napoli, whose ovens are ready", ns)
		want(ctx, ns, "napoli", "ovens", 3)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("3 of oven:1"), "deployment %s/napoli-ovens", ns)
		heat(ctx, ns, "napoli-ovens", 3)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Open, 3 ready, generation 2"), "the status of pizzeria %s/napoli, with one oven more", ns)
	})

	It("says that the ovens are heating as long as one is not ready", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		quota(ctx, ns, 1)
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 2, "oven:1")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens", ns)
		heat(ctx, ns, "napoli-ovens", 1)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Heating, 1 ready, generation 1"), "the status of pizzeria %s/napoli, of whose two ovens one is ready", ns)
	})

	It("says that the ovens are heating when they are there, and none is ready", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		made := open(ctx, ns, "napoli", 2, "oven:1")
		cold(ctx, ns, made)
		wait, _ := run(ctx, ns)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Heating, 0 ready, generation 1"), "the status of pizzeria %s/napoli, whose two ovens are not ready", ns)
	})

	It("leaves the spec alone, and what others say in the status", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		obj := open(ctx, ns, "napoli", 2, "oven:1")
		patch(ctx, ns, "napoli", map[string]any{"spec": map[string]any{"chef": "Ada"}})
		patch(ctx, ns, "napoli", map[string]any{"status": map[string]any{"stars": 3}}, "status")
		wait, _ := run(ctx, ns)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(HaveSuffix("generation 2"), "the status of pizzeria %s/napoli", ns)
		got := pizzeriaOf(ctx, ns, "napoli")
		Expect(got.Object["spec"]).To(Equal(map[string]any{"ovens": int64(2), "image": "oven:1", "chef": "Ada"}), "the spec of pizzeria %s/napoli", ns)
		Expect(got.Object["status"]).To(HaveKeyWithValue("stars", int64(3)), "the status of pizzeria %s/napoli, in which somebody else has set stars", ns)
		Expect(got.GetUID()).To(Equal(obj.GetUID()))
	})

	It("does not take an older spec back with it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _ := run(ctx, ns)
		var first sync.Once
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == "pizzerias" && (r.Verb == "update" || r.Verb == "patch") {
				first.Do(func() {
					defer GinkgoRecover()
					want(ctx, ns, "napoli", "ovens", 3)
				})
			}
			return nil
		})
		open(ctx, ns, "napoli", 1, "oven:1")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("3 of oven:1"), "deployment %s/napoli-ovens, after spec.ovens was changed while the status was being written", ns)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(HaveSuffix("generation 2"), "the status of pizzeria %s/napoli", ns)
	})
})

var _ = Describe("A Deployment of somebody else", func() {
	It("is left alone, and blocks the Pizzeria", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		before := foreign(ctx, ns, "napoli-ovens")
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 2, "oven:1")
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Blocked, 0 ready, generation 1"), "the status of pizzeria %s/napoli", ns)
		got := deployment(ctx, ns, "napoli-ovens")
		Expect(got.Spec).To(Equal(before.Spec), "the spec of the other deployment")
		Expect(got.OwnerReferences).To(BeEmpty(), "the other deployment's owners")
	})

	It("is somebody else's when its owner had the Pizzeria's name, and was another one", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		controller := true
		foreign(ctx, ns, "napoli-ovens", metav1.OwnerReference{
			APIVersion: pizzerias(ctx).GroupVersion().String(), Kind: "Pizzeria", Name: "napoli", UID: "5c8d1e2a-0000-0000-0000-000000000000", Controller: &controller,
		})
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 2, "oven:1")
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Blocked, 0 ready, generation 1"), "the status of pizzeria %s/napoli, whose predecessor has left a deployment", ns)
		Expect(ovens(ns, "napoli-ovens")(ctx)).To(Equal("0 of foreign:1"), "the predecessor's deployment")
	})

	It("is somebody else's when the Pizzeria is one of its owners, and not its controller", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		made := open(ctx, ns, "napoli", 2, "oven:1")
		foreign(ctx, ns, "napoli-ovens", metav1.OwnerReference{APIVersion: made.GetAPIVersion(), Kind: "Pizzeria", Name: "napoli", UID: made.GetUID()})
		wait, _ := run(ctx, ns)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Blocked, 0 ready, generation 1"), "the status of pizzeria %s/napoli", ns)
		Expect(ovens(ns, "napoli-ovens")(ctx)).To(Equal("0 of foreign:1"), "the other deployment")
	})

	It("leaves the Pizzeria without an oven that is ready", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, loop := opened(ctx, ns, "napoli", 1, "oven:1")
		Expect(loop.Stop()).To(Succeed())
		remove(ctx, ns, "napoli-ovens")
		foreign(ctx, ns, "napoli-ovens")
		wait, _ := run(ctx, ns)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Blocked, 0 ready, generation 1"), "the status of pizzeria %s/napoli, which was open, and whose deployment is another one now", ns)
	})

	It("blocks the Pizzeria until it is gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		foreign(ctx, ns, "napoli-ovens")
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 2, "oven:1")
		Eventually(status(ns, "napoli")).WithContext(wait).Should(HavePrefix("Blocked"), "the status of pizzeria %s/napoli", ns)
		release(ctx, ns, "napoli-ovens")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens, after the other one is gone", ns)
		Eventually(status(ns, "napoli")).WithContext(wait).ShouldNot(HavePrefix("Blocked"), "the status of pizzeria %s/napoli, after the other deployment is gone", ns)
	})
})

var _ = Describe("Run", func() {
	It("tries again what has failed", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		refuse(3, func(r cluster.Request) bool { return r.Verb == "create" }, broken)
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 2, "oven:1")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens, which the server has refused three times", ns)
	})

	It("tries again when somebody else has written meanwhile", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		conflict := apierrors.NewConflict(schema.GroupResource{Group: "apps", Resource: "deployments"}, "napoli-ovens", nil).Status()
		refuse(2, func(r cluster.Request) bool {
			return r.Resource == "deployments" && (r.Verb == "update" || r.Verb == "patch")
		}, conflict)
		wait, _ := opened(ctx, ns, "napoli", 1, "oven:1") // nothing else happens to it from here on
		want(ctx, ns, "napoli", "image", "oven:2")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:2"), "deployment %s/napoli-ovens, after two conflicts", ns)
	})

	It("does not write over what somebody else has just written", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _ := opened(ctx, ns, "napoli", 1, "oven:1")
		var first sync.Once
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == "deployments" && r.Verb == "update" {
				first.Do(func() {
					defer GinkgoRecover()
					edit(ctx, ns, "napoli-ovens", map[string]any{"metadata": map[string]any{"annotations": map[string]any{"checked-by": "nonna"}}})
				})
			}
			return nil
		})
		want(ctx, ns, "napoli", "image", "oven:2")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:2"), "deployment %s/napoli-ovens", ns)
		Expect(deployment(ctx, ns, "napoli-ovens").Annotations).To(HaveKeyWithValue("checked-by", "nonna"), "annotations of deployment %s/napoli-ovens, one of which somebody has set just before the update", ns)
	})

	It("waits longer after each failure", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		refuse(-1, func(r cluster.Request) bool { return r.Verb == "create" }, broken)
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 1, "oven:1")
		Eventually(func() int { return count("deployments", "create") }).WithContext(wait).Should(BeNumerically(">", 1), "attempts to create the deployment")
		Consistently(func() int { return count("deployments", "create") }).WithContext(wait).Should(BeNumerically("<", 20), "attempts to create the deployment, all of which fail")
	})

	It("tries again to write a status that was refused", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		refuse(3, func(r cluster.Request) bool {
			return r.Resource == "pizzerias" && (r.Verb == "update" || r.Verb == "patch")
		}, broken)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(HaveSuffix("generation 1"), "the status of pizzeria %s/napoli, which the server has refused three times", ns)
	})

	It("looks after the others while one fails", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		foreign(ctx, ns, "bari-ovens")
		open(ctx, ns, "bari", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(status(ns, "bari")).WithContext(wait).Should(HavePrefix("Blocked"), "the status of pizzeria %s/bari", ns)
		open(ctx, ns, "napoli", 2, "oven:1")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens, with one worker, while bari is blocked", ns)
	})

	It("works on several at a time", func(ctx SpecContext) {
		ns, hold := api.Namespace(ctx), harness.Closed(ctx)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "create" && strings.Contains(string(r.Body), "napoli-ovens") {
				hold.Wait()
			}
			return nil
		})
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := start(ctx, ns, 2)
		open(ctx, ns, "roma", 1, "oven:1")
		Eventually(ovens(ns, "roma-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/roma-ovens, while the server takes its time for napoli's, with two workers", ns)
	})

	It("looks after its own namespace alone", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		open(ctx, other, "bari", 1, "oven:1")
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 1, "oven:1")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		Consistently(ovens(other, "bari-ovens")).WithContext(wait).WithTimeout(200*time.Millisecond).Should(Equal("none"), "deployment %s/bari-ovens, of another namespace", other)
	})

	It("returns when its workers have", func(ctx SpecContext) {
		ns, hold := api.Namespace(ctx), harness.Closed(ctx)
		asked := make(chan struct{})
		var once sync.Once
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "create" {
				once.Do(func() { close(asked) })
				hold.Wait()
			}
			return nil
		})
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, loop := start(ctx, ns, 1)
		Eventually(asked).WithContext(wait).Should(BeClosed(), "the worker asks for a deployment")
		stopped := make(chan error, 1)
		go func() { stopped <- loop.Stop() }()
		Consistently(loop.Done()).WithContext(ctx).WithTimeout(200*time.Millisecond).ShouldNot(BeClosed(), "Run, while its worker is in the middle of a request")
		hold.Open()
		Eventually(stopped).WithContext(ctx).Should(Receive(Succeed()))
		Expect(loop.Err()).NotTo(HaveOccurred(), "Run's error after its context has ended")
	})

	It("puts right what has changed while it did not run", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		open(ctx, ns, "roma", 1, "oven:1")
		open(ctx, ns, "bari", 1, "oven:1")
		wait, loop := run(ctx, ns)
		for _, name := range []string{"napoli", "roma", "bari"} {
			Eventually(ovens(ns, name+"-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/%s-ovens", ns, name)
		}
		Expect(loop.Stop()).To(Succeed())
		want(ctx, ns, "napoli", "ovens", 2)
		edit(ctx, ns, "roma-ovens", map[string]any{"spec": map[string]any{"replicas": 5}})
		remove(ctx, ns, "bari-ovens")

		wait, _ = run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens, whose pizzeria wanted another oven while nobody looked", ns)
		Eventually(ovens(ns, "roma-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/roma-ovens, which was scaled while nobody looked", ns)
		Eventually(ovens(ns, "bari-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/bari-ovens, which was deleted while nobody looked", ns)
	})

	It("does nothing before both caches are full", func(ctx SpecContext) {
		ns, hold := api.Namespace(ctx), harness.Closed(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, loop := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		Expect(loop.Stop()).To(Succeed())

		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == "deployments" && (r.Verb == "list" || r.Verb == "watch") {
				hold.Wait()
			}
			return nil
		})
		before := len(writes())
		wait, _ = start(ctx, ns, 2)
		Eventually(func() int { return count("pizzerias", "watch") }).WithContext(wait).Should(Equal(2), "the learner's watches of pizzerias, of both runs")
		Consistently(func() []string { return writes()[before:] }).WithContext(wait).WithTimeout(300*time.Millisecond).
			Should(BeEmpty(), "what is written while the cache of deployments is not full")
		want(ctx, ns, "napoli", "ovens", 2)
		hold.Open()
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("2 of oven:1"), "deployment %s/napoli-ovens, when both caches are full", ns)
	})

	It("writes nothing when all is well", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		heat(ctx, ns, "napoli-ovens", 1)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(Equal("Open, 1 ready, generation 1"), "the status of pizzeria %s/napoli", ns)
		before := settled(wait)
		edit(ctx, ns, "napoli-ovens", map[string]any{"metadata": map[string]any{"annotations": map[string]any{"checked-by": "nonna"}}})
		Consistently(func() []string { return writes()[before:] }).WithContext(wait).Should(BeEmpty(), "what is written when somebody annotates the deployment")
	})

	It("reads from its caches", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _ := run(ctx, ns)
		open(ctx, ns, "napoli", 1, "oven:1")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		want(ctx, ns, "napoli", "image", "oven:2")
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:2"), "deployment %s/napoli-ovens", ns)
		Expect(count("pizzerias", "get")+count("deployments", "get")).To(BeZero(), "GET requests for pizzerias and deployments")
	})

	It("leaves a Pizzeria alone that is being deleted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _ := opened(ctx, ns, "napoli", 1, "oven:1")
		patch(ctx, ns, "napoli", map[string]any{"metadata": map[string]any{"finalizers": []any{"kubekata.dev/spec"}}})
		DeferCleanup(func(ctx context.Context) {
			patch(ctx, ns, "napoli", map[string]any{"metadata": map[string]any{"finalizers": nil}})
		})
		Expect(shops(ctx, ns).Delete(ctx, "napoli", metav1.DeleteOptions{})).To(Succeed())
		open(ctx, ns, "roma", 1, "oven:1")
		Eventually(ovens(ns, "roma-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/roma-ovens", ns)
		edit(ctx, ns, "napoli-ovens", map[string]any{"spec": map[string]any{"replicas": 0}})
		Consistently(ovens(ns, "napoli-ovens")).WithContext(wait).WithTimeout(300*time.Millisecond).Should(Equal("0 of oven:1"), "deployment %s/napoli-ovens, whose pizzeria is being deleted", ns)
		remove(ctx, ns, "napoli-ovens")
		Consistently(ovens(ns, "napoli-ovens")).WithContext(wait).WithTimeout(300*time.Millisecond).Should(Equal("none"), "deployment %s/napoli-ovens, which somebody has deleted, and whose pizzeria is being deleted", ns)
	})

	It("forgets a Pizzeria that is gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		open(ctx, ns, "napoli", 1, "oven:1")
		wait, _ := run(ctx, ns)
		Eventually(ovens(ns, "napoli-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/napoli-ovens", ns)
		Eventually(status(ns, "napoli")).WithContext(wait).Should(HaveSuffix("generation 1"), "the status of pizzeria %s/napoli", ns)
		Expect(shops(ctx, ns).Delete(ctx, "napoli", metav1.DeleteOptions{})).To(Succeed())
		open(ctx, ns, "roma", 1, "oven:1")
		Eventually(ovens(ns, "roma-ovens")).WithContext(wait).Should(Equal("1 of oven:1"), "deployment %s/roma-ovens", ns)
		if d, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, "napoli-ovens", metav1.GetOptions{}); err == nil && d.DeletionTimestamp == nil {
			err := api.Judge().AppsV1().Deployments(ns).Delete(ctx, "napoli-ovens", metav1.DeleteOptions{})
			Expect(err == nil || apierrors.IsNotFound(err)).To(BeTrue(), "delete deployment %s/napoli-ovens for the spec: %v", ns, err)
		}
		before := settled(wait)
		Consistently(func() []string { return naming(writes()[before:], "napoli") }).WithContext(wait).Should(BeEmpty(), "what is written for a pizzeria that is gone")
	})

	It("ends when its context ends before the caches are full", func(ctx SpecContext) {
		ns, hold := api.Namespace(ctx), harness.Closed(ctx)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == "deployments" {
				hold.Wait()
			}
			return nil
		})
		wait, loop := start(ctx, ns, 2)
		Eventually(func() int { return count("pizzerias", "watch") }).WithContext(wait).Should(Equal(1), "the learner's watches of pizzerias")
		stopped := make(chan error, 1)
		go func() { stopped <- loop.Stop() }()
		hold.Open()
		Eventually(stopped).WithContext(ctx).Should(Receive(Succeed()))
		Expect(loop.Err()).To(MatchError(context.Canceled), "Run's error wraps its context's")
	})
})

// template is a change of a Deployment's pod template.
func template(field string, value any) map[string]any {
	return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{field: value}}}}
}

// count counts the learner's requests.
func count(resource, verb string) int {
	n := 0
	for _, r := range api.Requests() {
		if r.Resource == resource && r.Verb == verb {
			n++
		}
	}
	return n
}

// settled waits until the learner has written nothing for half a second, and returns how many writes there were: the server may
// show what it was asked for before the answer has come back, and the request is counted.
func settled(ctx context.Context) int {
	GinkgoHelper()
	last, since := -1, time.Now()
	Eventually(func() time.Duration {
		if n := len(writes()); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since)
	}).WithContext(ctx).Should(BeNumerically(">", 500*time.Millisecond), "how long nothing has been written, when all is well")
	return last
}

// naming returns the lines that have a text in them.
func naming(lines []string, text string) []string {
	return slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, text) })
}
