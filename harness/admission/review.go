package admission

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/onsi/ginkgo/v2"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes/scheme"
)

// Option changes a request that [Review] has built. Any function will do for what has no option here.
type Option func(*admissionv1.AdmissionRequest)

// DryRun makes it a request of which nothing will be stored.
func DryRun() Option {
	return func(r *admissionv1.AdmissionRequest) { r.DryRun = new(true) }
}

// By says who asks. The default is ada, who is in no group but system:authenticated.
func By(username string, groups ...string) Option {
	return func(r *admissionv1.AdmissionRequest) {
		r.UserInfo = authenticationv1.UserInfo{Username: username, Groups: groups}
	}
}

// Resource says of which resource the object is, where the plural of the kind in lower case is not it.
func Resource(resource schema.GroupVersionResource) Option {
	return func(r *admissionv1.AdmissionRequest) {
		r.Resource = metav1.GroupVersionResource(resource)
		r.RequestResource = &r.Resource
	}
}

// SubResource makes it a request for a part of the object, like "status" or "scale".
func SubResource(name string) Option {
	return func(r *admissionv1.AdmissionRequest) { r.SubResource, r.RequestSubResource = name, name }
}

// Review is the AdmissionReview that the API server sends when somebody creates an object (there is no old one), updates it (there
// are both) or deletes it (there is an old one alone). Kind, resource, name and namespace are the object's, the UID is a new one, it is no
// dry run, and ada asks. An object without apiVersion and kind gets those of its Go type, if it is one of Kubernetes' own.
//
// The source is CreateV1AdmissionReview in apiserver's pkg/admission/plugin/webhook/request. An object that cannot be sent fails the spec.
func Review(object, oldObject runtime.Object, options ...Option) *admissionv1.AdmissionReview {
	ginkgo.GinkgoHelper()
	review, err := build(object, oldObject, options...)
	if err != nil {
		ginkgo.Fail(err.Error())
	}
	return review
}

func build(object, oldObject runtime.Object, options ...Option) (*admissionv1.AdmissionReview, error) {
	r := &admissionv1.AdmissionRequest{
		UID: uuid.NewUUID(), DryRun: new(bool), UserInfo: authenticationv1.UserInfo{Username: "ada", Groups: []string{"system:authenticated"}},
	}
	subject := object
	var with runtime.Object
	switch {
	case object == nil && oldObject == nil:
		return nil, errors.New("build an AdmissionReview: there is neither an object nor an old one")
	case oldObject == nil:
		r.Operation = admissionv1.Create
		with = &metav1.CreateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "CreateOptions"}}
	case object == nil:
		r.Operation, subject = admissionv1.Delete, oldObject
		with = &metav1.DeleteOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "DeleteOptions"}}
	default:
		r.Operation = admissionv1.Update
		with = &metav1.UpdateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "UpdateOptions"}}
	}
	kind, err := kindOf(subject)
	if err != nil {
		return nil, err
	}
	accessor, err := meta.Accessor(subject)
	if err != nil {
		return nil, fmt.Errorf("build an AdmissionReview of a %s: %w", kind.Kind, err)
	}
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	r.Kind, r.Resource = metav1.GroupVersionKind(kind), metav1.GroupVersionResource(plural)
	r.RequestKind, r.RequestResource = new(r.Kind), new(r.Resource)
	r.Name, r.Namespace = accessor.GetName(), accessor.GetNamespace()
	for _, part := range []struct {
		from runtime.Object
		to   *runtime.RawExtension
	}{{object, &r.Object}, {oldObject, &r.OldObject}, {with, &r.Options}} {
		if part.to.Raw, err = raw(part.from); err != nil {
			return nil, err
		}
	}
	for _, option := range options {
		option(r)
	}
	return &admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}, Request: r,
	}, nil
}

// kindOf is what the object says, else what Kubernetes calls its Go type.
func kindOf(obj runtime.Object) (schema.GroupVersionKind, error) {
	if kind := obj.GetObjectKind().GroupVersionKind(); !kind.Empty() {
		return kind, nil
	}
	kinds, _, err := scheme.Scheme.ObjectKinds(obj)
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("set apiVersion and kind of the %T, which is none of Kubernetes' own types: %w", obj, err)
	}
	return kinds[0], nil
}

// raw is the object as JSON, with apiVersion and kind. The object itself stays as it is.
func raw(obj runtime.Object) ([]byte, error) {
	if obj == nil {
		return nil, nil
	}
	if obj.GetObjectKind().GroupVersionKind().Empty() {
		kind, err := kindOf(obj)
		if err != nil {
			return nil, err
		}
		obj = obj.DeepCopyObject()
		obj.GetObjectKind().SetGroupVersionKind(kind)
	}
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("encode a %T: %w", obj, err)
	}
	return data, nil
}
