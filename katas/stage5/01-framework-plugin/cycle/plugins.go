package cycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
)

// maxWait is the most that a pod may wait in Permit.
const maxWait = 15 * time.Minute

// implementing returns the plugins that are for an extension point.
func implementing[P fwk.Plugin](s *Scheduler) []P {
	var found []P
	for _, plugin := range s.plugins {
		if p, ok := plugin.(P); ok {
			found = append(found, p)
		}
	}
	return found
}

// findNode returns the node that the pod is to have, or why there is none.
func (s *Scheduler) findNode(ctx context.Context, a *Attempt, cs *State, pod *corev1.Pod, nodes []fwk.NodeInfo) (string, *fwk.Status) {
	result, status := s.preFilter(ctx, cs, pod, nodes)
	if status.IsError() {
		return "", status
	}
	var fitting []fwk.NodeInfo
	if status.IsSuccess() {
		var err error
		if fitting, err = s.filterAll(ctx, a, cs, pod, nodes, result); err != nil {
			return "", fwk.AsStatus(err)
		}
	}
	switch len(fitting) {
	case 0:
		s.explain(ctx, a, cs, pod, nodes, status)
		return "", fwk.NewStatus(fwk.Unschedulable, a.Message)
	case 1:
		return fitting[0].Node().Name, nil
	}
	if err := s.score(ctx, a, cs, pod, fitting); err != nil {
		return "", fwk.AsStatus(err)
	}
	best := fitting[0].Node().Name
	for _, node := range fitting {
		if name := node.Node().Name; a.Scores[name] > a.Scores[best] {
			best = name
		}
	}
	return best, nil
}

// preFilter runs the PreFilter plugins. A rejection is for all nodes.
func (s *Scheduler) preFilter(ctx context.Context, cs *State, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	skip := sets.New[string]()
	defer func() { cs.SetSkipFilterPlugins(skip) }()
	var result *fwk.PreFilterResult
	var rejected *fwk.Status
	for _, p := range implementing[fwk.PreFilterPlugin](s) {
		r, status := p.PreFilter(ctx, cs, pod, nodes)
		switch {
		case status.IsSkip():
			skip.Insert(p.Name())
		case status.Code() == fwk.UnschedulableAndUnresolvable:
			return nil, status.WithPlugin(p.Name())
		case status.Code() == fwk.Unschedulable:
			rejected = status.WithPlugin(p.Name())
		case !status.IsSuccess():
			return nil, fwk.AsStatus(fmt.Errorf("running PreFilter plugin %q: %w", p.Name(), asError(status))).WithPlugin(p.Name())
		default:
			result = result.Merge(r)
		}
	}
	return result, rejected
}

// filterAll returns the nodes that fit, and notes why the others do not.
func (s *Scheduler) filterAll(ctx context.Context, a *Attempt, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo, result *fwk.PreFilterResult) ([]fwk.NodeInfo, error) {
	statuses := make([]*fwk.Status, len(nodes))
	parallel(len(nodes), func(i int) {
		if !result.AllNodes() && !result.NodeNames.Has(nodes[i].Node().Name) {
			statuses[i] = fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "node(s) didn't satisfy plugin(s)")
			return
		}
		statuses[i] = s.filter(ctx, cs, pod, nodes[i])
	})
	var fitting []fwk.NodeInfo
	for i, status := range statuses {
		switch {
		case status.IsSuccess():
			fitting = append(fitting, nodes[i])
		case status.IsError():
			return nil, status.AsError()
		default:
			a.Nodes[nodes[i].Node().Name] = status
		}
	}
	return fitting, nil
}

// filter runs the Filter plugins for a node.
func (s *Scheduler) filter(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	for _, p := range implementing[fwk.FilterPlugin](s) {
		if cs.GetSkipFilterPlugins().Has(p.Name()) {
			continue
		}
		status := p.Filter(ctx, cs, pod, node)
		if status.IsSuccess() {
			continue
		}
		if !status.IsRejected() {
			status = fwk.AsStatus(fmt.Errorf("running %q filter plugin: %w", p.Name(), asError(status)))
		}
		return status.WithPlugin(p.Name())
	}
	return nil
}

// score fills in the attempt's scores.
func (s *Scheduler) score(ctx context.Context, a *Attempt, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) error {
	for _, p := range implementing[fwk.ScorePlugin](s) {
		list := make(fwk.NodeScoreList, len(nodes))
		errs := make([]error, len(nodes))
		parallel(len(nodes), func(i int) {
			score, status := p.Score(ctx, cs, pod, nodes[i])
			if !status.IsSuccess() {
				errs[i] = fmt.Errorf("running Score plugins: plugin %q failed with: %w", p.Name(), asError(status))
			}
			list[i] = fwk.NodeScore{Name: nodes[i].Node().Name, Score: score}
		})
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		if extensions := p.ScoreExtensions(); extensions != nil {
			if status := extensions.NormalizeScore(ctx, cs, pod, list); !status.IsSuccess() {
				return fmt.Errorf("running Normalize on Score plugins: plugin %q failed with: %w", p.Name(), asError(status))
			}
		}
		for i, node := range nodes {
			if list[i].Score < fwk.MinScore || list[i].Score > fwk.MaxScore {
				return fmt.Errorf("applying score defaultWeights on Score plugins: plugin %q returns an invalid score %v, it should in the range of [%v, %v] after normalizing",
					p.Name(), list[i].Score, fwk.MinScore, fwk.MaxScore)
			}
			a.Scores[node.Node().Name] += list[i].Score
		}
	}
	return nil
}

