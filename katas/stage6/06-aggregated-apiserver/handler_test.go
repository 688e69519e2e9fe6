package aggregated_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"
)

const apiVersion = group + "/v1"

var _ = Describe("The gates", func() {
	for _, path := range []string{"/healthz", "/livez", "/readyz"} {
		It(path+" is open to everybody", func(ctx SpecContext) {
			r := open()
			r.unknown, r.forbidden = apierrors.NewUnauthorized("who are you?"), errors.New("no")
			a := r.get(ctx, path)
			Expect(a.code).To(Equal(200), "the code of the answer to %s", a.request)
			Expect(a.text).To(Equal("ok"), "the answer to %s", a.request)
		})
	}

	for _, path := range []string{"/apis", base, tabs, "/nowhere"} {
		It("who is not known is Unauthorized, at "+path, func(ctx SpecContext) {
			r := open()
			r.unknown = apierrors.NewUnauthorized("who are you?")
			r.get(ctx, path).expectRefusal(401, metav1.StatusReasonUnauthorized)
			Expect(r.gates).To(Equal([]string{"authenticate"}), "the gates that were asked: nobody needs to ask what somebody unknown may do")
		})
	}

	It("who may not is Forbidden, and does not learn what there is", func(ctx SpecContext) {
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, nil)
		r.forbidden = apierrors.NewForbidden(schema.GroupResource{Group: group, Resource: "tabs"}, "", errors.New("no"))
		for _, path := range []string{ada, tabs + "/nobody", tabs, base, "/nowhere"} {
			r.get(ctx, path).expectRefusal(403, metav1.StatusReasonForbidden)
		}
	})

	It("who may not changes nothing", func(ctx SpecContext) {
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, nil)
		r.forbidden = apierrors.NewForbidden(schema.GroupResource{Group: group, Resource: "tabs"}, "", errors.New("no"))
		r.post(ctx, tabOf("bob")).expectRefusal(403, metav1.StatusReasonForbidden)
		r.do(ctx, http.MethodDelete, ada, "").expectRefusal(403, metav1.StatusReasonForbidden)
		Expect(r.names()).To(Equal([]string{"osteria/ada"}), "the tabs in the till")
	})

	It("nothing is allowed when nobody can say whether it is", func(ctx SpecContext) {
		r := open()
		r.forbidden = errors.New("connection refused")
		r.get(ctx, tabs).expectRefusal(500, metav1.StatusReasonInternalError)
		r.post(ctx, tabOf("ada")).expectRefusal(500, metav1.StatusReasonInternalError)
		Expect(r.names()).To(BeEmpty(), "the tabs in the till")
	})

	It("every request is asked about, for the user who makes it", func(ctx SpecContext) {
		r := open()
		r.get(ctx, ada)
		r.get(ctx, base)
		r.do(ctx, http.MethodDelete, tabs, "")
		Expect(r.asked).To(Equal([]authorizationv1.SubjectAccessReviewSpec{
			about("get", "osteria", "ada"),
			{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: base, Verb: "get"}},
			about("deletecollection", "osteria", ""),
		}), "what the second gate was asked")
		Expect(r.askedFor).To(HaveEach(BeIdenticalTo(r.user)), "for whom it was asked")
	})

	It("a form that we do not have is NotAcceptable, and nothing is changed", func(ctx SpecContext) {
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, nil)
		r.get(ctx, tabs, "Accept", "application/yaml").expectRefusal(406, metav1.StatusReasonNotAcceptable)
		r.post(ctx, tabOf("bob"), "Accept", "application/yaml", "Content-Type", "application/json").expectRefusal(406, metav1.StatusReasonNotAcceptable)
		r.do(ctx, http.MethodDelete, ada, "", "Accept", "application/yaml").expectRefusal(406, metav1.StatusReasonNotAcceptable)
		Expect(r.names()).To(Equal([]string{"osteria/ada"}), "the tabs in the till")
	})
})

