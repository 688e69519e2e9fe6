package fakeclientset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
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
	// kata:begin Seed a namespace with what should sleep and what should not, and another namespace. Let it sleep, then compare
	// | the names, the objects, and the writes.
	lamp := Deployment("lab", "lamp", "", 1)
	lamp.Labels = nil
	client := Seeded(
		lamp,
		Deployment("lab", "oven", nightshift.Off, 3),
		Deployment("lab", "till", nightshift.Off, 2),
		Deployment("lab", "asleep", nightshift.Off, 0),
		Deployment("lab", "alarm", "on", 1),
		Deployment("shop", "oven", nightshift.Off, 4),
	)
	names, err := sleep(ctx, client, "lab")
	if err != nil {
		return fmt.Errorf("nothing was in its way: %w", err)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"oven", "till"}) {
		return fmt.Errorf("returned names: %q, want oven and till", names)
	}
	writes := Writes(client)
	if slices.Sort(writes); !slices.Equal(writes, []string{"update deployments lab/oven", "update deployments lab/till"}) {
		return fmt.Errorf("writes: %q, want one update of oven and one of till", writes)
	}
	return errors.Join(
		sleeps(ctx, client, "lab", "oven", "3"),
		sleeps(ctx, client, "lab", "till", "2"),
		wakes(ctx, client, "lab", "alarm", 1),
		wakes(ctx, client, "lab", "lamp", 1),
		wakes(ctx, client, "shop", "oven", 4),
	)
	// kata:end
}

// CheckConflict judges what sleep does when another writer is faster. It returns nil for one that keeps the contract, and an error for
// one that gives up too early, that undoes what the other writer has changed, or that, when the conflicts do not end, does not return
// an error which apierrors.IsConflict recognises.
func CheckConflict(ctx context.Context, sleep nightshift.SleepFunc) error {
	// kata:begin Another writer changes something else, four times. Then one who never stops. Does the fake notice a stale
	// | resourceVersion by itself?
	client := Seeded(Deployment("lab", "oven", nightshift.Off, 3))
	ConflictTimes(client, 4, func(d *appsv1.Deployment) {
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, "example.com/menu", "winter")
	})
	names, err := sleep(ctx, client, "lab")
	if err != nil {
		return fmt.Errorf("four conflicts, and it has five tries: %w", err)
	}
	if !slices.Equal(names, []string{"oven"}) {
		return fmt.Errorf("returned names: %q, want oven", names)
	}
	if err := sleeps(ctx, client, "lab", "oven", "3"); err != nil {
		return err
	}
	oven, err := client.AppsV1().Deployments("lab").Get(ctx, "oven", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if oven.Annotations["example.com/menu"] != "winter" {
		return errors.New("what another writer has changed is undone")
	}

	client = Seeded(Deployment("lab", "oven", nightshift.Off, 3))
	ConflictTimes(client, 1000, nil)
	names, err = sleep(ctx, client, "lab")
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("the conflicts do not end: got the error %v, want the conflict", err)
	}
	if len(names) > 0 {
		return fmt.Errorf("returned names: %q, and none sleeps", names)
	}
	return nil
	// kata:end
}

