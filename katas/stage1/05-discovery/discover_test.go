package discover_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apidiscovery "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	discover "github.com/kubekata/kubekata/katas/stage1/05-discovery"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestDiscover(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 05-discovery") }

var (
	pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	broken      = schema.GroupVersion{Group: "broken.example.com", Version: "v1"}
)

var _ = Describe("Groups", func() {
	It("returns the preferred version of each group, and v1 for the core group", func(ctx SpecContext) {
		groups, err := discover.Groups(ctx, client())
		Expect(err).NotTo(HaveOccurred())
		Expect(groups).To(ContainElements("v1", "apps/v1", "autoscaling/v2"))
		Expect(groups).NotTo(ContainElement("autoscaling/v1"), "a version of autoscaling that the server does not prefer")
	})

	It("sorts them", func(ctx SpecContext) {
		serve(ctx, group("aaa.example.com", version("v1")))
		groups, err := discover.Groups(ctx, client())
		Expect(err).NotTo(HaveOccurred())
		Expect(groups).To(ContainElement("aaa.example.com/v1"), "a group that the server lists last")
		Expect(slices.IsSorted(groups)).To(BeTrue(), "sorted: %v", groups)
	})

	It("leaves out a group that does not answer", func(ctx SpecContext) {
		serve(ctx, stale())
		groups, err := discover.Groups(ctx, client())
		Expect(err).NotTo(HaveOccurred())
		Expect(groups).To(ContainElement("apps/v1"))
		Expect(groups).NotTo(ContainElement(""), "what a group without an available version has for its preferred one")
		Expect(groups).NotTo(ContainElement(ContainSubstring("broken.example.com")))
	})

	It("reports a server that refuses", func(ctx SpecContext) {
		refuse()
		groups, err := discover.Groups(ctx, client())
		Expect(err).To(Satisfy(apierrors.IsInternalError), "the server said 500 InternalError, got: %v", err)
		Expect(groups).To(BeEmpty())
	})
})