var _ = Describe("The paths", func() {
	It("discovery is served, each with its kind", func(ctx SpecContext) {
		r := open()
		r.get(ctx, "/apis").expectKind(200, "v1", "APIGroupList")
		r.get(ctx, "/apis/"+group).expectKind(200, "v1", "APIGroup")
		r.get(ctx, base).expectKind(200, "v1", "APIResourceList")
	})

	It("discovery is served to the API server, which asks for a newer form first", func(ctx SpecContext) {
		r := open()
		a := r.get(ctx, base, "Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")
		a.expectKind(200, "v1", "APIResourceList")
		Expect(a.object).To(HaveKeyWithValue("resources", HaveLen(1)), "the answer to %s", a.request)
	})

	for _, path := range []string{
		"/", "/api", "/openapi/v2", "/openapi/v3", "/apis/example.com", "/apis/" + group + "/v2", base + "/bills", base + "/namespaces/osteria", base + "/namespaces/osteria/bills/ada", ada + "/status",
	} {
		It("there is nothing at "+path, func(ctx SpecContext) {
			r := open()
			r.tab("osteria", "ada", "Ada", 1205, nil)
			r.get(ctx, path).expectRefusal(404, metav1.StatusReasonNotFound)
		})
	}

	for _, c := range []struct{ method, path string }{
		{http.MethodPost, "/apis"}, {http.MethodDelete, base}, {http.MethodPost, base + "/tabs"}, {http.MethodPost, ada}, {http.MethodDelete, tabs}, {http.MethodDelete, base + "/tabs"},
		{http.MethodPut, ada}, {http.MethodPatch, ada}, {http.MethodPut, tabs},
	} {
		It(fmt.Sprintf("%s is not possible at %s", c.method, c.path), func(ctx SpecContext) {
			r := open()
			r.tab("osteria", "ada", "Ada", 1205, nil)
			r.do(ctx, c.method, c.path, tabOf("ada"), "Content-Type", "application/json").expectRefusal(405, metav1.StatusReasonMethodNotAllowed)
			Expect(r.names()).To(Equal([]string{"osteria/ada"}), "the tabs in the till")
		})
	}

	It("there is no watch, and a list is not one", func(ctx SpecContext) {
		r := open()
		r.get(ctx, tabs+"?watch=true").expectRefusal(405, metav1.StatusReasonMethodNotAllowed)
		r.get(ctx, base+"/tabs?watch=1&resourceVersion=2").expectRefusal(405, metav1.StatusReasonMethodNotAllowed)
	})
})

var _ = Describe("A get", func() {
	It("answers with the tab", func(ctx SpecContext) {
		r := open()
		kept := r.tab("osteria", "ada", "Ada", 1205, nil)
		a := r.get(ctx, ada)
		a.expectKind(200, apiVersion, "Tab")
		Expect(nestedString(a.object, "metadata", "uid")).To(Equal(string(kept.UID)), "metadata.uid of the tab")
		Expect(a.object).To(HaveKeyWithValue("spec", Equal(map[string]any{"guest": "Ada", "cents": 1205.0})), "the tab")
	})

	It("is NotFound, with details, when there is none", func(ctx SpecContext) {
		r := open()
		r.tab("osteria", "bob", "Bob", 99, nil)
		status := r.get(ctx, ada).expectRefusal(404, metav1.StatusReasonNotFound)
		Expect(status.Details).To(HaveValue(Equal(metav1.StatusDetails{Group: group, Kind: "tabs", Name: "ada"})), "the details")
	})

	It("does not look into other namespaces", func(ctx SpecContext) {
		r := open()
		r.tab("trattoria", "ada", "Ada", 1205, nil)
		r.get(ctx, ada).expectRefusal(404, metav1.StatusReasonNotFound)
	})

	It("answers with a Table of one row", func(ctx SpecContext) {
		r := open()
		kept := r.tab("osteria", "ada", "Ada", 1205, nil)
		a := r.get(ctx, ada, "Accept", asTable)
		a.expectKind(200, "meta.k8s.io/v1", "Table")
		Expect(a.object).To(HaveKeyWithValue("rows", ConsistOf(HaveKeyWithValue("cells", Equal([]any{"ada", "Ada", "12.05", "5m"})))), "the Table")
		Expect(nestedString(a.object, "metadata", "resourceVersion")).To(Equal(kept.ResourceVersion), "metadata.resourceVersion of the Table")
	})
})

