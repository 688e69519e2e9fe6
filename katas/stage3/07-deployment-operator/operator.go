// Package deploymentoperator is an operator that puts other people's controllers to work: of an App it makes a ConfigMap, a
// Deployment and a Service, and leaves to others what is not its own in them.
package deploymentoperator

import (
	"context"
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"
)

// Reconciler looks after Apps.
type Reconciler struct {
	// TODO(kata): A client, and whatever else SetupWithManager gets from the manager.
}

// SetupWithManager takes what the Reconciler needs from the manager, and registers it there: it is called for an App when the App
// changes, and when a ConfigMap, a Deployment or a Service changes whose controller it is. It asks the server for nothing.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	// TODO(kata): ctrl.NewControllerManagedBy, For, and one Owns for each kind.
	return errors.New("Reconciler.SetupWithManager is not implemented")
}

// Reconcile makes a ConfigMap, a Deployment and a Service of an App, and says in its status how the Deployment stands. An App
// that is gone or being deleted is left alone: what it owns is the garbage collector's.
//
// The three have the App's name and namespace, and the App as their controller, with its UID, and so that the App is not gone before
// they are (blockOwnerDeletion). They are written with server-side apply by app.FieldManager. These fields are the App's to say:
//
//   - The ConfigMap: the App's config as its data.
//   - The Deployment: pods with app.NameLabel, which is also its selector, and app.ConfigHashAnnotation; in them the container
//     app.Container with the App's image and port, and all of the ConfigMap as its environment (envFrom). The replicas are the App's
//     when it has any; else Reconcile does not have that field.
//   - The Service: app.ServicePort, which leads to the App's port (a number), on the pods with the label.
//
// What somebody else has written into these fields is put right. All other fields are others', and stay: an annotation, another
// container, another key of the ConfigMap. What the App no longer has, a key of its config for instance, goes.
//
// When the App has no replicas any longer, Reconcile gives that field up, and their number stays as it is.
//
// The Deployment is not written before the ConfigMap is: its new pods must find the new config.
//
// When another object, which the App does not control by UID, has the name of one of the three, none of them is written, also when
// the cache does not have that object yet. It is tried again, after a second or two at the latest in the beginning.
//
// The status has one condition, app.Available, with the status, reason and message of the Deployment's condition Available; as long as
// there is none it is Unknown, with app.ReasonUnknown. It is False with app.ReasonNameTaken, and a message that has the
// other object's kind, when a name is taken. Condition and status say of which generation they speak. The status is written when something in it has
// changed, also when something else has failed; its lastTransitionTime is when Available was another one last.
//
// What fails is tried again. When nothing changes any longer, nothing is asked of the server any longer.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	// TODO(kata): Look at the App, and whose its three names are; apply; report. Functions of your own help.
	return ctrl.Result{}, errors.New("Reconciler.Reconcile is not implemented")
}

// TODO(kata): Functions of your own: what the three look like, whose they are, and the condition.