var _ = Describe("Preferred", func() {
	It("returns resources with group, version, kind, scope and verbs", func(ctx SpecContext) {
		resources := preferred(ctx)
		Expect(resources).To(ContainElement(And(
			HaveField("GroupVersionResource", deployments),
			HaveField("Kind", "Deployment"),
			HaveField("Namespaced", true),
			HaveField("Verbs", ContainElements("get", "list", "watch", "create", "update", "patch", "delete")),
		)), "deployments")
		Expect(resources).To(ContainElement(And(
			HaveField("GroupVersionResource", schema.GroupVersionResource{Version: "v1", Resource: "nodes"}),
			HaveField("Kind", "Node"),
			HaveField("Namespaced", false),
		)), "nodes, of the core group")
	})

	It("takes the group and the version of the list, not those of the kind", func(ctx SpecContext) {
		// A resource whose objects are of another group's kind.
		serve(ctx, group("pizza.example.com", version("v1", resource("pizzas", metav1.GroupVersionKind{Group: "food.example.com", Version: "v7", Kind: "Dish"}))))
		Expect(preferred(ctx)).To(ContainElement(And(
			HaveField("GroupVersionResource", schema.GroupVersionResource{Group: "pizza.example.com", Version: "v1", Resource: "pizzas"}),
			HaveField("Kind", "Dish"),
		)), "pizzas, which are requested from pizza.example.com/v1")
	})

	It("leaves the subresources out", func(ctx SpecContext) {
		Expect(names(preferred(ctx))).NotTo(ContainElement(ContainSubstring("/")), "pods/log and its like are parts of a resource")
	})

	It("returns a resource once, in the version that the server prefers", func(ctx SpecContext) {
		Expect(named(preferred(ctx), "horizontalpodautoscalers")).To(HaveExactElements(HaveField("Version", "v2")))
	})

	It("returns a resource that only another version has in that version", func(ctx SpecContext) {
		serve(ctx, group("pizza.example.com", version("v1", resource("pizzas", kind("Pizza"))), version("v1beta1", resource("pizzas", kind("Pizza")), resource("ovens", kind("Oven")))))
		resources := preferred(ctx)
		Expect(named(resources, "pizzas")).To(HaveExactElements(HaveField("Version", "v1")))
		Expect(named(resources, "ovens")).To(HaveExactElements(HaveField("Version", "v1beta1")), "ovens, which the group's preferred version v1 does not have")
	})

	It("sorts by group, then by resource", func(ctx SpecContext) {
		var order []string
		for _, r := range preferred(ctx) {
			order = append(order, r.Group+"\x00"+r.Resource)
		}
		Expect(slices.IsSorted(order)).To(BeTrue(), "sorted: %q", order)
	})

	It("returns what there is when a group does not answer", func(ctx SpecContext) {
		serve(ctx, stale())
		resources, _ := discover.Preferred(ctx, client())
		Expect(names(resources)).To(ContainElements("pods", "deployments"), "resources of groups that have answered")
	})

	It("says which group does not answer", func(ctx SpecContext) {
		serve(ctx, stale())
		_, err := discover.Preferred(ctx, client())
		Expect(err).To(HaveOccurred(), "broken.example.com/v1 does not answer: whoever gets the list has to know")
		failed, ok := discovery.GroupDiscoveryFailedErrorGroups(err)
		Expect(ok).To(BeTrue(), "want an error that discovery.GroupDiscoveryFailedErrorGroups recognises, got: %v", err)
		Expect(failed).To(HaveKey(broken))
	})

	It("returns what there is when a server without aggregated discovery fails for a group", func(ctx SpecContext) {
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Path == "/apis/batch/v1" {
				return failure(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
			}
			return nil
		})
		resources, err := discover.Preferred(ctx, client().WithLegacyWithContext(ctx))
		failed, ok := discovery.GroupDiscoveryFailedErrorGroups(err)
		Expect(ok).To(BeTrue(), "want an error that discovery.GroupDiscoveryFailedErrorGroups recognises, got: %v", err)
		Expect(failed).To(HaveKey(schema.GroupVersion{Group: "batch", Version: "v1"}))
		Expect(names(resources)).To(ContainElements("pods", "deployments"))
		Expect(names(resources)).NotTo(ContainElement("jobs"))
	})

	It("sorts by resource also where the versions of a group differ", func(ctx SpecContext) {
		serve(ctx, group("pizza.example.com", version("v1", resource("pizzas", kind("Pizza"))), version("v1beta1", resource("pizzas", kind("Pizza")), resource("ovens", kind("Oven")))))
		mine := slices.DeleteFunc(preferred(ctx), func(r discover.Resource) bool { return r.Group != "pizza.example.com" })
		Expect(names(mine)).To(HaveExactElements("ovens", "pizzas"), "resources of pizza.example.com: ovens are of v1beta1, pizzas of v1")
	})

	It("returns no resources when the server refuses altogether", func(ctx SpecContext) {
		refuse()
		resources, err := discover.Preferred(ctx, client())
		Expect(err).To(Satisfy(apierrors.IsInternalError), "the server said 500 InternalError, got: %v", err)
		Expect(resources).To(BeEmpty())
	})
})

