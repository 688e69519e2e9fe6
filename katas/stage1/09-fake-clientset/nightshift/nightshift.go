// Package nightshift is the component under test: it scales to zero, for the night, what nobody needs at night.
//
// It is given and correct: leave it as it is. Its doc comments are the contract that the checks of this kata hold any such
// component to. [Sleep] does the work, [Await] waits for the last pod.
package nightshift

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	typedappsv1 "k8s.io/client-go/kubernetes/typed/apps/v1"
	"k8s.io/client-go/util/retry"
)

const (
	// Label is on Deployments that have something to say about the night.
	Label = "pizzeria.example.com/night"
	// Off is the label's value for those that sleep. Any other value means: leave it alone.
	Off = "off"
	// DayReplicas is the annotation that keeps the replicas of the day, as a decimal number.
	DayReplicas = "pizzeria.example.com/day-replicas"
)

// ErrGone says that a Deployment was deleted, or was never there.
var ErrGone = errors.New("the deployment is gone")

// SleepFunc is the type of [Sleep].
type SleepFunc func(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error)

// AwaitFunc is the type of [Await].
type AwaitFunc func(ctx context.Context, client kubernetes.Interface, namespace, name string) error

// Sleep scales to zero each Deployment of the namespace whose label [Label] has the value [Off], keeps the replicas of the day in
// the annotation [DayReplicas], and returns the names of the Deployments that it has scaled, in no particular order.
//
//   - It writes with Update, one request a Deployment when nothing gets in the way.
//   - A Deployment that has zero replicas already is left alone: no write request, and its name is not returned.
//   - On a conflict it reads the Deployment anew and tries again, five times in all, so that what another writer has changed
//     meanwhile is kept. After the fifth it returns the conflict.
//   - Any other error of one Deployment does not keep the others awake: Sleep goes on, and returns the names of those that do
//     sleep together with an error in which the apierrors functions recognise the server's.
//   - A list that fails is reported in the same way, and nothing is written.
func Sleep(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	deployments := client.AppsV1().Deployments(namespace)
	list, err := deployments.List(ctx, metav1.ListOptions{LabelSelector: Label + "=" + Off})
	if err != nil {
		return nil, fmt.Errorf("list the deployments of %q: %w", namespace, err)
	}
	var asleep []string
	var failed []error
	for i := range list.Items {
		d := &list.Items[i]
		changed, err := putToSleep(ctx, deployments, d)
		if err != nil {
			failed = append(failed, fmt.Errorf("put deployment %s/%s to sleep: %w", namespace, d.Name, err))
			continue
		}
		if changed {
			asleep = append(asleep, d.Name)
		}
	}
	return asleep, errors.Join(failed...)
}

// putToSleep reports whether it has changed the Deployment. The copy from the list is good enough for the first try.
func putToSleep(ctx context.Context, deployments typedappsv1.DeploymentInterface, d *appsv1.Deployment) (bool, error) {
	changed, name := false, d.Name
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if d == nil {
			var err error
			if d, err = deployments.Get(ctx, name, metav1.GetOptions{}); err != nil {
				return err
			}
		}
		day := int32(1) // what the server takes an omitted number for
		if d.Spec.Replicas != nil {
			day = *d.Spec.Replicas
		}
		if day == 0 {
			return nil
		}
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, DayReplicas, strconv.Itoa(int(day)))
		d.Spec.Replicas = new(int32(0))
		_, err := deployments.Update(ctx, d, metav1.UpdateOptions{})
		d, changed = nil, err == nil
		return err
	})
	return changed, err
}

// Await waits until status.replicas of the Deployment is 0, which it may be from the start: its last pod is gone.
//
//   - It reads the Deployment by its name, and then watches that one Deployment: its watch names it in the field selector, so that
//     the server sends no other's events.
//   - It returns an error that wraps [ErrGone] when the Deployment is deleted or not there.
//   - A watch that the server ends is no news: Await reads again and watches again.
//   - It returns an error that wraps the context's when the context ends.
//   - It stops every watch that it has begun before it returns.
func Await(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	for {
		done, err := awaitOneWatch(ctx, client.AppsV1().Deployments(namespace), name)
		if err != nil {
			return fmt.Errorf("await the night of deployment %s/%s: %w", namespace, name, err)
		}
		if done {
			return nil
		}
	}
}

// awaitOneWatch returns false when the watch has ended without a result.
func awaitOneWatch(ctx context.Context, deployments typedappsv1.DeploymentInterface, name string) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	d, err := deployments.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, ErrGone
	case err != nil:
		return false, err
	case d.Status.Replicas == 0:
		return true, nil
	}
	w, err := deployments.Watch(ctx, metav1.ListOptions{
		FieldSelector:   "metadata.name=" + name,
		ResourceVersion: d.ResourceVersion,
	})
	if err != nil {
		return false, err
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, open := <-w.ResultChan():
			if !open {
				return false, nil
			}
			if done, err := judge(event); done || err != nil {
				return done, err
			}
		}
	}
}

func judge(event watch.Event) (bool, error) {
	switch event.Type {
	case watch.Deleted:
		return false, ErrGone
	case watch.Error:
		return false, apierrors.FromObject(event.Object)
	case watch.Added, watch.Modified:
		d, ok := event.Object.(*appsv1.Deployment)
		return ok && d.Status.Replicas == 0, nil
	}
	return false, nil
}
