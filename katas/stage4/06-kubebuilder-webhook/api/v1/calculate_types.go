package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Action is what is done with two numbers. The definition takes any text for it: which ones there are is the webhook's to say.
type Action string

// The actions.
const (
	ActionAdd Action = "add"
	ActionSub Action = "sub"
	ActionMul Action = "mul"
	ActionDiv Action = "div"
)

// ProtectedAnnotation with the value "true" keeps a Calculate from being deleted.
const ProtectedAnnotation = "math.kubekata.dev/protected"

// CalculateSpec is what somebody wants to know.
type CalculateSpec struct {
	// action is what is done with the two numbers: add, sub, mul or div. It cannot be changed.
	// +optional
	Action Action `json:"action,omitempty"`

	// first is the first number: the one from which is subtracted, the one that is divided.
	// +required
	First int64 `json:"first"`

	// second is the second number: the one that is subtracted, the one by which is divided. Nil is none, and not 0.
	// +optional
	Second *int64 `json:"second,omitempty"`
}

// CalculateStatus is what the controller has found.
type CalculateStatus struct {
	// result is the result.
	// +optional
	Result *int64 `json:"result,omitempty"`
}

// Calculate is a calculation.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=calc
// +kubebuilder:printcolumn:name="Action",type="string",JSONPath=".spec.action"
// +kubebuilder:printcolumn:name="First",type="integer",JSONPath=".spec.first"
// +kubebuilder:printcolumn:name="Second",type="integer",JSONPath=".spec.second"
// +kubebuilder:printcolumn:name="Result",type="integer",JSONPath=".status.result"
type Calculate struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is to be calculated.
	// +required
	Spec CalculateSpec `json:"spec"`
	// status is what has come of it.
	// +optional
	Status CalculateStatus `json:"status,omitempty"`
}

// CalculateList is a list of them.
//
// +kubebuilder:object:root=true
type CalculateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Calculate `json:"items"`
}
