package fakeclientset

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kubekata/kubekata/katas/stage1/09-fake-clientset/nightshift"
)

// CheckSleep judges what sleep does when nothing gets in its way. It returns nil for one that keeps the contract of
// [nightshift.Sleep], and an error for one that
//
//   - scales what is not labelled, or is labelled with another value, or lives in another namespace,
//   - does not scale to zero, or does not keep the day's replicas in the annotation,
//   - writes more than one request a Deployment, or writes to one that sleeps already,
//   - returns other names than those of the Deployments that it has scaled.
//
// It asks no more of it: in which order sleep works is its own affair.
func CheckSleep(ctx context.Context, sleep nightshift.SleepFunc) error {
	// TODO(kata): Seed a namespace with what should sleep and what should not, and another namespace. Let it sleep, then compare
	// the names, the objects, and the writes.
	return errors.New("CheckSleep is not implemented")
}

// CheckConflict judges what sleep does when another writer is faster. It returns nil for one that keeps the contract, and an error for
// one that gives up too early, that undoes what the other writer has changed, or that, when the conflicts do not end, does not return
// an error which apierrors.IsConflict recognises.
func CheckConflict(ctx context.Context, sleep nightshift.SleepFunc) error {
	// TODO(kata): Another writer changes something else, four times. Then one who never stops. Does the fake notice a stale
	// resourceVersion by itself?
	return errors.New("CheckConflict is not implemented")
}

// CheckRefusal judges what sleep does when the server refuses. It returns nil for one that keeps the contract, and an error for one that
// lets one Deployment's refusal keep the others awake, that hides the refusal (apierrors.IsForbidden must recognise it), that
// counts the refused among the sleepers, or that says nothing of a list that failed, or writes after it.
func CheckRefusal(ctx context.Context, sleep nightshift.SleepFunc) error {
	// TODO(kata): Let the first update fail: of which of the Deployments is not said. Then let the list fail.
	return errors.New("CheckRefusal is not implemented")
}

// CheckAwait judges how await waits. It returns nil for one that keeps the contract of [nightshift.Await], and an error, soon, for
// one that
//
//   - returns while pods are left, or takes any event for the last one, or reads spec.replicas,
//   - does not return when status.replicas is 0, at once or later,
//   - does not return nightshift.ErrGone when the Deployment is deleted meanwhile,
//   - takes the end of its watch for an answer, instead of watching again,
//   - leaves a watch running when it returns.
//
// Its limit for each wait is short enough that a check of a broken one does not take longer than five seconds.
func CheckAwait(ctx context.Context, await nightshift.AwaitFunc) error {
	// TODO(kata): Await runs in a goroutine while you send events, and you wait for the watch before you send the first. How do you
	// learn that it has NOT returned, without waiting for a while? Send something after which only a right one gives the right answer.
	return errors.New("CheckAwait is not implemented")
}

// sleeps and wakes report what is not as it is wanted.
func sleeps(ctx context.Context, client *fake.Clientset, namespace, name, day string) error {
	d, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err != nil:
		return err
	case d.Spec.Replicas == nil || *d.Spec.Replicas != 0:
		return fmt.Errorf("deployment %s/%s does not sleep", namespace, name)
	case d.Annotations[nightshift.DayReplicas] != day:
		return fmt.Errorf("deployment %s/%s: the day's replicas are %q, want %q", namespace, name, d.Annotations[nightshift.DayReplicas], day)
	}
	return nil
}

func wakes(ctx context.Context, client *fake.Clientset, namespace, name string, replicas int32) error {
	d, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err != nil:
		return err
	case d.Spec.Replicas == nil || *d.Spec.Replicas != replicas:
		return fmt.Errorf("deployment %s/%s was to be left alone", namespace, name)
	}
	return nil
}

// TODO(kata): The parts of CheckAwait, if you want some.
