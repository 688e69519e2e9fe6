package aggregated_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"
)

// about is a resource's attributes.
func about(verb, namespace, name string) authorizationv1.SubjectAccessReviewSpec {
	return authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
		Group: group, Version: "v1", Resource: "tabs", Verb: verb, Namespace: namespace, Name: name,
	}}
}

var _ = Describe("Attributes", func() {
	DescribeTable("of a resource:", func(ctx SpecContext, method, path string, want authorizationv1.SubjectAccessReviewSpec) {
		got := aggregated.Attributes(group, httptest.NewRequestWithContext(ctx, method, path, nil))
		Expect(got).To(Equal(want), "what %s %s is about", method, path)
	},
		Entry("get", http.MethodGet, ada, about("get", "osteria", "ada")),
		Entry("list", http.MethodGet, tabs, about("list", "osteria", "")),
		Entry("list of all namespaces", http.MethodGet, base+"/tabs", about("list", "", "")),
		Entry("list with parameters", http.MethodGet, tabs+"?limit=500&watch=false", about("list", "osteria", "")),
		Entry("list that is not to be watched", http.MethodGet, tabs+"?watch=0", about("list", "osteria", "")),
		Entry("watch", http.MethodGet, tabs+"?watch=true", about("watch", "osteria", "")),
		Entry("watch by a number", http.MethodGet, base+"/tabs?watch=1", about("watch", "", "")),
		Entry("get that says it watches", http.MethodGet, ada+"?watch=true", about("get", "osteria", "ada")),
		Entry("create", http.MethodPost, tabs, about("create", "osteria", "")),
		Entry("update", http.MethodPut, ada, about("update", "osteria", "ada")),
		Entry("patch", http.MethodPatch, ada, about("patch", "osteria", "ada")),
		Entry("delete", http.MethodDelete, ada, about("delete", "osteria", "ada")),
		Entry("deletecollection", http.MethodDelete, tabs, about("deletecollection", "osteria", "")),
		Entry("a tab that has the resource's name", http.MethodGet, base+"/namespaces/tabs/tabs/tabs", about("get", "tabs", "tabs")),
	)

	DescribeTable("of a path:", func(ctx SpecContext, method, path, verb string) {
		got := aggregated.Attributes(group, httptest.NewRequestWithContext(ctx, method, path+"?timeout=32s", nil))
		Expect(got).To(Equal(authorizationv1.SubjectAccessReviewSpec{
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: verb},
		}), "what %s %s is about", method, path)
	},
		Entry("the groups", http.MethodGet, "/apis", "get"),
		Entry("the group", http.MethodGet, "/apis/"+group, "get"),
		Entry("the resources", http.MethodGet, base, "get"),
		Entry("the resources, to be changed", http.MethodPost, base, "post"),
		Entry("a subresource, which there is not", http.MethodGet, ada+"/status", "get"),
		Entry("another resource", http.MethodGet, base+"/namespaces/osteria/bills/ada", "get"),
		Entry("another group", http.MethodGet, "/apis/example.com/v1/namespaces/osteria/tabs", "get"),
		Entry("another version", http.MethodDelete, "/apis/"+group+"/v2/namespaces/osteria/tabs/ada", "delete"),
		Entry("a namespace itself", http.MethodGet, base+"/namespaces/osteria", "get"),
		Entry("nothing at all", http.MethodGet, "/", "get"),
	)
})

// judgeOf is a client whose server answers a SubjectAccessReview with a status or an error. It keeps what it was asked.
func judgeOf(status authorizationv1.SubjectAccessReviewStatus, err error) (*fake.Clientset, *[]authorizationv1.SubjectAccessReviewSpec) {
	c, asked := fake.NewClientset(), &[]authorizationv1.SubjectAccessReviewSpec{}
	c.PrependReactor("create", "subjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		*asked = append(*asked, review.Spec)
		review.Status = status
		return true, review, err
	})
	return c, asked
}

var guest = &authenticationv1.UserInfo{
	Username: "ada", UID: "42", Groups: []string{"guests", "system:authenticated"}, Extra: map[string]authenticationv1.ExtraValue{"table": {"7", "8"}},
}

