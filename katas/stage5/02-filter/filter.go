// Package filter is the kata's: a scheduler extender that knows how much power a rack has. Begin with [Extender.Predicate]; [NewHandler] serves it.
package filter

import (
	corelisters "k8s.io/client-go/listers/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

const (
	// RackLabel is on a node: the rack in which it stands.
	RackLabel = "power.kubekata.dev/rack"
	// WattsAnnotation is on a pod: how many watts it draws, a positive whole number. A pod without it draws none.
	WattsAnnotation = "power.kubekata.dev/watts"
)

// Extender knows what the racks supply, and what is drawn from them. Its fields are not changed after it has been made.
type Extender struct {
	// Racks are the watts that each rack supplies.
	Racks map[string]int
	// Nodes and Pods are what our own informers know: all of the cluster's, and not only what the scheduler asks about. Nobody may write into the objects.
	Nodes corelisters.NodeLister
	Pods  corelisters.PodLister
}

// Predicate says on which of the nodes the pod fits.
//
// It is asked with NodeNames or with Nodes, and answers in kind: with a list that is not nil, has the nodes that fit in the order in which they came, and, if
// they are Nodes, as they came. Each other node has its reason in one of two maps. FailedAndUnresolvableNodes has those that would not fit if all other pods went:
//
//	the node is not known (it was asked with its name)  node(s) that the extender does not know yet
//	the pod's WattsAnnotation is no positive number      WattsAnnotation "4OO" is no number of watts   (the annotation's key, and its value quoted as by %q)
//	the node has no RackLabel, or an empty one           node(s) without a rack
//	its rack is not in Racks                             rack r9 has no supply
//	its rack supplies less than the pod draws            rack r1 supplies 1000 W in all
//
// FailedNodes has those that would:
//
//	its rack has less left than the pod draws            rack r1 has 200 W left
//
// Where several apply, the first in this list counts. What is left is never less than 0. A pod without WattsAnnotation fits on each node, known or not.
//
// A rack's load is what all pods draw on all nodes with its label: on those that we were asked about, and on the others. A pod counts from when it has a node until
// it has succeeded or failed; one that is being deleted still draws its watts. An annotation that is no positive number counts as 0. A node that we were sent counts as it was sent,
// others as our lister has them; a node that neither has is in no rack.
//
// Error is for our own failure alone, and then there is nothing else in the result: a lister that fails, or a question without a pod, or with neither Nodes nor NodeNames. A pod that fits nowhere
// is no failure.
//
// The scheduler waits meanwhile, and with it all other pods: what all pods draw is read once for a question, however many nodes are in it.
//
// Nothing in args is changed. Predicate may be called by many requests at once, of which none waits for another.
func (e *Extender) Predicate(args extenderv1.ExtenderArgs) *extenderv1.ExtenderFilterResult {
	// TODO(kata): Look at each node, and put it where it belongs; answer in kind.
	panic("Extender.Predicate is not implemented")
}

// TODO(kata): What Predicate needs.