var _ = Describe("A list", func() {
	// full is a restaurant with three tabs in two namespaces.
	full := func() *restaurant {
		GinkgoHelper()
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, map[string]string{"room": "blue"})
		r.tab("osteria", "bob", "Bob", 99, map[string]string{"room": "red"})
		r.tab("trattoria", "ada", "Ada", 700, map[string]string{"room": "blue"})
		return r
	}

	It("has the tabs of one namespace", func(ctx SpecContext) {
		a := full().get(ctx, tabs)
		a.expectKind(200, apiVersion, "TabList")
		Expect(a.items()).To(Equal([]string{"osteria/ada", "osteria/bob"}), "the items")
	})

	It("has the tabs of all namespaces", func(ctx SpecContext) {
		a := full().get(ctx, base+"/tabs")
		a.expectKind(200, apiVersion, "TabList")
		Expect(a.items()).To(Equal([]string{"osteria/ada", "osteria/bob", "trattoria/ada"}), "the items")
	})

	It("has the till's resourceVersion", func(ctx SpecContext) {
		r := full()
		_, version := r.till.List("")
		for _, accept := range []string{"application/json", asTable} {
			Expect(nestedString(r.get(ctx, tabs, "Accept", accept).object, "metadata", "resourceVersion")).To(Equal(version), "metadata.resourceVersion of the list, with Accept %s", accept)
		}
	})

	It("is empty, and not null, when there are no tabs", func(ctx SpecContext) {
		a := open().get(ctx, tabs)
		a.expectKind(200, apiVersion, "TabList")
		Expect(a.items()).To(BeEmpty(), "the items")
	})

	It("answers kubectl with a Table", func(ctx SpecContext) {
		a := full().get(ctx, tabs+"?limit=500", "Accept", asTable+",application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json")
		a.expectKind(200, "meta.k8s.io/v1", "Table")
		Expect(a.object).To(HaveKeyWithValue("rows", HaveLen(2)), "the Table of the tabs of namespace osteria")
	})

	It("answers with the objects that includeObject asks for", func(ctx SpecContext) {
		r := full()
		row := func(a answer) map[string]any {
			GinkgoHelper()
			a.expectKind(200, "meta.k8s.io/v1", "Table")
			return a.object["rows"].([]any)[0].(map[string]any)
		}
		Expect(row(r.get(ctx, tabs+"?includeObject=Object", "Accept", asTable))).To(HaveKeyWithValue("object", And(HaveKeyWithValue("kind", "Tab"), HaveKeyWithValue("apiVersion", apiVersion))), "a row, with includeObject=Object")
		Expect(row(r.get(ctx, tabs+"?includeObject=None", "Accept", asTable))).To(HaveKeyWithValue("object", BeNil()), "a row, with includeObject=None")
		r.get(ctx, tabs+"?includeObject=Some", "Accept", asTable).expectRefusal(400, metav1.StatusReasonBadRequest)
	})

	DescribeTable("has the tabs that a selector matches:", func(ctx SpecContext, query string, want ...string) {
		r := full()
		Expect(r.get(ctx, base+"/tabs?"+query).items()).To(ConsistOf(want), "the items of a list of all namespaces with %s", query)
		a := r.get(ctx, base+"/tabs?"+query, "Accept", asTable)
		Expect(a.object["rows"]).To(HaveLen(len(want)), "the rows of a list of all namespaces with %s", query)
	},
		Entry("a label", "labelSelector=room%3Dred", "osteria/bob"),
		Entry("a label that is not", "labelSelector=room%21%3Dred", "osteria/ada", "trattoria/ada"),
		Entry("a set of labels", "labelSelector=room+in+%28green%2Cred%29", "osteria/bob"),
		Entry("a name", "fieldSelector=metadata.name%3Dada", "osteria/ada", "trattoria/ada"),
		Entry("a namespace", "fieldSelector=metadata.namespace%21%3Dosteria", "trattoria/ada"),
		Entry("both", "labelSelector=room%3Dblue&fieldSelector=metadata.namespace%3Dosteria%2Cmetadata.name%3Dada", "osteria/ada"),
		Entry("nothing", "labelSelector=room%3Dgreen"),
	)

	DescribeTable("is a BadRequest with a selector", func(ctx SpecContext, query string) {
		full().get(ctx, tabs+"?"+query).expectRefusal(400, metav1.StatusReasonBadRequest)
	},
		Entry("for labels that cannot be read", "labelSelector=room%3D%3D%3Dred"),
		Entry("for fields that cannot be read", "fieldSelector=metadata.name"),
		Entry("for a field that nobody selects by", "fieldSelector=spec.guest%3DAda"),
	)
})

