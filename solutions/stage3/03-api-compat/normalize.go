// Package apicompat gives an API that has been v1 for years a plural beside its singular: an Order's spec.topping gets
// spec.toppings. Clients that were built before it go on as if nothing had happened, and nothing of what newer ones say is lost.
//
// Begin with [NormalizeOnRead], [NormalizeOnCreate] and [NormalizeOnUpdate], which guess what a client meant, then [Validate] and
// [ValidateUpdate], which judge it. [Compare] says of any change whether it is one that old clients survive.
package apicompat

import (
	"slices"

	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"
)

// NormalizeOnRead makes an Order that comes out of the store complete: one that was stored before there were toppings has its
// topping as the only one of its toppings. Any other stays as it is.
func NormalizeOnRead(stored *order.Order) {
	// kata:begin Which Orders have a topping and no toppings?
	pluralize(&stored.Spec)
	// kata:end
}

// NormalizeOnCreate completes an Order that a client wants made: one with a topping and no toppings comes from a client that
// knows nothing else, and gets the topping as the only one of its toppings. Any other stays as it is, and is for Validate to
// judge. An empty list is no toppings.
func NormalizeOnCreate(created *order.Order) {
	// kata:begin It is less than one thinks.
	pluralize(&created.Spec)
	// kata:end
}

// NormalizeOnUpdate completes an Order that a client wants to put in the place of old, whether by an update or a patch.
// Old is what NormalizeOnRead has left of the stored one. The client says nothing about toppings when it sends none, as an old one
// does in an update, or those that old has, as an old one does in a patch. Then, the first that applies:
//
//   - The topping is the same as before: toppings are those of old.
//   - The topping is cleared: so are the toppings.
//   - The topping is another one: it is the only one of the toppings.
//
// A client that says something about toppings knows what it does: the Order stays as it is, and is for ValidateUpdate to judge. An
// empty list is no toppings. Nothing but toppings is changed, nothing in old, and the two share no memory afterwards. To do it
// twice is to do it once.
func NormalizeOnUpdate(updated, old *order.Order) {
	// kata:begin First: does the client say anything about toppings? Then, if not: what has it done to the topping?
	now, was := &updated.Spec, &old.Spec
	if len(now.Toppings) > 0 && !slices.Equal(now.Toppings, was.Toppings) {
		return
	}
	switch now.Topping {
	case was.Topping:
		now.Toppings = slices.Clone(was.Toppings)
	case "":
		now.Toppings = nil
	default:
		now.Toppings = []string{now.Topping}
	}
	// kata:end
}

// kata:begin What the functions have in common may be a function of its own.
// kata:stub

// pluralize makes the topping the only one of the toppings, if there are none.
func pluralize(spec *order.Spec) {
	if spec.Topping != "" && len(spec.Toppings) == 0 {
		spec.Toppings = []string{spec.Topping}
	}
}

// kata:end
