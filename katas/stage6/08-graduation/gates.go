package graduation

import (
	"errors"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/featuregate"
)

// Voicemail lets a Line have spec.voicemail.
const Voicemail featuregate.Feature = "Voicemail"

// Binary is the operator's version.
var Binary = version.MajorMinor(1, 1)

// NewGate returns a gate of its own for [Binary], which knows Voicemail: alpha since 1.1, and off. An error is a mistake in the table.
func NewGate() (featuregate.MutableVersionedFeatureGate, error) {
	// TODO(kata): A versioned gate, with one versioned spec.
	return *new(featuregate.MutableVersionedFeatureGate), errors.New("NewGate is not implemented")
}