var _ = Describe("A create", func() {
	It("keeps the tab, and answers with it", func(ctx SpecContext) {
		r := open()
		a := r.post(ctx, tabOf("ada", set(map[string]any{"room": "blue"}, "metadata", "labels")))
		a.expectKind(201, apiVersion, "Tab")
		kept, err := r.till.Get("osteria", "ada")
		Expect(err).NotTo(HaveOccurred(), "look into the till")
		Expect(kept.Spec.Cents).To(BeEquivalentTo(1205), "spec.cents of the tab in the till")
		Expect(kept.Labels).To(Equal(map[string]string{"room": "blue"}), "the labels of the tab in the till")
		for field, want := range map[string]string{"name": "ada", "namespace": "osteria", "uid": string(kept.UID), "resourceVersion": kept.ResourceVersion, "creationTimestamp": "2026-05-04T20:00:00Z"} {
			Expect(nestedString(a.object, "metadata", field)).To(Equal(want), "metadata.%s of the answer", field)
		}
	})

	It("is AlreadyExists the second time", func(ctx SpecContext) {
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, nil)
		status := r.post(ctx, tabOf("ada", set(1, "spec", "cents"))).expectRefusal(409, metav1.StatusReasonAlreadyExists)
		Expect(status.Details).To(HaveField("Name", "ada"), "the details")
	})

	DescribeTable("takes a body in JSON:", func(ctx SpecContext, headers ...string) {
		r := open()
		r.do(ctx, http.MethodPost, tabs, tabOf("ada"), headers...).expectKind(201, apiVersion, "Tab")
	},
		Entry("that says so", "Content-Type", "application/json"),
		Entry("with a charset", "Content-Type", "application/json; charset=utf-8"),
		Entry("that does not say so"),
	)

	for _, media := range []string{"application/yaml", "application/vnd.kubernetes.protobuf", "application/json-patch+json", "text/plain"} {
		It("does not take a body that is "+media, func(ctx SpecContext) {
			r := open()
			r.post(ctx, tabOf("ada"), "Content-Type", media).expectRefusal(415, metav1.StatusReasonUnsupportedMediaType)
			Expect(r.names()).To(BeEmpty(), "the tabs in the till")
		})
	}

	DescribeTable("is a BadRequest", func(ctx SpecContext, body string) {
		r := open()
		r.post(ctx, body).expectRefusal(400, metav1.StatusReasonBadRequest)
		Expect(r.names()).To(BeEmpty(), "the tabs in the till")
	},
		Entry("with a body that is no JSON", "ada owes 12.05"),
		Entry("with an empty object", "{}"),
		Entry("without a body", ""),
		Entry("with a field of another type", tabOf("ada", set("12.05", "spec", "cents"))),
		Entry("with another kind", tabOf("ada", set("Bill", "kind"))),
		Entry("with another group", tabOf("ada", set("example.com/v1", "apiVersion"))),
		Entry("with another version", tabOf("ada", set(group+"/v2", "apiVersion"))),
		Entry("without kind and apiVersion", tabOf("ada", set("", "kind"), set("", "apiVersion"))),
		Entry("with another namespace", tabOf("ada", set("trattoria", "metadata", "namespace"))),
	)

	It("takes the path's namespace when the tab repeats it", func(ctx SpecContext) {
		r := open()
		r.post(ctx, tabOf("ada", set("osteria", "metadata", "namespace"))).expectKind(201, apiVersion, "Tab")
	})

	DescribeTable("is Invalid", func(ctx SpecContext, tab string, causes ...string) {
		r := open()
		status := r.post(ctx, tab).expectRefusal(422, metav1.StatusReasonInvalid)
		Expect(status.Details).To(And(HaveField("Group", group), HaveField("Kind", "Tab")), "the details")
		fields := map[string]bool{}
		for _, cause := range status.Details.Causes {
			Expect(cause.Message).NotTo(BeEmpty(), "the message of the cause for %s", cause.Field)
			fields[cause.Field] = true
		}
		Expect(fields).To(HaveLen(len(causes)), "the causes, each of which names a field: %v", status.Details.Causes)
		for _, cause := range causes {
			Expect(fields).To(HaveKey(cause), "the causes, each of which names a field")
		}
		Expect(r.names()).To(BeEmpty(), "the tabs in the till")
	},
		Entry("without a name", tabOf(""), "metadata.name"),
		Entry("with a name for which a path has no room", tabOf("ada/status"), "metadata.name"),
		Entry("with a name in capitals", tabOf("Ada"), "metadata.name"),
		Entry("without a guest", tabOf("ada", set("", "spec", "guest")), "spec.guest"),
		Entry("with nothing to pay", tabOf("ada", set(0, "spec", "cents")), "spec.cents"),
		Entry("with less than nothing to pay", tabOf("ada", set(-5, "spec", "cents")), "spec.cents"),
		Entry("with everything wrong, all of which is said at once", tabOf("-", set(map[string]any{}, "spec")), "metadata.name", "spec.guest", "spec.cents"),
	)

	It("is too large for us when it is", func(ctx SpecContext) {
		r := open()
		r.post(ctx, tabOf("ada", set(strings.Repeat("a", aggregated.MaxBody), "spec", "guest"))).expectRefusal(413, metav1.StatusReasonRequestEntityTooLarge)
		Expect(r.names()).To(BeEmpty(), "the tabs in the till")
	})

	It("answers a dry run as if, and keeps nothing", func(ctx SpecContext) {
		r := open()
		a := r.do(ctx, http.MethodPost, tabs+"?dryRun=All", tabOf("ada"), "Content-Type", "application/json")
		a.expectKind(201, apiVersion, "Tab")
		Expect(r.names()).To(BeEmpty(), "the tabs in the till after a dry run")
		r.do(ctx, http.MethodPost, tabs+"?dryRun=All", tabOf("ada", set("", "spec", "guest")), "Content-Type", "application/json").expectRefusal(422, metav1.StatusReasonInvalid)
	})

	It("does not guess what a dry run is", func(ctx SpecContext) {
		r := open()
		r.do(ctx, http.MethodPost, tabs+"?dryRun=true", tabOf("ada"), "Content-Type", "application/json").expectRefusal(400, metav1.StatusReasonBadRequest)
		Expect(r.names()).To(BeEmpty(), "the tabs in the till")
	})
})

