package cycle

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"
)

// SchedulerName is the schedulerName of the pods that are meant for this scheduler.
const SchedulerName = "kubekata"

// Options are what a scheduler is made of.
type Options struct {
	// Informers are for the plugins. The scheduler does not start them.
	Informers informers.SharedInformerFactory
	// Client binds pods, by their Binding subresource. Without one they are bound in memory.
	Client kubernetes.Interface
	// Clock is for the timeouts of Permit. Without one it is the real one.
	Clock clock.WithDelayedExecution
}

// Scheduler schedules one pod after the other. Its methods may be called by many goroutines.
type Scheduler struct {
	options Options
	plugins []fwk.Plugin
	ctx     context.Context
	cancel  context.CancelFunc
	binding sync.WaitGroup
	cycleMu sync.Mutex // one scheduling cycle at a time

	mu       sync.Mutex
	nodes    []*corev1.Node
	pods     map[types.UID]*corev1.Pod // those that have a node, or are assumed to have one
	snapshot *snapshot

	waitingMu sync.RWMutex
	waiting   map[types.UID]*waitingPod
}

// New returns a scheduler without plugins and nodes. The caller closes it.
func New(options Options) *Scheduler {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Scheduler{options: options, ctx: ctx, cancel: cancel, pods: map[types.UID]*corev1.Pod{}, waiting: map[types.UID]*waitingPod{}, snapshot: &snapshot{}}
}

// Close ends the binding cycles that still wait, and returns when they have ended.
func (s *Scheduler) Close() {
	s.cancel()
	s.binding.Wait()
}

// Handle is what a plugin's constructor is given.
func (s *Scheduler) Handle() fwk.Handle { return &handle{s: s} }

// Add adds a plugin, at all the extension points that it implements, with the weight 1.
func (s *Scheduler) Add(plugin fwk.Plugin) { s.plugins = append(s.plugins, plugin) }

// SetNodes says which nodes there are.
func (s *Scheduler) SetNodes(nodes ...*corev1.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = nodes
}

// SetPod says that a pod is there, or has changed. One without a node is not counted.
func (s *Scheduler) SetPod(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pod.Spec.NodeName != "" {
		s.pods[pod.UID] = pod
	}
}

// DeletePod says that a pod is gone.
func (s *Scheduler) DeletePod(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pods, pod.UID)
}

// Pods returns the names of the pods that a node has, bound or assumed.
func (s *Scheduler) Pods(node string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, pod := range s.pods {
		if pod.Spec.NodeName == node {
			names = append(names, pod.Name)
		}
	}
	return names
}

// Waiting returns the names of the pods that wait in Permit.
func (s *Scheduler) Waiting() []string {
	s.waitingMu.RLock()
	defer s.waitingMu.RUnlock()
	var names []string
	for _, w := range s.waiting {
		names = append(names, w.pod.Name)
	}
	return names
}

func (s *Scheduler) lastSnapshot() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot
}

// takeSnapshot begins a cycle.
func (s *Scheduler) takeSnapshot() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshot = &snapshot{}
	for _, node := range s.nodes {
		info := &nodeInfo{node: node}
		for _, pod := range s.pods {
			if pod.Spec.NodeName == node.Name {
				info.AddPodInfo(PodInfo(pod))
			}
		}
		s.snapshot.nodes = append(s.snapshot.nodes, info)
	}
	return s.snapshot
}

