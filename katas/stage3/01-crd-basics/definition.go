// Package crdbasics is the kata's: an Oven's CustomResourceDefinition as a file, oven.yaml, and [Retire], which takes one of its
// versions out of service. This file is given; it reads the other one.
package crdbasics

import (
	_ "embed"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// What oven.yaml defines.
const (
	Group  = "kitchen.kubekata.dev"
	Kind   = "Oven"
	Plural = "ovens"
)

//go:embed oven.yaml
var source []byte

// Definition returns what oven.yaml says, for the given group: Group, unless the definition is to stand beside others of its kind.
// It is not typed, so that the server sees each field as it was written, misspelt ones too.
func Definition(group string) (*unstructured.Unstructured, error) {
	data, err := yaml.YAMLToJSONStrict(source)
	if err != nil {
		return nil, fmt.Errorf("oven.yaml is not YAML: %w", err)
	}
	crd := &unstructured.Unstructured{}
	if err := crd.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("oven.yaml is not an object of the API: %w", err)
	}
	if name := Plural + "." + Group; crd.GetName() != name {
		return nil, fmt.Errorf("oven.yaml: metadata.name is %q, want %s: the plural, a dot, the group", crd.GetName(), name)
	}
	if written, _, _ := unstructured.NestedString(crd.Object, "spec", "group"); written != Group {
		return nil, fmt.Errorf("oven.yaml: spec.group is %q, want %s", written, Group)
	}
	crd.SetName(schema.GroupResource{Group: group, Resource: Plural}.String())
	if err := unstructured.SetNestedField(crd.Object, group, "spec", "group"); err != nil {
		return nil, fmt.Errorf("oven.yaml: %w", err)
	}
	return crd, nil
}
