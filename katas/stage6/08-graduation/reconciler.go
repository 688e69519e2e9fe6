package graduation

import (
	"context"
	"errors"

	"k8s.io/component-base/featuregate"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"
)

// errPhoneTaken says that a ConfigMap of the phone's name is not the Line's.
var errPhoneTaken = errors.New("a ConfigMap of this name is somebody else's")

// Reconciler sees to it that each Line has what its spec wants.
type Reconciler struct {
	Client   client.Client
	Exchange *exchange.Client
	Gate     featuregate.FeatureGate
	Metrics  *Metrics
}

// SetupWithManager adds the reconciler to a manager: it is called for Lines, and for the ConfigMaps that belong to them.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	// TODO(kata): For Lines, and the ConfigMaps that they own.
	return errors.New("Reconciler.SetupWithManager is not implemented")
}

// Reconcile makes one Line what its spec wants. It may be broken off at any place, and called again by another process.
//
//   - The Line has [api.Finalizer] before a number is rented for it.
//   - The exchange has one number for it, in the spec's area. Its reference is the Line's UID: the same whoever asks, and never another Line's.
//     It is diverted as spec.divert says.
//   - The phone, a ConfigMap of the name [api.PhoneName], has the number, the divert and, while the gate Voicemail is on, the voicemail; a key whose value would
//     be empty is missing, and other keys are let alone. The Line is its controller. If a ConfigMap of that name is not the Line's, it stays as it is: the condition
//     says PhoneTaken, and the call is tried again later, as after an error.
//   - status.number is the number. The condition Ready has the reasons of package api and the Line's generation; it is False with the error's text when the
//     exchange or the phone does not do. Nothing is written when nothing has changed.
//   - An exchange that is busy is called again when it has said, and not before: that is no error, and the status says nothing of it. Other errors are returned.
//   - When the Line is being deleted, the number is given back, and then the finalizer is taken off, and no other one. A number that the exchange does not know
//     (any more) is given back. The phone is the garbage collector's.
//   - Whatever is called gets ctx: it ends when the lease is lost, and then somebody else is at work.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	// TODO(kata): Get it. Being deleted: release, take the finalizer off. Else: finalizer, number, divert, phone, status.
	return ctrl.Result{}, errors.New("Reconciler.Reconcile is not implemented")
}

// TODO(kata): The two directions, as functions of their own.
