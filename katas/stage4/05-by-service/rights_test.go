package byservice_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	byservice "github.com/kubekata/kubekata/katas/stage4/05-by-service"
)

var _ = Describe("The server's rights", func() {
	var ns string
	// may asks the API server's authorizer for the ServiceAccount.
	may := func(verb, group, resource, namespace, name string) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			review, err := api.Judge().AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:" + ns + ":" + byservice.Name,
				Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Namespace: namespace, Name: name},
			}}, metav1.CreateOptions{})
			if err != nil {
				return false, err
			}
			return review.Status.Allowed, nil
		}
	}
	BeforeEach(func(ctx SpecContext) {
		for _, role := range []string{"Role", "ClusterRole"} {
			Expect(typed[rbacv1.ClusterRole]("rbac.yaml", role).Rules).NotTo(BeEmpty(), "rules of the %s in manifests/rbac.yaml", role)
			Expect(typed[rbacv1.ClusterRoleBinding]("rbac.yaml", role+"Binding").Subjects).NotTo(BeEmpty(), "subjects of the %sBinding in manifests/rbac.yaml", role)
		}
		ns = api.Namespace(ctx)
		apply(ctx, objects(ns, "manifests", "rbac.yaml"))
	})

	It("are to read and write its Secret, and no other", func(ctx SpecContext) {
		for _, verb := range []string{"get", "update"} {
			// The authorizer hears of a new role a moment later.
			Eventually(may(verb, "", "secrets", ns, byservice.Secret)).WithContext(ctx).WithTimeout(sec*5).Should(BeTrue(), "the ServiceAccount may %s secret %s", verb, byservice.Secret)
		}
		for _, verb := range []string{"get", "update", "list", "watch", "create", "delete"} {
			Expect(may(verb, "", "secrets", ns, "")(ctx)).To(BeFalse(), "the ServiceAccount may %s any secret of its namespace", verb)
			Expect(may(verb, "", "secrets", ns, "other")(ctx)).To(BeFalse(), "the ServiceAccount may %s another secret", verb)
		}
		Expect(may("delete", "", "secrets", ns, byservice.Secret)(ctx)).To(BeFalse(), "the ServiceAccount may delete its secret")
		Expect(may("get", "", "secrets", "default", byservice.Secret)(ctx)).To(BeFalse(), "the ServiceAccount may get secret %s of another namespace", byservice.Secret)
		Expect(may("get", "", "configmaps", ns, byservice.Secret)(ctx)).To(BeFalse(), "the ServiceAccount may get configmaps")
	})

	It("are nobody else's, and for nothing else", func(ctx SpecContext) {
		Eventually(may("update", "", "secrets", ns, byservice.Secret)).WithContext(ctx).WithTimeout(sec*5).Should(BeTrue(), "the ServiceAccount may update secret %s", byservice.Secret)
		for _, verb := range []string{"patch", "list", "watch"} {
			Expect(may(verb, "", "secrets", ns, byservice.Secret)(ctx)).To(BeFalse(), "the ServiceAccount may %s secret %s", verb, byservice.Secret)
			Expect(may(verb, "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", ns+"."+byservice.Configuration)(ctx)).To(BeFalse(), "the ServiceAccount may %s mutatingwebhookconfigurations %s", verb, byservice.Configuration)
		}
		for group, resource := range map[string]string{"": "events", "coordination.k8s.io": "leases", "apps": "deployments"} {
			Expect(may("create", group, resource, ns, "")(ctx)).To(BeFalse(), "the ServiceAccount may create %s", resource)
		}
		for _, role := range []string{"Role", "ClusterRole"} {
			for _, subject := range typed[rbacv1.ClusterRoleBinding]("rbac.yaml", role+"Binding").Subjects {
				Expect(subject.Kind+" "+subject.Namespace+"/"+subject.Name).To(Equal("ServiceAccount "+byservice.Namespace+"/"+byservice.Name), "a subject of the %sBinding", role)
			}
		}
	})

	It("are to read and write its two configurations, and no others", func(ctx SpecContext) {
		const group = "admissionregistration.k8s.io"
		ours := ns + "." + byservice.Configuration
		for _, resource := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} {
			for _, verb := range []string{"get", "update"} {
				Eventually(may(verb, group, resource, "", ours)).WithContext(ctx).WithTimeout(sec*5).Should(BeTrue(), "the ServiceAccount may %s %s %s", verb, resource, byservice.Configuration)
				Expect(may(verb, group, resource, "", "other")(ctx)).To(BeFalse(), "the ServiceAccount may %s any of %s: whoever may write webhooks, may be asked about everything", verb, resource)
			}
			for _, verb := range []string{"create", "delete"} {
				Expect(may(verb, group, resource, "", ours)(ctx)).To(BeFalse(), "the ServiceAccount may %s %s %s", verb, resource, byservice.Configuration)
			}
		}
		Expect(may("get", group, "validatingadmissionpolicies", "", ours)(ctx)).To(BeFalse(), "the ServiceAccount may get validatingadmissionpolicies")
		Expect(may("get", "", "secrets", "default", byservice.Secret)(ctx)).To(BeFalse(), "the ServiceAccount may get secrets of another namespace")
	})
})
