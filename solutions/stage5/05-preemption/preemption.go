// Package preemption is the kata's: a scheduler extender that has a say in who is evicted. Begin with [IndexByUID] and [Extender.ProcessPreemption]; [NewHandler] serves it.
package preemption

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

const (
	// StayAnnotation is on a pod that does not want to be a victim. Its value is "true", or "false" on a pod that is like all others. Whatever else it may be ("yes", "True", nothing)
	// counts as true: who has been evicted by mistake does not come back.
	StayAnnotation = "preemption.kubekata.dev/stay"
	// UIDIndex is the name under which the indexer of the pods has [IndexByUID].
	UIDIndex = "uid"
)

// IndexByUID is the [cache.IndexFunc] by which a pod is found by its UID: an informer calls it for each pod, and keeps what it returns.
//
// It returns the UID of a pod, and nothing for a pod without one. For anything but a *corev1.Pod it returns nothing, and no error either: an indexer panics when there is one.
func IndexByUID(obj any) ([]string, error) {
	// kata:begin The pod's UID, as the only entry.
	pod, ok := obj.(*corev1.Pod)
	if !ok || pod.UID == "" {
		return nil, nil
	}
	return []string{string(pod.UID)}, nil
	// kata:end
}

// Extender knows who may be evicted for whom. Its fields are not changed after it has been made.
type Extender struct {
	// Gap is how far below the preemptor's a victim's priority must at least be. Any that is lower is low enough where it is less than 2.
	Gap int32
	// Critical is the priority from which on a preemptor need not heed anybody's wishes, neither annotations nor the Gap nor budgets. (Kubernetes' own two classes begin at
	// 2000000000; those that users make end at 1000000000.)
	Critical int32
	// Pods are what our own informer knows, with [IndexByUID] as UIDIndex. Nobody may write into the objects.
	Pods cache.Indexer
}

// ProcessPreemption says on which of the nodes the victims that the scheduler has chosen may go for args.Pod, the preemptor.
//
// It is asked with NodeNameToMetaVictims, where the victims are UIDs, which it looks up by the UIDIndex without going through all the pods, or with NodeNameToVictims,
// where they are the pods themselves: then it goes by these and asks no indexer. The answer is always in NodeNameToMetaVictims, which is not nil. It has those nodes on
// which all the victims may go, each with all of its victims, in the order in which they came, and with its NumPDBViolations. All the other nodes are missing from it. It does not choose
// among those that are left: that is the scheduler's.
//
// A victim may go
//
//	if it is being deleted already (it has a DeletionTimestamp), whatever else there is to say about it: it will be gone anyway,
//	if its priority is lower than a critical preemptor's, or
//	if its priority is lower than the preemptor's by at least Gap, and it has no StayAnnotation, or one that says false.
//
// A pod without a priority (nil) has 0. Priorities are anything that an int32 can be, and their differences are more.
//
// A victim that we do not know may not go: one whose UID the indexer does not have (it has gone meanwhile, or our informer has not heard of it yet), or that is nil. The next
// question may find us wiser, and an eviction cannot be taken back.
//
// A node with NumPDBViolations, which is how many of its victims are protected by a PodDisruptionBudget, by the scheduler's count, is left for a critical preemptor alone. A node without victims
// (nil, or with an empty list) is not left at all.
//
// The result is nil when there is no answer: the question has no Pod, or both of its maps are nil, or the indexer fails. That all nodes are out is an answer, with an empty map.
//
// Nothing in args is changed, nor in what the indexer has. ProcessPreemption may be called by many requests at once, of which none waits for another.
func (e *Extender) ProcessPreemption(args extenderv1.ExtenderPreemptionArgs) *extenderv1.ExtenderPreemptionResult {
	// kata:begin Find the victims of each node; keep the node if all of them may go.
	if args.Pod == nil {
		return nil
	}
	result := &extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
	keep := func(node string, pods []*corev1.Pod, violations int64) {
		if meta := e.allowed(args.Pod, pods, violations); meta != nil {
			result.NodeNameToMetaVictims[node] = meta
		}
	}
	switch {
	case args.NodeNameToMetaVictims != nil:
		for node, victims := range args.NodeNameToMetaVictims {
			if victims == nil {
				continue
			}
			pods, err := e.find(victims.Pods)
			if err != nil {
				klog.Background().Error(err, "Cannot look up the victims", "preemptor", klog.KObj(args.Pod), "node", node)
				return nil
			}
			keep(node, pods, victims.NumPDBViolations)
		}
	case args.NodeNameToVictims != nil:
		for node, victims := range args.NodeNameToVictims {
			if victims != nil {
				keep(node, victims.Pods, victims.NumPDBViolations)
			}
		}
	default:
		return nil
	}
	return result
	// kata:end
}

// kata:begin What ProcessPreemption needs.
// kata:stub

// allowed returns the answer for a node, and nil when it is out of the question.
func (e *Extender) allowed(preemptor *corev1.Pod, victims []*corev1.Pod, violations int64) *extenderv1.MetaVictims {
	if len(victims) == 0 || violations > 0 && !e.critical(preemptor) {
		return nil
	}
	meta := &extenderv1.MetaVictims{NumPDBViolations: violations}
	for _, victim := range victims {
		if victim == nil || !e.mayGo(preemptor, victim) {
			return nil
		}
		meta.Pods = append(meta.Pods, &extenderv1.MetaPod{UID: string(victim.UID)})
	}
	return meta
}

func (e *Extender) mayGo(preemptor, victim *corev1.Pod) bool {
	distance := priority(preemptor) - priority(victim)
	stay, annotated := victim.Annotations[StayAnnotation]
	switch {
	case victim.DeletionTimestamp != nil:
		return true
	case distance <= 0:
		return false
	case e.critical(preemptor):
		return true
	}
	return distance >= int64(e.Gap) && (!annotated || stay == "false")
}

func (e *Extender) critical(preemptor *corev1.Pod) bool {
	return priority(preemptor) >= int64(e.Critical)
}

// find returns the pods with these UIDs, and nil for those that are not known.
func (e *Extender) find(victims []*extenderv1.MetaPod) ([]*corev1.Pod, error) {
	pods := make([]*corev1.Pod, len(victims))
	for i, victim := range victims {
		if victim == nil {
			continue
		}
		found, err := e.Pods.ByIndex(UIDIndex, victim.UID)
		if err != nil {
			return nil, fmt.Errorf("look up pod with UID %s: %w", victim.UID, err)
		}
		if len(found) > 0 {
			pods[i], _ = found[0].(*corev1.Pod)
		}
	}
	return pods, nil
}

// priority is a pod's, in a type that holds the difference of any two.
func priority(pod *corev1.Pod) int64 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return int64(*pod.Spec.Priority)
}

// kata:end
