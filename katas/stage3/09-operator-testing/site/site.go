// Package site is the API of the operator that is tested: a Site is a web site, which has a Deployment.
//
// +kubebuilder:object:generate=true
package site

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Container is the name of the one container in a Site's Deployment.
const Container = "web"

// Site is a web site.
//
// +kubebuilder:object:root=true
type Site struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitempty"`
}

// Spec is what its owner wants.
type Spec struct {
	Image    string `json:"image"`
	Replicas int32  `json:"replicas"`
}

// Status is what the operator has seen.
type Status struct {
	// Phase is one of the phases below.
	Phase string `json:"phase,omitempty"`
	// Ready is how many replicas are ready.
	Ready int32 `json:"ready"`
	// ObservedGeneration is the metadata.generation that the rest is about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// The phases of a Site.
const (
	PhaseStarting = "Starting" // fewer replicas are ready than wanted
	PhaseOnline   = "Online"   // as many as wanted
	PhaseBlocked  = "Blocked"  // there is a Deployment of that name which is somebody else's
)

// SiteList is a list of them.
//
// +kubebuilder:object:root=true
type SiteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Site `json:"items"`
}

// AddToScheme tells a scheme about Sites of a group.
func AddToScheme(scheme *runtime.Scheme, group string) {
	version := schema.GroupVersion{Group: group, Version: "v1"}
	scheme.AddKnownTypes(version, &Site{}, &SiteList{})
	metav1.AddToGroupVersion(scheme, version)
}

// Definition is the CustomResourceDefinition of Sites, in a group.
func Definition(group string) *unstructured.Unstructured {
	text, number := map[string]any{"type": "string"}, map[string]any{"type": "integer"}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "sites." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names": map[string]any{"plural": "sites", "singular": "site", "kind": "Site", "listKind": "SiteList"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
					"spec": map[string]any{
						"type": "object", "required": []any{"image", "replicas"},
						"properties": map[string]any{"image": text, "replicas": map[string]any{"type": "integer", "minimum": int64(0)}},
					},
					"status": map[string]any{"type": "object", "properties": map[string]any{
						"phase": map[string]any{"type": "string", "enum": []any{PhaseStarting, PhaseOnline, PhaseBlocked}},
						"ready": number, "observedGeneration": number,
					}},
				}}},
			}},
		},
	}}
}
