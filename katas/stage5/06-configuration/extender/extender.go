// Package extender is a server with two scheduler extenders: one that hands out the licences of a solver, and one that knows what nodes cost. It is given: the
// kata is about its configuration.
//
//	POST /licences/filter      asks with Nodes; refuses nodes without the solver, and all of them while no licence is free
//	POST /licences/bind        takes a licence, and binds the pod
//	POST /licences/preempt     asks with NodeNameToVictims; keeps pods that hold a licence where they are
//	POST /prices/filter        asks with NodeNames; refuses nodes that are too dear for the pod
//	POST /prices/prioritize    asks with NodeNames; 10 for a node that is free, 0 for one of price 10
//	POST /prices/bind          binds the pod, for schedulers that have nobody else who does
//	GET  /healthz
//
// Start with [Extender.Handler]. Whatever else is asked for gets the code 404, and a question in the other form (names instead of nodes, or nodes
// instead of names) the code 400.
package extender

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

const (
	// Resource is what a pod asks for that wants licences. No node has it.
	Resource corev1.ResourceName = "kubekata.dev/solver"
	// SolverLabel is on the nodes that have the solver.
	SolverLabel = "kubekata.dev/solver"
	// PriceLabel is what a node costs, from 0 to 10. A node without it costs 10.
	PriceLabel = "kubekata.dev/price"
	// MaxPriceAnnotation is the most that a pod's node may cost.
	MaxPriceAnnotation = "kubekata.dev/max-price"
)

const (
	mostPrice = 10
	// forgetAfter is when a licence that Bind has given is free again although no list has shown the pod: it was deleted before.
	forgetAfter = 10 * time.Second
)

// Extender answers for both. Its fields are set before the first call, and not changed.
type Extender struct {
	Client kubernetes.Interface
	// Pods returns all pods, or those among which licences are handed out; Node returns a node. Both may be behind.
	Pods func(ctx context.Context) ([]*corev1.Pod, error)
	Node func(ctx context.Context, name string) (*corev1.Node, error)
	// Licences is how many there are.
	Licences int64
	// Log is told of each call. It may be nil.
	Log func(format string, args ...any)

	mu    sync.Mutex
	given map[types.UID]gift
}

// gift is a licence for a pod that lists may not show on its node yet.
type gift struct {
	licences int64
	at       time.Time
}

// wants returns how many licences a pod asks for.
func wants(pod *corev1.Pod) int64 {
	var sum int64
	for _, c := range pod.Spec.Containers {
		n := c.Resources.Requests[Resource]
		sum += n.Value()
	}
	return sum
}

// free returns how many licences nobody holds. The caller holds the lock.
func (e *Extender) free(ctx context.Context) (int64, error) {
	pods, err := e.Pods(ctx)
	if err != nil {
		return 0, fmt.Errorf("list the pods: %w", err)
	}
	left := e.Licences
	for _, p := range pods {
		if p.Spec.NodeName == "" || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		left -= wants(p)
		delete(e.given, p.UID)
	}
	for uid, g := range e.given {
		if time.Since(g.at) > forgetAfter {
			delete(e.given, uid)
			continue
		}
		left -= g.licences
	}
	return max(0, left), nil
}

func (e *Extender) filterLicences(ctx context.Context, args extenderv1.ExtenderArgs) (*extenderv1.ExtenderFilterResult, error) {
	if args.Pod == nil || args.Nodes == nil {
		return nil, errors.New("asked without Nodes: this extender reads the nodes' labels, and keeps no nodes of its own")
	}
	e.mu.Lock()
	free, err := e.free(ctx)
	e.mu.Unlock()
	if err != nil {
		return &extenderv1.ExtenderFilterResult{Error: err.Error()}, nil
	}
	result := &extenderv1.ExtenderFilterResult{
		Nodes: &corev1.NodeList{}, FailedNodes: extenderv1.FailedNodesMap{}, FailedAndUnresolvableNodes: extenderv1.FailedNodesMap{},
	}
	for _, n := range args.Nodes.Items {
		_, has := n.Labels[SolverLabel]
		switch {
		case !has:
			result.FailedAndUnresolvableNodes[n.Name] = "node(s) without the solver"
		case free < wants(args.Pod):
			result.FailedNodes[n.Name] = fmt.Sprintf("node(s) for which %d of %d solver licences are free", free, e.Licences)
		default:
			result.Nodes.Items = append(result.Nodes.Items, n)
		}
	}
	return result, nil
}

