// Package mutate is the kata's: a mutating webhook that gives objects the labels which all objects of a cluster are to have. Begin
// with [Pointer] and [AddMissing], which [ByHand] needs; [Labeler] decides who gets what.
package mutate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The recommended labels, which are Kubernetes' own: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelVersion   = "app.kubernetes.io/version"
	LabelComponent = "app.kubernetes.io/component"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"
)

const (
	// NotAvailable is the value of a label for which there is no other.
	NotAvailable = "not-available"
	// StatusAnnotation says that an object has been seen to: its value is Done.
	StatusAnnotation = "labels.kubekata.dev/status"
	Done             = "done"
	// OptOutAnnotation is the user's: with the value "false" (as strconv.ParseBool understands it) the object stays as it is.
	OptOutAnnotation = "labels.kubekata.dev/add"
)

// SystemNamespaces are those whose objects stay as they are.
var SystemNamespaces = []string{metav1.NamespaceSystem, metav1.NamespacePublic, "kube-node-lease"}

// Labeler gives objects the six recommended labels and the StatusAnnotation, each where it is missing.
type Labeler struct {
	// Defaults are the labels' values. Where there is none, or it is empty, name and instance are the object's name (see [LabelValue]), and the
	// others NotAvailable. Nobody writes into it.
	Defaults map[string]string
	// Patch makes the patch: [ByHand] or [Computed].
	Patch Patcher
}

// LabelValue makes a label's value of an object's name: at most 63 characters, letters, digits, '-', '_' and '.', and a letter or a digit at either
// end. Other characters (an RBAC role may be called "system:node") become '-', what is too long loses its end, and what may not stand at an end
// is taken away. Where nothing is left, it is NotAvailable.
func LabelValue(name string) string {
	// kata:begin Replace what a label may not have, cut, and trim.
	value := strings.Map(func(r rune) rune {
		if letterOrDigit(r) || strings.ContainsRune("-_.", r) {
			return r
		}
		return '-'
	}, name)
	value = strings.TrimLeft(value, "-_.")
	value = strings.TrimRight(value[:min(len(value), validation.LabelValueMaxLength)], "-_.")
	if value == "" {
		return NotAvailable
	}
	return value
	// kata:end
}

// Review answers as a mutating webhook: whatever it is asked about is allowed, with a patch where something is missing, and without one
// where nothing is.
//
// These stay as they are: what is deleted, since there is no object to change; a part of an object (status, scale, …), of whatever kind it is;
// objects of the SystemNamespaces; and those whose OptOutAnnotation says so. The namespace is the request's. An OptOutAnnotation that is no truth
// value counts as true, and the user gets a warning that has the annotation's name in it.
//
// The name of an object that has none yet is its generateName. An object whose metadata cannot be read, or for which there is no patch to be made,
// is an error, and no answer. Review may be called by many requests at once.
func (l *Labeler) Review(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	// kata:begin Look whose object it is and what it says about itself; then patch.
	response := &admissionv1.AdmissionResponse{Allowed: true}
	if request.Operation == admissionv1.Delete || request.SubResource != "" || isSystem(request.Namespace) {
		return response, nil
	}
	object := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(request.Object.Raw, object); err != nil {
		return nil, fmt.Errorf("read the metadata of %s %s/%s: %w", request.Resource.Resource, request.Namespace, request.Name, err)
	}
	if text, ok := object.Annotations[OptOutAnnotation]; ok {
		add, err := strconv.ParseBool(text)
		switch {
		case err != nil:
			response.Warnings = append(response.Warnings, fmt.Sprintf("the annotation %s is neither true nor false, and counts as true", OptOutAnnotation))
		case !add:
			return response, nil
		}
	}
	patch, err := l.Patch(request.Object.Raw, l.wanted(object))
	if err != nil {
		return nil, fmt.Errorf("patch %s %s/%s: %w", request.Resource.Resource, request.Namespace, request.Name, err)
	}
	if len(patch) > 0 {
		response.Patch, response.PatchType = patch, new(admissionv1.PatchTypeJSONPatch)
	}
	return response, nil
	// kata:end
}

// kata:begin What Review and LabelValue need.
// kata:stub

// wanted is what an object is to have.
func (l *Labeler) wanted(object metav1.Object) Metadata {
	name := object.GetName()
	if name == "" {
		name = object.GetGenerateName()
	}
	labels := map[string]string{
		LabelName: LabelValue(name), LabelInstance: LabelValue(name),
		LabelVersion: NotAvailable, LabelComponent: NotAvailable, LabelPartOf: NotAvailable, LabelManagedBy: NotAvailable,
	}
	for key := range labels {
		if value := l.Defaults[key]; value != "" {
			labels[key] = value
		}
	}
	return Metadata{Labels: labels, Annotations: map[string]string{StatusAnnotation: Done}}
}

func isSystem(namespace string) bool {
	return slices.Contains(SystemNamespaces, namespace)
}

func letterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// kata:end
