// Package conversion is the kata's: the conversion of a Delivery between v1alpha1 and v1beta1, the webhook that the API server calls
// for it, and the migration of what is stored. Start with [SpokeToHub].
package conversion

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1alpha1"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1beta1"
)

// SpokeToHub makes a v1beta1 Delivery of a v1alpha1 one. It is the function that controller-runtime's
// conversion.NewSpokeConverter takes.
//
// An address of the form "street, postcode city", none of them empty, with one blank after the last comma, a postcode of five digits and
// one blank after it, is taken apart; the street may have commas of its own, and the city has none. Of another one, v1beta1 has none:
// nil. An ETA that
// time.ParseDuration takes for a number of whole minutes, not negative, becomes that number; another one becomes nil. The
// status and the metadata are the same.
//
// Nothing is lost: HubToSpoke makes the same v1alpha1 Delivery again, unless somebody has changed the v1beta1 one. What v1beta1 cannot
// say is carried by the annotation delivery.CarriesV1alpha1; what it can say and v1alpha1 cannot is taken from delivery.CarriesV1beta1, in
// which HubToSpoke has left it. What somebody has changed in v1alpha1 since then counts, field by field, and not what the annotation has for
// it. An annotation that cannot be understood, in whole or in part, is as good as none.
//
// The annotation that was read is not in dst any more, understood or not. Nor is a delivery.CarriesV1alpha1 that was on src: on a v1alpha1
// Delivery it says nothing. dst need not be empty: it keeps its TypeMeta, whatever src has for one, and nothing else. It shares nothing with
// src, and src stays as it is.
func SpokeToHub(_ context.Context, src *v1alpha1.Delivery, dst *v1beta1.Delivery) error {
	// kata:begin Translate the fields. Where the carried value says the same as the v1alpha1 text, take the carried one.
	// | Carry what HubToSpoke could not make again.
	dst.ObjectMeta = *src.ObjectMeta.DeepCopy()
	dst.Status.Phase = src.Status.Phase
	carried := v1beta1.DeliverySpec{}
	take(&dst.ObjectMeta, delivery.CarriesV1beta1, &carried)
	drop(&dst.ObjectMeta, delivery.CarriesV1alpha1)

	dst.Spec = v1beta1.DeliverySpec{
		Address: parseAddress(src.Spec.Address), ETAMinutes: parseETA(src.Spec.ETA), Instructions: carried.Instructions,
	}
	if carried.Address != nil && formatAddress(carried.Address) == src.Spec.Address {
		dst.Spec.Address = carried.Address
	}
	if carried.ETAMinutes != nil && formatETA(carried.ETAMinutes) == src.Spec.ETA {
		dst.Spec.ETAMinutes = carried.ETAMinutes
	}
	if formatAddress(dst.Spec.Address) != src.Spec.Address || formatETA(dst.Spec.ETAMinutes) != src.Spec.ETA {
		return carry(&dst.ObjectMeta, delivery.CarriesV1alpha1, src.Spec)
	}
	return nil
	// kata:end
}

// HubToSpoke makes a v1alpha1 Delivery of a v1beta1 one: the opposite of SpokeToHub, with the same promises.
//
// An address becomes the text "street, postcode city", with nothing in the place of what it has not (",  Napoli" of a city alone); minutes
// become "45m"; nil becomes no text. What v1alpha1 cannot say, the instructions first of all, is carried by the annotation delivery.CarriesV1beta1. A text that SpokeToHub has carried is there again,
// unless somebody has changed the v1beta1 value for which it stood.
func HubToSpoke(_ context.Context, src *v1beta1.Delivery, dst *v1alpha1.Delivery) error {
	// kata:begin The same the other way round: where the carried text is read as the v1beta1 value, take the carried one.
	dst.ObjectMeta = *src.ObjectMeta.DeepCopy()
	dst.Status.Phase = src.Status.Phase
	carried := v1alpha1.DeliverySpec{}
	take(&dst.ObjectMeta, delivery.CarriesV1alpha1, &carried)
	drop(&dst.ObjectMeta, delivery.CarriesV1beta1)

	dst.Spec = v1alpha1.DeliverySpec{Address: formatAddress(src.Spec.Address), ETA: formatETA(src.Spec.ETAMinutes)}
	if carried.Address != "" && equality.Semantic.DeepEqual(parseAddress(carried.Address), src.Spec.Address) {
		dst.Spec.Address = carried.Address
	}
	if carried.ETA != "" && equality.Semantic.DeepEqual(parseETA(carried.ETA), src.Spec.ETAMinutes) {
		dst.Spec.ETA = carried.ETA
	}
	if len(src.Spec.Instructions) > 0 || !equality.Semantic.DeepEqual(parseAddress(dst.Spec.Address), src.Spec.Address) ||
		!equality.Semantic.DeepEqual(parseETA(dst.Spec.ETA), src.Spec.ETAMinutes) {
		return carry(&dst.ObjectMeta, delivery.CarriesV1beta1, src.Spec)
	}
	return nil
	// kata:end
}

// kata:begin The two translations of an address, those of an ETA, and what puts a value into an annotation and takes it out again.
// kata:stub

var addressForm = regexp.MustCompile(`^(?s)(.+), ([0-9]{5}) ([^ ,][^,]*)$`)

// parseAddress returns nil for a text that is not of the form.
func parseAddress(text string) *v1beta1.Address {
	parts := addressForm.FindStringSubmatch(text)
	if parts == nil {
		return nil
	}
	return &v1beta1.Address{Street: parts[1], Postcode: parts[2], City: parts[3]}
}

func formatAddress(a *v1beta1.Address) string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%s, %s %s", a.Street, a.Postcode, a.City)
}

// parseETA returns nil for a text that is not a number of whole minutes. A Duration ends after 292 years: its minutes fit.
func parseETA(text string) *int32 {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d%time.Minute != 0 {
		return nil
	}
	minutes := int32(d / time.Minute)
	return &minutes
}

func formatETA(minutes *int32) string {
	if minutes == nil {
		return ""
	}
	return fmt.Sprintf("%dm", *minutes)
}

// carry puts a value into an annotation.
func carry(meta *metav1.ObjectMeta, annotation string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("carry a value in the annotation %s: %w", annotation, err)
	}
	metav1.SetMetaDataAnnotation(meta, annotation, string(data))
	return nil
}

// take moves what carry has put into an annotation to value, which stays empty when there is nothing that can be understood.
func take[T any](meta *metav1.ObjectMeta, annotation string, value *T) {
	if err := json.Unmarshal([]byte(meta.Annotations[annotation]), value); err != nil {
		*value = *new(T) // somebody has written over it: failing now would make the object unreadable
	}
	drop(meta, annotation)
}

func drop(meta *metav1.ObjectMeta, annotation string) {
	delete(meta.Annotations, annotation)
	if len(meta.Annotations) == 0 {
		meta.Annotations = nil
	}
}

// kata:end
