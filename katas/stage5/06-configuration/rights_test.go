package configuration_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// right is something that somebody may do.
type right struct {
	verb, group, resource string // the resource may have a subresource: pods/status
	namespace             string // empty: in all
	name                  string
}

func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.group != "" {
		text += "." + r.group
	}
	if r.name != "" {
		text += " " + r.name
	}
	if r.namespace == "" {
		return text + " in all namespaces"
	}
	return text + " in the namespace " + r.namespace
}

// needed is what kube-scheduler v1.37 does, with this configuration.
func needed(ns string) []right {
	const leases = "coordination.k8s.io"
	all := []right{
		{verb: "create", group: leases, resource: "leases", namespace: ns},
		{verb: "get", group: leases, resource: "leases", namespace: ns, name: "kubekata-scheduler"},
		{verb: "update", group: leases, resource: "leases", namespace: ns, name: "kubekata-scheduler"},
		{verb: "create", resource: "pods/binding"},
		{verb: "patch", resource: "pods/status"},
		{verb: "delete", resource: "pods"},
		{verb: "create", group: "events.k8s.io", resource: "events"},
		{verb: "update", resource: "persistentvolumeclaims"},
		{verb: "update", resource: "persistentvolumes"},
		{verb: "create", group: "authentication.k8s.io", resource: "tokenreviews"},
		{verb: "create", group: "authorization.k8s.io", resource: "subjectaccessreviews"},
		{verb: "get", resource: "configmaps", namespace: "kube-system", name: "extension-apiserver-authentication"},
	}
	for _, watched := range []schema.GroupResource{
		{Resource: "pods"}, {Resource: "nodes"}, {Resource: "namespaces"}, {Resource: "services"}, {Resource: "replicationcontrollers"},
		{Resource: "persistentvolumes"}, {Resource: "persistentvolumeclaims"},
		{Group: "apps", Resource: "replicasets"}, {Group: "apps", Resource: "statefulsets"}, {Group: "policy", Resource: "poddisruptionbudgets"},
		{Group: "storage.k8s.io", Resource: "storageclasses"}, {Group: "storage.k8s.io", Resource: "csinodes"}, {Group: "storage.k8s.io", Resource: "csidrivers"},
		{Group: "storage.k8s.io", Resource: "csistoragecapacities"}, {Group: "storage.k8s.io", Resource: "volumeattachments"},
		{Group: "resource.k8s.io", Resource: "resourceclaims"}, {Group: "resource.k8s.io", Resource: "resourceslices"}, {Group: "resource.k8s.io", Resource: "deviceclasses"},
	} {
		all = append(all, right{verb: "list", group: watched.Group, resource: watched.Resource}, right{verb: "watch", group: watched.Group, resource: watched.Resource})
	}
	return all
}

// forbidden is what more generous roles would allow.
func forbidden(ns string) []right {
	return []right{
		{verb: "get", resource: "secrets", namespace: ns},
		{verb: "create", resource: "pods", namespace: ns},
		{verb: "update", resource: "nodes"},
		{verb: "get", resource: "configmaps", namespace: "kube-system", name: "kubeadm-config"},
		{verb: "update", group: "coordination.k8s.io", resource: "leases", namespace: ns, name: "of-somebody-else"},
		{verb: "update", group: "coordination.k8s.io", resource: "leases", namespace: "kube-node-lease", name: "node-0"},
		{verb: "create", group: "rbac.authorization.k8s.io", resource: "clusterrolebindings"},
	}
}

// may asks the API server's authorizer.
func may(ctx context.Context, user, ns string, r right) (bool, error) {
	resource, sub, _ := strings.Cut(r.resource, "/")
	review, err := api.Judge().AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: r.verb, Group: r.group, Resource: resource, Subresource: sub, Namespace: r.namespace, Name: r.name},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether %s may %s: %w", user, r, err)
	}
	return review.Status.Allowed, nil
}

// resources of the kinds that the manifests may have.
var resources = map[string]string{
	"Namespace": "namespaces", "ServiceAccount": "serviceaccounts", "ConfigMap": "configmaps", "Secret": "secrets", "Service": "services", "Deployment": "deployments",
	"Role": "roles", "RoleBinding": "rolebindings", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
	"PodDisruptionBudget": "poddisruptionbudgets", "PriorityClass": "priorityclasses", "NetworkPolicy": "networkpolicies", "Lease": "leases",
}

func create(ctx context.Context, o *unstructured.Unstructured, options metav1.CreateOptions) error {
	GinkgoHelper()
	Expect(resources).To(HaveKey(o.GetKind()), "the kind of %s, which nobody needs here", o.GetName())
	gv, err := schema.ParseGroupVersion(o.GetAPIVersion())
	if err != nil {
		return err
	}
	_, err = api.JudgeDynamic().Resource(gv.WithResource(resources[o.GetKind()])).Namespace(o.GetNamespace()).Create(ctx, o, options)
	return err
}

// applyRights creates the ServiceAccounts, roles and bindings until the spec ends, and returns when the API server goes by them.
func applyRights(ctx context.Context, ns string) {
	GinkgoHelper()
	for _, o := range append(renamed(ns), sentinels(ns)...) {
		if o.GroupVersionKind().Group != rbacv1.GroupName {
			continue
		}
		gvr := o.GroupVersionKind().GroupVersion().WithResource(resources[o.GetKind()])
		Expect(create(ctx, o, metav1.CreateOptions{})).To(Succeed(), "the API server's answer to %s %s", o.GetKind(), o.GetName())
		if o.GetNamespace() != ns {
			DeferCleanup(func(ctx SpecContext) error {
				return api.JudgeDynamic().Resource(gvr).Namespace(o.GetNamespace()).Delete(ctx, o.GetName(), metav1.DeleteOptions{})
			})
		}
	}
	for _, r := range []right{{verb: "sing", resource: "songs", namespace: ns}, {verb: "dance", resource: "songs"}} {
		Eventually(may).WithContext(ctx).WithArguments(sentinel(ns), ns, r).Should(BeTrue(), "may the spec's own sentinel %s?", r)
	}
}

func sentinel(ns string) string { return ns + "-sentinel" }

// sentinels are one object of each kind that the authorizer watches. It hears of those of a kind in their order: when it knows these, it knows all before them.
func sentinels(ns string) []*unstructured.Unstructured {
	GinkgoHelper()
	name := sentinel(ns)
	local, global := metav1.ObjectMeta{Namespace: ns, Name: name}, metav1.ObjectMeta{Name: name}
	api.Own(&global)
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}
	rules := func(verb string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{{Verbs: []string{verb}, APIGroups: []string{""}, Resources: []string{"songs"}}}
	}
	var all []*unstructured.Unstructured
	for kind, o := range map[string]any{
		"Role":               &rbacv1.Role{ObjectMeta: local, Rules: rules("sing")},
		"RoleBinding":        &rbacv1.RoleBinding{ObjectMeta: local, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}},
		"ClusterRole":        &rbacv1.ClusterRole{ObjectMeta: global, Rules: rules("dance")},
		"ClusterRoleBinding": &rbacv1.ClusterRoleBinding{ObjectMeta: global, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}},
	} {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		Expect(err).NotTo(HaveOccurred())
		u := &unstructured.Unstructured{Object: fields}
		u.SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind(kind))
		all = append(all, u)
	}
	return all
}
