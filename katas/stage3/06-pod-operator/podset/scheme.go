package podset

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind and Version are the PodSet's in every group.
const (
	Kind    = "PodSet"
	Version = "v1"
)

// AddToScheme adds the PodSet to a scheme, in a group. The group of an operator is a constant, elsewhere; here several runs share one
// API server, and each has its own.
func AddToScheme(scheme *runtime.Scheme, group string) error {
	version := schema.GroupVersion{Group: group, Version: Version}
	scheme.AddKnownTypes(version, &PodSet{}, &PodSetList{})
	metav1.AddToGroupVersion(scheme, version)
	return nil
}

// DeepCopyInto copies the PodSet. Elsewhere controller-gen writes these functions.
func (s *PodSet) DeepCopyInto(out *PodSet) {
	*out = *s
	s.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	s.Spec.Template.DeepCopyInto(&out.Spec.Template)
}

// DeepCopy copies the PodSet.
func (s *PodSet) DeepCopy() *PodSet {
	out := new(PodSet)
	s.DeepCopyInto(out)
	return out
}

// DeepCopyObject is DeepCopy for a runtime.Object.
func (s *PodSet) DeepCopyObject() runtime.Object { return s.DeepCopy() }

// DeepCopyObject copies the list.
func (l *PodSetList) DeepCopyObject() runtime.Object {
	out := new(PodSetList)
	*out = *l
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]PodSet, len(l.Items))
	for i := range l.Items {
		l.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}

// Definition returns the CustomResourceDefinition of the PodSet in a group. It has the status subresource; what is in the
// template is the pods' business, and the server keeps it as it is.
func Definition(group string) *unstructured.Unstructured {
	integer := map[string]any{"type": "integer", "minimum": int64(0)}
	text := map[string]any{"type": "string"}
	column := func(name, kind, path string) any {
		return map[string]any{"name": name, "type": kind, "jsonPath": path}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": "podsets." + group},
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{"plural": "podsets", "singular": "podset", "kind": Kind},
			"versions": []any{map[string]any{
				"name": Version, "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"additionalPrinterColumns": []any{
					column("Wanted", "integer", ".spec.replicas"), column("Ready", "integer", ".status.ready"),
					column("Updated", "integer", ".status.updated"), column("Phase", "string", ".status.phase"),
				},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type":     "object",
					"required": []any{"spec"},
					"properties": map[string]any{
						"spec": map[string]any{
							"type":     "object",
							"required": []any{"replicas", "template"},
							"properties": map[string]any{
								"replicas": integer,
								"template": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
							},
						},
						"status": map[string]any{
							"type": "object",
							"properties": map[string]any{
								"observedGeneration": integer, "phase": text, "replicas": integer, "ready": integer, "updated": integer,
							},
						},
					},
				}},
			}},
		},
	}}
}
