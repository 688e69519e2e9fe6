// Package scale sets how many replicas there are, through the scale subresource: of a Deployment, and of anything else that
// has one, whether its type was compiled into this program or not.
package scale

import (
	"context"
	"errors"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/util/retry"
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
	// kata:begin Get the scale, set its replicas, update the scale; on a conflict do all three again.
	if replicas < 0 {
		return 0, fmt.Errorf("scale deployment %s/%s to %d: %w", namespace, name, replicas, ErrNegative)
	}
	deployments := client.AppsV1().Deployments(namespace)
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current, err := deployments.GetScale(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		before = current.Spec.Replicas
		if before == replicas {
			return nil
		}
		current.Spec.Replicas = replicas
		_, err = deployments.UpdateScale(ctx, name, current, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("scale deployment %s/%s to %d: %w", namespace, name, replicas, err)
	}
	return before, nil
	// kata:end
}

// New returns a client for the scale subresource of any resource that the server serves: built-in or custom, in a named
// group or in the core group. It learns from discovery which version the server prefers. The caller's configuration stays
// as it is. A configuration that cannot be used is an error, and no client.
func New(config *rest.Config) (scaleclient.ScalesGetter, error) {
	// kata:begin A discovery client, a RESTMapper on top of it, a resolver for the kind of the scale; all go into client-go's scale
	// | client. Who changes the configuration on the way?
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	cached := memory.NewMemCacheClient(disco)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	kinds := scaleclient.NewDiscoveryScaleKindResolver(cached)
	// NewForConfig completes the configuration that it is given: it gets one of its own.
	scales, err := scaleclient.NewForConfig(rest.CopyConfig(config), mapper, dynamic.LegacyAPIPathResolverFunc, kinds)
	if err != nil {
		return nil, fmt.Errorf("make a scale client: %w", err)
	}
	return scales, nil
	// kata:end
}

// Scale is ScaleDeployment for any resource, with the same contract.
func Scale(ctx context.Context, scales scaleclient.ScalesGetter, resource schema.GroupResource, namespace, name string, replicas int32) (before int32, err error) {
	// kata:begin The same through the generic client.
	if replicas < 0 {
		return 0, fmt.Errorf("scale %s %s/%s to %d: %w", resource, namespace, name, replicas, ErrNegative)
	}
	err = change(ctx, scales.Scales(namespace), resource, name, func(scale *autoscalingv1.Scale) error {
		before = scale.Spec.Replicas
		scale.Spec.Replicas = replicas
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("scale %s %s/%s to %d: %w", resource, namespace, name, replicas, err)
	}
	return before, nil
	// kata:end
}

// Adjust makes a resource want that many replicas more, or fewer when by is negative, and returns how many it wants now.
// It never forgets what somebody else adds at the same time: on a conflict it counts again, from the number that stands
// there then, and after a few attempts it gives up with the conflict. Every other error ends it at once. It writes nothing
// when by is 0. A result below zero is ErrNegative, and nothing is written. Errors are the server's; with an error, after
// is 0.
func Adjust(ctx context.Context, scales scaleclient.ScalesGetter, resource schema.GroupResource, namespace, name string, by int32) (after int32, err error) {
	// kata:begin Where does the sum belong: before the retry, or in it?
	err = change(ctx, scales.Scales(namespace), resource, name, func(scale *autoscalingv1.Scale) error {
		after = scale.Spec.Replicas + by
		if after < 0 {
			return fmt.Errorf("%w: %d%+d", ErrNegative, scale.Spec.Replicas, by)
		}
		scale.Spec.Replicas = after
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("adjust %s %s/%s by %d: %w", resource, namespace, name, by, err)
	}
	return after, nil
	// kata:end
}

// kata:begin Whatever Scale and Adjust share.
// kata:stub

// change gets a scale, lets set change it, and writes it if its replicas differ then. On a conflict it does all of that again.
func change(ctx context.Context, scales scaleclient.ScaleInterface, resource schema.GroupResource, name string, set func(*autoscalingv1.Scale) error) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		scale, err := scales.Get(ctx, resource, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		current := scale.Spec.Replicas
		if err := set(scale); err != nil {
			return err
		}
		if scale.Spec.Replicas == current {
			return nil
		}
		_, err = scales.Update(ctx, resource, scale, metav1.UpdateOptions{})
		return err
	})
}

// kata:end

// HasScale reports whether a resource, in this very version, has a scale subresource. A resource that the version does not
// have has none. A group or version that the server does not have is an error that apierrors.IsNotFound recognises.
func HasScale(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, resource schema.GroupVersionResource) (bool, error) {
	// kata:begin Discovery lists subresources among the resources of a version. By which name?
	list, err := client.ServerResourcesForGroupVersionWithContext(ctx, resource.GroupVersion().String())
	if err != nil {
		return false, fmt.Errorf("discover the resources of %s: %w", resource.GroupVersion(), err)
	}
	for _, r := range list.APIResources {
		if r.Name == resource.Resource+"/scale" {
			return true, nil
		}
	}
	return false, nil
	// kata:end
}

// Pods returns the names of the pods that a resource's scale counts, in any order: those in its namespace that the
// selector in the scale's status selects. A scale without a selector is ErrNoSelector. Errors are the server's; with an
// error there are no names.
func Pods(ctx context.Context, client kubernetes.Interface, scales scaleclient.ScalesGetter, resource schema.GroupResource, namespace, name string) ([]string, error) {
	// kata:begin The scale knows the selector, as text. What does an empty one select?
	scale, err := scales.Scales(namespace).Get(ctx, resource, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get the scale of %s %s/%s: %w", resource, namespace, name, err)
	}
	if scale.Status.Selector == "" {
		return nil, fmt.Errorf("list the pods of %s %s/%s: %w", resource, namespace, name, ErrNoSelector)
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: scale.Status.Selector})
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s %s/%s: %w", resource, namespace, name, err)
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names, nil
	// kata:end
}