var _ = Describe("ForKind", func() {
	It("returns the resource of a kind", func(ctx SpecContext) {
		serve(ctx)
		Expect(discover.ForKind(ctx, client(), "Deployment")).To(Equal([]schema.GroupVersionResource{deployments}))
	})

	It("does not guess the plural", func(ctx SpecContext) {
		serve(ctx, group("pizza.example.com", version("v1", resource("staff", kind("Pizzaiolo")))))
		Expect(discover.ForKind(ctx, client(), "Pizzaiolo")).To(Equal([]schema.GroupVersionResource{{Group: "pizza.example.com", Version: "v1", Resource: "staff"}}))
	})

	It("returns the preferred version alone", func(ctx SpecContext) {
		serve(ctx)
		Expect(discover.ForKind(ctx, client(), "HorizontalPodAutoscaler")).To(Equal([]schema.GroupVersionResource{
			{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
		}), "autoscaling has the kind in v1 and in v2, and prefers v2")
	})

	It("returns the resources of all groups that have the kind", func(ctx SpecContext) {
		serve(ctx)
		Expect(discover.ForKind(ctx, client(), "Event")).To(Equal([]schema.GroupVersionResource{
			{Version: "v1", Resource: "events"},
			{Group: "events.k8s.io", Version: "v1", Resource: "events"},
		}), "Event is a kind of the core group and of events.k8s.io")
	})

	DescribeTable("knows no such kind", func(ctx SpecContext, kind string) {
		serve(ctx)
		found, err := discover.ForKind(ctx, client(), kind)
		Expect(err).To(MatchError(discover.ErrUnknownKind))
		Expect(err).To(MatchError(ContainSubstring(kind)), "the message names the kind that was asked for")
		Expect(found).To(BeEmpty())
	},
		Entry("as one that nobody has", "Pizza"),
		Entry("as the kind of a subresource", "PodExecOptions"),
		Entry("as one that is spelled otherwise", "deployment"),
		Entry("as the name of a resource", "deployments"),
	)

	It("cannot say that there is none when a group does not answer", func(ctx SpecContext) {
		serve(ctx, stale())
		_, err := discover.ForKind(ctx, client(), "Pizza")
		Expect(err).NotTo(MatchError(discover.ErrUnknownKind), "broken.example.com/v1 might have it, and does not answer")
		failed, ok := discovery.GroupDiscoveryFailedErrorGroups(err)
		Expect(ok).To(BeTrue(), "want an error that discovery.GroupDiscoveryFailedErrorGroups recognises, got: %v", err)
		Expect(failed).To(HaveKey(broken))
	})

	It("returns what it finds, also when another group does not answer", func(ctx SpecContext) {
		serve(ctx, stale())
		Expect(discover.ForKind(ctx, client(), "Deployment")).To(Equal([]schema.GroupVersionResource{deployments}),
			"apps/v1 has answered; somebody else's broken group is not our caller's trouble")
	})

	It("reports a server that refuses", func(ctx SpecContext) {
		refuse()
		_, err := discover.ForKind(ctx, client(), "Deployment")
		Expect(err).To(Satisfy(apierrors.IsInternalError), "the server said 500 InternalError, got: %v", err)
	})
})

var _ = Describe("Supports", func() {
	DescribeTable("knows the verbs", func(ctx SpecContext, gvr schema.GroupVersionResource, verb string, want bool) {
		Expect(discover.Supports(ctx, client(), gvr, verb)).To(Equal(want), "%s of %s", verb, gvr)
	},
		Entry("that a resource has", deployments, "patch", true),
		Entry("that a resource of the core group has", pods, "watch", true),
		Entry("that a resource does not have: a review can only be created", schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}, "list", false),
		Entry("that a subresource has", schema.GroupVersionResource{Version: "v1", Resource: "pods/log"}, "get", true),
		Entry("that a subresource does not have, although its parent does", schema.GroupVersionResource{Version: "v1", Resource: "pods/log"}, "delete", false),
		Entry("that do not exist", pods, "eat", false),
	)

	DescribeTable("knows no such resource", func(ctx SpecContext, gvr schema.GroupVersionResource) {
		ok, err := discover.Supports(ctx, client(), gvr, "get")
		Expect(err).To(MatchError(discover.ErrUnknownResource))
		Expect(err).To(MatchError(ContainSubstring(gvr.Resource)), "the message names the resource that was asked for")
		Expect(ok).To(BeFalse())
	},
		Entry("in a group that is served", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "pizzas"}),
		Entry("in a version that is not served", schema.GroupVersionResource{Group: "apps", Version: "v1beta1", Resource: "deployments"}),
		Entry("in a group that does not exist", schema.GroupVersionResource{Group: "pizza.example.com", Version: "v1", Resource: "pizzas"}),
		Entry("as the singular of one", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployment"}),
		Entry("as the short name of one", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deploy"}),
		Entry("when a subresource is asked for that its resource does not have", schema.GroupVersionResource{Version: "v1", Resource: "pods/scale"}),
	)

	It("reports a group that fails", func(ctx SpecContext) {
		refuse()
		ok, err := discover.Supports(ctx, client(), deployments, "get")
		Expect(err).To(Satisfy(apierrors.IsInternalError), "the server said 500 InternalError, got: %v", err)
		Expect(ok).To(BeFalse())
	})

	It("reports a group that it may not ask for", func(ctx SpecContext) {
		api.Intercept(func(cluster.Request) *cluster.Answer {
			return failure(http.StatusForbidden, metav1.StatusReasonForbidden)
		})
		_, err := discover.Supports(ctx, client(), deployments, "get")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", err)
		Expect(err).NotTo(MatchError(discover.ErrUnknownResource), "whether there is such a resource has not been answered")
	})

	It("asks for the one group and version, and for nothing else", func(ctx SpecContext) {
		Expect(discover.Supports(ctx, client(), deployments, "get")).To(BeTrue())
		Expect(api.Requests()).To(HaveExactElements(HaveField("Path", "/apis/apps/v1")), "requests")
	})
})

var _ = DescribeTable("A context that has ended ends", func(ctx SpecContext, call func(context.Context) error) {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	Expect(call(ended)).To(MatchError(context.Canceled), "every request takes the caller's context")
},
	Entry("Groups", func(ctx context.Context) error { _, err := discover.Groups(ctx, client()); return err }),
	Entry("Preferred", func(ctx context.Context) error { _, err := discover.Preferred(ctx, client()); return err }),
	Entry("ForKind", func(ctx context.Context) error { _, err := discover.ForKind(ctx, client(), "Pod"); return err }),
	Entry("Supports", func(ctx context.Context) error {
		_, err := discover.Supports(ctx, client(), pods, "get")
		return err
	}),
)

// client returns a recorded discovery client.
func client() *discovery.DiscoveryClient {
	GinkgoHelper()
	config := api.Config()
	config.QPS = -1
	c, err := discovery.NewDiscoveryClientForConfig(config)
	Expect(err).NotTo(HaveOccurred(), "make a discovery client for the spec")
	return c
}

func preferred(ctx context.Context) []discover.Resource {
	GinkgoHelper()
	resources, err := discover.Preferred(ctx, client())
	// A group that somebody else has added to the server, and that does not answer, is not this spec's subject.
	if _, partial := discovery.GroupDiscoveryFailedErrorGroups(err); !partial {
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(resources).NotTo(BeEmpty(), "preferred resources")
	return resources
}

func names(resources []discover.Resource) []string {
	var found []string
	for _, r := range resources {
		found = append(found, r.Resource)
	}
	return found
}

func named(resources []discover.Resource, name string) []discover.Resource {
	return slices.DeleteFunc(slices.Clone(resources), func(r discover.Resource) bool { return r.Resource != name })
}

// serve lets the server's aggregated discovery hold these groups more: the document is the server's own, with the groups at its
// end. See https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery. What others have added to the server
// in the meantime, CRDs and aggregated API servers, is left out.
func serve(ctx context.Context, more ...apidiscovery.APIGroupDiscovery) {
	GinkgoHelper()
	const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
	data, err := api.Judge().Discovery().RESTClient().Get().AbsPath("/apis").SetHeader("Accept", accept).DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred(), "ask for the groups, for the spec")
	var list apidiscovery.APIGroupDiscoveryList
	Expect(json.Unmarshal(data, &list)).To(Succeed(), "read the groups, for the spec")
	list.Items = slices.DeleteFunc(list.Items, func(g apidiscovery.APIGroupDiscovery) bool {
		return strings.Contains(g.Name, ".") && !strings.HasSuffix(g.Name, ".k8s.io")
	})
	list.Items = append(list.Items, more...)
	data, err = json.Marshal(list)
	Expect(err).NotTo(HaveOccurred(), "write the groups, for the spec")
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if r.Path == "/apis" {
			return &cluster.Answer{Body: data, Header: http.Header{"Content-Type": {accept}}}
		}
		return nil
	})
}

