package validate

import (
	"context"
	"errors"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NamespaceController is who deletes the objects of a namespace that is being deleted.
const NamespaceController = "system:serviceaccount:kube-system:namespace-controller"

// Validator asks a Policy about what the API server asks.
type Validator struct {
	Policy *Policy
	// Exempt are the namespaces in which everything is allowed.
	Exempt []string
	// Refused hears of each refusal, before the answer is given, unless nothing was going to be stored anyway (a dry run). It may be nil.
	Refused func(request *admissionv1.AdmissionRequest, status metav1.Status)
}

// Review answers as a validating webhook.
//
//   - What is created and has mistakes, is refused; what is updated, if there are fresh ones. The status is the one that the API server has for a mistake in a
//     field: apierrors.NewInvalid, with the request's kind, the object's name, and all the mistakes. If it is allowed, there are Warnings.
//   - What is deleted is refused while its ProtectedAnnotation is true, or is no truth value: apierrors.NewForbidden, with the request's resource,
//     the object's own name, since the request's is empty when a whole collection is deleted, and the name of the annotation that is in the way. The NamespaceController may delete whatever it wants: a namespace with a protected object would never go.
//
// Allowed without a look are: an update of an object that is being deleted, whose finalizers somebody has to remove; a part of an object (status,
// scale, …); what is neither created, updated nor deleted; and everything in an exempt namespace, which is the request's.
//
// An object that cannot be read is an error, and no answer.
func (v *Validator) Review(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	// TODO(kata): Which of Object and OldObject is there, for which operation? Decode those, decide, and make a response of the decision.
	return nil, errors.New("Validator.Review is not implemented")
}

// TODO(kata): Reading an object, and making an answer of an error, in functions of your own.