// reserve runs the Reserve plugins up to the first that fails.
func (s *Scheduler) reserve(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	for _, p := range implementing[fwk.ReservePlugin](s) {
		status := p.Reserve(ctx, cs, pod, node)
		if status.IsRejected() {
			return status.WithPlugin(p.Name())
		}
		if !status.IsSuccess() {
			return fwk.AsStatus(fmt.Errorf("running Reserve plugin %q: %w", p.Name(), asError(status)))
		}
	}
	return nil
}

// unreserve runs all the Reserve plugins' Unreserve, the last first, and forgets the pod.
func (s *Scheduler) unreserve(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, node string) {
	for _, p := range slices.Backward(implementing[fwk.ReservePlugin](s)) {
		p.Unreserve(ctx, cs, pod, node)
	}
	s.DeletePod(pod)
}

// permit runs the Permit plugins: Wait if one of them asks for it and none rejects.
func (s *Scheduler) permit(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, node string) (map[string]time.Duration, *fwk.Status) {
	timeouts := map[string]time.Duration{}
	var wait *fwk.Status
	for _, p := range implementing[fwk.PermitPlugin](s) {
		status, timeout := p.Permit(ctx, cs, pod, node)
		switch {
		case status.IsSuccess():
		case status.IsWait():
			timeouts[p.Name()] = min(timeout, maxWait)
			wait = status
		case status.IsRejected():
			return nil, status.WithPlugin(p.Name())
		default:
			return nil, fwk.AsStatus(fmt.Errorf("running Permit plugin %q: %w", p.Name(), asError(status))).WithPlugin(p.Name())
		}
	}
	return timeouts, wait
}

// explain writes the message of a pod that fits nowhere, and tries preemption out. rejected is PreFilter's verdict on all nodes, if there was one.
func (s *Scheduler) explain(ctx context.Context, a *Attempt, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo, rejected *fwk.Status) {
	head := fmt.Sprintf("0/%d nodes are available:", len(nodes))
	if rejected != nil {
		for _, node := range nodes {
			a.Nodes[node.Node().Name] = rejected
		}
		a.Message = fmt.Sprintf("%s %s.", head, rejected.Message())
	} else {
		a.Message = fmt.Sprintf("%s %s.", head, histogram(slices.Collect(maps.Values(a.Nodes))))
	}
	a.Message += " preemption: " + s.preempt(ctx, a, cs, pod, nodes)
}

// histogram counts the nodes that have the same reason.
func histogram(statuses []*fwk.Status) string {
	count := map[string]int{}
	for _, status := range statuses {
		for _, reason := range status.Reasons() {
			count[reason]++
		}
	}
	var lines []string
	for reason, n := range count {
		lines = append(lines, fmt.Sprintf("%d %s", n, reason))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

// asError is what a plugin that has failed says, even if it has failed with a code that is no failure at this point.
func asError(status *fwk.Status) error {
	if err := status.AsError(); err != nil {
		return err
	}
	return fmt.Errorf("unexpected code %v", status.Code())
}

// preempt looks on each Unschedulable node whether the pod would fit if pods of a lower priority went, and takes the node with the fewest victims.
func (s *Scheduler) preempt(ctx context.Context, a *Attempt, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) string {
	var mu sync.Mutex
	victims := map[string][]*corev1.Pod{}
	var why []*fwk.Status
	parallel(len(nodes), func(i int) {
		name := nodes[i].Node().Name
		status := fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "Preemption is not helpful for scheduling")
		var found []*corev1.Pod
		if a.Nodes[name].Code() == fwk.Unschedulable {
			found, status = s.dryRun(ctx, cs.Clone(), pod, nodes[i].Snapshot())
		}
		mu.Lock()
		defer mu.Unlock()
		if status.IsSuccess() {
			victims[name] = found
			return
		}
		why = append(why, status)
	})
	for _, node := range nodes {
		name := node.Node().Name
		if found, ok := victims[name]; ok && (a.Nominated == "" || len(found) < len(victims[a.Nominated])) {
			a.Nominated = name
		}
	}
	if a.Nominated == "" {
		return fmt.Sprintf("0/%d nodes are available: %s.", len(nodes), histogram(why))
	}
	for _, victim := range victims[a.Nominated] {
		a.Victims = append(a.Victims, victim.Name)
	}
	slices.Sort(a.Victims)
	return fmt.Sprintf("found a potential placement for pod on node %v, preempting %d victims", a.Nominated, len(a.Victims))
}
