package api

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Definition returns the CustomResourceDefinition of the Line in a group. What a Line may say is the webhook's to judge.
func Definition(group string) *unstructured.Unstructured {
	text := map[string]any{"type": "string"}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": "lines." + group},
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{"plural": "lines", "singular": "line", "kind": "Line", "listKind": "LineList"},
			"versions": []any{map[string]any{
				"name": GroupVersion(group).Version, "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"additionalPrinterColumns": []any{
					map[string]any{"name": "Number", "type": "string", "jsonPath": ".status.number"},
					map[string]any{"name": "Divert", "type": "string", "jsonPath": ".spec.divert"},
					map[string]any{"name": "Ready", "type": "string", "jsonPath": `.status.conditions[?(@.type=="Ready")].reason`},
				},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type":     "object",
					"required": []any{"spec"},
					"properties": map[string]any{
						"spec": map[string]any{
							"type":       "object",
							"properties": map[string]any{"area": text, "divert": text, "voicemail": text},
						},
						"status": map[string]any{
							"type":       "object",
							"properties": map[string]any{"number": text, "conditions": conditions()},
						},
					},
				}},
			}},
		},
	}}
}

// conditions is the schema of a list of metav1.Condition.
func conditions() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{
		"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": []any{"type"},
		"items": map[string]any{
			"type":     "object",
			"required": []any{"type", "status", "lastTransitionTime", "reason", "message"},
			"properties": map[string]any{
				"type": text, "status": map[string]any{"type": "string", "enum": []any{"True", "False", "Unknown"}},
				"reason": text, "message": text,
				"lastTransitionTime": map[string]any{"type": "string", "format": "date-time"},
				"observedGeneration": map[string]any{"type": "integer", "format": "int64"},
			},
		},
	}
}
