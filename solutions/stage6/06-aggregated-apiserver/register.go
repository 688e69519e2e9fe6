package aggregated

import (
	"crypto/x509"
	"encoding/base64"
	"errors"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// APIService returns the object, of apiregistration.k8s.io/v1, that has the API server pass on what is asked of the group's version v1, to a port of a Service. Its name is
// VERSION.GROUP, as it must be. It has the bundle by which our certificate is verified, whose name is SERVICE.NAMESPACE.svc, and does not skip that. The priority of the group is
// 1000, far behind the built-in ones, that of the version 15.
//
// A bundle in which there is no certificate is an error: the API server would take any that the operating system trusts.
func APIService(group, namespace, service string, port int32, bundle []byte) (*unstructured.Unstructured, error) {
	// kata:begin The Go type is in k8s.io/kube-aggregator, which this module does without: map[string]any, and int64 for numbers. Bytes are base64.
	if !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		return nil, errors.New("the bundle has no certificate in PEM")
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1",
		"kind":       "APIService",
		"metadata":   map[string]any{"name": Version + "." + group},
		"spec": map[string]any{
			"group":                group,
			"version":              Version,
			"groupPriorityMinimum": int64(1000),
			"versionPriority":      int64(15),
			"caBundle":             base64.StdEncoding.EncodeToString(bundle),
			"service":              map[string]any{"namespace": namespace, "name": service, "port": int64(port)},
		},
	}}, nil
	// kata:end
}

// Rights returns what a ServiceAccount needs so that our server can run under it, and no more: it may ask who may do what, by the ClusterRole system:auth-delegator; and it may read
// the one ConfigMap, by the Role extension-apiserver-authentication-reader, which is in kube-system, as its binding must be. Every cluster has both roles. The names of the bindings
// are NAMESPACE:ACCOUNT:auth-delegator and NAMESPACE:ACCOUNT:authentication-reader: another server has its own.
func Rights(namespace, account string) (*rbacv1.ClusterRoleBinding, *rbacv1.RoleBinding) {
	// kata:begin Two bindings, one subject. Which apiGroup does a roleRef have?
	name := namespace + ":" + account + ":"
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}}
	delegator := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name + "auth-delegator"}, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
	}
	reader := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: AuthenticationNamespace, Name: name + "authentication-reader"}, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "extension-apiserver-authentication-reader"},
	}
	return delegator, reader
	// kata:end
}
