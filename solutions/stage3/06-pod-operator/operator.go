// Package podoperator is an operator that looks after pods by itself, as the ReplicaSet's and the Deployment's controllers do
// together: it makes them, replaces those that are lost, and rolls a new template out.
package podoperator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/katas/stage3/06-pod-operator/podset"
)

// Reasons of the events, which are the PodSet's, with the pod in the note.
const (
	// Created is Normal: a pod was made. There is one for each pod that was.
	Created = "Created"
	// Replaced is a Warning: a pod has failed or succeeded, and was deleted for it.
	Replaced = "Replaced"
	// Blocked is a Warning: a pod of somebody else has a name that the PodSet needs.
	Blocked = "Blocked"
)

// Reconciler looks after PodSets.
type Reconciler struct {
	// kata:begin A client, and whatever else SetupWithManager gets from the manager.
	// kata:stub
	client client.Client
	// live reads from the server and not from the cache.
	live   client.Reader
	events events.EventRecorder
	// kata:end
}

// SetupWithManager takes what the Reconciler needs from the manager, and registers it there: it is called for a PodSet when the
// PodSet changes, and when a pod changes whose controller it is. It asks the server for nothing.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	// kata:begin ctrl.NewControllerManagedBy, For, Owns. And how will you find the pods whose controller a PodSet is? Where do the
	// | events come from?
	r.client, r.live = mgr.GetClient(), mgr.GetAPIReader()
	r.events = mgr.GetEventRecorder("podset-controller")
	// SetupWithManager has no context, and the indexer only wants one for making its informer.
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &corev1.Pod{}, controllerField, controllerUID)
	if err != nil {
		return fmt.Errorf("index the pods by their controller: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).For(&podset.PodSet{}).Owns(&corev1.Pod{}).Complete(r)
	// kata:end
}

// Reconcile makes of the pods of a PodSet what its spec wants, as far as that goes at the moment, and says in its status what it has
// found. A PodSet that is gone or being deleted is left alone: its pods are the garbage collector's.
//
// A pod is the PodSet's when the PodSet is its controller, by UID. No other pod is changed, counted or adopted, whatever its name and
// its labels. A pod of the PodSet is live when it is not being deleted and its phase is neither Failed nor Succeeded. A live pod is ready
// when its condition Ready is True, and surplus when its name is not one of those that are wanted (podset.PodSet.PodNames).
//
//   - A pod that has failed or succeeded is deleted; a pod that has its name by now is not.
//   - For each name that is wanted and that no pod has, a pod is made, in the names' order: of the template, with the template's labels
//     and annotations, the labels of package podset, and the PodSet as its controller. A name is free when the pod that had it is gone.
//     No pod is made when as many are live as there are replicas or, while there are surplus ones, as many and one.
//   - A surplus pod is deleted when it is not ready. One that is ready is deleted when as many others are ready as there are replicas.
//   - No pod is ever changed.
//   - A pod of somebody else with a name that is wanted blocks its own place, and no other. It is tried again, after a second or two at the
//     latest in the beginning.
//   - The status has what package podset says of it. It is written when something in it has changed, also when
//     something else has failed, and never over one that the cache does not have yet. There are events, as the constants above say.
//
// So with a new template one new pod is made first; when it is ready, an old one goes, and the next new one is made. And with
// fewer replicas the pods of the highest numbers go.
//
// Reconcile reads from the cache, and asks the server only for a pod that it has learned of otherwise. All this holds while the cache
// is behind: what Reconcile has just made may not be in it yet, and what it has just deleted may.
// What fails is tried again; the rest is done all the same. That a pod is gone already is no failure.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	// kata:begin Look at the PodSet and its pods, sort the pods, make, delete, report. Functions of your own help.
	set := &podset.PodSet{}
	if err := r.client.Get(ctx, req.NamespacedName, set); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !set.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	var pods corev1.PodList
	err := r.client.List(ctx, &pods, client.InNamespace(set.Namespace), client.MatchingFields{controllerField: string(set.UID)})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("list the pods: %w", err)
	}
	found := sift(set, pods.Items)
	err = errors.Join(r.removeDead(ctx, set, found), r.makeMissing(ctx, set, found), r.removeSurplus(ctx, set, found))
	return ctrl.Result{}, errors.Join(err, r.report(ctx, set, found.status(set, errors.Is(err, errBlocked))))
	// kata:end
}

// kata:begin Functions of your own.
// kata:stub

// errBlocked says that a pod of somebody else has a name that the PodSet needs.
var errBlocked = errors.New("the pod is not the podset's")

// controllerField is the index of the pods by the UID of their controller.
const controllerField = "controller"

func controllerUID(obj client.Object) []string {
	owner := metav1.GetControllerOf(obj)
	if owner == nil {
		return nil
	}
	return []string{string(owner.UID)}
}

// findings are the pods of a PodSet, sorted.
type findings struct {
	// names are all of them, live or not.
	names sets.Set[string]
	dead  []*corev1.Pod
	// current and surplus are live.
	current, surplus []*corev1.Pod
	ready            int32
}

func (f *findings) live() int32 { return int32(len(f.current) + len(f.surplus)) }

