// Package dynamiccrd gives a cluster a kind that it did not have, and works with its objects, all through the dynamic client:
// no generated code, no Go type on the wire.
package dynamiccrd

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
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
	// TODO(kata): Write the definition as a map. Every list in it is a []any, every map a map[string]any.
	panic("Definition is not implemented")
}

// Install creates a CustomResourceDefinition, or takes one of that name as it is, and returns when the server says that it is
// Established. A definition whose names another one has is never established: that is ErrRefused, at once, with the server's
// message. When ctx ends before, the error is ctx's. A server's error is returned as it is. The caller's object stays as it is.
func Install(ctx context.Context, client dynamic.Interface, definition *unstructured.Unstructured) error {
	// TODO(kata): Create it, unless it is there. Then look at its conditions until Established is "True"; which other
	// condition says that it never will be?
	return errors.New("Install is not implemented")
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
	// TODO(kata): Create the object. What must a list of strings be, inside an Unstructured?
	return nil, errors.New("Order is not implemented")
}

// Resize changes a Pizza's size, and nothing else: fields that this program has never heard of stay as they are, and so does
// what another writer changes meanwhile. After a conflict it starts again from the Pizza as it is then, a few times; any other
// error is the server's, at once.
func Resize(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace, name, size string) error {
	// TODO(kata): Get, change the one field, Update. Which field of what you got makes the server notice another writer?
	return errors.New("Resize is not implemented")
}

// SetPhase says in a Pizza's status how far it is. Its spec stays as it is, whatever another writer does meanwhile, and so do
// other fields of its status. Conflicts and errors are treated as Resize does.
func SetPhase(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace, name, phase string) error {
	// TODO(kata): The status is a resource of its own. Which method writes it?
	return errors.New("SetPhase is not implemented")
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
	// TODO(kata): List them, and read each one's fields. What is the difference between a field that is missing and one that is
	// not what we think?
	return nil, errors.New("List is not implemented")
}
