// Package patch changes parts of objects with the API server's four patches, each where it belongs: JSON Patch where the
// old value matters, a JSON merge patch for maps and for custom resources, a strategic merge patch for the lists of
// built-in types, and server-side apply for what is ours to say for good.
package patch

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// FieldManager is the name under which this package writes, in every call, whatever it writes.
const FieldManager = "pizzeria"

// SwapAnnotation sets an annotation of a Deployment from one value to another, in one request: a JSON Patch that tests the
// old value before it replaces it. When another value stands there by then, or none, nothing changes, and the error is the
// server's, which apierrors.IsInvalid recognises. Key and values may hold any character that an annotation may.
func SwapAnnotation(ctx context.Context, client kubernetes.Interface, namespace, name, key, from, to string) error {
	// TODO(kata): Two operations on one path, as JSON. What does a path do with a slash in a key?
	return errors.New("SwapAnnotation is not implemented")
}

// SetData sets keys of a ConfigMap's data, and removes those whose value is nil, in one request: a JSON merge patch. All
// other keys stay as they are: all of them, when data is empty or nil, and then the server need not be asked. Errors are
// the server's.
func SetData(ctx context.Context, client kubernetes.Interface, namespace, name string, data map[string]*string) error {
	// TODO(kata): How does a merge patch say that a key is to go? And what does it say when there is no map at all?
	return errors.New("SetData is not implemented")
}

// AddTopping adds a topping to the end of the list spec.toppings of a custom resource, with a JSON merge patch: custom
// resources know no strategic one. The toppings that are there stay, and so do those that somebody else adds at the same
// time: on a conflict it starts again from the list as it is then, and after a few attempts it gives up with the
// conflict. A topping that is there already is not written again. Where spec.toppings holds anything but a list of strings,
// nothing is written, and the error names the field; no list is an empty one. Other errors are the server's.
func AddTopping(ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource, namespace, name, topping string) error {
	// TODO(kata): A merge patch replaces a list, so it has to hold all of it. And what else, so that nobody's topping is lost?
	return errors.New("AddTopping is not implemented")
}

// SetEnv sets an environment variable of one container of a Deployment to a value, wherever it took its value from before,
// or removes it when value is nil, in one request: a strategic merge patch. All other variables and containers stay as they
// are. Errors are the server's: for a container that is not there, apierrors.IsInvalid recognises it.
func SetEnv(ctx context.Context, client kubernetes.Interface, namespace, name, container, variable string, value *string) error {
	// TODO(kata): Lists of maps are merged by a key, here by name twice over. How is an element removed?
	return errors.New("SetEnv is not implemented")
}

// Debug adds an ephemeral container to a pod, which looks at the processes of the container target, in one request: a
// strategic merge patch of the pod's subresource "ephemeralcontainers". Ephemeral containers that are there stay. Errors
// are the server's: for a target that is not there, and for a name that a different container has, apierrors.IsInvalid
// recognises them.
func Debug(ctx context.Context, client kubernetes.Interface, namespace, pod, name, image, target string) error {
	// TODO(kata): spec.ephemeralContainers is merged by name. To which subresource does the patch go?
	return errors.New("Debug is not implemented")
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
	// TODO(kata): Build an apply configuration of what is ours to say, and nothing more.
	return nil, errors.New("Apply is not implemented")
}

// Contested returns the paths of the fields over which an apply has failed, as the server names them (".spec.replicas"),
// however often the error was wrapped. For any other error, the conflict of an update among them, and for nil there are none.
func Contested(err error) []string {
	// TODO(kata): The Status behind the error has a list of causes.
	panic("Contested is not implemented")
}
