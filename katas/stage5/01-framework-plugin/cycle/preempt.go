package cycle

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// dryRun takes all pods of a lower priority from the node, and puts back those with which the pod fits all the same, the most important first. It returns the others.
// The state and the node are its own.
func (s *Scheduler) dryRun(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) ([]*corev1.Pod, *fwk.Status) {
	var candidates []fwk.PodInfo
	for _, p := range node.GetPods() {
		if priority(p.GetPod()) < priority(pod) {
			candidates = append(candidates, p)
		}
	}
	if len(candidates) == 0 {
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "No preemption victims found for incoming pod")
	}
	slices.SortFunc(candidates, func(a, b fwk.PodInfo) int {
		return cmp.Or(-cmp.Compare(priority(a.GetPod()), priority(b.GetPod())), cmp.Compare(a.GetPod().Name, b.GetPod().Name))
	})
	for _, c := range candidates {
		if err := s.remove(ctx, cs, pod, c, node); err != nil {
			return nil, fwk.AsStatus(err)
		}
	}
	if status := s.filter(ctx, cs, pod, node); !status.IsSuccess() {
		return nil, status
	}
	var victims []*corev1.Pod
	for _, c := range candidates {
		if err := s.putBack(ctx, cs, pod, c, node); err != nil {
			return nil, fwk.AsStatus(err)
		}
		if s.filter(ctx, cs, pod, node).IsSuccess() {
			continue
		}
		if err := s.remove(ctx, cs, pod, c, node); err != nil {
			return nil, fwk.AsStatus(err)
		}
		victims = append(victims, c.GetPod())
	}
	return victims, nil
}

func (s *Scheduler) remove(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, victim fwk.PodInfo, node fwk.NodeInfo) error {
	if err := node.RemovePod(klog.FromContext(ctx), victim.GetPod()); err != nil {
		return err
	}
	for _, p := range s.extended(cs) {
		if status := p.PreFilterExtensions().RemovePod(ctx, cs, pod, victim, node); !status.IsSuccess() {
			return fmt.Errorf("running RemovePod on PreFilter plugin %q: %w", p.Name(), asError(status))
		}
	}
	return nil
}

func (s *Scheduler) putBack(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, victim fwk.PodInfo, node fwk.NodeInfo) error {
	node.AddPodInfo(victim)
	for _, p := range s.extended(cs) {
		if status := p.PreFilterExtensions().AddPod(ctx, cs, pod, victim, node); !status.IsSuccess() {
			return fmt.Errorf("running AddPod on PreFilter plugin %q: %w", p.Name(), asError(status))
		}
	}
	return nil
}

// extended returns the plugins that keep a state of the nodes.
func (s *Scheduler) extended(cs fwk.CycleState) []fwk.PreFilterPlugin {
	return slices.DeleteFunc(implementing[fwk.PreFilterPlugin](s), func(p fwk.PreFilterPlugin) bool {
		return cs.GetSkipFilterPlugins().Has(p.Name()) || p.PreFilterExtensions() == nil
	})
}

func priority(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}
