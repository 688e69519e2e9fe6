// Package dynamic works with Pods that no Go type describes: client-go's dynamic client, and unstructured.Unstructured,
// which is JSON in Go's hands.
package dynamic

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	// kata:begin Which group is it, and is it the kind or the plural that a URL holds?
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	// kata:end
}

// NewPod returns the Pod that the template describes, complete with apiVersion and kind, and asks no server. Every value in
// it is one that decoded JSON could hold (map[string]any, []any, string, int64, float64, bool, nil), at every depth, so that
// DeepCopy is safe. It shares no memory with the template. What the template does not say (labels, args, a port; an empty
// map or slice says nothing) is not in the Pod, and neither are defaults.
func NewPod(template Template) *unstructured.Unstructured {
	// kata:begin Build the nested maps. Which Go types may stand in them? The template's slice, map and int may not.
	container := map[string]any{"name": template.Name, "image": template.Image}
	if len(template.Args) > 0 {
		args := make([]any, 0, len(template.Args))
		for _, arg := range template.Args {
			args = append(args, arg)
		}
		container["args"] = args
	}
	if template.Port != 0 {
		container["ports"] = []any{map[string]any{"containerPort": int64(template.Port)}}
	}
	pod := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Pod",
		"metadata":   map[string]any{"name": template.Name},
		"spec":       map[string]any{"containers": []any{container}},
	}}
	if len(template.Labels) > 0 {
		pod.SetLabels(template.Labels)
	}
	return pod
	// kata:end
}

// CreatePod creates the Pod in the namespace, and returns it as the server stored it. The caller's object stays as it is.
// Errors are the server's, for apierrors to recognise, and come without an object.
func CreatePod(ctx context.Context, client dynamic.Interface, namespace string, pod *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	// kata:begin Resource, Namespace, Create.
	created, err := client.Resource(Pods()).Namespace(namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create pod %s/%s: %w", namespace, pod.GetName(), err)
	}
	return created, nil
	// kata:end
}

// ListPods returns all Pods of a namespace that the label selector matches, in the server's order. An empty namespace means
// all namespaces, an empty selector all Pods. The server selects, and sends at most pageSize Pods at a time; 0 means all at
// once. An error, also on a later page, means no list.
func ListPods(ctx context.Context, client dynamic.Interface, namespace, labelSelector string, pageSize int64) ([]unstructured.Unstructured, error) {
	// kata:begin List page by page, until the server sends no continue token. Where does an UnstructuredList keep it?
	options := metav1.ListOptions{LabelSelector: labelSelector, Limit: pageSize}
	var pods []unstructured.Unstructured
	for {
		page, err := client.Resource(Pods()).Namespace(namespace).List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list pods in %q: %w", namespace, err)
		}
		pods = append(pods, page.Items...)
		if page.GetContinue() == "" {
			return pods, nil
		}
		options.Continue = page.GetContinue()
	}
	// kata:end
}

// Summarize reads a Pod into a row, and changes nothing in it. A Pod without a phase, or without container statuses, is one
// that nobody has looked at yet, and a status without a restartCount has not restarted: no error. A Pod without
// spec.containers, or a container without an image, is ErrMissing. A value of another type than the API's (a phase that is
// a number, containers that are no list, a container that is no object) is an error that names the field. Next to an error,
// the row is empty.
func Summarize(pod *unstructured.Unstructured) (Row, error) {
	// kata:begin Use the Nested helpers, and answer for all three of their results: the value, found, and the error.
	phase, found, err := unstructured.NestedString(pod.Object, "status", "phase")
	if err != nil {
		return Row{}, fmt.Errorf("pod %s: %w", pod.GetName(), err)
	}
	if !found {
		phase = "Unknown"
	}
	images, err := images(pod)
	if err != nil {
		return Row{}, fmt.Errorf("pod %s: %w", pod.GetName(), err)
	}
	restarts, err := restarts(pod)
	if err != nil {
		return Row{}, fmt.Errorf("pod %s: %w", pod.GetName(), err)
	}
	return Row{Name: pod.GetName(), Phase: phase, Images: images, Restarts: restarts}, nil
	// kata:end
}

// images returns the images of a Pod's containers, as [Summarize] wants them.
func images(pod *unstructured.Unstructured) ([]string, error) {
	// kata:begin spec.containers is a slice whose items are maps, as far as you know. Do not take their word for it.
	containers, found, err := unstructured.NestedSlice(pod.Object, "spec", "containers")
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("spec.containers: %w", ErrMissing)
	}
	var all []string
	for i, item := range containers {
		fields, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("spec.containers[%d] is a %T, want an object", i, item)
		}
		image, found, err := unstructured.NestedString(fields, "image")
		if err != nil {
			return nil, fmt.Errorf("spec.containers[%d]: %w", i, err)
		}
		if !found {
			return nil, fmt.Errorf("spec.containers[%d].image: %w", i, ErrMissing)
		}
		all = append(all, image)
	}
	return all, nil
	// kata:end
}

// restarts returns the sum of the restarts of a Pod's containers, as [Summarize] wants it.
func restarts(pod *unstructured.Unstructured) (int64, error) {
	// kata:begin status.containerStatuses, and what is missing there is no error.
	statuses, _, err := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
	if err != nil {
		return 0, err
	}
	var sum int64
	for i, item := range statuses {
		fields, ok := item.(map[string]any)
		if !ok {
			return 0, fmt.Errorf("status.containerStatuses[%d] is a %T, want an object", i, item)
		}
		count, _, err := unstructured.NestedInt64(fields, "restartCount")
		if err != nil {
			return 0, fmt.Errorf("status.containerStatuses[%d]: %w", i, err)
		}
		sum += count
	}
	return sum, nil
	// kata:end
}

// WithImage returns a copy of the Pod in which the container of that name has the image, and everything else is as it was.
// The Pod itself stays as it is, at every depth: it may be another's, or a cache's. A container that is not there is
// ErrNoContainer, a Pod without spec.containers ErrMissing; containers of another type than the API's are an error that
// names the field.
func WithImage(pod *unstructured.Unstructured, container, image string) (*unstructured.Unstructured, error) {
	// kata:begin Copy the Pod, find the container, change it. NestedSlice returns a copy, too: what is done to it is seen nowhere.
	changed := pod.DeepCopy()
	containers, found, err := unstructured.NestedSlice(changed.Object, "spec", "containers")
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", pod.GetName(), err)
	}
	if !found {
		return nil, fmt.Errorf("pod %s: spec.containers: %w", pod.GetName(), ErrMissing)
	}
	for i := range containers {
		fields, ok := containers[i].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("pod %s: spec.containers[%d] is a %T, want an object", pod.GetName(), i, containers[i])
		}
		name, _, err := unstructured.NestedString(fields, "name")
		if err != nil {
			return nil, fmt.Errorf("pod %s: spec.containers[%d]: %w", pod.GetName(), i, err)
		}
		if name != container {
			continue
		}
		fields["image"] = image
		if err := unstructured.SetNestedSlice(changed.Object, containers, "spec", "containers"); err != nil {
			return nil, fmt.Errorf("pod %s: %w", pod.GetName(), err)
		}
		return changed, nil
	}
	return nil, fmt.Errorf("pod %s: %w: %s", pod.GetName(), ErrNoContainer, container)
	// kata:end
}