// CheckRefusal judges what sleep does when the server refuses. It returns nil for one that keeps the contract, and an error for one that
// lets one Deployment's refusal keep the others awake, that hides the refusal (apierrors.IsForbidden must recognise it), that
// counts the refused among the sleepers, or that says nothing of a list that failed, or writes after it.
func CheckRefusal(ctx context.Context, sleep nightshift.SleepFunc) error {
	// kata:begin Let the first update fail: of which of the Deployments is not said. Then let the list fail.
	forbidden := apierrors.NewForbidden(appsv1.Resource("deployments"), "", errors.New("not at night"))
	client := Seeded(Deployment("lab", "oven", nightshift.Off, 3), Deployment("lab", "till", nightshift.Off, 2), Deployment("lab", "fan", nightshift.Off, 1))
	FailOnce(client, "update", "deployments", forbidden)
	names, err := sleep(ctx, client, "lab")
	if !apierrors.IsForbidden(err) {
		return fmt.Errorf("one update was forbidden: got the error %v", err)
	}
	if slices.Sort(names); len(slices.Compact(names)) != 2 {
		return fmt.Errorf("one update was forbidden, and two were not: returned names %q", names)
	}
	for _, name := range names {
		d, err := client.AppsV1().Deployments("lab").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if *d.Spec.Replicas != 0 {
			return fmt.Errorf("%s is among the returned names, and has %d replicas", name, *d.Spec.Replicas)
		}
	}

	client = Seeded(Deployment("lab", "oven", nightshift.Off, 3))
	FailOnce(client, "list", "deployments", forbidden)
	if _, err := sleep(ctx, client, "lab"); !apierrors.IsForbidden(err) {
		return fmt.Errorf("the list was forbidden: got the error %v", err)
	}
	if writes := Writes(client); len(writes) > 0 {
		return fmt.Errorf("the list was forbidden, and then: %q", writes)
	}
	return nil
	// kata:end
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
	// kata:begin Await runs in a goroutine while you send events, and you wait for the watch before you send the first. How do you
	// | learn that it has NOT returned, without waiting for a while? Send something after which only a right one gives the right answer.
	return errors.Join(checkEmpty(ctx, await), checkLast(ctx, await), checkDeleted(ctx, await))
	// kata:end
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

// kata:begin The parts of CheckAwait, if you want some.
// kata:stub

// limit bounds each wait of a check.
const limit = time.Second

// checkEmpty: a Deployment without pods needs no watch.
func checkEmpty(ctx context.Context, await nightshift.AwaitFunc) error {
	client := Seeded(Deployment("lab", "oven", nightshift.Off, 0))
	err := Within(ctx, limit, func(ctx context.Context) error { return await(ctx, client, "lab", "oven") })
	if err != nil {
		return fmt.Errorf("no pods were left from the start: %w", err)
	}
	return nil
}

// checkLast: two pods are left, then one, then the watch ends, then none are left.
func checkLast(ctx context.Context, await nightshift.AwaitFunc) error {
	d := Deployment("lab", "oven", nightshift.Off, 2)
	d.Spec.Replicas = new(int32(0)) // it sleeps; its pods do not know yet
	client := Seeded(d)
	opened := Watches(client, "deployments")
	var watchers []*watch.RaceFreeFakeWatcher
	result := make(chan error, 1)
	go func() {
		result <- Within(ctx, 4*limit, func(ctx context.Context) error { return await(ctx, client, "lab", "oven") })
	}()
	next := func(after string) error {
		select {
		case w := <-opened:
			watchers = append(watchers, w)
			return nil
		case err := <-result:
			return fmt.Errorf("it has returned %v %s", err, after)
		case <-time.After(2 * limit):
			return fmt.Errorf("it does not watch %s", after)
		}
	}
	if err := next("while two pods are left"); err != nil {
		return err
	}
	watchers[0].Modify(withPods(d, 1))
	watchers[0].Stop()
	if err := next("after its watch has ended, while two pods are left"); err != nil {
		return err
	}
	watchers[1].Modify(withPods(d, 1))
	watchers[1].Modify(withPods(d, 0))
	if err := <-result; err != nil {
		return fmt.Errorf("the last pod is gone: %w", err)
	}
	if !watchers[1].IsStopped() {
		return errors.New("it has returned, and its watch runs on")
	}
	return nil
}

// checkDeleted: one pod is left, then the Deployment is deleted. Who takes the first event for the last returns nil.
func checkDeleted(ctx context.Context, await nightshift.AwaitFunc) error {
	d := Deployment("lab", "oven", nightshift.Off, 2)
	client := Seeded(d)
	opened := Watches(client, "deployments")
	first := make(chan *watch.RaceFreeFakeWatcher, 1)
	go func() {
		select {
		case w := <-opened:
			first <- w
			w.Modify(withPods(d, 1))
			w.Delete(withPods(d, 1))
		case <-ctx.Done():
		}
	}()
	err := Within(ctx, limit, func(ctx context.Context) error { return await(ctx, client, "lab", "oven") })
	if !errors.Is(err, nightshift.ErrGone) {
		return fmt.Errorf("the deployment was deleted while a pod was left: got %v, want ErrGone", err)
	}
	if w := <-first; !w.IsStopped() {
		return errors.New("it has returned ErrGone, and its watch runs on")
	}
	return nil
}

func withPods(d *appsv1.Deployment, n int32) *appsv1.Deployment {
	d = d.DeepCopy()
	d.Status.Replicas = n
	return d
}

// kata:end