// Schedule takes the pod through a scheduling cycle, and begins its binding cycle if there is a node for it. A panic of a plugin in the scheduling cycle is a panic here.
func (s *Scheduler) Schedule(ctx context.Context, pod *corev1.Pod) *Attempt {
	s.cycleMu.Lock()
	defer s.cycleMu.Unlock()
	a := &Attempt{Pod: pod.Name, Nodes: map[string]*fwk.Status{}, Scores: map[string]int64{}, bound: make(chan struct{})}
	nodes := s.takeSnapshot().nodes
	cs := NewState()

	node, status := s.findNode(ctx, a, cs, pod, nodes)
	if node == "" {
		a.fail(status)
		return a
	}
	assumed := onNode(pod, node)
	s.SetPod(assumed)
	if status := s.reserve(ctx, cs, assumed, node); !status.IsSuccess() {
		s.unreserve(ctx, cs, assumed, node)
		a.Nodes[node] = status
		a.fail(status)
		return a
	}
	timeouts, status := s.permit(ctx, cs, assumed, node)
	switch {
	case status.IsWait():
		w := newWaitingPod(assumed, timeouts, s.options.Clock)
		s.waitingMu.Lock()
		s.waiting[pod.UID] = w
		s.waitingMu.Unlock()
	case !status.IsSuccess():
		s.unreserve(ctx, cs, assumed, node)
		a.Nodes[node] = status
		a.fail(status)
		return a
	}
	a.Node, a.Status = node, status
	s.binding.Go(func() {
		defer close(a.bound)
		defer func() { a.panicked = recover() }()
		if a.binding = s.bindingCycle(s.ctx, assumed, node); !a.binding.IsSuccess() {
			s.unreserve(s.ctx, cs, assumed, node)
		}
	})
	return a
}

// bindingCycle waits for Permit, and binds.
func (s *Scheduler) bindingCycle(ctx context.Context, pod *corev1.Pod, node string) *fwk.Status {
	s.waitingMu.RLock()
	w := s.waiting[pod.UID]
	s.waitingMu.RUnlock()
	if w != nil {
		var status *fwk.Status
		select {
		case status = <-w.answered:
		case <-ctx.Done():
			status = fwk.AsStatus(ctx.Err())
		}
		w.stop()
		s.waitingMu.Lock()
		delete(s.waiting, pod.UID)
		s.waitingMu.Unlock()
		if status.IsRejected() {
			return status
		}
		if !status.IsSuccess() {
			return fwk.AsStatus(fmt.Errorf("waiting on permit for pod: %w", status.AsError())).WithPlugin(status.Plugin())
		}
	}
	if s.options.Client == nil {
		return nil
	}
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}
	if err := s.options.Client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		return fwk.AsStatus(fmt.Errorf("binding rejected: %w", err))
	}
	return nil
}

// Attempt is what has become of a pod.
type Attempt struct {
	// Pod is its name, and Node the one that it is going to have: "" if the scheduling cycle has failed.
	Pod, Node string
	// Status is the outcome of the scheduling cycle: success, Wait if the pod waits in Permit, or what it has failed of.
	Status *fwk.Status
	// Message is what kube-scheduler says in the pod's event and condition when the cycle has failed.
	Message string
	// Nodes says for the nodes that do not fit why.
	Nodes map[string]*fwk.Status
	// Scores are the sums of the normalised scores. It is empty when fewer than two nodes fit.
	Scores map[string]int64
	// Nominated is the node on which preemption would make room, and Victims the pods that would go for it.
	Nominated string
	Victims   []string

	bound    chan struct{}
	binding  *fwk.Status
	panicked any
}

// bindBound is how long a binding cycle may take that does not wait in Permit.
const bindBound = 10 * time.Second

// Bound waits for the end of the binding cycle, for ten seconds at most, and returns its outcome. If there was none, it returns the scheduling cycle's. A panic of a plugin in
// the binding cycle is a panic here.
func (a *Attempt) Bound(ctx context.Context) *fwk.Status {
	ctx, cancel := context.WithTimeout(ctx, bindBound)
	defer cancel()
	select {
	case <-a.bound:
	case <-ctx.Done():
		return fwk.AsStatus(fmt.Errorf("the binding cycle of pod %s has not ended: does the pod wait in Permit? %w", a.Pod, ctx.Err()))
	}
	if a.panicked != nil {
		panic(a.panicked)
	}
	return a.binding
}

// fail ends an attempt without a binding cycle.
func (a *Attempt) fail(status *fwk.Status) {
	a.Status, a.binding = status, status
	switch {
	case a.Message != "":
	case status.IsRejected(): // after the node was found
		a.Message = fmt.Sprintf("0/1 nodes are available: 1 %s.", status.Message())
	default:
		a.Message = status.Message()
	}
	close(a.bound)
}
