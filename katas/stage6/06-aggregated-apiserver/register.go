package aggregated

import (
	"errors"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// APIService returns the object, of apiregistration.k8s.io/v1, that has the API server pass on what is asked of the group's version v1, to a port of a Service. Its name is
// VERSION.GROUP, as it must be. It has the bundle by which our certificate is verified, whose name is SERVICE.NAMESPACE.svc, and does not skip that. The priority of the group is
// 1000, far behind the built-in ones, that of the version 15.
//
// A bundle in which there is no certificate is an error: the API server would take any that the operating system trusts.
func APIService(group, namespace, service string, port int32, bundle []byte) (*unstructured.Unstructured, error) {
	// TODO(kata): The Go type is in k8s.io/kube-aggregator, which this module does without: map[string]any, and int64 for numbers. Bytes are base64.
	return nil, errors.New("APIService is not implemented")
}

// Rights returns what a ServiceAccount needs so that our server can run under it, and no more: it may ask who may do what, by the ClusterRole system:auth-delegator; and it may read
// the one ConfigMap, by the Role extension-apiserver-authentication-reader, which is in kube-system, as its binding must be. Every cluster has both roles. The names of the bindings
// are NAMESPACE:ACCOUNT:auth-delegator and NAMESPACE:ACCOUNT:authentication-reader: another server has its own.
func Rights(namespace, account string) (*rbacv1.ClusterRoleBinding, *rbacv1.RoleBinding) {
	// TODO(kata): Two bindings, one subject. Which apiGroup does a roleRef have?
	panic("Rights is not implemented")
}
