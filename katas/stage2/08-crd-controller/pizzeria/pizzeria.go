// Package pizzeria has the kind that kata crd-controller's controller is for, ready made: its definition, for the API server, and
// its Go types. How one writes both is Stage 3's; here they are given.
package pizzeria

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind and Version are the Pizzeria's in every group.
const (
	Kind    = "Pizzeria"
	Version = "v1"
)

// Phases of a Pizzeria.
const (
	// PhaseHeating: not all ovens are ready.
	PhaseHeating = "Heating"
	// PhaseOpen: all of them are.
	PhaseOpen = "Open"
	// PhaseBlocked: another Deployment stands where the Pizzeria's ovens ought to be.
	PhaseBlocked = "Blocked"
)

// Pizzeria wants a Deployment of ovens: one pod is one oven.
type Pizzeria struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitempty"`
}

// Spec is what somebody wants.
type Spec struct {
	// Ovens is how many there shall be.
	Ovens int32 `json:"ovens"`
	// Image is the container image of an oven.
	Image string `json:"image"`
}

// Status is what the controller has found.
type Status struct {
	// ObservedGeneration is the metadata.generation of the spec that the rest of the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Ready is how many ovens are.
	Ready int32 `json:"ready"`
	// Phase is one of the three above.
	Phase string `json:"phase,omitempty"`
}

// Deployment is the name of a Pizzeria's Deployment.
func (p *Pizzeria) Deployment() string { return p.Name + "-ovens" }

// FromUnstructured makes a Pizzeria of an object of the dynamic client. The object stays as it is, and the Pizzeria shares nothing
// with it. The error names the object.
func FromUnstructured(obj *unstructured.Unstructured) (*Pizzeria, error) {
	p := &Pizzeria{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, p); err != nil {
		return nil, fmt.Errorf("read pizzeria %s/%s: %w", obj.GetNamespace(), obj.GetName(), err)
	}
	return p, nil
}

// Resource is the resource of the Pizzerias in a group.
func Resource(group string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: Version, Resource: "pizzerias"}
}

// Definition returns the CustomResourceDefinition of the Pizzeria in a group. It has the status subresource, and keeps fields
// that it does not know.
func Definition(group string) *unstructured.Unstructured {
	integer := map[string]any{"type": "integer"}
	text := map[string]any{"type": "string"}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": Resource(group).GroupResource().String()},
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{"plural": "pizzerias", "singular": "pizzeria", "kind": Kind},
			"versions": []any{map[string]any{
				"name": Version, "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"additionalPrinterColumns": []any{
					map[string]any{"name": "Ovens", "type": "integer", "jsonPath": ".spec.ovens"},
					map[string]any{"name": "Ready", "type": "integer", "jsonPath": ".status.ready"},
					map[string]any{"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
				},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type":     "object",
					"required": []any{"spec"},
					"properties": map[string]any{
						"spec": map[string]any{
							"type":                                 "object",
							"required":                             []any{"ovens", "image"},
							"properties":                           map[string]any{"ovens": integer, "image": text},
							"x-kubernetes-preserve-unknown-fields": true,
						},
						"status": map[string]any{
							"type":                                 "object",
							"properties":                           map[string]any{"observedGeneration": integer, "ready": integer, "phase": text},
							"x-kubernetes-preserve-unknown-fields": true,
						},
					},
				}},
			}},
		},
	}}
}
