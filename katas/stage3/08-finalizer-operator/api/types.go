// Package api is given: the Bucket, as a Go type and as a CustomResourceDefinition, and the words that its status speaks in.
package api

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Finalizer is ours. A Bucket that has it is not gone from the API server before we have cleaned up and taken it off.
const Finalizer = "storage.kubekata.dev/bucket"

// Ready is the condition that says whether the storage service has the bucket that the spec describes.
const Ready = "Ready"

// Reasons of the condition Ready. Those but the first are reasons of Warning events as well.
const (
	// ReasonProvisioned: the service has the bucket; Ready is True.
	ReasonProvisioned = "Provisioned"
	// ReasonNameTaken: somebody else has a bucket of that name.
	ReasonNameTaken = "NameTaken"
	// ReasonServiceFailed: the service could not make the bucket, or set its quota.
	ReasonServiceFailed = "ServiceFailed"
	// ReasonNotEmpty: the Bucket is being deleted, and there are objects in it.
	ReasonNotEmpty = "NotEmpty"
	// ReasonCleanupFailed: the Bucket is being deleted, and the service could not delete it.
	ReasonCleanupFailed = "CleanupFailed"
)

// Bucket wants a bucket in the storage service.
type Bucket struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BucketSpec   `json:"spec"`
	Status BucketStatus `json:"status,omitempty"`
}

// BucketSpec is what is wanted.
type BucketSpec struct {
	// Name is the bucket's in the service, which all its customers share. It cannot be changed.
	Name string `json:"name"`
	// Region is where the bucket is. It cannot be changed.
	Region string `json:"region"`
	// Quota is how many objects there may be in it.
	Quota int64 `json:"quota"`
	// Force lets the bucket be deleted with all that is in it.
	Force bool `json:"force,omitempty"`
}

// BucketStatus is what was found.
type BucketStatus struct {
	// Conditions has ours, Ready, and those of others.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// BucketList is what a list of Buckets returns.
type BucketList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Bucket `json:"items"`
}

// GroupVersion is the version of a group in which there are Buckets. The group is not part of the types: each run of the specs
// has one of its own.
func GroupVersion(group string) schema.GroupVersion {
	return schema.GroupVersion{Group: group, Version: "v1"}
}

// AddToScheme returns a function that adds the types to a scheme, under a group.
func AddToScheme(group string) func(*runtime.Scheme) error {
	return func(scheme *runtime.Scheme) error {
		scheme.AddKnownTypes(GroupVersion(group), &Bucket{}, &BucketList{})
		metav1.AddToGroupVersion(scheme, GroupVersion(group))
		return nil
	}
}
