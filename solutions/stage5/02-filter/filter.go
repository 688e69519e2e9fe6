// Package filter is the kata's: a scheduler extender that knows how much power a rack has. Begin with [Extender.Predicate]; [NewHandler] serves it.
package filter

import (
	"errors"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
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
	// kata:begin Look at each node, and put it where it belongs; answer in kind.
	result, err := e.filter(args)
	if err != nil {
		return &extenderv1.ExtenderFilterResult{Error: err.Error()}
	}
	return result
	// kata:end
}

// kata:begin What Predicate needs.
// kata:stub

func (e *Extender) filter(args extenderv1.ExtenderArgs) (*extenderv1.ExtenderFilterResult, error) {
	if args.Pod == nil {
		return nil, errors.New("power: there is no pod in the question")
	}
	result := &extenderv1.ExtenderFilterResult{FailedNodes: extenderv1.FailedNodesMap{}, FailedAndUnresolvableNodes: extenderv1.FailedNodesMap{}}
	check, err := e.check(args)
	if err != nil {
		return nil, err
	}
	fits := func(name string, node *corev1.Node) bool {
		reason, resolvable := check(node)
		switch {
		case reason == "":
			return true
		case resolvable:
			result.FailedNodes[name] = reason
		default:
			result.FailedAndUnresolvableNodes[name] = reason
		}
		return false
	}
	switch {
	case args.NodeNames != nil:
		names := []string{}
		for _, name := range *args.NodeNames {
			node, err := e.Nodes.Get(name)
			if err != nil && !apierrors.IsNotFound(err) {
				return nil, fmt.Errorf("power: get node %s: %w", name, err)
			}
			if fits(name, node) {
				names = append(names, name)
			}
		}
		result.NodeNames = &names
	case args.Nodes != nil:
		result.Nodes = &corev1.NodeList{Items: []corev1.Node{}}
		for i := range args.Nodes.Items {
			if node := &args.Nodes.Items[i]; fits(node.Name, node) {
				result.Nodes.Items = append(result.Nodes.Items, *node)
			}
		}
	default:
		return nil, errors.New("power: there are neither Nodes nor NodeNames in the question")
	}
	return result, nil
}

// check returns a function that says why the pod does not fit on a node, and whether it would if others went. A node that we do not know is nil.
func (e *Extender) check(args extenderv1.ExtenderArgs) (func(*corev1.Node) (reason string, resolvable bool), error) {
	text, draws := args.Pod.Annotations[WattsAnnotation]
	if !draws {
		return func(*corev1.Node) (string, bool) { return "", false }, nil
	}
	watts, valid := parse(text)
	load, err := e.load(args.Nodes)
	if err != nil {
		return nil, err
	}
	return func(node *corev1.Node) (string, bool) {
		if node == nil {
			return "node(s) that the extender does not know yet", false
		}
		rack := node.Labels[RackLabel]
		supply, supplied := e.Racks[rack]
		left := max(0, supply-load[rack])
		switch {
		case !valid:
			return fmt.Sprintf("%s %q is no number of watts", WattsAnnotation, text), false
		case rack == "":
			return "node(s) without a rack", false
		case !supplied:
			return fmt.Sprintf("rack %s has no supply", rack), false
		case supply < watts:
			return fmt.Sprintf("rack %s supplies %d W in all", rack, supply), false
		case left < watts:
			return fmt.Sprintf("rack %s has %d W left", rack, left), true
		}
		return "", false
	}, nil
}

// load is what is drawn from each rack.
func (e *Extender) load(sent *corev1.NodeList) (map[string]int, error) {
	nodes, err := e.Nodes.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("power: list the nodes: %w", err)
	}
	racks := map[string]string{}
	for _, node := range nodes {
		racks[node.Name] = node.Labels[RackLabel]
	}
	if sent != nil {
		for i := range sent.Items {
			racks[sent.Items[i].Name] = sent.Items[i].Labels[RackLabel]
		}
	}
	pods, err := e.Pods.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("power: list the pods: %w", err)
	}
	load := map[string]int{}
	for _, pod := range pods {
		if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		if watts, ok := parse(pod.Annotations[WattsAnnotation]); ok {
			load[racks[pod.Spec.NodeName]] += watts
		}
	}
	return load, nil
}

func parse(text string) (watts int, ok bool) {
	watts, err := strconv.Atoi(text)
	return watts, err == nil && watts > 0
}

// kata:end
