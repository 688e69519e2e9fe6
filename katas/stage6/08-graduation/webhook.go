package graduation

import (
	"context"
	"errors"
	"regexp"

	"k8s.io/component-base/featuregate"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
)

// What an area and a divert look like.
var (
	area   = regexp.MustCompile(`^0[1-9][0-9]{1,3}$`)
	divert = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
)

// Defaulter fills in what a Line does not say.
type Defaulter struct{}

var _ admission.Defaulter[*api.Line] = Defaulter{}

// Default gives a Line without an area [api.DefaultArea]. It changes nothing else.
func (Defaulter) Default(_ context.Context, line *api.Line) error {
	// TODO(kata): One field.
	return errors.New("Defaulter.Default is not implemented")
}

// Validator judges Lines. It changes nothing. What is wrong is told all at once, as an Invalid of field errors.
type Validator struct {
	Gate featuregate.FeatureGate
}

var _ admission.Validator[*api.Line] = Validator{}

// ValidateCreate refuses:
//
//   - spec.area that does not match the regular expression area
//   - spec.divert that is neither empty nor matches the regular expression divert
//   - spec.voicemail that is not empty, while the gate Voicemail is off: Forbidden
func (v Validator) ValidateCreate(_ context.Context, line *api.Line) (admission.Warnings, error) {
	// TODO(kata): Three fields.
	return *new(admission.Warnings), errors.New("Validator.ValidateCreate is not implemented")
}

// ValidateUpdate refuses what ValidateCreate refuses, and:
//
//   - another spec.area than before
//   - spec.divert that is the Line's own number, status.number
//
// A Line that has a voicemail already may keep and change it when the gate is off: otherwise nobody could write the rest. A Line that is being deleted is not
// judged: what is wrong with it must not keep its finalizers on it.
func (v Validator) ValidateUpdate(_ context.Context, before, line *api.Line) (admission.Warnings, error) {
	// TODO(kata): Being deleted: nothing. Else the three fields, with what was there before.
	return *new(admission.Warnings), errors.New("Validator.ValidateUpdate is not implemented")
}

// ValidateDelete refuses to delete a Line that has the annotation [api.KeepAnnotation] with the value "true", with an error for which apierrors.IsForbidden is true.
func (v Validator) ValidateDelete(_ context.Context, line *api.Line) (admission.Warnings, error) {
	// TODO(kata): One annotation.
	return *new(admission.Warnings), errors.New("Validator.ValidateDelete is not implemented")
}

// TODO(kata): What the two have in common.
