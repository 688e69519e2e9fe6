// Package finalizeroperator is an operator for something that is not in Kubernetes: it makes buckets in a storage service, and does
// not let a Bucket go before the service's bucket is gone.
package finalizeroperator

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/api"
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
	// kata:begin Client and Recorder come from the manager (GetEventRecorder). The controller's builder needs For, Complete, and
	// | perhaps a predicate: our own status writes are events, too.
	r.Client = mgr.GetClient()
	r.Recorder = mgr.GetEventRecorder("bucket-operator")
	return ctrl.NewControllerManagedBy(mgr).
		Named("bucket").
		// A failure's message has a number in it that is another one each time. Were we woken by writing it, we would never wait.
		For(&api.Bucket{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
	// kata:end
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
	// kata:begin Get it. Gone? Being deleted? Then: finalizer, bucket, status, in this order.
	b := &api.Bucket{}
	if err := r.Client.Get(ctx, req.NamespacedName, b); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !b.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, b)
	}
	return ctrl.Result{}, r.provision(ctx, b)
	// kata:end
}

// kata:begin Functions of your own: one for a Bucket that is wanted, one for a Bucket that is not any more, one for the status.
// kata:stub

// provision makes the service have the bucket.
func (r *Reconciler) provision(ctx context.Context, b *api.Bucket) error {
	before := b.DeepCopy()
	if controllerutil.AddFinalizer(b, api.Finalizer) {
		if err := r.Client.Patch(ctx, b, changes(before)); err != nil {
			return fmt.Errorf("add the finalizer: %w", err)
		}
	}
	err := r.ensure(ctx, b)
	switch {
	case err == nil:
		return r.report(ctx, b, metav1.Condition{Status: metav1.ConditionTrue, Reason: api.ReasonProvisioned, Message: "the service has the bucket"})
	case errors.Is(err, bucket.ErrTaken):
		return errors.Join(err, r.complain(ctx, b, api.ReasonNameTaken, "Provision", err))
	default:
		return errors.Join(err, r.complain(ctx, b, api.ReasonServiceFailed, "Provision", err))
	}
}

func (r *Reconciler) ensure(ctx context.Context, b *api.Bucket) error {
	got, err := r.Storage.Create(ctx, bucket.Bucket{Name: b.Spec.Name, Owner: owner(b), Region: b.Spec.Region, Quota: b.Spec.Quota})
	if err != nil {
		return err
	}
	if got.Quota != b.Spec.Quota {
		return r.Storage.SetQuota(ctx, b.Spec.Name, owner(b), b.Spec.Quota)
	}
	return nil
}

// finalize cleans up, and lets the Bucket go.
func (r *Reconciler) finalize(ctx context.Context, b *api.Bucket) error {
	if !controllerutil.ContainsFinalizer(b, api.Finalizer) {
		return nil
	}
	err := r.Storage.Delete(ctx, b.Spec.Name, owner(b), b.Spec.Force)
	switch {
	case err == nil, errors.Is(err, bucket.ErrNotFound):
	case errors.Is(err, bucket.ErrNotEmpty):
		return errors.Join(err, r.complain(ctx, b, api.ReasonNotEmpty, "Delete", err))
	default:
		return errors.Join(err, r.complain(ctx, b, api.ReasonCleanupFailed, "Delete", err))
	}
	before := b.DeepCopy()
	controllerutil.RemoveFinalizer(b, api.Finalizer)
	if err := r.Client.Patch(ctx, b, changes(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("take the finalizer off: %w", err)
	}
	return nil
}

// complain says in the status and in an event what has failed.
func (r *Reconciler) complain(ctx context.Context, b *api.Bucket, reason, action string, failure error) error {
	r.Recorder.Eventf(b, nil, corev1.EventTypeWarning, reason, action, "%v", failure)
	return r.report(ctx, b, metav1.Condition{Status: metav1.ConditionFalse, Reason: reason, Message: failure.Error()})
}

// report writes the condition Ready, unless it is there.
func (r *Reconciler) report(ctx context.Context, b *api.Bucket, ready metav1.Condition) error {
	before := b.DeepCopy()
	ready.Type, ready.ObservedGeneration = api.Ready, b.Generation
	if !meta.SetStatusCondition(&b.Status.Conditions, ready) {
		return nil
	}
	if err := r.Client.Status().Patch(ctx, b, changes(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return nil
}

// owner is what the service knows the Bucket by. The next Bucket of the same name is another one.
func owner(b *api.Bucket) string { return string(b.UID) }

// changes is a patch for lists that belong to others as well: it replaces them as a whole, and must not if somebody has written one
// since we read it.
func changes(before *api.Bucket) client.Patch {
	return client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
}

// kata:end
