// Package dynamiccrd gives a cluster a kind that it did not have, and works with its objects, all through the dynamic client:
// no generated code, no Go type on the wire.
package dynamiccrd

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"
)

// Definitions is the resource of CustomResourceDefinitions.
var Definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// ErrRefused says that the server will not serve a definition: another one has its names.
var ErrRefused = errors.New("the names of the definition are taken")

// pollInterval is how often Install looks.
const pollInterval = 50 * time.Millisecond

// Pizzas is the resource of the Pizzas in a group.
func Pizzas(group string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: "pizzas"}
}

// Definition returns the CustomResourceDefinition of the Pizza in a group: the namespaced resource "pizzas" of the kind
// "Pizza", with one version, v1, that has the status subresource. The server checks its fields:
//
//   - spec is required, and spec.size is required in it: one of small, medium, large
//   - spec.toppings is a list of strings
//   - spec keeps fields that the schema does not name
//   - status.phase is a string
func Definition(group string) *unstructured.Unstructured {
	// kata:begin Write the definition as a map. Every list in it is a []any, every map a map[string]any.
	text := map[string]any{"type": "string"}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": Pizzas(group).GroupResource().String()},
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{"plural": "pizzas", "singular": "pizza", "kind": "Pizza", "listKind": "PizzaList"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type":     "object",
					"required": []any{"spec"},
					"properties": map[string]any{
						"spec": map[string]any{
							"type":                                 "object",
							"required":                             []any{"size"},
							"x-kubernetes-preserve-unknown-fields": true,
							"properties": map[string]any{
								"size":     map[string]any{"type": "string", "enum": []any{"small", "medium", "large"}},
								"toppings": map[string]any{"type": "array", "items": text},
							},
						},
						"status": map[string]any{"type": "object", "properties": map[string]any{"phase": text}},
					},
				}},
			}},
		},
	}}
	// kata:end
}

// Install creates a CustomResourceDefinition, or takes one of that name as it is, and returns when the server says that it is
// Established. A definition whose names another one has is never established: that is ErrRefused, at once, with the server's
// message. When ctx ends before, the error is ctx's. A server's error is returned as it is. The caller's object stays as it is.
func Install(ctx context.Context, client dynamic.Interface, definition *unstructured.Unstructured) error {
	// kata:begin Create it, unless it is there. Then look at its conditions until Established is "True"; which other
	// | condition says that it never will be?
	name := definition.GetName()
	_, err := client.Resource(Definitions).Create(ctx, definition, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create definition %s: %w", name, err)
	}
	err = wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		current, err := client.Resource(Definitions).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		if status, message := condition(current, "NamesAccepted"); status == "False" {
			return false, fmt.Errorf("%w: %s", ErrRefused, message)
		}
		status, _ := condition(current, "Established")
		return status == "True", nil
	})
	if err != nil {
		return fmt.Errorf("wait until definition %s is established: %w", name, err)
	}
	return nil
	// kata:end
}

// condition returns status and message of one of an object's conditions, both empty when it does not have it.
func condition(obj *unstructured.Unstructured, kind string) (status, message string) {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind {
			status, _ = c["status"].(string)
			message, _ = c["message"].(string)
			return status, message
		}
	}
	return "", ""
}

// Order creates a Pizza and returns it as the server stored it. Errors are the server's.
func Order(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace, name, size string, toppings ...string) (*unstructured.Unstructured, error) {
	// kata:begin Create the object. What must a list of strings be, inside an Unstructured?
	pizza := &unstructured.Unstructured{}
	pizza.SetGroupVersionKind(pizzas.GroupVersion().WithKind("Pizza"))
	pizza.SetName(name)
	if err := unstructured.SetNestedField(pizza.Object, size, "spec", "size"); err != nil {
		return nil, err
	}
	if err := unstructured.SetNestedStringSlice(pizza.Object, toppings, "spec", "toppings"); err != nil {
		return nil, err
	}
	created, err := client.Resource(pizzas).Namespace(namespace).Create(ctx, pizza, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("order pizza %s/%s: %w", namespace, name, err)
	}
	return created, nil
	// kata:end
}

// Resize changes a Pizza's size, and nothing else: fields that this program has never heard of stay as they are, and so does
// what another writer changes meanwhile. After a conflict it starts again from the Pizza as it is then, a few times; any other
// error is the server's, at once.
func Resize(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace, name, size string) error {
	// kata:begin Get, change the one field, Update. Which field of what you got makes the server notice another writer?
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		pizza, err := client.Resource(pizzas).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := unstructured.SetNestedField(pizza.Object, size, "spec", "size"); err != nil {
			return err
		}
		_, err = client.Resource(pizzas).Namespace(namespace).Update(ctx, pizza, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("resize pizza %s/%s: %w", namespace, name, err)
	}
	return nil
	// kata:end
}

// SetPhase says in a Pizza's status how far it is. Its spec stays as it is, whatever another writer does meanwhile, and so do
// other fields of its status. Conflicts and errors are treated as Resize does.
func SetPhase(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace, name, phase string) error {
	// kata:begin The status is a resource of its own. Which method writes it?
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		pizza, err := client.Resource(pizzas).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := unstructured.SetNestedField(pizza.Object, phase, "status", "phase"); err != nil {
			return err
		}
		_, err = client.Resource(pizzas).Namespace(namespace).UpdateStatus(ctx, pizza, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("set the phase of pizza %s/%s: %w", namespace, name, err)
	}
	return nil
	// kata:end
}

// Pizza is what we want to know of one.
type Pizza struct {
	Name     string
	Size     string
	Toppings []string
	// Phase is empty as long as nobody has said how far it is.
	Phase string
}

// List returns the namespace's Pizzas, in the server's order. A Pizza without toppings or status is a Pizza like any other. One
// that has something else where a string or a list of strings is due makes an error that names the Pizza, and no list:
// definitions change, and what was stored under an older one is still there.
func List(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace string) ([]Pizza, error) {
	// kata:begin List them, and read each one's fields. What is the difference between a field that is missing and one that is
	// | not what we think?
	list, err := client.Resource(pizzas).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the pizzas of %s: %w", namespace, err)
	}
	found := make([]Pizza, 0, len(list.Items))
	for _, item := range list.Items {
		size, _, sizeErr := unstructured.NestedString(item.Object, "spec", "size")
		toppings, _, toppingsErr := unstructured.NestedStringSlice(item.Object, "spec", "toppings")
		phase, _, phaseErr := unstructured.NestedString(item.Object, "status", "phase")
		if err := errors.Join(sizeErr, toppingsErr, phaseErr); err != nil {
			return nil, fmt.Errorf("read pizza %s/%s: %w", namespace, item.GetName(), err)
		}
		found = append(found, Pizza{item.GetName(), size, toppings, phase})
	}
	return found, nil
	// kata:end
}
