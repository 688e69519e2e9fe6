// Package operatortesting holds the specs for an operator that somebody else has written.
package operatortesting

import (
	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/bench"
)

// Specs are the requirements of the contract at operator.New, each as a test. An operator that keeps the contract passes them all, and
// one that breaks it anywhere fails at least one.
//
// A spec may be run alone, in any order, several times, and at the same time as the others.
func Specs() []bench.Spec {
	// TODO(kata): Write them. bench.Spec says what a spec looks like and bench.Bench what it has at hand; the contract is at operator.New.
	panic("Specs is not implemented")
}

// TODO(kata): Functions of your own: a fake client with a Site in it, one call of Reconcile, what is asked again and again.
