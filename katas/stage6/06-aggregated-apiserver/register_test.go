package aggregated_test

import (
	"encoding/base64"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"
)

// apiServices is the resource of APIServices.
var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

var _ = Describe("APIService", func() {
	It("leads to the Service, and is called VERSION.GROUP", func() {
		got, err := aggregated.APIService(group, "osteria", "till", 8443, proxies.Bundle)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.GetAPIVersion()+" "+got.GetKind()).To(Equal("apiregistration.k8s.io/v1 APIService"), "apiVersion and kind")
		Expect(got.GetName()).To(Equal("v1."+group), "metadata.name")
		spec, ok := got.Object["spec"].(map[string]any)
		Expect(ok).To(BeTrue(), "spec is a map: %v", got.Object)
		Expect(spec).To(And(HaveKeyWithValue("group", group), HaveKeyWithValue("version", "v1")), "spec")
		Expect(spec).To(HaveKeyWithValue("service", BeEquivalentTo(map[string]any{"namespace": "osteria", "name": "till", "port": int64(8443)})), "spec")
	})

	It("has the bundle, and does not skip the verification", func() {
		got, err := aggregated.APIService(group, "osteria", "till", 8443, proxies.Bundle)
		Expect(err).NotTo(HaveOccurred())
		Expect(nestedString(got.Object, "spec", "caBundle")).To(Equal(base64.StdEncoding.EncodeToString(proxies.Bundle)), "spec.caBundle, in base64")
		Expect(got.Object["spec"]).NotTo(HaveKeyWithValue("insecureSkipTLSVerify", true), "spec")
	})

	It("is not more important than it is", func() {
		got, err := aggregated.APIService(group, "osteria", "till", 8443, proxies.Bundle)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Object["spec"]).To(And(HaveKeyWithValue("groupPriorityMinimum", BeEquivalentTo(1000)), HaveKeyWithValue("versionPriority", BeEquivalentTo(15))), "spec")
	})

	It("is accepted by the API server", func(ctx SpecContext) {
		got, err := aggregated.APIService(api.Namespace(ctx)+".kubekata.dev", "osteria", "till", 8443, proxies.Bundle)
		Expect(err).NotTo(HaveOccurred())
		_, err = api.JudgeDynamic().Resource(apiServices).Create(ctx, got, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
		Expect(err).NotTo(HaveOccurred(), "create the APIService, as a dry run")
	})

	DescribeTable("refuses a bundle", func(bundle string) {
		_, err := aggregated.APIService(group, "osteria", "till", 8443, []byte(bundle))
		Expect(err).To(MatchError(ContainSubstring("bundle")), "the error for the bundle %q", bundle)
	},
		Entry("that is empty", ""),
		Entry("that has no certificate", "a certificate"),
	)
})

var _ = Describe("Rights", func() {
	subject := rbacv1.Subject{Kind: "ServiceAccount", Namespace: "osteria", Name: "till"}

	It("let the server ask who may do what", func() {
		binding, _ := aggregated.Rights("osteria", "till")
		Expect(binding.Name).To(Equal("osteria:till:auth-delegator"), "the name of the ClusterRoleBinding")
		Expect(binding.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:auth-delegator"}), "roleRef")
		Expect(binding.Subjects).To(ConsistOf(subject), "subjects")
	})

	It("let the server read the ConfigMap, where that is", func() {
		_, binding := aggregated.Rights("osteria", "till")
		Expect(binding.Namespace+"/"+binding.Name).To(Equal("kube-system/osteria:till:authentication-reader"), "namespace and name of the RoleBinding")
		Expect(binding.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "extension-apiserver-authentication-reader"}), "roleRef")
		Expect(binding.Subjects).To(ConsistOf(subject), "subjects")
	})

	It("are accepted by the API server", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		delegator, reader := aggregated.Rights(ns, "till")
		dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
		_, err := api.Judge().RbacV1().ClusterRoleBindings().Create(ctx, delegator, dry)
		Expect(err).NotTo(HaveOccurred(), "create the ClusterRoleBinding, as a dry run")
		_, err = api.Judge().RbacV1().RoleBindings("kube-system").Create(ctx, reader, dry)
		Expect(err).NotTo(HaveOccurred(), "create the RoleBinding in kube-system, as a dry run")
	})
})
