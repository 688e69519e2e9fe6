// Package controller calculates.
package controller

import (
	"context"
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// CalculateReconciler writes results into the status of Calculates.
type CalculateReconciler struct {
	client.Client
}

// TODO(kata): Markers for what the controller may do, of which controller-gen makes config/rbac/role.yaml, a ClusterRole: look at
// Calculates, and get, update or patch their status.

// Reconcile brings the status of one Calculate up to date with its spec:
//
//   - result is the result; there is none when it cannot be calculated. A division is cut off towards zero, as Go's.
//   - The condition Ready is True with the reason Calculated, or False with one of the other reasons and a message for the user:
//     DivisionByZero, Overflow when the result is not an int64, UnknownAction. Its lastTransitionTime changes with its status alone.
//   - observedGeneration, the status' and the condition's, is the generation of the spec that was read.
//   - Conditions of other types are others'. They stay as they are, also one that is written at the same moment.
//
// The status is written when it is not so already, whoever has changed it. What the user has got wrong is no error: nothing is tried again
// until the spec changes. Without an error, Reconcile returns an empty Result. An error of the server's is returned, and so tried again, later each time. A Calculate that is gone is none.
func (r *CalculateReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	// TODO(kata): Read the Calculate, calculate, and write the status, if it is another one.
	return ctrl.Result{}, errors.New("CalculateReconciler.Reconcile is not implemented")
}

// TODO(kata): Functions of your own: the calculation, with all that can go wrong in it.

// SetupWithManager has the manager call Reconcile when a Calculate changes.
func (r *CalculateReconciler) SetupWithManager(mgr ctrl.Manager) error {
	// TODO(kata): One line, with ctrl.NewControllerManagedBy.
	return errors.New("CalculateReconciler.SetupWithManager is not implemented")
}