var _ = Describe("A delete", func() {
	// options is a body.
	options := func(o metav1.DeleteOptions) string {
		o.TypeMeta = metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}
		return string(must(json.Marshal(o)))
	}

	It("takes the tab away, and answers with a Status of Success", func(ctx SpecContext) {
		r := open()
		kept := r.tab("osteria", "ada", "Ada", 1205, nil)
		r.tab("osteria", "bob", "Bob", 99, nil)
		a := r.do(ctx, http.MethodDelete, ada, "")
		a.expectKind(200, "v1", "Status")
		Expect(a.object).To(HaveKeyWithValue("status", "Success"), "the answer to %s", a.request)
		Expect(a.object).To(HaveKeyWithValue("details", Equal(map[string]any{"group": group, "kind": "tabs", "name": "ada", "uid": string(kept.UID)})), "the answer to %s", a.request)
		Expect(r.names()).To(Equal([]string{"osteria/bob"}), "the tabs in the till")
	})

	It("takes the options that kubectl sends", func(ctx SpecContext) {
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, nil)
		r.do(ctx, http.MethodDelete, ada, options(metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}), "Content-Type", "application/json").expectKind(200, "v1", "Status")
		Expect(r.names()).To(BeEmpty(), "the tabs in the till")
	})

	It("is NotFound when there is none", func(ctx SpecContext) {
		open().do(ctx, http.MethodDelete, ada, "").expectRefusal(404, metav1.StatusReasonNotFound)
	})

	It("is a Conflict when the tab is another one than was meant, and the tab stays", func(ctx SpecContext) {
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, nil)
		r.do(ctx, http.MethodDelete, ada, options(metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("another")}), "Content-Type", "application/json").expectRefusal(409, metav1.StatusReasonConflict)
		Expect(r.names()).To(Equal([]string{"osteria/ada"}), "the tabs in the till")
	})

	DescribeTable("takes nothing away in a dry run that is asked for", func(ctx SpecContext, query, body string) {
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, nil)
		r.do(ctx, http.MethodDelete, ada+query, body).expectKind(200, "v1", "Status")
		Expect(r.names()).To(Equal([]string{"osteria/ada"}), "the tabs in the till after a dry run")
	},
		Entry("by the parameter", "?dryRun=All", ""),
		Entry("in the body", "", options(metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})),
	)

	DescribeTable("takes nothing away", func(ctx SpecContext, code int, reason metav1.StatusReason, query, body, media string) {
		r := open()
		r.tab("osteria", "ada", "Ada", 1205, nil)
		r.do(ctx, http.MethodDelete, ada+query, body, "Content-Type", media).expectRefusal(code, reason)
		Expect(r.names()).To(Equal([]string{"osteria/ada"}), "the tabs in the till")
	},
		Entry("with options that cannot be read", 400, metav1.StatusReasonBadRequest, "", "{", "application/json"),
		Entry("with options in another form", 415, metav1.StatusReasonUnsupportedMediaType, "", options(metav1.DeleteOptions{}), "application/yaml"),
		Entry("with options that are too large", 413, metav1.StatusReasonRequestEntityTooLarge, "", strings.Repeat(" ", aggregated.MaxBody+1)+"{}", "application/json"),
		Entry("with a dry run that we do not know, as a parameter", 400, metav1.StatusReasonBadRequest, "?dryRun=Some", "", "application/json"),
		Entry("with a dry run that we do not know, in the body", 400, metav1.StatusReasonBadRequest, "", options(metav1.DeleteOptions{DryRun: []string{"Some"}}), "application/json"),
	)
})
