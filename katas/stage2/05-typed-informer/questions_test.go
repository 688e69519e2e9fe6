package typedinformer_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	typedinformer "github.com/kubekata/kubekata/katas/stage2/05-typed-informer"

	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = Describe("OnNode", func() {
	It("returns the pods of the node, and of no other, in order", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		for _, name := range []string{"e", "b", "d", "a", "c"} {
			pod(ctx, ns, name, on("rack-1"))
		}
		pod(ctx, ns, "x", on("rack-2"))
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(names(d.OnNode(node("rack-1")))).To(Equal([]string{ns + "/a", ns + "/b", ns + "/c", ns + "/d", ns + "/e"}))
		Expect(names(d.OnNode(node("rack-3")))).To(BeEmpty(), "pods on a node without any")
	})

	It("puts a pod that is not scheduled on no node", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a")
		d, wait := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(names(d.OnNode(""))).To(BeEmpty(), `pods on the node ""`)
		bind(ctx, ns, "a", node("rack-1"))
		Eventually(func() []string { return names(d.OnNode(node("rack-1"))) }).WithContext(wait).Should(Equal([]string{ns + "/a"}), "pods on rack-1, once a is bound to it")
	})

	It("forgets a pod that is gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a", on("rack-1"))
		d, wait := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(names(d.OnNode(node("rack-1")))).To(Equal([]string{ns + "/a"}))
		remove(ctx, ns, "a")
		Eventually(func() []string { return names(d.OnNode(node("rack-1"))) }).WithContext(wait).Should(BeEmpty(), "pods on rack-1, once a is deleted")
	})
})

var _ = Describe("OwnedBy", func() {
	It("returns the pods that the owner controls", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		mine, other := config(ctx, ns, "mine"), config(ctx, ns, "other")
		pod(ctx, ns, "b", ownedBy(mine, true))
		pod(ctx, ns, "a", ownedBy(mine, true))
		pod(ctx, ns, "c", ownedBy(other, true))
		pod(ctx, ns, "d")
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(names(d.OwnedBy(mine.UID))).To(Equal([]string{ns + "/a", ns + "/b"}))
		Expect(names(d.OwnedBy(other.UID))).To(Equal([]string{ns + "/c"}))
		Expect(names(d.OwnedBy("nobody"))).To(BeEmpty(), "pods of an owner that does not exist")
	})

	It("counts the controller alone among several owners", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		guest, controller := config(ctx, ns, "guest"), config(ctx, ns, "controller")
		pod(ctx, ns, "a", ownedBy(guest, false), ownedBy(controller, true))
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(names(d.OwnedBy(controller.UID))).To(Equal([]string{ns + "/a"}), "pods of the second owner, which is the controller")
		Expect(names(d.OwnedBy(guest.UID))).To(BeEmpty(), "pods of the first owner, which is not the controller")
	})

	It("has nothing under an empty UID", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a")
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(names(d.OwnedBy(types.UID("")))).To(BeEmpty(), "a pod without owner has no owner with an empty UID")
	})
})

var _ = Describe("Backends", func() {
	It("returns the pods that match the whole selector, in order", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		for _, name := range []string{"c", "a", "d", "b"} {
			pod(ctx, ns, name, labelled("app", "web"), labelled("tier", "prod"))
		}
		pod(ctx, ns, "half", labelled("app", "web"))
		service(ctx, ns, "web", map[string]string{"app": "web", "tier": "prod"}, nil)
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(names(d.Backends(ns, "web"))).To(Equal([]string{ns + "/a", ns + "/b", ns + "/c", ns + "/d"}))
	})

	It("looks in the Service's namespace alone", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		zoo := map[string]string{"zoo": mine}
		pod(ctx, mine, "a", labelled("zoo", mine))
		pod(ctx, other, "b", labelled("zoo", mine))
		service(ctx, mine, "web", zoo, zoo)
		d, _ := running(ctx, factory("", "zoo="+mine), typedinformer.Handler{})
		Expect(names(d.Backends(mine, "web"))).To(Equal([]string{mine + "/a"}), "from a factory for all namespaces")
	})

	It("finds nothing behind a Service without a selector", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a", labelled("app", "web"))
		service(ctx, ns, "outside", nil, nil)
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(names(d.Backends(ns, "outside"))).To(BeEmpty(), "a Service without a selector has Endpoints of its own, and no pods")
	})

	It("reports a Service that the cache does not have", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		pods, err := d.Backends(ns, "nowhere")
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
		Expect(pods).To(BeEmpty(), "pods together with an error")
	})
})

