package graduation

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/featuregate"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
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
	// kata:begin For Lines, and the ConfigMaps that they own.
	return ctrl.NewControllerManagedBy(mgr).For(&api.Line{}).Owns(&corev1.ConfigMap{}).Complete(r)
	// kata:end
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
	// kata:begin Get it. Being deleted: release, take the finalizer off. Else: finalizer, number, divert, phone, status.
	line := &api.Line{}
	if err := r.Client.Get(ctx, req.NamespacedName, line); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	work := r.connect
	if !line.DeletionTimestamp.IsZero() {
		work = r.disconnect
	}
	err := work(ctx, line)
	if busy := (*exchange.Busy)(nil); errors.As(err, &busy) {
		return ctrl.Result{RequeueAfter: busy.After}, nil
	}
	return ctrl.Result{}, err
	// kata:end
}

// kata:begin The two directions, as functions of their own.
// kata:stub

// connect makes everything that a Line wants.
func (r *Reconciler) connect(ctx context.Context, line *api.Line) error {
	if !controllerutil.ContainsFinalizer(line, api.Finalizer) {
		before := line.DeepCopy()
		controllerutil.AddFinalizer(line, api.Finalizer)
		if err := r.Client.Patch(ctx, line, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return fmt.Errorf("add the finalizer: %w", err)
		}
	}
	number, err := r.rent(ctx, line)
	if err != nil {
		return r.complain(ctx, line, number.Number, err)
	}
	err = r.phone(ctx, line, number.Number)
	switch {
	case errors.Is(err, errPhoneTaken):
		return errors.Join(err, r.report(ctx, line, number.Number, api.ReasonPhoneTaken, err))
	case err != nil:
		return err
	}
	return r.report(ctx, line, number.Number, api.ReasonConnected, nil)
}

// rent returns the Line's number, which is diverted as it should be. With an error there may be a number all the same.
func (r *Reconciler) rent(ctx context.Context, line *api.Line) (exchange.Number, error) {
	number, fresh, err := r.Exchange.Rent(ctx, line.Spec.Area, string(line.UID))
	if err != nil {
		return exchange.Number{}, err
	}
	if fresh {
		r.Metrics.Rented.Inc()
	}
	if number.Divert != line.Spec.Divert {
		err = r.Exchange.Divert(ctx, string(line.UID), line.Spec.Divert)
	}
	return number, err
}

// phone makes the ConfigMap, or mends it.
func (r *Reconciler) phone(ctx context.Context, line *api.Line, number string) error {
	phone := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: line.Namespace, Name: api.PhoneName(line.Name)}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, phone, func() error {
		if !phone.CreationTimestamp.IsZero() && !metav1.IsControlledBy(phone, line) {
			return errPhoneTaken
		}
		set(phone, api.NumberKey, number)
		set(phone, api.DivertKey, line.Spec.Divert)
		voicemail := ""
		if r.Gate.Enabled(Voicemail) {
			voicemail = line.Spec.Voicemail
		}
		set(phone, api.VoicemailKey, voicemail)
		return controllerutil.SetControllerReference(line, phone, r.Client.Scheme())
	})
	if err != nil {
		return fmt.Errorf("phone %s: %w", phone.Name, err)
	}
	return nil
}

// set gives a key a value, or takes it away.
func set(phone *corev1.ConfigMap, key, value string) {
	if value == "" {
		delete(phone.Data, key)
		return
	}
	if phone.Data == nil {
		phone.Data = map[string]string{}
	}
	phone.Data[key] = value
}

// complain says that the exchange has failed, and returns the error. That it is busy is not said: the write would be a reason to look at the Line again.
func (r *Reconciler) complain(ctx context.Context, line *api.Line, number string, failure error) error {
	if busy := (*exchange.Busy)(nil); errors.As(failure, &busy) {
		return failure
	}
	return errors.Join(failure, r.report(ctx, line, number, api.ReasonExchangeFailed, failure))
}

// report writes the status, if it is another one. An empty number leaves the one that is there.
func (r *Reconciler) report(ctx context.Context, line *api.Line, number, reason string, failure error) error {
	condition := metav1.Condition{Type: api.Ready, Status: metav1.ConditionTrue, Reason: reason, ObservedGeneration: line.Generation}
	if failure != nil {
		condition.Status, condition.Message = metav1.ConditionFalse, failure.Error()
	}
	changed := meta.SetStatusCondition(&line.Status.Conditions, condition)
	if number != "" && line.Status.Number != number {
		line.Status.Number, changed = number, true
	}
	if !changed {
		return nil
	}
	if err := r.Client.Status().Update(ctx, line); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return nil
}

// disconnect gives the number back, and lets the Line go.
func (r *Reconciler) disconnect(ctx context.Context, line *api.Line) error {
	if !controllerutil.ContainsFinalizer(line, api.Finalizer) {
		return nil
	}
	err := r.Exchange.Release(ctx, string(line.UID))
	switch {
	case err == nil:
		r.Metrics.Released.Inc()
	case !errors.Is(err, exchange.ErrNotFound):
		return r.complain(ctx, line, "", err)
	}
	before := line.DeepCopy()
	controllerutil.RemoveFinalizer(line, api.Finalizer)
	err = r.Client.Patch(ctx, line, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("take the finalizer off: %w", err)
	}
	return nil
}

// kata:end
