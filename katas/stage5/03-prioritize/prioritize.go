// Package prioritize is the kata's: a scheduler extender that prefers nodes whose electricity is cheap, and whose rack is cool. Begin with [Rates] and [Score];
// [Extender.Prioritize] asks them, and [NewHandler] serves it.
package prioritize

import (
	"errors"

	corelisters "k8s.io/client-go/listers/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Criterion is a reason to prefer one node to another: what it costs, the less the better.
type Criterion struct {
	// Name is for errors: "price".
	Name string
	// Label is the label of a node whose value Table has a cost for: topology.kubernetes.io/zone, for instance.
	Label string
	// Weight is how much the criterion counts beside the others. It is not negative; one of 0 does not count.
	Weight int64
	// Table returns what is known right now, by the label's value. It may be slow and it may fail, and each call may have other costs in it. The map is
	// somebody else's: nobody writes into it.
	Table func() (map[string]int64, error)
}

// Extender has an opinion of nodes. Its fields are not changed after it has been made.
type Extender struct {
	Criteria []Criterion
	// Nodes is what our own informer knows. Nobody may write into the objects.
	Nodes corelisters.NodeLister
}

// Prioritize says how good the nodes are for the pod, from extenderv1.MinExtenderPriority to extenderv1.MaxExtenderPriority: one score for each node that it
// is asked about, in the order in which they came. Without nodes the list is empty, and not nil.
//
// It is asked with NodeNames or with Nodes. A node that we were sent counts as it was sent, one whose name we were sent as our lister has it. For each criterion
// the nodes' costs are compared with each other, see [Rates], and not with those of nodes that nobody asks about. A node that our lister does not know, that
// does not have the criterion's label, or for whose value there is no cost, has no cost that is known. The score is what [Score] makes of the node's rates.
//
// Each table is called once for a question, so that all nodes are measured with the same one. The table of a criterion with the weight 0 is not called.
//
// It is an error, and there is no list, when a table or the lister fails, and for a question without a pod, or with neither Nodes nor NodeNames. The error of a
// table has the criterion's name in it, and wraps the table's own. A node that is not known is no error.
//
// Nothing in args is changed. Prioritize may be called by many requests at once, of which none waits for another.
func (e *Extender) Prioritize(args extenderv1.ExtenderArgs) (extenderv1.HostPriorityList, error) {
	// TODO(kata): Find the nodes, rate them by each criterion, and score each.
	return *new(extenderv1.HostPriorityList), errors.New("Extender.Prioritize is not implemented")
}

// TODO(kata): What Prioritize needs.
