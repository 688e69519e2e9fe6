// Package frameworkplugin is the kata's: a plugin for the scheduling framework that spreads the pods of a team and reserves licences for them.
// Start with [Plugin], and read its methods in the order in which the scheduler calls them.
package frameworkplugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"
)

// Name is the plugin's name, by which a configuration enables it.
const Name = "TeamLicences"

// Licences is the licence server. It is outside of the cluster, and knows nothing of pods and cycles. It may be called by many at once.
type Licences interface {
	// Free returns how many licences for a product are free, and whether the server knows the product at all.
	Free(product string) (free int, known bool)
	// Checkout takes a licence for a holder, and returns false if none is free. A holder who has one gets no second.
	Checkout(product string, holder types.UID) (bool, error)
	// Return gives back the licence of a holder. It does nothing for a holder who has none.
	Return(product string, holder types.UID)
}

// Args are the plugin's settings.
type Args struct {
	// MaxPerNode is how many pods of a team a node may have. 0 is any number.
	MaxPerNode int
	// PermitTimeout is how long a pod waits for the rest of its job.
	PermitTimeout time.Duration
}

// Plugin is one for all pods: the scheduler makes it once, and calls it from many goroutines. What it finds out about one pod is in the
// [fwk.CycleState] of that pod.
//
//	PreFilter   once a cycle     what does the pod want? what is there? A pod that wants nothing of ours is skipped.
//	Filter      for each node    is the software there, is a licence free, is there room for the team?
//	Score       for each node    how many pods of the team are there already?
//	Reserve     for one node     take the licence
//	Permit      for one node     wait until the whole job has a place
//	Unreserve   when it failed   give the licence back
type Plugin struct {
	handle   fwk.Handle
	licences Licences
	args     Args
}

var (
	_ fwk.PreFilterPlugin     = &Plugin{}
	_ fwk.PreFilterExtensions = &Plugin{}
	_ fwk.FilterPlugin        = &Plugin{}
	_ fwk.ScorePlugin         = &Plugin{}
	_ fwk.ScoreExtensions     = &Plugin{}
	_ fwk.ReservePlugin       = &Plugin{}
	_ fwk.PermitPlugin        = &Plugin{}
	_ fwk.EnqueueExtensions   = &Plugin{}
	_ fwk.SignPlugin          = &Plugin{}
)

// New returns the plugin. From then on, a pod that is over or deleted gives its licence back.
func New(handle fwk.Handle, licences Licences, args Args) (*Plugin, error) {
	p := &Plugin{handle: handle, licences: licences, args: args}
	_, err := handle.SharedInformerFactory().Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, updated any) {
			if pod, ok := updated.(*corev1.Pod); ok && (pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed) {
				p.gone(pod)
			}
		},
		DeleteFunc: func(deleted any) {
			if unknown, ok := deleted.(cache.DeletedFinalStateUnknown); ok {
				deleted = unknown.Obj
			}
			if pod, ok := deleted.(*corev1.Pod); ok {
				p.gone(pod)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch pods for %s: %w", Name, err)
	}
	return p, nil
}

// gone gives back the licence of a pod that has had a node.
func (p *Plugin) gone(pod *corev1.Pod) {
	if product := pod.Labels[LicenceLabel]; product != "" && pod.Spec.NodeName != "" {
		p.licences.Return(product, pod.UID)
	}
}

// Name implements [fwk.Plugin].
func (p *Plugin) Name() string { return Name }

// PreFilter finds out what the pod wants and what there is, once for the whole cycle: the licence server is asked here and nowhere else about how many are
// free, and all pods on all nodes are counted here.
//
// A pod that wants nothing of ours is skipped. A pod that cannot be helped on any node, whoever would have to go for it, is
// UnschedulableAndUnresolvable: one whose wish makes no sense, with the text of that error, and one whose product the licence server does not
// know, with "the licence server does not know PRODUCT".
func (p *Plugin) PreFilter(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	// kata:begin Read the wish, ask the licence server, count the pods on the nodes, write a state.
	w, err := wishOf(pod)
	if err != nil {
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, err.Error())
	}
	if w == (wish{}) {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	s := &state{wish: w, team: make(map[string]int, len(nodes))}
	if w.product != "" {
		free, known := p.licences.Free(w.product)
		if !known {
			return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "the licence server does not know "+w.product)
		}
		s.free = free
	}
	for _, node := range nodes {
		for _, other := range node.GetPods() {
			s.count(other.GetPod(), node.Node().Name, 1)
		}
	}
	cs.Write(stateKey, s)
	return nil, nil
	// kata:end
}

