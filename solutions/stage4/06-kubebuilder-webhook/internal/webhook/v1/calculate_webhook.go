// Package v1 has the admission webhooks of the Calculate, version v1: one that fills in, one that judges.
package v1

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	mathv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/api/v1"
)

// NamespaceController is who deletes the objects of a namespace that is being deleted.
const NamespaceController = "system:serviceaccount:kube-system:namespace-controller"

// kata:begin The markers of which `make -C katas/stage4/06-kubebuilder-webhook manifests` makes config/webhook/manifests.yaml: a
// | kubebuilder:webhookconfiguration for each of the two configurations, both called calculate.math.kubekata.dev, and a kubebuilder:webhook for each of the two
// | webhooks, mutate.calculate.math.kubekata.dev and validate.calculate.math.kubekata.dev. The lesson has the table of what they say.
// kata:stub

// +kubebuilder:webhookconfiguration:mutating=true,name=calculate.math.kubekata.dev
// +kubebuilder:webhookconfiguration:mutating=false,name=calculate.math.kubekata.dev
// +kubebuilder:webhook:mutating=true,name=mutate.calculate.math.kubekata.dev,path=/mutate-math-kubekata-dev-v1-calculate,groups=math.kubekata.dev,versions=v1,resources=calculates,verbs=create;update,serviceNamespace=calculate-system,serviceName=calculate-webhook,failurePolicy=fail,sideEffects=None,timeoutSeconds=5,admissionReviewVersions=v1
// +kubebuilder:webhook:mutating=false,name=validate.calculate.math.kubekata.dev,path=/validate-math-kubekata-dev-v1-calculate,groups=math.kubekata.dev,versions=v1,resources=calculates,verbs=create;update;delete,serviceNamespace=calculate-system,serviceName=calculate-webhook,failurePolicy=fail,sideEffects=None,timeoutSeconds=5,admissionReviewVersions=v1
// kata:end

// SetupWebhookWithManager registers the Defaulter and the Validator for Calculates with the manager's webhook server, at the paths that the markers say. What is in
// an object and not in the Go type stays in the object: the definition may be newer than this program.
func SetupWebhookWithManager(mgr ctrl.Manager) error {
	// kata:begin controller-runtime's builder for webhooks, with both.
	return ctrl.NewWebhookManagedBy(mgr, &mathv1.Calculate{}).
		WithDefaulter(Defaulter{}).
		WithValidator(Validator{}).
		Complete()
	// kata:end
}

// Defaulter is an admission.Defaulter[*mathv1.Calculate]. It fills in what a Calculate does not say, and changes nothing else:
//
//   - an action: add
//   - a second number: the one that leaves the first as it is, 0 for add and sub, 1 for mul and div. For an action that nobody knows there is none.
//
// It refuses nothing.
type Defaulter struct{}

// kata:begin The method of admission.Defaulter.
// kata:stub

var _ admission.Defaulter[*mathv1.Calculate] = Defaulter{}

// Default fills in.
func (Defaulter) Default(_ context.Context, c *mathv1.Calculate) error {
	if c.Spec.Action == "" {
		c.Spec.Action = mathv1.ActionAdd
	}
	if c.Spec.Second == nil {
		switch c.Spec.Action {
		case mathv1.ActionAdd, mathv1.ActionSub:
			c.Spec.Second = ptr.To[int64](0)
		case mathv1.ActionMul, mathv1.ActionDiv:
			c.Spec.Second = ptr.To[int64](1)
		}
	}
	return nil
}

// kata:end