func (e *Extender) bindLicensed(ctx context.Context, args extenderv1.ExtenderBindingArgs) (*extenderv1.ExtenderBindingResult, error) {
	pod, err := e.Client.CoreV1().Pods(args.PodNamespace).Get(ctx, args.PodName, metav1.GetOptions{})
	if err != nil {
		return &extenderv1.ExtenderBindingResult{Error: err.Error()}, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	free, err := e.free(ctx)
	if err != nil {
		return &extenderv1.ExtenderBindingResult{Error: err.Error()}, nil
	}
	if _, again := e.given[args.PodUID]; !again && free < wants(pod) {
		return &extenderv1.ExtenderBindingResult{Error: fmt.Sprintf("%d of %d solver licences are free", free, e.Licences)}, nil
	}
	result, err := e.bind(ctx, args)
	if err == nil && result.Error == "" {
		if e.given == nil {
			e.given = map[types.UID]gift{}
		}
		e.given[args.PodUID] = gift{licences: wants(pod), at: time.Now()}
	}
	return result, err
}

func (e *Extender) bind(ctx context.Context, args extenderv1.ExtenderBindingArgs) (*extenderv1.ExtenderBindingResult, error) {
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: args.PodNamespace, Name: args.PodName, UID: args.PodUID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: args.Node},
	}
	if err := e.Client.CoreV1().Pods(args.PodNamespace).Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		return &extenderv1.ExtenderBindingResult{Error: err.Error()}, nil
	}
	return &extenderv1.ExtenderBindingResult{}, nil
}

func (e *Extender) preemptLicences(_ context.Context, args extenderv1.ExtenderPreemptionArgs) (*extenderv1.ExtenderPreemptionResult, error) {
	if args.NodeNameToVictims == nil {
		return nil, errors.New("asked without NodeNameToVictims: this extender reads what the victims ask for, and keeps no pods by UID")
	}
	result := &extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
	for node, victims := range args.NodeNameToVictims {
		meta := &extenderv1.MetaVictims{NumPDBViolations: victims.NumPDBViolations}
		for _, p := range victims.Pods {
			if wants(p) > 0 {
				meta = nil // what it has computed for days would be lost
				break
			}
			meta.Pods = append(meta.Pods, &extenderv1.MetaPod{UID: string(p.UID)})
		}
		if meta != nil {
			result.NodeNameToMetaVictims[node] = meta
		}
	}
	return result, nil
}

// price returns what a node costs.
func (e *Extender) price(ctx context.Context, name string) int64 {
	node, err := e.Node(ctx, name)
	if err != nil {
		return mostPrice
	}
	n, err := strconv.ParseInt(node.Labels[PriceLabel], 10, 64)
	if err != nil {
		return mostPrice
	}
	return min(max(0, n), mostPrice)
}

func (e *Extender) filterPrices(ctx context.Context, args extenderv1.ExtenderArgs) (*extenderv1.ExtenderFilterResult, error) {
	if args.Pod == nil || args.NodeNames == nil {
		return nil, errors.New("asked without NodeNames: this extender knows the nodes, and does not want them sent")
	}
	most := int64(mostPrice)
	if text, ok := args.Pod.Annotations[MaxPriceAnnotation]; ok {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return &extenderv1.ExtenderFilterResult{Error: fmt.Sprintf("%s %q is no number", MaxPriceAnnotation, text)}, nil
		}
		most = n
	}
	fits := []string{}
	result := &extenderv1.ExtenderFilterResult{FailedAndUnresolvableNodes: extenderv1.FailedNodesMap{}}
	for _, name := range *args.NodeNames {
		if e.price(ctx, name) > most {
			result.FailedAndUnresolvableNodes[name] = fmt.Sprintf("node(s) that cost more than %d", most)
			continue
		}
		fits = append(fits, name)
	}
	result.NodeNames = &fits
	return result, nil
}

func (e *Extender) prioritizePrices(ctx context.Context, args extenderv1.ExtenderArgs) (*extenderv1.HostPriorityList, error) {
	if args.NodeNames == nil {
		return nil, errors.New("asked without NodeNames: this extender knows the nodes, and does not want them sent")
	}
	list := extenderv1.HostPriorityList{}
	for _, name := range *args.NodeNames {
		list = append(list, extenderv1.HostPriority{Host: name, Score: mostPrice - e.price(ctx, name)})
	}
	return &list, nil
}