// PreFilterExtensions implements [fwk.PreFilterPlugin].
func (p *Plugin) PreFilterExtensions() fwk.PreFilterExtensions { return p }

// AddPod changes the state of podToSchedule to what PreFilter would have found with podInfoToAdd on the node, holding its licence.
func (p *Plugin) AddPod(_ context.Context, cs fwk.CycleState, podToSchedule *corev1.Pod, podInfoToAdd fwk.PodInfo, nodeInfo fwk.NodeInfo) *fwk.Status {
	// kata:begin One more on that node, and perhaps one licence less.
	return change(cs, podInfoToAdd.GetPod(), nodeInfo.Node().Name, 1)
	// kata:end
}

// RemovePod changes the state of podToSchedule to what PreFilter would have found without podInfoToRemove, and with its licence returned.
func (p *Plugin) RemovePod(_ context.Context, cs fwk.CycleState, podToSchedule *corev1.Pod, podInfoToRemove fwk.PodInfo, nodeInfo fwk.NodeInfo) *fwk.Status {
	// kata:begin The opposite.
	return change(cs, podInfoToRemove.GetPod(), nodeInfo.Node().Name, -1)
	// kata:end
}

// Filter says whether the node fits, and if not, why. It goes through this list, and the first that applies is the answer:
//
//	the node has no label for the pod's product     node(s) without PRODUCT
//	no licence for the product is free              no licence for PRODUCT is free
//	the node has MaxPerNode pods of the pod's team  node(s) with enough pods of team TEAM
//
// What the eviction of pods could mend is Unschedulable, what it could not is UnschedulableAndUnresolvable.
func (p *Plugin) Filter(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, nodeInfo fwk.NodeInfo) *fwk.Status {
	// kata:begin Read the state, and compare. Would it help to evict somebody?
	s, err := read(cs)
	if err != nil {
		return fwk.AsStatus(err)
	}
	node := nodeInfo.Node()
	if s.product != "" {
		if _, there := node.Labels[NodeLabelPrefix+s.product]; !there {
			return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "node(s) without "+s.product)
		}
		if s.free < 1 {
			return fwk.NewStatus(fwk.Unschedulable, fmt.Sprintf("no licence for %s is free", s.product))
		}
	}
	if s.teamName != "" && p.args.MaxPerNode > 0 && s.team[node.Name] >= p.args.MaxPerNode {
		return fwk.NewStatus(fwk.Unschedulable, "node(s) with enough pods of team "+s.teamName)
	}
	return nil
	// kata:end
}

// Score returns how many pods of the pod's team the node has. It is called for pods that PreFilter has skipped, too: that is 0 for each node.
func (p *Plugin) Score(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, nodeInfo fwk.NodeInfo) (int64, *fwk.Status) {
	// kata:begin Read the state; there may be none.
	s, err := read(cs)
	if errors.Is(err, fwk.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fwk.AsStatus(err)
	}
	return int64(s.team[nodeInfo.Node().Name]), nil
	// kata:end
}

// ScoreExtensions implements [fwk.ScorePlugin].
func (p *Plugin) ScoreExtensions() fwk.ScoreExtensions { return p }

