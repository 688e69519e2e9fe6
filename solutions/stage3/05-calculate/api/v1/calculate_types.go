package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// kata:begin A marker for the values that an Action may have.
// kata:stub

// +kubebuilder:validation:Enum=add;sub;mul;div
// kata:end

// Action is what is done with two numbers.
type Action string

// The actions.
const (
	ActionAdd Action = "add"
	ActionSub Action = "sub"
	ActionMul Action = "mul"
	ActionDiv Action = "div"
)

// ConditionReady is the type of the condition that says whether there is a result.
const ConditionReady = "Ready"

// The reasons of the condition Ready. With ReasonCalculated it is True, with the others False.
const (
	ReasonCalculated     = "Calculated"
	ReasonDivisionByZero = "DivisionByZero"
	ReasonOverflow       = "Overflow"
	ReasonUnknownAction  = "UnknownAction"
)

// CalculateSpec is what somebody wants to know.
type CalculateSpec struct {
	// kata:begin JSON names for the three fields, a comment for each (kubectl explain shows it), and markers: none of them may be
	// | left out, and 0 is a number like any other.
	// kata:stub Action Action
	// kata:stub First  int64
	// kata:stub Second int64

	// action is what is done with the two numbers: they are added, subtracted, multiplied or divided.
	// +required
	Action Action `json:"action"`

	// first is the first number: the one from which is subtracted, the one that is divided.
	// +required
	First int64 `json:"first"`

	// second is the second number: the one that is subtracted, the one by which is divided.
	// +required
	Second int64 `json:"second"`
	// kata:end
}

// CalculateStatus is what the controller has found.
type CalculateStatus struct {
	// kata:begin JSON names and comments for the three fields, all of which may be left out, and the markers that make conditions a
	// | list of which each entry is somebody's own: by type.
	// kata:stub Result             *int64
	// kata:stub ObservedGeneration int64
	// kata:stub Conditions         []metav1.Condition

	// result is the result. There is none when it cannot be calculated, and a result of 0 is one.
	// +optional
	Result *int64 `json:"result,omitempty"`

	// observedGeneration is the metadata.generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions has Ready, which says whether there is a result, and why not.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// kata:end
}

// kata:begin Markers that make this a kind of its own: an object of the API, its status a subresource, a short name (calc), and the
// | columns that kubectl get shows.
// kata:stub

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=calc
// +kubebuilder:printcolumn:name="Action",type="string",JSONPath=".spec.action"
// +kubebuilder:printcolumn:name="First",type="integer",JSONPath=".spec.first"
// +kubebuilder:printcolumn:name="Second",type="integer",JSONPath=".spec.second"
// +kubebuilder:printcolumn:name="Result",type="integer",JSONPath=".status.result"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// kata:end

// Calculate is a calculation.
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

// kata:begin The list is an object of the API as well.
// kata:stub

// +kubebuilder:object:root=true
// kata:end

// CalculateList is a list of them.
type CalculateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Calculate `json:"items"`
}
