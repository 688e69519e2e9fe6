// Package conversion is the kata's: the conversion of a Delivery between v1alpha1 and v1beta1, the webhook that the API server calls
// for it, and the migration of what is stored. Start with [SpokeToHub].
package conversion

import (
	"context"
	"errors"

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
	// TODO(kata): Translate the fields. Where the carried value says the same as the v1alpha1 text, take the carried one.
	// Carry what HubToSpoke could not make again.
	return errors.New("SpokeToHub is not implemented")
}

// HubToSpoke makes a v1alpha1 Delivery of a v1beta1 one: the opposite of SpokeToHub, with the same promises.
//
// An address becomes the text "street, postcode city", with nothing in the place of what it has not (",  Napoli" of a city alone); minutes
// become "45m"; nil becomes no text. What v1alpha1 cannot say, the instructions first of all, is carried by the annotation delivery.CarriesV1beta1. A text that SpokeToHub has carried is there again,
// unless somebody has changed the v1beta1 value for which it stood.
func HubToSpoke(_ context.Context, src *v1beta1.Delivery, dst *v1alpha1.Delivery) error {
	// TODO(kata): The same the other way round: where the carried text is read as the v1beta1 value, take the carried one.
	return errors.New("HubToSpoke is not implemented")
}

// TODO(kata): The two translations of an address, those of an ETA, and what puts a value into an annotation and takes it out again.