// NormalizeScore makes scores of the counts, in place. The node with the fewest pods of the team gets [fwk.MaxScore], the one with the most
// [fwk.MinScore], and the others what lies between, in proportion and rounded down. Where all have the same number, all get MaxScore.
func (p *Plugin) NormalizeScore(_ context.Context, _ fwk.CycleState, _ *corev1.Pod, scores fwk.NodeScoreList) *fwk.Status {
	// kata:begin Find the fewest and the most, and write into the list.
	if len(scores) == 0 {
		return nil
	}
	least, most := scores[0].Score, scores[0].Score
	for _, s := range scores {
		least, most = min(least, s.Score), max(most, s.Score)
	}
	for i := range scores {
		if most == least {
			scores[i].Score = fwk.MaxScore
			continue
		}
		scores[i].Score = fwk.MinScore + (fwk.MaxScore-fwk.MinScore)*(most-scores[i].Score)/(most-least)
	}
	return nil
	// kata:end
}

// Reserve takes the pod's licence. If somebody has been faster, the pod is Unschedulable, with "the last licence for PRODUCT has just gone"; if the server
// fails, that is an error.
func (p *Plugin) Reserve(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) *fwk.Status {
	// kata:begin Check a licence out. Who is its holder?
	product := pod.Labels[LicenceLabel]
	if product == "" {
		return nil
	}
	taken, err := p.licences.Checkout(product, pod.UID)
	if err != nil {
		return fwk.AsStatus(fmt.Errorf("check out a licence for %s: %w", product, err))
	}
	if !taken {
		return fwk.NewStatus(fwk.Unschedulable, fmt.Sprintf("the last licence for %s has just gone", product))
	}
	return nil
	// kata:end
}

// Unreserve gives the pod's licence back, and tells the pods of the same job that wait in Permit not to wait any longer: they are rejected, with "the job's pod
// NAME has failed". The scheduler calls it when anything fails after the pod has got a node, here or in another plugin, whether our Reserve has
// been called or not, and perhaps twice, from a goroutine of its own.
func (p *Plugin) Unreserve(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) {
	// kata:begin Return the licence; then look through the waiting pods.
	if product := pod.Labels[LicenceLabel]; product != "" {
		p.licences.Return(product, pod.UID)
	}
	w, err := wishOf(pod)
	if err != nil || w.job == "" {
		return
	}
	p.handle.IterateOverWaitingPods(func(waiting fwk.WaitingPod) {
		if jobOf(waiting.GetPod()) == w.job {
			waiting.Reject(Name, fmt.Sprintf("the job's pod %s has failed", pod.Name))
		}
	})
	// kata:end
}

// Permit lets the pods of a job pass together: until as many as the job needs have a node, each waits, for PermitTimeout at most, with "N of SIZE pods
// of the job have a node". The one that makes it complete passes, and allows those that wait. A pod without a job passes.
func (p *Plugin) Permit(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, _ string) (*fwk.Status, time.Duration) {
	// kata:begin Count this one, too. Wait, or allow the waiting ones of the same job.
	if jobOf(pod) == "" {
		return nil, 0
	}
	s, err := read(cs)
	if err != nil {
		return fwk.AsStatus(err), 0
	}
	if s.placed+1 < s.size {
		return fwk.NewStatus(fwk.Wait, fmt.Sprintf("%d of %d pods of the job have a node", s.placed+1, s.size)), p.args.PermitTimeout
	}
	p.handle.IterateOverWaitingPods(func(waiting fwk.WaitingPod) {
		if jobOf(waiting.GetPod()) == s.job {
			waiting.Allow(Name)
		}
	})
	return nil, 0
	// kata:end
}

// EventsToRegister says what may make a pod schedulable that we have refused: until then it is not tried again. It implements [fwk.EnqueueExtensions].
func (p *Plugin) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Delete}},
		{Event: fwk.ClusterEvent{Resource: fwk.UnscheduledPod, ActionType: fwk.Add}},
		{Event: fwk.ClusterEvent{Resource: fwk.TargetPod, ActionType: fwk.UpdatePodLabel}},
		{Event: fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeLabel}},
	}, nil
}

// SignPod says which pods the scheduler may treat as equal, so that what it has found for one it need not compute for the next. Where our pods go depends
// on those before, so none of them is like another; the others we have no opinion on. It implements [fwk.SignPlugin].
func (p *Plugin) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if w, err := wishOf(pod); err != nil || w != (wish{}) {
		return nil, fwk.NewStatus(fwk.Unschedulable, Name+" looks at each pod by itself")
	}
	return nil, nil
}
