// Package operator is what is tested: the operator for Sites.
//
// The contract stands at [New]; specs are written from it. How the operator keeps it, and what the broken ones break, is in the other
// file; a tester who has not read it learns more.
package operator

import (
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Maker makes an operator that works with a client.
type Maker func(client.Client) reconcile.Reconciler

// New makes the operator as it ought to be. When Reconcile is called for a Site:
//
//  1. There is a Deployment of the Site's name, in its namespace, with the Site's replicas (0 is a number) and its image, in a container
//     called "web"; there may be others beside it. Its pods have the label "site" with the Site's name, and that label is its selector.
//  2. The Site owns it, as its controller, so that it goes with the Site.
//  3. When replicas or image are not the Site's, they are put right. What else others have written into the Deployment stays: annotations,
//     containers beside ours, and so on.
//  4. A Deployment of that name that is not this Site's, by UID, is left alone. Then the phase is Blocked and no replica is ready. That is
//     no error.
//  5. The status says how many replicas are ready, as the Deployment's status has it; the phase is Online when these are as many as
//     the Site wants, else Starting; observedGeneration is the Site's generation.
//  6. Nothing is written, neither Deployment nor status, when all is as it ought to be.
//  7. An error of the server's, whatever it was asked for, is returned. A Site that is not there is none: nothing is done.
//  8. For a Site that is being deleted nothing is made or changed, its status included.
//
// It asks for no other call of its own: what Reconcile returns, without an error, is an empty Result.
func New(c client.Client) reconcile.Reconciler { return &reconciler{Client: c} }

// Another makes an operator that keeps the same contract in another way: it patches, where New's updates, and its Deployments have labels,
// annotations, a variable and a second container that nobody has asked for, and nobody has forbidden. What is right for the one is right for
// the other.
func Another(c client.Client) reconcile.Reconciler { return &reconciler{Client: c, another: true} }

// HandedIn makes the operator as a colleague has handed it in. It has three bugs.
func HandedIn(c client.Client) reconcile.Reconciler {
	return &reconciler{Client: c, faults: planted}
}

// With makes an operator with one fault.
func With(f Fault) Maker {
	return func(c client.Client) reconcile.Reconciler { return &reconciler{Client: c, faults: []Fault{f}} }
}

// reconciler is the operator, with what is wrong with it.
type reconciler struct {
	client.Client
	another bool
	faults  []Fault
}

func (r *reconciler) has(f Fault) bool { return slices.Contains(r.faults, f) }
