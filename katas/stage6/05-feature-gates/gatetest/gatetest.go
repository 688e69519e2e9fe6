// Package gatetest sets gates in a test, and sets them back after it. It is no part of the program, which would have package testing's flags and
// fixtures in it then.
package gatetest

import (
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/featuregate"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
)

// TB is what During needs of a test: a *testing.T has it, and what GinkgoTB() returns.
type TB = featuregatetesting.TB

// During makes the gate emulate a version, unless that is nil, and switches features on and off in it, until the test's clean-ups run. When a
// feature is switched off, what depends on it is off as well. A value that the gate refuses, at that version, fails the test.
//
// Afterwards the gate is as it was: its version, the features that were set, with their values, and the features that nobody had set, which
// follow the version again.
func During(tb TB, gate featuregate.FeatureGate, emulated *version.Version, features map[featuregate.Feature]bool) {
	// TODO(kata): The version first. Clean-ups run in the opposite order.
	panic("During is not implemented")
}
