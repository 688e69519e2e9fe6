// Package patch changes parts of objects with the API server's four patches, each where it belongs: JSON Patch where the
// old value matters, a JSON merge patch for maps and for custom resources, a strategic merge patch for the lists of
// built-in types, and server-side apply for what is ours to say for good.
package patch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// FieldManager is the name under which this package writes, in every call, whatever it writes.
const FieldManager = "pizzeria"

// SwapAnnotation sets an annotation of a Deployment from one value to another, in one request: a JSON Patch that tests the
// old value before it replaces it. When another value stands there by then, or none, nothing changes, and the error is the
// server's, which apierrors.IsInvalid recognises. Key and values may hold any character that an annotation may.
func SwapAnnotation(ctx context.Context, client kubernetes.Interface, namespace, name, key, from, to string) error {
	// kata:begin Two operations on one path, as JSON. What does a path do with a slash in a key?
	path := "/metadata/annotations/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
	body, err := json.Marshal([]map[string]string{
		{"op": "test", "path": path, "value": from},
		{"op": "replace", "path": path, "value": to},
	})
	if err != nil {
		return err
	}
	_, err = client.AppsV1().Deployments(namespace).Patch(ctx, name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: FieldManager})
	if err != nil {
		return fmt.Errorf("set %s of deployment %s/%s from %q to %q: %w", key, namespace, name, from, to, err)
	}
	return nil
	// kata:end
}

// SetData sets keys of a ConfigMap's data, and removes those whose value is nil, in one request: a JSON merge patch. All
// other keys stay as they are: all of them, when data is empty or nil, and then the server need not be asked. Errors are
// the server's.
func SetData(ctx context.Context, client kubernetes.Interface, namespace, name string, data map[string]*string) error {
	// kata:begin How does a merge patch say that a key is to go? And what does it say when there is no map at all?
	if len(data) == 0 {
		return nil // the JSON of a nil map is null: away with all of it
	}
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: FieldManager})
	if err != nil {
		return fmt.Errorf("set data of configmap %s/%s: %w", namespace, name, err)
	}
	return nil
	// kata:end
}

// AddTopping adds a topping to the end of the list spec.toppings of a custom resource, with a JSON merge patch: custom
// resources know no strategic one. The toppings that are there stay, and so do those that somebody else adds at the same
// time: on a conflict it starts again from the list as it is then, and after a few attempts it gives up with the
// conflict. A topping that is there already is not written again. Where spec.toppings holds anything but a list of strings,
// nothing is written, and the error names the field; no list is an empty one. Other errors are the server's.
func AddTopping(ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource, namespace, name, topping string) error {
	// kata:begin A merge patch replaces a list, so it has to hold all of it. And what else, so that nobody's topping is lost?
	objects := client.Resource(resource).Namespace(namespace)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		obj, err := objects.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		toppings, _, err := unstructured.NestedStringSlice(obj.Object, "spec", "toppings")
		if err != nil {
			return err
		}
		if slices.Contains(toppings, topping) {
			return nil
		}
		body, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"resourceVersion": obj.GetResourceVersion()},
			"spec":     map[string]any{"toppings": append(toppings, topping)},
		})
		if err != nil {
			return err
		}
		_, err = objects.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: FieldManager})
		return err
	})
	if err != nil {
		return fmt.Errorf("add %s to %s %s/%s: %w", topping, resource.Resource, namespace, name, err)
	}
	return nil
	// kata:end
}

// SetEnv sets an environment variable of one container of a Deployment to a value, wherever it took its value from before,
// or removes it when value is nil, in one request: a strategic merge patch. All other variables and containers stay as they
// are. Errors are the server's: for a container that is not there, apierrors.IsInvalid recognises it.
func SetEnv(ctx context.Context, client kubernetes.Interface, namespace, name, container, variable string, value *string) error {
	// kata:begin Lists of maps are merged by a key, here by name twice over. How is an element removed?
	env := map[string]any{"name": variable, "value": value, "valueFrom": nil}
	if value == nil {
		env = map[string]any{"name": variable, "$patch": "delete"}
	}
	body, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": container, "env": []any{env}}},
	}}}})
	if err != nil {
		return err
	}
	_, err = client.AppsV1().Deployments(namespace).Patch(ctx, name, types.StrategicMergePatchType, body, metav1.PatchOptions{FieldManager: FieldManager})
	if err != nil {
		return fmt.Errorf("set %s of container %s of deployment %s/%s: %w", variable, container, namespace, name, err)
	}
	return nil
	// kata:end
}

// Debug adds an ephemeral container to a pod, which looks at the processes of the container target, in one request: a
// strategic merge patch of the pod's subresource "ephemeralcontainers". Ephemeral containers that are there stay. Errors
// are the server's: for a target that is not there, and for a name that a different container has, apierrors.IsInvalid
// recognises them.
func Debug(ctx context.Context, client kubernetes.Interface, namespace, pod, name, image, target string) error {
	// kata:begin spec.ephemeralContainers is merged by name. To which subresource does the patch go?
	body, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []any{
		map[string]any{"name": name, "image": image, "targetContainerName": target},
	}}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Pods(namespace).Patch(ctx, pod, types.StrategicMergePatchType, body, metav1.PatchOptions{FieldManager: FieldManager}, "ephemeralcontainers")
	if err != nil {
		return fmt.Errorf("add container %s to pod %s/%s: %w", name, namespace, pod, err)
	}
	return nil
	// kata:end
}

// Apply declares a Deployment, in one request, with server-side apply: one container, which has the Deployment's name, of
// the image; the label app=<name> in the selector and on the pods; and how many replicas it has, unless replicas is nil,
// which leaves them to whoever owns them. What others have put into the Deployment stays. It returns the object as the
// server stored it.
//
// When somebody else owns a field and wants another value for it, nothing is written, and the error is one that
// apierrors.IsConflict recognises and [Contested] explains. With force the fields become ours all the same: the decision
// is the caller's, always.
func Apply(ctx context.Context, client kubernetes.Interface, namespace, name, image string, replicas *int32, force bool) (*appsv1.Deployment, error) {
	// kata:begin Build an apply configuration of what is ours to say, and nothing more.
	labels := map[string]string{"app": name}
	spec := appsv1ac.DeploymentSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(corev1ac.PodTemplateSpec().
			WithLabels(labels).
			WithSpec(corev1ac.PodSpec().WithContainers(corev1ac.Container().WithName(name).WithImage(image))))
	if replicas != nil {
		spec.WithReplicas(*replicas)
	}
	applied, err := client.AppsV1().Deployments(namespace).Apply(ctx,
		appsv1ac.Deployment(name, namespace).WithSpec(spec),
		metav1.ApplyOptions{FieldManager: FieldManager, Force: force})
	if err != nil {
		return nil, fmt.Errorf("apply deployment %s/%s: %w", namespace, name, err)
	}
	return applied, nil
	// kata:end
}

// Contested returns the paths of the fields over which an apply has failed, as the server names them (".spec.replicas"),
// however often the error was wrapped. For any other error, the conflict of an update among them, and for nil there are none.
func Contested(err error) []string {
	// kata:begin The Status behind the error has a list of causes.
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var fields []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			fields = append(fields, cause.Field)
		}
	}
	return fields
	// kata:end
}
