// Package controller calculates.
package controller

import (
	"context"
	"fmt"
	"math/big"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	mathv1 "github.com/kubekata/kubekata/katas/stage3/05-calculate/api/v1"
)

// CalculateReconciler writes results into the status of Calculates.
type CalculateReconciler struct {
	client.Client
}

// kata:begin Markers for what the controller may do, of which controller-gen makes config/rbac/role.yaml, a ClusterRole: look at
// | Calculates, and get, update or patch their status.
// kata:stub

// +kubebuilder:rbac:groups=math.kubekata.dev,resources=calculates,verbs=get;list;watch
// +kubebuilder:rbac:groups=math.kubekata.dev,resources=calculates/status,verbs=update
// kata:end

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
	// kata:begin Read the Calculate, calculate, and write the status, if it is another one.
	var calculation mathv1.Calculate
	if err := r.Get(ctx, req.NamespacedName, &calculation); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := calculation.Status.DeepCopy()
	ready := metav1.Condition{
		Type: mathv1.ConditionReady, Status: metav1.ConditionTrue, Reason: mathv1.ReasonCalculated,
		ObservedGeneration: calculation.Generation,
	}
	result, problem := calculate(calculation.Spec)
	if problem != nil {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, problem.reason, problem.message
	}
	calculation.Status.Result = result
	calculation.Status.ObservedGeneration = calculation.Generation
	meta.SetStatusCondition(&calculation.Status.Conditions, ready)
	if equality.Semantic.DeepEqual(before, &calculation.Status) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, r.Status().Update(ctx, &calculation)
	// kata:end
}

// kata:begin Functions of your own: the calculation, with all that can go wrong in it.
// kata:stub

// problem is why there is no result. It is the user's to mend.
type problem struct{ reason, message string }

func calculate(spec mathv1.CalculateSpec) (*int64, *problem) {
	first, second, result := big.NewInt(spec.First), big.NewInt(spec.Second), new(big.Int)
	switch spec.Action {
	case mathv1.ActionAdd:
		result.Add(first, second)
	case mathv1.ActionSub:
		result.Sub(first, second)
	case mathv1.ActionMul:
		result.Mul(first, second)
	case mathv1.ActionDiv:
		if spec.Second == 0 {
			return nil, &problem{mathv1.ReasonDivisionByZero, "spec.second is 0, and nothing can be divided by it"}
		}
		result.Quo(first, second)
	default: // the definition allows no other, but it may have been another definition
		return nil, &problem{mathv1.ReasonUnknownAction, fmt.Sprintf("spec.action is %q: use add, sub, mul or div", spec.Action)}
	}
	if !result.IsInt64() {
		return nil, &problem{mathv1.ReasonOverflow, fmt.Sprintf("the result, %s, does not fit into 64 bits", result)}
	}
	value := result.Int64()
	return &value, nil
}

// kata:end

// SetupWithManager has the manager call Reconcile when a Calculate changes.
func (r *CalculateReconciler) SetupWithManager(mgr ctrl.Manager) error {
	// kata:begin One line, with ctrl.NewControllerManagedBy.
	return ctrl.NewControllerManagedBy(mgr).For(&mathv1.Calculate{}).Complete(r)
	// kata:end
}
