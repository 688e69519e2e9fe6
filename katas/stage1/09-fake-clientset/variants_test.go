package fakeclientset_test

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

	"k8s.io/utils/ptr"

	"github.com/kubekata/kubekata/katas/stage1/09-fake-clientset/nightshift"
)

// sleeper is a Sleep of another make. Its zero value keeps the contract: it lists everything, looks for itself what should sleep,
// works from the end, and reads each Deployment before it writes. Each field is a flaw.
type sleeper struct {
	anyValue, everyNamespace, noReplicas, noAnnotation, rewritesSleepers, writesTwice, noNames, allNames bool
	tries                                                                                                int
	stale, swallows, formats, stopsFirst, countsRefused, listInSilence                                   bool
	unlabelled, otherNames, dropsAnnotations, formatsList, goesOnWithoutList, namesTheRefused            bool
}

func (s sleeper) sleep(ctx context.Context, client kubernetes.Interface, namespace string) (names []string, _ error) {
	from := namespace
	if s.everyNamespace {
		from = ""
	}
	list, err := client.AppsV1().Deployments(from).List(ctx, metav1.ListOptions{})
	var failed []error
	switch {
	case err != nil && s.listInSilence:
		return nil, nil
	case err != nil && s.formatsList:
		return nil, fmt.Errorf("list deployments: %v", err)
	case err != nil && s.goesOnWithoutList:
		failed = append(failed, err)
		if list, err = client.AppsV1().Deployments(from).List(ctx, metav1.ListOptions{}); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	for i := len(list.Items) - 1; i >= 0; i-- {
		d := list.Items[i]
		value, labelled := d.Labels[nightshift.Label]
		if !labelled && !s.unlabelled || labelled && value != nightshift.Off && !s.anyValue {
			continue
		}
		if ptr.Deref(d.Spec.Replicas, 1) == 0 && !s.rewritesSleepers {
			if s.allNames {
				names = append(names, d.Name)
			}
			continue
		}
		err := s.one(ctx, client, &d)
		if err != nil && s.stopsFirst {
			return names, err
		}
		if err != nil && !s.swallows {
			failed = append(failed, err)
		}
		if (err == nil || s.countsRefused) && !s.noNames {
			names = append(names, d.Name)
		}
		if s.otherNames && len(names) > 0 {
			names[len(names)-1] = d.Name + "-"
		}
		if s.namesTheRefused && err != nil {
			defer func() { names[len(names)-1] = d.Name }()
		}
	}
	if s.formats && len(failed) > 0 {
		return names, fmt.Errorf("not all sleep: %v", failed)
	}
	return names, errors.Join(failed...)
}

func (s sleeper) one(ctx context.Context, client kubernetes.Interface, listed *appsv1.Deployment) error {
	deployments := client.AppsV1().Deployments(listed.Namespace)
	tries := 5
	if s.tries != 0 {
		tries = s.tries
	}
	var err error
	for range tries {
		d := listed.DeepCopy()
		if !s.stale {
			if d, err = deployments.Get(ctx, listed.Name, metav1.GetOptions{}); err != nil {
				return err
			}
		}
		if s.dropsAnnotations {
			d.Annotations = nil
		}
		if !s.noAnnotation {
			metav1.SetMetaDataAnnotation(&d.ObjectMeta, nightshift.DayReplicas, strconv.Itoa(int(ptr.Deref(d.Spec.Replicas, 1))))
		}
		if !s.noReplicas {
			d.Spec.Replicas = new(int32(0))
		}
		if s.writesTwice {
			if _, err := deployments.Update(ctx, d, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		if _, err = deployments.Update(ctx, d, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			return err
		}
	}
	return err
}

// waiter is an Await of another make. Its zero value keeps the contract: it begins with a list by the name, and takes the first item.
// Each field is a flaw.
type waiter struct {
	anyEvent, specReplicas, deletedIsFine, ignoresDeletion, endIsTheEnd, endIsAnError, leaks, needsAnEvent, givesUp bool
	deaf, deletedIsSomething, leaksOnError                                                                          bool
}

func (a waiter) await(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	deployments := client.AppsV1().Deployments(namespace)
	options := metav1.ListOptions{FieldSelector: "metadata.name=" + name}
	for {
		list, err := deployments.List(ctx, options)
		switch {
		case err != nil:
			return err
		case len(list.Items) == 0:
			return nightshift.ErrGone
		case a.empty(&list.Items[0]) && !a.needsAnEvent:
			return nil
		case a.givesUp:
			return errors.New("there are pods left")
		}
		options.ResourceVersion = list.ResourceVersion
		w, err := deployments.Watch(ctx, options)
		if err != nil {
			return err
		}
		done, err := a.follow(ctx, w)
		if leaked := err == nil && a.leaks || err != nil && a.leaksOnError; !leaked {
			w.Stop()
		}
		if done || err != nil {
			return err
		}
	}
}

func (a waiter) follow(ctx context.Context, w watch.Interface) (bool, error) {
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, open := <-w.ResultChan():
			switch {
			case !open && a.endIsAnError:
				return false, errors.New("the watch has ended")
			case !open:
				return a.endIsTheEnd, nil
			case event.Type == watch.Deleted && a.deletedIsFine:
				return true, nil
			case event.Type == watch.Deleted && a.deletedIsSomething:
				return false, errors.New("it is not there any more")
			case event.Type == watch.Deleted && !a.ignoresDeletion:
				return false, nightshift.ErrGone
			case event.Type == watch.Deleted:
				continue
			}
			if d, ok := event.Object.(*appsv1.Deployment); ok && !a.deaf && (a.anyEvent || a.empty(d)) {
				return true, nil
			}
		}
	}
}

func (a waiter) empty(d *appsv1.Deployment) bool {
	if a.specReplicas {
		return ptr.Deref(d.Spec.Replicas, 1) == 0
	}
	return d.Status.Replicas == 0
}
