// Package delivery has what the two versions of the Delivery share: the names of the annotations, and the definition for the API
// server. It is given. The Go types are in its packages v1alpha1 and v1beta1.
package delivery

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1alpha1"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1beta1"
)

// Kind is the kind in both versions.
const Kind = "Delivery"

// Annotations that carry what the other version has and this one cannot say. They are the conversion's own: nobody else reads or
// writes them, and what is in them is up to it.
const (
	// CarriesV1beta1 is on a v1alpha1 Delivery.
	CarriesV1beta1 = "delivery.kubekata.dev/v1beta1"
	// CarriesV1alpha1 is on a v1beta1 Delivery.
	CarriesV1alpha1 = "delivery.kubekata.dev/v1alpha1"
)

//go:embed delivery.yaml
var definition string

// Definition returns the CustomResourceDefinition of the Delivery in a group, with v1beta1 as the storage version, served by a
// conversion webhook. url is the webhook's, https; caBundle is PEM, and has the certificate that vouches for it.
func Definition(group, url string, caBundle []byte) (*unstructured.Unstructured, error) {
	data, err := yaml.YAMLToJSONStrict([]byte(strings.ReplaceAll(definition, "GROUP", group)))
	if err != nil {
		return nil, fmt.Errorf("delivery.yaml: %w", err)
	}
	crd := &unstructured.Unstructured{}
	if err := crd.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("delivery.yaml: %w", err)
	}
	err = unstructured.SetNestedMap(crd.Object, map[string]any{
		"strategy": "Webhook",
		"webhook": map[string]any{
			"conversionReviewVersions": []any{"v1"},
			"clientConfig":             map[string]any{"url": url, "caBundle": base64.StdEncoding.EncodeToString(caBundle)},
		},
	}, "spec", "conversion")
	return crd, err
}

// V1alpha1 is the resource of the old version in a group.
func V1alpha1(group string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: v1alpha1.Version, Resource: "deliveries"}
}

// V1beta1 is the resource of the new version in a group.
func V1beta1(group string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: v1beta1.Version, Resource: "deliveries"}
}