var _ = Describe("Authorize", func() {
	It("is nil when the API server allows it", func(ctx SpecContext) {
		c, _ := judgeOf(authorizationv1.SubjectAccessReviewStatus{Allowed: true}, nil)
		Expect(aggregated.Authorize(ctx, c, guest, about("get", "osteria", "ada"))).To(Succeed(), "Authorize, when the answer is yes")
	})

	It("asks with all that is known of the user", func(ctx SpecContext) {
		c, asked := judgeOf(authorizationv1.SubjectAccessReviewStatus{Allowed: true}, nil)
		Expect(aggregated.Authorize(ctx, c, guest, about("get", "osteria", "ada"))).To(Succeed())
		want := about("get", "osteria", "ada")
		want.User, want.UID, want.Groups, want.Extra = "ada", "42", guest.Groups, map[string]authorizationv1.ExtraValue{"table": {"7", "8"}}
		Expect(*asked).To(Equal([]authorizationv1.SubjectAccessReviewSpec{want}), "what the API server was asked")
	})

	It("asks about paths, too", func(ctx SpecContext) {
		c, asked := judgeOf(authorizationv1.SubjectAccessReviewStatus{Allowed: true}, nil)
		Expect(aggregated.Authorize(ctx, c, guest, authorizationv1.SubjectAccessReviewSpec{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/apis", Verb: "get"}})).To(Succeed())
		Expect(*asked).To(ConsistOf(And(
			HaveField("NonResourceAttributes", Equal(&authorizationv1.NonResourceAttributes{Path: "/apis", Verb: "get"})), HaveField("ResourceAttributes", BeNil()),
		)), "what the API server was asked")
	})

	DescribeTable("is Forbidden", func(ctx SpecContext, status authorizationv1.SubjectAccessReviewStatus) {
		c, _ := judgeOf(status, nil)
		err := aggregated.Authorize(ctx, c, guest, about("list", "osteria", ""))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error is Forbidden when the review says %+v. It is %s", status, quoted(err))
	},
		Entry("when the API server does not allow it", authorizationv1.SubjectAccessReviewStatus{Reason: "no role"}),
		Entry("when the API server denies it", authorizationv1.SubjectAccessReviewStatus{Denied: true}),
		Entry("when the API server could not find out all, and does not allow it", authorizationv1.SubjectAccessReviewStatus{EvaluationError: "role not found"}),
	)

	It("allows what is allowed, even if the API server could not find out all", func(ctx SpecContext) {
		c, _ := judgeOf(authorizationv1.SubjectAccessReviewStatus{Allowed: true, EvaluationError: "another role was not found"}, nil)
		Expect(aggregated.Authorize(ctx, c, guest, about("get", "osteria", "ada"))).To(Succeed(), "Authorize, when the answer is yes, with an evaluationError")
	})

	It("says who may not do what", func(ctx SpecContext) {
		c, _ := judgeOf(authorizationv1.SubjectAccessReviewStatus{}, nil)
		err := aggregated.Authorize(ctx, c, guest, about("deletecollection", "osteria", ""))
		Expect(err).To(MatchError(And(ContainSubstring("ada"), ContainSubstring("deletecollection"), ContainSubstring("tabs"))), "the error for a resource")
		err = aggregated.Authorize(ctx, c, guest, authorizationv1.SubjectAccessReviewSpec{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/apis/x", Verb: "head"}})
		Expect(err).To(MatchError(And(ContainSubstring("ada"), ContainSubstring("head"), ContainSubstring("/apis/x"))), "the error for a path")
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error for a path is Forbidden. It is %s", quoted(err))
	})

	DescribeTable("allows nothing without an answer, and does not say that it is forbidden", func(ctx SpecContext, failure error) {
		c, asked := judgeOf(authorizationv1.SubjectAccessReviewStatus{Allowed: true}, failure)
		err := aggregated.Authorize(ctx, c, guest, about("get", "osteria", "ada"))
		Expect(*asked).NotTo(BeEmpty(), "what the API server was asked. The error is %s", quoted(err))
		Expect(err).To(HaveOccurred(), "Authorize, when the review has failed with %q", failure)
		Expect(apierrors.IsForbidden(err)).To(BeFalse(), "the error is Forbidden, for the user, when the review has failed with %q", failure)
	},
		Entry("when nobody answers", errors.New("connection refused")),
		Entry("when the API server is overloaded", apierrors.NewTooManyRequests("slow down", 1)),
		Entry("when it is ourselves who may not ask", apierrors.NewForbidden(schema.GroupResource{Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}, "", errors.New("no role"))),
	)

	It("asks about the user, and not about us, who may do everything", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		ask := authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Resource: "configmaps", Version: "v1", Namespace: ns}}
		err := aggregated.Authorize(ctx, api.Clientset(), &authenticationv1.UserInfo{Username: "guest-of-" + ns, Groups: []string{"system:authenticated"}}, ask)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error for guest-of-%s, who has no role on the lab, is Forbidden. It is %s", ns, quoted(err))
		cook := &authenticationv1.UserInfo{Username: "cook", Groups: []string{"system:masters"}}
		Expect(aggregated.Authorize(ctx, api.Clientset(), cook, ask)).To(Succeed(), "Authorize, for somebody in system:masters, who may do everything")
	})

	It("does not outlive the request", func(ctx SpecContext) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		err := aggregated.Authorize(ended, api.Clientset(), guest, about("get", "osteria", "ada"))
		Expect(err).To(MatchError(ContainSubstring("context canceled")), "Authorize, with a context that has ended")
	})
})
