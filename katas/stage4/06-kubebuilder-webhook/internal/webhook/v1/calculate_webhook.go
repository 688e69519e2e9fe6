// Package v1 has the admission webhooks of the Calculate, version v1: one that fills in, one that judges.
package v1

import (
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"
)

// NamespaceController is who deletes the objects of a namespace that is being deleted.
const NamespaceController = "system:serviceaccount:kube-system:namespace-controller"

// TODO(kata): The markers of which `make -C katas/stage4/06-kubebuilder-webhook manifests` makes config/webhook/manifests.yaml: a
// kubebuilder:webhookconfiguration for each of the two configurations, both called calculate.math.kubekata.dev, and a kubebuilder:webhook for each of the two
// webhooks, mutate.calculate.math.kubekata.dev and validate.calculate.math.kubekata.dev. The lesson has the table of what they say.

// SetupWebhookWithManager registers the Defaulter and the Validator for Calculates with the manager's webhook server, at the paths that the markers say. What is in
// an object and not in the Go type stays in the object: the definition may be newer than this program.
func SetupWebhookWithManager(mgr ctrl.Manager) error {
	// TODO(kata): controller-runtime's builder for webhooks, with both.
	return errors.New("SetupWebhookWithManager is not implemented")
}

// Defaulter is an admission.Defaulter[*mathv1.Calculate]. It fills in what a Calculate does not say, and changes nothing else:
//
//   - an action: add
//   - a second number: the one that leaves the first as it is, 0 for add and sub, 1 for mul and div. For an action that nobody knows there is none.
//
// It refuses nothing.
type Defaulter struct{}

// TODO(kata): The method of admission.Defaulter.

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

// TODO(kata): The three methods of admission.Validator, and what they have in common.
