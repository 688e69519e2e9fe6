// Package prioritize is the kata's: a scheduler extender that prefers nodes whose electricity is cheap, and whose rack is cool. Begin with [Rates] and [Score];
// [Extender.Prioritize] asks them, and [NewHandler] serves it.
package prioritize

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	// kata:begin Find the nodes, rate them by each criterion, and score each.
	if args.Pod == nil {
		return nil, errors.New("prioritize: there is no pod in the question")
	}
	names, nodes, err := e.candidates(args)
	if err != nil {
		return nil, err
	}
	var weights []int64
	var byCriterion [][]float64
	for _, c := range e.Criteria {
		if c.Weight == 0 {
			continue
		}
		table, err := c.Table()
		if err != nil {
			return nil, fmt.Errorf("prioritize: the table of %s: %w", c.Name, err)
		}
		weights, byCriterion = append(weights, c.Weight), append(byCriterion, Rates(costs(nodes, c.Label, table)))
	}
	list := extenderv1.HostPriorityList{}
	for i, name := range names {
		rates := make([]float64, len(byCriterion))
		for j := range byCriterion {
			rates[j] = byCriterion[j][i]
		}
		list = append(list, extenderv1.HostPriority{Host: name, Score: Score(rates, weights)})
	}
	return list, nil
	// kata:end
}

// kata:begin What Prioritize needs.
// kata:stub

// candidates are the nodes of a question, and their names. A node that we do not know is nil.
func (e *Extender) candidates(args extenderv1.ExtenderArgs) (names []string, nodes []*corev1.Node, err error) {
	switch {
	case args.NodeNames != nil:
		for _, name := range *args.NodeNames {
			node, err := e.Nodes.Get(name)
			if err != nil && !apierrors.IsNotFound(err) {
				return nil, nil, fmt.Errorf("prioritize: get node %s: %w", name, err)
			}
			names, nodes = append(names, name), append(nodes, node)
		}
	case args.Nodes != nil:
		for i := range args.Nodes.Items {
			names, nodes = append(names, args.Nodes.Items[i].Name), append(nodes, &args.Nodes.Items[i])
		}
	default:
		return nil, nil, errors.New("prioritize: there are neither Nodes nor NodeNames in the question")
	}
	return names, nodes, nil
}

// costs are the nodes' by one criterion. What is not known is nil.
func costs(nodes []*corev1.Node, label string, table map[string]int64) []*int64 {
	all := make([]*int64, len(nodes))
	for i, node := range nodes {
		if node == nil {
			continue
		}
		value, labelled := node.Labels[label]
		if cost, known := table[value]; labelled && known {
			all[i] = &cost
		}
	}
	return all
}

// kata:end
