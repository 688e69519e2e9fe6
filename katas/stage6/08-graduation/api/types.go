// Package api is given: the Line, as a Go type and as a CustomResourceDefinition, and the words that its status speaks in.
package api

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// Finalizer is ours. A Line that has it is not gone from the API server before its number is given back.
	Finalizer = "lines.kubekata.dev/number"
	// KeepAnnotation set to "true" keeps a Line from being deleted.
	KeepAnnotation = "lines.kubekata.dev/keep"
	// Lease is the name of the lease for which the candidates stand.
	Lease = "lines-operator"
	// DefaultArea is the area of a Line that has none.
	DefaultArea = "030"
)

// Ready is the condition that says whether the Line has all that its spec wants.
const Ready = "Ready"

// Reasons of the condition Ready.
const (
	// ReasonConnected: the Line has its number and its phone, and calls are diverted as the spec says; Ready is True.
	ReasonConnected = "Connected"
	// ReasonExchangeFailed: the exchange has refused a call, or nobody knows what has become of it.
	ReasonExchangeFailed = "ExchangeFailed"
	// ReasonPhoneTaken: the ConfigMap's name is somebody else's.
	ReasonPhoneTaken = "PhoneTaken"
)

// The keys of the phone, which is a ConfigMap.
const (
	// NumberKey has the number.
	NumberKey = "number"
	// DivertKey has the spec's divert; it is missing when that is empty.
	DivertKey = "divert"
	// VoicemailKey has the spec's voicemail; it is missing when that is empty.
	VoicemailKey = "voicemail"
)

// PhoneName is the name of a Line's ConfigMap.
func PhoneName(line string) string { return line + "-phone" }

// Line wants a telephone number.
type Line struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   LineSpec   `json:"spec"`
	Status LineStatus `json:"status,omitempty"`
}

// LineSpec is what somebody wants.
type LineSpec struct {
	// Area is the area code, 030 for instance. A number cannot move to another area.
	Area string `json:"area,omitempty"`
	// Divert is where calls go instead: a number like +493012345, or empty.
	Divert string `json:"divert,omitempty"`
	// Voicemail is what callers hear when nobody answers. It is behind the feature gate Voicemail.
	Voicemail string `json:"voicemail,omitempty"`
}

// LineStatus is what the operator has found.
type LineStatus struct {
	// Number is the Line's, from when it is rented.
	Number string `json:"number,omitempty"`
	// Conditions has one: Ready.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// LineList is a list of them.
type LineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Line `json:"items"`
}

// GroupVersion is the Line's, in a group.
func GroupVersion(group string) schema.GroupVersion {
	return schema.GroupVersion{Group: group, Version: "v1"}
}

// AddToScheme returns a function that makes the Line, in a group, known to a scheme.
func AddToScheme(group string) func(*runtime.Scheme) error {
	return func(scheme *runtime.Scheme) error {
		scheme.AddKnownTypes(GroupVersion(group), &Line{}, &LineList{})
		metav1.AddToGroupVersion(scheme, GroupVersion(group))
		return nil
	}
}
