package graduation

import (
	"context"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
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
	// kata:begin One field.
	if line.Spec.Area == "" {
		line.Spec.Area = api.DefaultArea
	}
	return nil
	// kata:end
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
	// kata:begin Three fields.
	errs := shape(line)
	if line.Spec.Voicemail != "" && !v.Gate.Enabled(Voicemail) {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "voicemail"), "the feature gate Voicemail is off"))
	}
	return nil, invalid(line, errs)
	// kata:end
}

// ValidateUpdate refuses what ValidateCreate refuses, and:
//
//   - another spec.area than before
//   - spec.divert that is the Line's own number, status.number
//
// A Line that has a voicemail already may keep and change it when the gate is off: otherwise nobody could write the rest. A Line that is being deleted is not
// judged: what is wrong with it must not keep its finalizers on it.
func (v Validator) ValidateUpdate(_ context.Context, before, line *api.Line) (admission.Warnings, error) {
	// kata:begin Being deleted: nothing. Else the three fields, with what was there before.
	if !line.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	errs := shape(line)
	spec := field.NewPath("spec")
	if line.Spec.Voicemail != "" && before.Spec.Voicemail == "" && !v.Gate.Enabled(Voicemail) {
		errs = append(errs, field.Forbidden(spec.Child("voicemail"), "the feature gate Voicemail is off"))
	}
	if line.Spec.Area != before.Spec.Area {
		errs = append(errs, field.Invalid(spec.Child("area"), line.Spec.Area, "a number cannot move from "+before.Spec.Area))
	}
	if line.Spec.Divert != "" && line.Spec.Divert == line.Status.Number {
		errs = append(errs, field.Invalid(spec.Child("divert"), line.Spec.Divert, "it is the line's own number"))
	}
	return nil, invalid(line, errs)
	// kata:end
}

// ValidateDelete refuses to delete a Line that has the annotation [api.KeepAnnotation] with the value "true", with an error for which apierrors.IsForbidden is true.
func (v Validator) ValidateDelete(_ context.Context, line *api.Line) (admission.Warnings, error) {
	// kata:begin One annotation.
	if line.Annotations[api.KeepAnnotation] == "true" {
		gvk := line.GroupVersionKind()
		return nil, apierrors.NewForbidden(gvk.GroupVersion().WithResource("lines").GroupResource(), line.Name,
			field.Forbidden(field.NewPath("metadata", "annotations").Key(api.KeepAnnotation), "take it off first"))
	}
	return nil, nil
	// kata:end
}

// kata:begin What the two have in common.
// kata:stub

// shape says what is wrong with a Line whatever was there before.
func shape(line *api.Line) field.ErrorList {
	var errs field.ErrorList
	spec := field.NewPath("spec")
	if !area.MatchString(line.Spec.Area) {
		errs = append(errs, field.Invalid(spec.Child("area"), line.Spec.Area, "want "+area.String()))
	}
	if line.Spec.Divert != "" && !divert.MatchString(line.Spec.Divert) {
		errs = append(errs, field.Invalid(spec.Child("divert"), line.Spec.Divert, "want "+divert.String()))
	}
	return errs
}

// invalid is what is wrong as one error, or nil.
func invalid(line *api.Line, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(line.GroupVersionKind().GroupKind(), line.Name, errs)
}

// kata:end
