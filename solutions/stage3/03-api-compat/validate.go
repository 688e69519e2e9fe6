package apicompat

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"
)

// Validate says all that is wrong with an Order that is to be made and that NormalizeOnCreate has seen:
//
//   - toppings without a topping: Required, at spec.topping. A topping without toppings: Required, at spec.toppings.
//   - both, and the first of the toppings is not the topping: Invalid, at spec.toppings[0].
//   - a topping that is in the list before, letter by letter: Duplicate, at spec.toppings[i], the later one.
//   - a topping whose name has an order.NameProblem: Invalid, at spec.toppings[i], with the problem as its detail.
//
// The value of an error at spec.toppings[i] is the topping that stands there. One topping may have several errors. A pizza without any topping is a good pizza. The Order stays as it is.
func Validate(created *order.Order) field.ErrorList {
	// kata:begin Each error has a type, a path and the value: field.Required, field.Invalid, field.Duplicate. The path begins with
	// | field.NewPath("spec"). Do not stop at the first one.
	return validate(created, nil)
	// kata:end
}

// ValidateUpdate says all that is wrong with an Order that is to take the place of old, after NormalizeOnUpdate. It is as strict as
// Validate, with what has not changed as well, but for one thing: the check of names is younger than many an Order. A topping that is among old's toppings, at whatever
// place, may keep its bad name; a new one may not have one. Otherwise nobody could change anything about the old Order any more.
func ValidateUpdate(updated, old *order.Order) field.ErrorList {
	// kata:begin Validate, and a look at what was there before. Which of the errors may that excuse?
	return validate(updated, old.Spec.Toppings)
	// kata:end
}

// kata:begin What the two have in common may be a function of its own.
// kata:stub

// validate tolerates the names that are known.
func validate(obj *order.Order, known []string) field.ErrorList {
	var errs field.ErrorList
	topping, toppings := obj.Spec.Topping, obj.Spec.Toppings
	spec := field.NewPath("spec")
	path := spec.Child("toppings")
	switch {
	case topping == "" && len(toppings) > 0:
		errs = append(errs, field.Required(spec.Child("topping"), "must be the first of the toppings"))
	case topping != "" && len(toppings) == 0:
		errs = append(errs, field.Required(path, "must begin with the topping"))
	case len(toppings) > 0 && toppings[0] != topping:
		errs = append(errs, field.Invalid(path.Index(0), toppings[0], "must be the topping"))
	}
	for i, name := range toppings {
		if slices.Contains(toppings[:i], name) {
			errs = append(errs, field.Duplicate(path.Index(i), name))
		}
		if problem := order.NameProblem(name); problem != "" && !slices.Contains(known, name) {
			errs = append(errs, field.Invalid(path.Index(i), name, problem))
		}
	}
	return errs
}

// kata:end
