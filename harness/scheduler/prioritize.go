package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/onsi/ginkgo/v2"
	corev1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// Prioritized is what comes of an answer to the prioritize verb.
type Prioritized struct {
	// Scores are the answer's, by node: 0 to 10.
	Scores map[string]int64
	// Totals are what the scheduler adds to the plugins' scores: score × weight × 10.
	Totals map[string]int64
	// Best are the nodes with the highest total, in alphabetical order. When nobody else has an opinion, the scheduler chooses one of them at random.
	Best []string
	// Complaints are sentences about what is wrong, and the scheduler does not notice: it checks nothing here.
	Complaints []string
	Result     extenderv1.HostPriorityList
	Exchange   Exchange
}

// Prioritize asks how good the nodes are for a pod. With nodeCacheCapable it sends the nodes' names, otherwise the nodes. (The scheduler asks only when there are two
// or more.)
func (o Oracle) Prioritize(ctx context.Context, pod *corev1.Pod, nodes ...*corev1.Node) Prioritized {
	ginkgo.GinkgoHelper()
	verdict, err := o.TryPrioritize(ctx, pod, nodes...)
	refuse("prioritize", verdict.Exchange, err, verdict.Complaints)
	return verdict
}

// TryPrioritize is Prioritize for an answer that may be wrong. After an error the scheduler goes on as if there were no extender.
func (o Oracle) TryPrioritize(ctx context.Context, pod *corev1.Pod, nodes ...*corev1.Node) (Prioritized, error) {
	v := Prioritized{Scores: map[string]int64{}, Totals: map[string]int64{}}
	var err error
	if v.Exchange, err = o.send(ctx, o.Extender.PrioritizeVerb, pod.Name, o.args(pod, nodes), &v.Result); err != nil {
		return v, err
	}
	asked, times := map[string]bool{}, map[string]int{}
	for _, n := range nodes {
		asked[n.Name], v.Totals[n.Name] = true, 0
	}
	add := func(format string, args ...any) { v.Complaints = append(v.Complaints, fmt.Sprintf(format, args...)) }
	for _, p := range v.Result {
		times[p.Host]++
		if !asked[p.Host] {
			add("a score for node %q, which nobody has asked for", p.Host)
			continue
		}
		v.Scores[p.Host] = p.Score
		v.Totals[p.Host] += p.Score * o.Extender.Weight * (fwk.MaxNodeScore / extenderv1.MaxExtenderPriority)
		if p.Score < extenderv1.MinExtenderPriority || p.Score > extenderv1.MaxExtenderPriority {
			add("the score of node %s is %d, and not between %d and %d: with the weight %d it outweighs what the plugins say, which is between 0 and %d each",
				p.Host, p.Score, extenderv1.MinExtenderPriority, extenderv1.MaxExtenderPriority, o.Extender.Weight, fwk.MaxNodeScore)
		}
	}
	for _, n := range nodes {
		switch {
		case times[n.Name] == 0:
			add("node %s has no score, which the scheduler takes for 0", n.Name)
		case times[n.Name] > 1:
			add("node %s has %d scores, which the scheduler adds up", n.Name, times[n.Name])
		}
		if v.Best == nil || v.Totals[n.Name] > v.Totals[v.Best[0]] {
			v.Best = []string{n.Name}
		} else if v.Totals[n.Name] == v.Totals[v.Best[0]] {
			v.Best = append(v.Best, n.Name)
		}
	}
	slices.Sort(v.Best)
	slices.Sort(v.Complaints)
	return v, nil
}

// Binding is what comes of an answer to the bind verb.
type Binding struct {
	Result   extenderv1.ExtenderBindingResult
	Exchange Exchange
}

// Bind asks to bind a pod to a node. Whether it is bound then, is for the API server to say.
func (o Oracle) Bind(ctx context.Context, pod *corev1.Pod, node string) Binding {
	ginkgo.GinkgoHelper()
	binding, err := o.TryBind(ctx, pod, node)
	refuse("bind", binding.Exchange, err, nil)
	return binding
}

// TryBind is Bind for an answer that may be an error.
func (o Oracle) TryBind(ctx context.Context, pod *corev1.Pod, node string) (Binding, error) {
	var b Binding
	var err error
	args := &extenderv1.ExtenderBindingArgs{PodName: pod.Name, PodNamespace: pod.Namespace, PodUID: pod.UID, Node: node}
	if b.Exchange, err = o.send(ctx, o.Extender.BindVerb, pod.Name, args, &b.Result); err != nil {
		return b, err
	}
	if b.Result.Error != "" {
		return b, errors.New(b.Result.Error)
	}
	return b, nil
}
