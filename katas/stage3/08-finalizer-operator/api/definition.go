package api

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Definition returns the CustomResourceDefinition of the Bucket in a group. The server sees to it that name and region stay.
func Definition(group string) *unstructured.Unstructured {
	fixed := func(field string) map[string]any {
		return map[string]any{
			"type": "string", "minLength": int64(1),
			"x-kubernetes-validations": []any{map[string]any{"rule": "self == oldSelf", "message": field + " cannot be changed"}},
		}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": "buckets." + group},
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{"plural": "buckets", "singular": "bucket", "kind": "Bucket", "listKind": "BucketList"},
			"versions": []any{map[string]any{
				"name": GroupVersion(group).Version, "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"additionalPrinterColumns": []any{
					column("Bucket", ".spec.name"),
					column("Ready", `.status.conditions[?(@.type=="Ready")].status`),
					column("Reason", `.status.conditions[?(@.type=="Ready")].reason`),
					column("Message", `.status.conditions[?(@.type=="Ready")].message`),
				},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type":     "object",
					"required": []any{"spec"},
					"properties": map[string]any{
						"spec": map[string]any{
							"type":     "object",
							"required": []any{"name", "region", "quota"},
							"properties": map[string]any{
								"name":   fixed("the bucket's name"),
								"region": fixed("the bucket's region"),
								"quota":  map[string]any{"type": "integer", "format": "int64", "minimum": int64(1)},
								"force":  map[string]any{"type": "boolean"},
							},
						},
						"status": map[string]any{
							"type":       "object",
							"properties": map[string]any{"conditions": conditions()},
						},
					},
				}},
			}},
		},
	}}
}

func column(name, path string) map[string]any {
	return map[string]any{"name": name, "type": "string", "jsonPath": path}
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