func sift(set *podset.PodSet, pods []corev1.Pod) *findings {
	wanted := sets.New(set.PodNames()...)
	f := &findings{names: sets.New[string]()}
	for i := range pods {
		pod := &pods[i]
		f.names.Insert(pod.Name)
		switch {
		case !pod.DeletionTimestamp.IsZero():
			continue
		case pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
			f.dead = append(f.dead, pod)
			continue
		case wanted.Has(pod.Name):
			f.current = append(f.current, pod)
		default:
			f.surplus = append(f.surplus, pod)
		}
		if isReady(pod) {
			f.ready++
		}
	}
	return f
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (r *Reconciler) removeDead(ctx context.Context, set *podset.PodSet, found *findings) error {
	var errs []error
	for _, pod := range found.dead {
		removed, err := r.remove(ctx, pod)
		if removed {
			r.events.Eventf(set, pod, corev1.EventTypeWarning, Replaced, "Delete", "Pod %s has the phase %s, and is replaced", pod.Name, pod.Status.Phase)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// makeMissing makes the pods that are missing. A name that a dead or dying pod has will be free when that pod is gone, which is an event.
func (r *Reconciler) makeMissing(ctx context.Context, set *podset.PodSet, found *findings) error {
	allowed := set.Spec.Replicas - found.live()
	if len(found.surplus) > 0 {
		allowed++
	}
	var errs []error
	for _, name := range set.PodNames() {
		if allowed <= 0 {
			break
		}
		if found.names.Has(name) {
			continue
		}
		err := r.create(ctx, set, name)
		if !errors.Is(err, errBlocked) {
			allowed--
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (r *Reconciler) create(ctx context.Context, set *podset.PodSet, name string) error {
	pod := &corev1.Pod{
		ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy(),
		Spec:       *set.Spec.Template.Spec.DeepCopy(),
	}
	pod.Name, pod.GenerateName, pod.Namespace = name, "", set.Namespace
	metav1.SetMetaDataLabel(&pod.ObjectMeta, podset.NameLabel, set.Name)
	metav1.SetMetaDataLabel(&pod.ObjectMeta, podset.HashLabel, set.Hash())
	if err := ctrl.SetControllerReference(set, pod, r.client.Scheme()); err != nil {
		return fmt.Errorf("own pod %s: %w", name, err)
	}
	err := r.client.Create(ctx, pod)
	if apierrors.IsAlreadyExists(err) {
		return r.recognize(ctx, set, name)
	}
	if err != nil {
		return fmt.Errorf("make pod %s: %w", name, err)
	}
	r.events.Eventf(set, pod, corev1.EventTypeNormal, Created, "Create", "Made pod %s", name)
	return nil
}

// recognize asks the server, not the cache, whose a pod is that the list did not have: our own, which the cache does not know yet, is
// as good as made.
func (r *Reconciler) recognize(ctx context.Context, set *podset.PodSet, name string) error {
	pod := &corev1.Pod{}
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: set.Namespace, Name: name}, pod); err != nil {
		return fmt.Errorf("look whose pod %s is: %w", name, err)
	}
	if metav1.IsControlledBy(pod, set) {
		return nil
	}
	r.events.Eventf(set, pod, corev1.EventTypeWarning, Blocked, "Create", "Pod %s is somebody else's", name)
	return fmt.Errorf("pod %s: %w", name, errBlocked)
}

// removeSurplus deletes surplus pods, as many as can be spared. With an old cache it must choose the same ones again, so it goes by
// name and not by the cache's order, which is any.
func (r *Reconciler) removeSurplus(ctx context.Context, set *podset.PodSet, found *findings) error {
	slices.SortFunc(found.surplus, func(a, b *corev1.Pod) int { return cmp.Compare(b.Name, a.Name) })
	spare := found.ready - set.Spec.Replicas
	var errs []error
	for _, pod := range found.surplus {
		if isReady(pod) {
			if spare <= 0 {
				continue
			}
			spare--
		}
		_, err := r.remove(ctx, pod)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// remove deletes this pod, and no other of that name. It says whether it has.
func (r *Reconciler) remove(ctx context.Context, pod *corev1.Pod) (bool, error) {
	err := r.client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // gone, or gone and another one has its name
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("delete pod %s: %w", pod.Name, err)
	}
	return true, nil
}

// status is what the findings come to.
func (f *findings) status(set *podset.PodSet, blocked bool) podset.Status {
	status := podset.Status{
		ObservedGeneration: set.Generation, Phase: podset.Pending,
		Replicas: f.live(), Ready: f.ready, Updated: int32(len(f.current)),
	}
	was, wanted := set.Status, set.Spec.Replicas
	switch {
	case status.Replicas == wanted && status.Updated == wanted && status.Ready == wanted:
		status.Phase = podset.Ready
	case blocked, was.ObservedGeneration == set.Generation && (was.Phase == podset.Ready || was.Phase == podset.Degraded):
		status.Phase = podset.Degraded
	case status.Ready > 0:
		status.Phase = podset.Progressing
	}
	return status
}

// report writes the status if it is another one. The phase depends on the one before: with an old PodSet from the cache the write is a
// conflict, as it must be.
func (r *Reconciler) report(ctx context.Context, set *podset.PodSet, status podset.Status) error {
	if set.Status == status {
		return nil
	}
	changed := set.DeepCopy()
	changed.Status = status
	if err := r.client.Status().Update(ctx, changed); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return nil
}

// kata:end
