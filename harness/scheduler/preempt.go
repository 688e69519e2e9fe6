package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/onsi/ginkgo/v2"
	corev1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Candidate is a node on which the scheduler would make room.
type Candidate struct {
	Node string
	// Pods are all that are on the node; the victims need not be repeated here.
	Pods []*corev1.Pod
	// Victims are the pods that would have to go. Without any, the node is one that the scheduler knows and does not ask about.
	Victims []*corev1.Pod
	// PDBViolations is how many of the victims a PodDisruptionBudget protects.
	PDBViolations int64
}

// Preempted is what comes of an answer to the preempt verb.
type Preempted struct {
	// Victims are the names of the pods that may go, by node, in the order of the answer. A node that is not here is out of the question. The scheduler chooses one.
	Victims map[string][]string
	// PDBViolations are the answer's, by node.
	PDBViolations map[string]int64
	// Complaints are sentences about what is wrong, and the scheduler does not notice.
	Complaints []string
	Result     extenderv1.ExtenderPreemptionResult
	Exchange   Exchange
}

// Preempt asks which victims may go for a pod, and on which nodes. With nodeCacheCapable it sends the victims' UIDs, otherwise the pods.
func (o Oracle) Preempt(ctx context.Context, pod *corev1.Pod, candidates ...Candidate) Preempted {
	ginkgo.GinkgoHelper()
	verdict, err := o.TryPreempt(ctx, pod, candidates...)
	refuse("preempt", verdict.Exchange, err, verdict.Complaints)
	return verdict
}

// TryPreempt is Preempt for an answer that may be wrong. After an error nobody is evicted, and the pod's cycle fails with it.
//
// The rules are ProcessPreemption's in pkg/scheduler/extender.go, and callExtenders' in framework/preemption/preemption.go.
func (o Oracle) TryPreempt(ctx context.Context, pod *corev1.Pod, candidates ...Candidate) (Preempted, error) {
	v := Preempted{Victims: map[string][]string{}, PDBViolations: map[string]int64{}}
	var err error
	if v.Exchange, err = o.send(ctx, o.Extender.PreemptVerb, pod.Name, o.preemptionArgs(pod, candidates), &v.Result); err != nil {
		return v, err
	}
	byNode := map[string]Candidate{}
	for _, c := range candidates {
		byNode[c.Node] = c
	}
	for _, node := range slices.Sorted(maps.Keys(v.Result.NodeNameToMetaVictims)) {
		victims := v.Result.NodeNameToMetaVictims[node]
		candidate, known := byNode[node]
		if !known {
			return v, fmt.Errorf("nodeinfo not found for node name %q", node)
		}
		if victims == nil {
			return v, fmt.Errorf("NodeNameToMetaVictims has null for node %s, at which kube-scheduler panics", node)
		}
		names, err := o.named(candidate, victims)
		if err != nil {
			return v, err
		}
		v.Victims[node], v.PDBViolations[node] = names, victims.NumPDBViolations
	}
	for _, node := range slices.Sorted(maps.Keys(v.Victims)) {
		if len(v.Victims[node]) == 0 {
			return v, fmt.Errorf("expected at least one victim pod on node %q", node)
		}
	}
	v.Complaints = complainVictims(v, byNode)
	return v, nil
}

func (o Oracle) preemptionArgs(pod *corev1.Pod, candidates []Candidate) *extenderv1.ExtenderPreemptionArgs {
	args := &extenderv1.ExtenderPreemptionArgs{Pod: pod}
	if o.Extender.NodeCacheCapable {
		args.NodeNameToMetaVictims = map[string]*extenderv1.MetaVictims{}
	} else {
		args.NodeNameToVictims = map[string]*extenderv1.Victims{}
	}
	for _, c := range candidates {
		if len(c.Victims) == 0 {
			continue
		}
		if !o.Extender.NodeCacheCapable {
			args.NodeNameToVictims[c.Node] = &extenderv1.Victims{Pods: c.Victims, NumPDBViolations: c.PDBViolations}
			continue
		}
		meta := &extenderv1.MetaVictims{Pods: []*extenderv1.MetaPod{}, NumPDBViolations: c.PDBViolations}
		for _, p := range c.Victims {
			meta.Pods = append(meta.Pods, &extenderv1.MetaPod{UID: string(p.UID)})
		}
		args.NodeNameToMetaVictims[c.Node] = meta
	}
	return args
}

// named finds the pods of the UIDs in an answer.
func (o Oracle) named(c Candidate, victims *extenderv1.MetaVictims) ([]string, error) {
	names := []string{}
	for _, meta := range victims.Pods {
		if meta == nil {
			return nil, errors.New("NodeNameToMetaVictims has null for a pod, at which kube-scheduler panics")
		}
		i := slices.IndexFunc(c.all(), func(p *corev1.Pod) bool { return string(p.UID) == meta.UID })
		if i < 0 {
			return nil, fmt.Errorf("extender: %v claims to preempt pod (UID: %v) on node: %v, but the pod is not found on that node", o.Extender.URLPrefix, meta.UID, c.Node)
		}
		names = append(names, c.all()[i].Name)
	}
	return names, nil
}

func (c Candidate) all() []*corev1.Pod { return slices.Concat(c.Victims, c.Pods) }

func complainVictims(v Preempted, byNode map[string]Candidate) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for node, names := range v.Victims {
		c := byNode[node]
		if len(c.Victims) == 0 {
			add("node %s is not one that the scheduler has asked about, and its pods would be evicted", node)
			continue
		}
		for i, name := range names {
			if slices.Contains(names[:i], name) {
				add("pod %s is a victim on node %s twice", name, node)
			}
			if !slices.ContainsFunc(c.Victims, func(p *corev1.Pod) bool { return p.Name == name }) {
				add("pod %s on node %s is not one of the victims that the scheduler has asked about, and it would be evicted", name, node)
			}
		}
		if n := v.PDBViolations[node]; n < 0 || n > c.PDBViolations {
			add("NumPDBViolations of node %s is %d; the scheduler has counted %d", node, n, c.PDBViolations)
		}
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal([]byte(v.Exchange.Body), &raw) == nil {
		if _, ok := raw["NodeNameToVictims"]; ok {
			add("the answer has NodeNameToVictims, which the scheduler does not read: NodeNameToMetaVictims is the answer to both kinds of question")
		}
	}
	slices.Sort(all)
	return all
}
