// Package finalizeroperator is an operator for something that is not in Kubernetes: it makes buckets in a storage service, and does
// not let a Bucket go before the service's bucket is gone.
package finalizeroperator

import (
	"context"
	"errors"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/bucket"
)

// Reconciler looks after Buckets. Fill in Storage, and call SetupWithManager.
type Reconciler struct {
	// Storage is the storage service.
	Storage *bucket.Client
	// Client and Recorder are the manager's. SetupWithManager sets them.
	Client   client.Client
	Recorder events.EventRecorder
}

// SetupWithManager adds the Reconciler to a manager, as the controller of Buckets.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	// TODO(kata): Client and Recorder come from the manager (GetEventRecorder). The controller's builder needs For, Complete, and
	// perhaps a predicate: our own status writes are events, too.
	return errors.New("Reconciler.SetupWithManager is not implemented")
}

// Reconcile makes the storage service have the bucket that a Bucket's spec describes:
//
//   - The Bucket has our finalizer, api.Finalizer, on the API server, before the service is asked for anything.
//   - The service has a bucket of the spec's name, region and quota. Its owner is the Bucket's UID. It is made once, whatever
//     gets lost on the way, and again if somebody has removed it.
//   - The condition Ready says how it stands, and its observedGeneration of which spec. Package api has the reasons.
//
// When the Bucket is being deleted, and has our finalizer, the service's bucket is deleted, with what is in it if spec.force says so.
// One that is not there any more is as good. Then, and only then, our finalizer is taken off. A Bucket that is being deleted and
// does not have our finalizer is left alone, and for one that is gone there is nothing to do.
//
// Whatever the service says no to, a bucket that is not empty and a name that is taken among them, is said by the condition, whose
// message has the text of the latest error as the client returns it, and by a Warning event about the Bucket, for each try that fails,
// with the condition's reason and the error's text. It is tried again as the controller's rate limiter has it: after milliseconds at
// first, later each time, in a deletion as well. A change of the spec is looked at without such a delay. Nor is anything
// given up that the API server refuses, a conflict among it: its error is returned, unless another try of our own has succeeded.
//
// Finalizers and conditions of others stay, also those that are written at the same moment. Nothing is written when all is well.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	// TODO(kata): Get it. Gone? Being deleted? Then: finalizer, bucket, status, in this order.
	return ctrl.Result{}, errors.New("Reconciler.Reconcile is not implemented")
}

// TODO(kata): Functions of your own: one for a Bucket that is wanted, one for a Bucket that is not any more, one for the status.
