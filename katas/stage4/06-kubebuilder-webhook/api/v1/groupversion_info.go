// Package v1 is version v1 of the API group math.kubekata.dev: the Calculate of stage 3, in which something may be left out now. It is given.
//
// +kubebuilder:object:generate=true
// +groupName=math.kubekata.dev
package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of the kinds in this package.
var GroupVersion = schema.GroupVersion{Group: "math.kubekata.dev", Version: "v1"}

// AddToScheme tells a scheme about the kinds in this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Calculate{}, &CalculateList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