func group(name string, versions ...apidiscovery.APIVersionDiscovery) apidiscovery.APIGroupDiscovery {
	return apidiscovery.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: name}, Versions: versions}
}

func version(name string, resources ...apidiscovery.APIResourceDiscovery) apidiscovery.APIVersionDiscovery {
	return apidiscovery.APIVersionDiscovery{Version: name, Resources: resources, Freshness: apidiscovery.DiscoveryFreshnessCurrent}
}

func resource(name string, kind metav1.GroupVersionKind) apidiscovery.APIResourceDiscovery {
	return apidiscovery.APIResourceDiscovery{Resource: name, ResponseKind: &kind, Scope: apidiscovery.ScopeNamespace, Verbs: []string{"get", "list"}}
}

func kind(name string) metav1.GroupVersionKind {
	return metav1.GroupVersionKind{Group: "pizza.example.com", Version: "v1", Kind: name}
}

// stale is a group whose aggregated API server does not answer.
func stale() apidiscovery.APIGroupDiscovery {
	v := version(broken.Version)
	v.Freshness = apidiscovery.DiscoveryFreshnessStale
	return group(broken.Group, v)
}

// refuse lets the server fail at every request.
func refuse() {
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if strings.HasPrefix(r.Path, "/api") {
			return failure(http.StatusInternalServerError, metav1.StatusReasonInternalError)
		}
		return nil
	})
}

func failure(code int32, reason metav1.StatusReason) *cluster.Answer {
	return &cluster.Answer{Status: &metav1.Status{Code: code, Reason: reason, Message: "not today"}}
}
