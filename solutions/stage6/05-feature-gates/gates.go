// Package featuregates is a program's feature gates: what there is to switch, since when, and how far one may trust it. Start with [Specs] and
// [NewGate]; [Options] are the flags that set the gates, and [Publisher] is the part of the program that asks them. Package gatetest is for tests.
package featuregates

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/featuregate"
)

// The features.
const (
	// Prices writes the prices under the dishes.
	Prices featuregate.Feature = "Prices"
	// Translations writes the dishes in the guests' language.
	Translations featuregate.Feature = "Translations"
	// Voice writes what is read aloud at the table. It reads the translations, and cannot be had without them.
	Voice featuregate.Feature = "Voice"
	// Chalk writes the dishes in capitals, as on the blackboard that the screens have replaced.
	Chalk featuregate.Feature = "Chalk"
)

// Binary is the version of the program, and Oldest the oldest one that it can emulate.
var (
	Binary = version.MajorMinor(1, 4)
	Oldest = version.MajorMinor(1, 1)
)

// Specs returns what became of each feature in each version, in a fresh map:
//
//	              1.0       1.1         1.2         1.3                       1.4
//	Prices                  beta, on    beta, on    GA, on, locked            GA, on, locked
//	Translations            alpha, off  alpha, off  beta, on                  beta, on
//	Voice                                           alpha, off                beta, off
//	Chalk         GA, on    GA, on      GA, on      deprecated, off           deprecated, off, locked
//
// There is one spec for each change, and none for a version in which nothing changes.
func Specs() map[featuregate.Feature]featuregate.VersionedSpecs {
	// kata:begin The table, as VersionedSpecs: oldest first.
	return map[featuregate.Feature]featuregate.VersionedSpecs{
		Prices: {
			{Version: version.MajorMinor(1, 1), PreRelease: featuregate.Beta, Default: true},
			{Version: version.MajorMinor(1, 3), PreRelease: featuregate.GA, Default: true, LockToDefault: true},
		},
		Translations: {
			{Version: version.MajorMinor(1, 1), PreRelease: featuregate.Alpha, Default: false},
			{Version: version.MajorMinor(1, 3), PreRelease: featuregate.Beta, Default: true},
		},
		Voice: {
			{Version: version.MajorMinor(1, 3), PreRelease: featuregate.Alpha, Default: false},
			{Version: version.MajorMinor(1, 4), PreRelease: featuregate.Beta, Default: false},
		},
		Chalk: {
			{Version: version.MajorMinor(1, 0), PreRelease: featuregate.GA, Default: true},
			{Version: version.MajorMinor(1, 3), PreRelease: featuregate.Deprecated, Default: false},
			{Version: version.MajorMinor(1, 4), PreRelease: featuregate.Deprecated, Default: false, LockToDefault: true},
		},
	}
	// kata:end
}

// NewGate returns a gate of its own, which emulates [Binary], has the features of [Specs], and knows that Voice depends on Translations. Nothing is
// set in it. An error is a mistake in the table, and the program's author's.
func NewGate() (featuregate.MutableVersionedFeatureGate, error) {
	// kata:begin Make a versioned gate, add the specs to it, then the dependency.
	gate := featuregate.NewVersionedFeatureGate(Binary)
	if err := gate.AddVersioned(Specs()); err != nil {
		return nil, fmt.Errorf("add the features: %w", err)
	}
	if err := gate.AddDependencies(map[featuregate.Feature][]featuregate.Feature{Voice: {Translations}}); err != nil {
		return nil, fmt.Errorf("add the dependencies: %w", err)
	}
	return gate, nil
	// kata:end
}
