// Package validate is the kata's: a validating webhook that refuses objects without the labels which all objects of a cluster are to have. Begin
// with [Policy.Validate] and [Policy.ValidateUpdate], which know nothing of webhooks; [Validator] does.
package validate

import (
	"cmp"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// ProtectedAnnotation keeps an object from being deleted: "true" or "false", as strconv.ParseBool understands them.
	ProtectedAnnotation = "labels.kubekata.dev/protected"
	// OldLabel is what people wrote before there were recommended labels.
	OldLabel = "app"
)

// Policy says which labels objects must have.
type Policy struct {
	// Required are the keys of labels that each object must have, with a value that is not empty.
	Required []string
	// Supported are the values that a label may have, by its key. A label that is not there is not asked for here.
	Supported map[string][]string
	// Immutable are the keys of labels that stay as they are, once they are there: no other value, and not removed.
	Immutable []string
}

// Validate returns all that is wrong with a new object, ordered by the path of the field. An empty list says that nothing is. The policy is read, and not changed: several requests may ask it at once.
//
//   - metadata.labels[KEY]: a required label that is missing or empty is field.Required, an unsupported value of a label is field.NotSupported. An
//     empty label that is required is only missing.
//   - metadata.annotations[KEY]: a ProtectedAnnotation that is no truth value is field.Invalid.
func (p *Policy) Validate(object metav1.Object) field.ErrorList {
	// kata:begin field.NewPath("metadata", "labels").Key(…), and a list to which everything is appended.
	var errs field.ErrorList
	labels, path := object.GetLabels(), field.NewPath("metadata", "labels")
	for _, key := range p.Required {
		if labels[key] == "" {
			errs = append(errs, field.Required(path.Key(key), "each object says this about itself"))
		}
	}
	for key, supported := range p.Supported {
		value, ok := labels[key]
		if !ok || slices.Contains(supported, value) || value == "" && slices.Contains(p.Required, key) {
			continue
		}
		errs = append(errs, field.NotSupported(path.Key(key), value, supported))
	}
	if text, ok := object.GetAnnotations()[ProtectedAnnotation]; ok {
		if _, err := strconv.ParseBool(text); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "annotations").Key(ProtectedAnnotation), text, "is neither true nor false"))
		}
	}
	return sorted(errs)
	// kata:end
}

// ValidateUpdate returns what is wrong with an object that is to take the place of an old one. Fresh are the mistakes of this update: what Validate says of the
// object and did not say of the old one, and, as field.Invalid, immutable labels that have another value, are emptied or are gone, whatever else is wrong with them; a label that
// was not there, or was empty, may get a value. Inherited are the mistakes that the old object had as well, with the same value: whoever scales an object that
// nobody has labelled, has not made them. Both are ordered by the path of the field.
func (p *Policy) ValidateUpdate(object, old metav1.Object) (fresh, inherited field.ErrorList) {
	// kata:begin When are two errors the same? The type, the field and the bad value say it; look at what field.Error has.
	before := map[string]bool{}
	for _, err := range p.Validate(old) {
		before[err.Error()] = true
	}
	for _, err := range p.Validate(object) {
		if before[err.Error()] {
			inherited = append(inherited, err)
		} else {
			fresh = append(fresh, err)
		}
	}
	path := field.NewPath("metadata", "labels")
	for _, key := range p.Immutable {
		was, is := old.GetLabels()[key], object.GetLabels()[key]
		if was != "" && is != was {
			fresh = append(fresh, field.Invalid(path.Key(key), is, "may not change; it was "+strconv.Quote(was)))
		}
	}
	return sorted(fresh), inherited
	// kata:end
}

// Warnings are what a user should know and is not refused for: a line for each inherited mistake, and one for an OldLabel. They have no line
// breaks, and name the field.
func Warnings(object metav1.Object, inherited field.ErrorList) []string {
	// kata:begin The text of a field.Error is one line already.
	var warnings []string
	for _, err := range inherited {
		warnings = append(warnings, "this will be refused in a new object: "+err.Error())
	}
	if _, ok := object.GetLabels()[OldLabel]; ok {
		warnings = append(warnings, "metadata.labels["+OldLabel+"]: app.kubernetes.io/name has taken the place of this label")
	}
	return warnings
	// kata:end
}

// kata:begin Functions of your own.
// kata:stub

// sorted puts errors into the order of their fields.
func sorted(errs field.ErrorList) field.ErrorList {
	slices.SortStableFunc(errs, func(a, b *field.Error) int { return cmp.Compare(a.Field, b.Field) })
	return errs
}

// kata:end
