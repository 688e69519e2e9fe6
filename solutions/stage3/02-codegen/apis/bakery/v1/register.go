package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// SchemeGroupVersion is the group and version of the kinds in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: "bakery.kubekata.dev", Version: "v1"}

// Resource is a resource of this group: Resource("loaves"). The generated listers use it for their errors.
func Resource(resource string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(resource).GroupResource()
}

var (
	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes, addDefaults)

	// AddToScheme tells a scheme about the kinds in this package, and their defaults.
	AddToScheme = schemeBuilder.AddToScheme
)

// addKnownTypes tells a scheme about Loaf and LoafList, and about what every group has: the options of list, watch and delete.
func addKnownTypes(scheme *runtime.Scheme) error {
	// kata:begin scheme.AddKnownTypes, and metav1.AddToGroupVersion.
	scheme.AddKnownTypes(SchemeGroupVersion, &Loaf{}, &LoafList{})
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
	// kata:end
}

// addDefaults tells a scheme how to fill in what a Loaf leaves out: scheme.Default.
func addDefaults(scheme *runtime.Scheme) error {
	// kata:begin RegisterDefaults is what defaulter-gen has made.
	return RegisterDefaults(scheme)
	// kata:end
}
