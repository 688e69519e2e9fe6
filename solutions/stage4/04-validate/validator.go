package validate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
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
	// kata:begin Which of Object and OldObject is there, for which operation? Decode those, decide, and make a response of the decision.
	if request.SubResource != "" || slices.Contains(v.Exempt, request.Namespace) {
		return &admissionv1.AdmissionResponse{Allowed: true}, nil
	}
	switch request.Operation {
	case admissionv1.Create:
		object, err := read("object", request.Object)
		if err != nil {
			return nil, err
		}
		return v.answer(request, Warnings(object, nil), invalid(request, object, v.Policy.Validate(object))), nil
	case admissionv1.Update:
		object, err := read("object", request.Object)
		if err != nil {
			return nil, err
		}
		old, err := read("old object", request.OldObject)
		if err != nil {
			return nil, err
		}
		if !object.DeletionTimestamp.IsZero() {
			break
		}
		fresh, inherited := v.Policy.ValidateUpdate(object, old)
		return v.answer(request, Warnings(object, inherited), invalid(request, object, fresh)), nil
	case admissionv1.Delete:
		old, err := read("old object", request.OldObject)
		if err != nil {
			return nil, err
		}
		if isProtected(old) && request.UserInfo.Username != NamespaceController {
			resource := schema.GroupResource{Group: request.Resource.Group, Resource: request.Resource.Resource}
			return v.answer(request, nil, apierrors.NewForbidden(resource, old.Name, errors.New("it is protected: take the annotation "+ProtectedAnnotation+" away first"))), nil
		}
	}
	return &admissionv1.AdmissionResponse{Allowed: true}, nil
	// kata:end
}

// kata:begin Reading an object, and making an answer of an error, in functions of your own.
// kata:stub

// read reads the metadata of an object, of whatever kind.
func read(what string, object runtime.RawExtension) (*metav1.PartialObjectMetadata, error) {
	read := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(object.Raw, read); err != nil {
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	return read, nil
}

// invalid is the API server's error for mistakes in fields, or nil when there are none.
func invalid(request *admissionv1.AdmissionRequest, object metav1.Object, errs field.ErrorList) *apierrors.StatusError {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: request.Kind.Group, Kind: request.Kind.Kind}, object.GetName(), errs)
}

func isProtected(object metav1.Object) bool {
	text, ok := object.GetAnnotations()[ProtectedAnnotation]
	if !ok {
		return false
	}
	protected, err := strconv.ParseBool(text)
	return err != nil || protected
}

// answer refuses with an error, or allows without one.
func (v *Validator) answer(request *admissionv1.AdmissionRequest, warnings []string, refusal *apierrors.StatusError) *admissionv1.AdmissionResponse {
	if refusal == nil {
		return &admissionv1.AdmissionResponse{Allowed: true, Warnings: warnings}
	}
	if v.Refused != nil && (request.DryRun == nil || !*request.DryRun) {
		v.Refused(request, refusal.ErrStatus)
	}
	return &admissionv1.AdmissionResponse{Result: &refusal.ErrStatus}
}

// kata:end
