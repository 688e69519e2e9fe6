// Package dynamic works with Pods that no Go type describes: client-go's dynamic client, and unstructured.Unstructured,
// which is JSON in Go's hands.
package dynamic

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

var (
	// ErrNoContainer says that a Pod has no container of the name that was asked for.
	ErrNoContainer = errors.New("no such container")
	// ErrMissing says that an object lacks a field that it must have.
	ErrMissing = errors.New("the field is missing")
)

// Template says what a Pod of one container looks like.
type Template struct {
	// Name is the Pod's name, and its container's.
	Name   string
	Image  string
	Labels map[string]string
	Args   []string
	// Port is the container's port; 0 means none.
	Port int
}

// Row is a Pod in a line of a table.
type Row struct {
	Name string
	// Phase is "Unknown" as long as the Pod has none.
	Phase string
	// Images are the containers' images in their order.
	Images []string
	// Restarts is the sum of the containers' restarts.
	Restarts int64
}

// Pods returns the group, the version and the resource under which the API server has Pods.
func Pods() schema.GroupVersionResource {
	// TODO(kata): Which group is it, and is it the kind or the plural that a URL holds?
	panic("Pods is not implemented")
}

// NewPod returns the Pod that the template describes, complete with apiVersion and kind, and asks no server. Every value in
// it is one that decoded JSON could hold (map[string]any, []any, string, int64, float64, bool, nil), at every depth, so that
// DeepCopy is safe. It shares no memory with the template. What the template does not say (labels, args, a port; an empty
// map or slice says nothing) is not in the Pod, and neither are defaults.
func NewPod(template Template) *unstructured.Unstructured {
	// TODO(kata): Build the nested maps. Which Go types may stand in them? The template's slice, map and int may not.
	panic("NewPod is not implemented")
}

// CreatePod creates the Pod in the namespace, and returns it as the server stored it. The caller's object stays as it is.
// Errors are the server's, for apierrors to recognise, and come without an object.
func CreatePod(ctx context.Context, client dynamic.Interface, namespace string, pod *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	// TODO(kata): Resource, Namespace, Create.
	return nil, errors.New("CreatePod is not implemented")
}

// ListPods returns all Pods of a namespace that the label selector matches, in the server's order. An empty namespace means
// all namespaces, an empty selector all Pods. The server selects, and sends at most pageSize Pods at a time; 0 means all at
// once. An error, also on a later page, means no list.
func ListPods(ctx context.Context, client dynamic.Interface, namespace, labelSelector string, pageSize int64) ([]unstructured.Unstructured, error) {
	// TODO(kata): List page by page, until the server sends no continue token. Where does an UnstructuredList keep it?
	return nil, errors.New("ListPods is not implemented")
}

// Summarize reads a Pod into a row, and changes nothing in it. A Pod without a phase, or without container statuses, is one
// that nobody has looked at yet, and a status without a restartCount has not restarted: no error. A Pod without
// spec.containers, or a container without an image, is ErrMissing. A value of another type than the API's (a phase that is
// a number, containers that are no list, a container that is no object) is an error that names the field. Next to an error,
// the row is empty.
func Summarize(pod *unstructured.Unstructured) (Row, error) {
	// TODO(kata): Use the Nested helpers, and answer for all three of their results: the value, found, and the error.
	return Row{}, errors.New("Summarize is not implemented")
}

// images returns the images of a Pod's containers, as [Summarize] wants them.
func images(pod *unstructured.Unstructured) ([]string, error) {
	// TODO(kata): spec.containers is a slice whose items are maps, as far as you know. Do not take their word for it.
	return nil, errors.New("images is not implemented")
}

// restarts returns the sum of the restarts of a Pod's containers, as [Summarize] wants it.
func restarts(pod *unstructured.Unstructured) (int64, error) {
	// TODO(kata): status.containerStatuses, and what is missing there is no error.
	return 0, errors.New("restarts is not implemented")
}

// WithImage returns a copy of the Pod in which the container of that name has the image, and everything else is as it was.
// The Pod itself stays as it is, at every depth: it may be another's, or a cache's. A container that is not there is
// ErrNoContainer, a Pod without spec.containers ErrMissing; containers of another type than the API's are an error that
// names the field.
func WithImage(pod *unstructured.Unstructured, container, image string) (*unstructured.Unstructured, error) {
	// TODO(kata): Copy the Pod, find the container, change it. NestedSlice returns a copy, too: what is done to it is seen nowhere.
	return nil, errors.New("WithImage is not implemented")
}
