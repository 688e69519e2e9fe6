// Package scale sets how many replicas there are, through the scale subresource: of a Deployment, and of anything else that
// has one, whether its type was compiled into this program or not.
package scale

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	scaleclient "k8s.io/client-go/scale"
)

var (
	// ErrNegative says that a number of replicas would be below zero.
	ErrNegative = errors.New("replicas must not be negative")
	// ErrNoSelector says that a scale does not tell which pods are counted.
	ErrNoSelector = errors.New("the scale has no selector")
)

// ScaleDeployment makes a Deployment want that many replicas, and returns how many it wanted before: the number that this
// call replaced, or found to be right. It asks for the Deployment's scale subresource and for nothing else, and writes
// nothing when the number is right already.
//
// When somebody else writes in between, it starts again from the scale as it is then; after a few attempts it gives up
// with the conflict. Every other error ends it at once. Errors are the server's, for apierrors to recognise; a negative
// number is ErrNegative, and the server is not asked. With an error, before is 0.
func ScaleDeployment(ctx context.Context, client kubernetes.Interface, namespace, name string, replicas int32) (before int32, err error) {
	// TODO(kata): Get the scale, set its replicas, update the scale; on a conflict do all three again.
	return 0, errors.New("ScaleDeployment is not implemented")
}

// New returns a client for the scale subresource of any resource that the server serves: built-in or custom, in a named
// group or in the core group. It learns from discovery which version the server prefers. The caller's configuration stays
// as it is. A configuration that cannot be used is an error, and no client.
func New(config *rest.Config) (scaleclient.ScalesGetter, error) {
	// TODO(kata): A discovery client, a RESTMapper on top of it, a resolver for the kind of the scale; all go into client-go's scale
	// client. Who changes the configuration on the way?
	return *new(scaleclient.ScalesGetter), errors.New("New is not implemented")
}

// Scale is ScaleDeployment for any resource, with the same contract.
func Scale(ctx context.Context, scales scaleclient.ScalesGetter, resource schema.GroupResource, namespace, name string, replicas int32) (before int32, err error) {
	// TODO(kata): The same through the generic client.
	return 0, errors.New("Scale is not implemented")
}

// Adjust makes a resource want that many replicas more, or fewer when by is negative, and returns how many it wants now.
// It never forgets what somebody else adds at the same time: on a conflict it counts again, from the number that stands
// there then, and after a few attempts it gives up with the conflict. Every other error ends it at once. It writes nothing
// when by is 0. A result below zero is ErrNegative, and nothing is written. Errors are the server's; with an error, after
// is 0.
func Adjust(ctx context.Context, scales scaleclient.ScalesGetter, resource schema.GroupResource, namespace, name string, by int32) (after int32, err error) {
	// TODO(kata): Where does the sum belong: before the retry, or in it?
	return 0, errors.New("Adjust is not implemented")
}

// TODO(kata): Whatever Scale and Adjust share.

// HasScale reports whether a resource, in this very version, has a scale subresource. A resource that the version does not
// have has none. A group or version that the server does not have is an error that apierrors.IsNotFound recognises.
func HasScale(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, resource schema.GroupVersionResource) (bool, error) {
	// TODO(kata): Discovery lists subresources among the resources of a version. By which name?
	return false, errors.New("HasScale is not implemented")
}

// Pods returns the names of the pods that a resource's scale counts, in any order: those in its namespace that the
// selector in the scale's status selects. A scale without a selector is ErrNoSelector. Errors are the server's; with an
// error there are no names.
func Pods(ctx context.Context, client kubernetes.Interface, scales scaleclient.ScalesGetter, resource schema.GroupResource, namespace, name string) ([]string, error) {
	// TODO(kata): The scale knows the selector, as text. What does an empty one select?
	return nil, errors.New("Pods is not implemented")
}