var _ = Describe("A question", func() {
	It("sends no request", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		owner := config(ctx, ns, "owner")
		pod(ctx, ns, "a", on("rack-1"), labelled("app", "web"), ownedBy(owner, true))
		service(ctx, ns, "web", map[string]string{"app": "web"}, nil)
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		before := len(api.Requests())
		for range 10 {
			Expect(names(d.OnNode(node("rack-1")))).To(HaveLen(1), "pods on rack-1")
			Expect(names(d.OwnedBy(owner.UID))).To(HaveLen(1), "pods of the owner")
			Expect(names(d.Backends(ns, "web"))).To(HaveLen(1), "pods behind the Service")
		}
		Expect(api.Requests()).To(HaveLen(before), "requests after thirty questions, compared to those before")
	})
})

var _ = Describe("SetLabel", func() {
	It("sets the label at the server, and leaves the others", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a", labelled("app", "web"))
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(d.SetLabel(ctx, api.Clientset(), ns, "a", "drain", "soon")).To(Succeed())
		Expect(stored(ctx, ns, "a").Labels).To(Equal(map[string]string{"app": "web", "drain": "soon"}), "labels of pod %s/a at the server", ns)
	})

	It("labels a pod that has no labels", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a")
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		Expect(d.SetLabel(ctx, api.Clientset(), ns, "a", "drain", "")).To(Succeed())
		Expect(stored(ctx, ns, "a").Labels).To(Equal(map[string]string{"drain": ""}), "labels of pod %s/a at the server", ns)
	})

	It("does not touch the pod in the cache", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		owner := config(ctx, ns, "owner")
		pod(ctx, ns, "a", ownedBy(owner, true), labelled("app", "web"))
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		cached := only(d.OwnedBy(owner.UID))
		before := cached.DeepCopy()
		Expect(d.SetLabel(ctx, api.Clientset(), ns, "a", "drain", "soon")).To(Succeed())
		Expect(cached.Labels).To(Equal(before.Labels), "labels of the object that was in the cache: others may be reading it at this moment")
		Expect(cached.ResourceVersion).To(Equal(before.ResourceVersion), "resourceVersion of the object that was in the cache")
	})

	It("leaves the cache right when the server refuses", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		owner := config(ctx, ns, "owner")
		pod(ctx, ns, "a", ownedBy(owner, true), labelled("app", "web"))
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb != "update" && r.Verb != "patch" {
				return nil
			}
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "not today"}}
		})
		err := d.SetLabel(ctx, api.Clientset(), ns, "a", "drain", "soon")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "want an error that apierrors.IsForbidden recognises, got: %v", err)
		Expect(only(d.OwnedBy(owner.UID)).Labels).To(Equal(map[string]string{"app": "web"}),
			"labels of the pod in the cache: the server has refused, and no event will ever put this right")
	})

	It("makes one update, and reads nothing from the server", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a")
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		before := len(api.Requests())
		Expect(d.SetLabel(ctx, api.Clientset(), ns, "a", "drain", "soon")).To(Succeed())
		Expect(lines(api.Requests()[before:])).To(Equal([]string{"update pods/a"}), "requests")
	})

	It("asks for nothing when the label is there already", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a", labelled("drain", "soon"))
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		before := len(api.Requests())
		Expect(d.SetLabel(ctx, api.Clientset(), ns, "a", "drain", "soon")).To(Succeed())
		Expect(lines(api.Requests()[before:])).To(BeEmpty(), "requests")
	})

	It("reports a conflict when the server has a newer pod", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a", labelled("app", "web"))
		d, _ := running(ctx, factory(ns, ""), typedinformer.Handler{})
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "update" {
				patch(ctx, ns, "a", `{"labels":{"app":"other"}}`) // somebody comes in between
			}
			return nil
		})
		err := d.SetLabel(ctx, api.Clientset(), ns, "a", "drain", "soon")
		Expect(err).To(Satisfy(apierrors.IsConflict), "want an error that apierrors.IsConflict recognises, got: %v", err)
		Expect(stored(ctx, ns, "a").Labels).To(Equal(map[string]string{"app": "other"}), "labels of pod %s/a at the server", ns)
	})

	It("reports a pod that the cache does not have, and asks for nothing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a", labelled("tier", "test"))
		d, _ := running(ctx, factory(ns, "tier=prod"), typedinformer.Handler{})
		before := len(api.Requests())
		err := d.SetLabel(ctx, api.Clientset(), ns, "a", "drain", "soon")
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
		Expect(lines(api.Requests()[before:])).To(BeEmpty(), "requests")
	})
})
