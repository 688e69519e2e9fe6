// Package v1alpha1 has the Delivery as it was first: two texts. It is the spoke. The Go types are given; the conversion is the
// learner's, in the kata's package.
//
// +kubebuilder:object:generate=true
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Version is this version's name, in every group.
const Version = "v1alpha1"

// Delivery is a pizza on its way.
//
// +kubebuilder:object:root=true
type Delivery struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DeliverySpec   `json:"spec,omitempty"`
	Status DeliveryStatus `json:"status,omitempty"`
}

// DeliverySpec says where to, and when.
type DeliverySpec struct {
	// Address is "Via Roma 1, 80100 Napoli", if all is well. It is whatever somebody has typed.
	Address string `json:"address,omitempty"`
	// ETA is how long it takes, "45m" for instance. It is whatever somebody has typed.
	ETA string `json:"eta,omitempty"`
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
