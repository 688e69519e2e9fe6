// Package order is given: the Order, as the release that we are writing has it, and what the kitchen asks of a topping's name.
package order

import (
	"strings"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is the Order's, in group and version.
var Kind = schema.GroupVersionKind{Group: "shop.kubekata.dev", Version: "v1", Kind: "Order"}

// Order is one pizza that somebody wants. It is v1 still: Toppings has been added to a version that is years old.
type Order struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec Spec `json:"spec"`
}

// Spec is what is wanted.
type Spec struct {
	// Size has nothing to do with toppings. It is here so that a client can change something else.
	Size string `json:"size,omitempty"`
	// Topping is the pizza's first topping, and was the only one until now. A pizza without any has none.
	Topping string `json:"topping,omitempty"`
	// Toppings are all of the pizza's toppings. The first one is Topping. Whoever sets Toppings sets Topping as well.
	Toppings []string `json:"toppings,omitempty"`
}

// DeepCopy returns a copy that shares nothing with the Order.
func (o *Order) DeepCopy() *Order {
	if o == nil {
		return nil
	}
	out := &Order{TypeMeta: o.TypeMeta, Spec: o.Spec}
	o.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	if o.Spec.Toppings != nil {
		out.Spec.Toppings = append([]string{}, o.Spec.Toppings...) // an empty list stays one
	}
	return out
}

// DeepCopyObject makes the Order a runtime.Object.
func (o *Order) DeepCopyObject() runtime.Object {
	if o == nil {
		return nil
	}
	return o.DeepCopy()
}

// NameProblem says what is wrong with a topping's name: it is blank, or it holds something that the kitchen's printer stops at.
// The name of a good topping has no problem: "".
func NameProblem(topping string) string {
	if strings.TrimSpace(topping) == "" {
		return "must not be blank"
	}
	if strings.ContainsFunc(topping, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "must have printable characters only"
	}
	return ""
}
