// Package v1beta1 has the Delivery as it is now, and as it is stored. It is the hub: what other versions are converted through. The
// Go types are given.
//
// +kubebuilder:object:generate=true
package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Version is this version's name, in every group.
const Version = "v1beta1"

// Delivery is a pizza on its way.
//
// +kubebuilder:object:root=true
type Delivery struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DeliverySpec   `json:"spec,omitempty"`
	Status DeliveryStatus `json:"status,omitempty"`
}

// DeliverySpec says where to, when, and how.
type DeliverySpec struct {
	// Address is nil when nobody knows.
	Address *Address `json:"address,omitempty"`
	// ETAMinutes is nil when nobody knows.
	ETAMinutes *int32 `json:"etaMinutes,omitempty"`
	// Instructions are for the rider. v1alpha1 has nothing of the kind.
	Instructions []string `json:"instructions,omitempty"`
}

// Address is where a door is.
type Address struct {
	Street   string `json:"street,omitempty"`
	Postcode string `json:"postcode,omitempty"`
	City     string `json:"city,omitempty"`
}

// DeliveryStatus says how far it is.
type DeliveryStatus struct {
	Phase string `json:"phase,omitempty"`
}

// DeliveryList is a list of Deliveries.
//
// +kubebuilder:object:root=true
type DeliveryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Delivery `json:"items"`
}

// AddToScheme returns what adds the types to a scheme, in the given group.
func AddToScheme(group string) func(*runtime.Scheme) error {
	return func(s *runtime.Scheme) error {
		gv := schema.GroupVersion{Group: group, Version: Version}
		s.AddKnownTypes(gv, &Delivery{}, &DeliveryList{})
		metav1.AddToGroupVersion(s, gv)
		return nil
	}
}