// Validator is an admission.Validator[*mathv1.Calculate]. It judges Calculates, which need not have been filled in, and changes none.
//
// ValidateCreate refuses with all mistakes at once, as the API server itself does: an error for which apierrors.IsInvalid is true, with the object's name and a cause for
// each mistake.
//
//   - spec.action: Required when there is none, NotSupported when it is none of the four
//   - spec.second: Required when there is none, Invalid when something is to be divided by 0
//
// What it does not refuse it may warn of: a division that leaves a remainder has one warning, in which the word remainder stands.
//
// ValidateUpdate says nothing at all, no error and no warning, about
//
//   - a Calculate that is being deleted: its finalizers have to come off, whatever is wrong with it
//   - an update that leaves the spec as it was: rules are younger than objects, and labels must go on them
//
// To any other update it says what ValidateCreate says, and spec.action is Invalid when it is another one than before. (That there was none before is no other one: the
// Calculate may be older than the Defaulter.)
//
// ValidateDelete refuses, with 403 Forbidden, to delete a Calculate whose [mathv1.ProtectedAnnotation] is "true". It lets go one that is being deleted already, and whatever
// the [NamespaceController] deletes; who asks, is in the request, and the request in the context. Without one there it is not the NamespaceController.
type Validator struct{}

// kata:begin The three methods of admission.Validator, and what they have in common.
// kata:stub

var _ admission.Validator[*mathv1.Calculate] = Validator{}

// ValidateCreate judges a new Calculate.
func (Validator) ValidateCreate(_ context.Context, c *mathv1.Calculate) (admission.Warnings, error) {
	return warnings(c), invalid(c, mistakes(c))
}

// ValidateUpdate judges a change of a Calculate.
func (Validator) ValidateUpdate(_ context.Context, before, c *mathv1.Calculate) (admission.Warnings, error) {
	if !c.DeletionTimestamp.IsZero() || equality.Semantic.DeepEqual(before.Spec, c.Spec) {
		return nil, nil
	}
	errs := mistakes(c)
	if before.Spec.Action != "" && before.Spec.Action != c.Spec.Action {
		errs = append(errs, field.Invalid(field.NewPath("spec", "action"), c.Spec.Action, fmt.Sprintf("may not change; it was %q", before.Spec.Action)))
	}
	return warnings(c), invalid(c, errs)
}

// ValidateDelete judges whether a Calculate may go.
func (Validator) ValidateDelete(ctx context.Context, c *mathv1.Calculate) (admission.Warnings, error) {
	if c.Annotations[mathv1.ProtectedAnnotation] != "true" || !c.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	if request, err := admission.RequestFromContext(ctx); err == nil && request.UserInfo.Username == NamespaceController {
		return nil, nil
	}
	resource := mathv1.GroupVersion.WithResource("calculates").GroupResource()
	return nil, apierrors.NewForbidden(resource, c.Name, errors.New("it is protected: take the annotation "+mathv1.ProtectedAnnotation+" off first"))
}

// mistakes are all that is wrong with the spec, whatever was there before.
func mistakes(c *mathv1.Calculate) field.ErrorList {
	var errs field.ErrorList
	action, second := field.NewPath("spec", "action"), field.NewPath("spec", "second")
	switch c.Spec.Action {
	case mathv1.ActionAdd, mathv1.ActionSub, mathv1.ActionMul, mathv1.ActionDiv:
	case "":
		errs = append(errs, field.Required(action, "what is to be done with the numbers"))
	default:
		errs = append(errs, field.NotSupported(action, c.Spec.Action, []mathv1.Action{mathv1.ActionAdd, mathv1.ActionSub, mathv1.ActionMul, mathv1.ActionDiv}))
	}
	switch {
	case c.Spec.Second == nil:
		errs = append(errs, field.Required(second, "a calculation has two numbers"))
	case c.Spec.Action == mathv1.ActionDiv && *c.Spec.Second == 0:
		errs = append(errs, field.Invalid(second, *c.Spec.Second, "nothing can be divided by it"))
	}
	return errs
}

// invalid is what is wrong as one error, or nil.
func invalid(c *mathv1.Calculate, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(mathv1.GroupVersion.WithKind("Calculate").GroupKind(), c.Name, errs)
}

// warnings are what is no mistake, and may surprise.
func warnings(c *mathv1.Calculate) admission.Warnings {
	first, second := c.Spec.First, ptr.Deref(c.Spec.Second, 0)
	if c.Spec.Action != mathv1.ActionDiv || second == 0 || first%second == 0 {
		return nil
	}
	return admission.Warnings{fmt.Sprintf("spec.second: %d divided by %d leaves a remainder of %d, which is not in the result", first, second, first%second)}
}

// kata:end
