package v1

import (
	"errors"

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
	// TODO(kata): scheme.AddKnownTypes, and metav1.AddToGroupVersion.
	return errors.New("addKnownTypes is not implemented")
}

// addDefaults tells a scheme how to fill in what a Loaf leaves out: scheme.Default.
func addDefaults(scheme *runtime.Scheme) error {
	// TODO(kata): RegisterDefaults is what defaulter-gen has made.
	return errors.New("addDefaults is not implemented")
}
