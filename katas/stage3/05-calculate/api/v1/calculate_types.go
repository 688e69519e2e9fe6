package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TODO(kata): A marker for the values that an Action may have.

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
	// TODO(kata): JSON names for the three fields, a comment for each (kubectl explain shows it), and markers: none of them may be
	// left out, and 0 is a number like any other.
	Action Action
	First  int64
	Second int64
}

// CalculateStatus is what the controller has found.
type CalculateStatus struct {
	// TODO(kata): JSON names and comments for the three fields, all of which may be left out, and the markers that make conditions a
	// list of which each entry is somebody's own: by type.
	Result             *int64
	ObservedGeneration int64
	Conditions         []metav1.Condition
}

// TODO(kata): Markers that make this a kind of its own: an object of the API, its status a subresource, a short name (calc), and the
// columns that kubectl get shows.

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

// TODO(kata): The list is an object of the API as well.

// CalculateList is a list of them.
type CalculateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Calculate `json:"items"`
}
