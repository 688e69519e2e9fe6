// Package podoperator is an operator that looks after pods by itself, as the ReplicaSet's and the Deployment's controllers do
// together: it makes them, replaces those that are lost, and rolls a new template out.
package podoperator

import (
	"context"
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"
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
	// TODO(kata): A client, and whatever else SetupWithManager gets from the manager.
}

// SetupWithManager takes what the Reconciler needs from the manager, and registers it there: it is called for a PodSet when the
// PodSet changes, and when a pod changes whose controller it is. It asks the server for nothing.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	// TODO(kata): ctrl.NewControllerManagedBy, For, Owns. And how will you find the pods whose controller a PodSet is? Where do the
	// events come from?
	return errors.New("Reconciler.SetupWithManager is not implemented")
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
	// TODO(kata): Look at the PodSet and its pods, sort the pods, make, delete, report. Functions of your own help.
	return ctrl.Result{}, errors.New("Reconciler.Reconcile is not implemented")
}

// TODO(kata): Functions of your own.
