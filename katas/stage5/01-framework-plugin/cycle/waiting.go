package cycle

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"
)

// waitingPod is a pod that waits in Permit.
type waitingPod struct {
	pod *corev1.Pod
	// answered gets the first answer, and no other.
	answered chan *fwk.Status

	mu      sync.Mutex
	pending map[string]clock.Timer
	done    bool
}

var _ fwk.WaitingPod = &waitingPod{}

func newWaitingPod(pod *corev1.Pod, timeouts map[string]time.Duration, clk clock.WithDelayedExecution) *waitingPod {
	w := &waitingPod{pod: pod, answered: make(chan *fwk.Status, 1), pending: map[string]clock.Timer{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	for plugin, timeout := range timeouts {
		w.pending[plugin] = clk.AfterFunc(timeout, func() {
			w.Reject(plugin, fmt.Sprintf("rejected due to timeout after waiting %v at plugin %v", timeout, plugin))
		})
	}
	return w
}

func (w *waitingPod) GetPod() *corev1.Pod { return w.pod }

func (w *waitingPod) GetPendingPlugins() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for name := range w.pending {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (w *waitingPod) Allow(plugin string) {
	w.mu.Lock()
	timer, waits := w.pending[plugin]
	delete(w.pending, plugin)
	if len(w.pending) == 0 {
		w.answer(nil)
	}
	w.mu.Unlock()
	if waits {
		timer.Stop()
	}
}

func (w *waitingPod) Reject(plugin, message string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answer(fwk.NewStatus(fwk.Unschedulable, message).WithPlugin(plugin))
}

func (w *waitingPod) Preempt(plugin, message string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answer(fwk.NewStatus(fwk.Error, message).WithPlugin(plugin))
}

// answer needs w.mu.
func (w *waitingPod) answer(status *fwk.Status) bool {
	if w.done {
		return false
	}
	w.done = true
	w.answered <- status
	return true
}

// stop ends the timers, without w.mu: a clock may hold a lock of its own while it calls Reject, and wants the same one for Stop.
func (w *waitingPod) stop() {
	w.mu.Lock()
	timers := slices.Collect(maps.Values(w.pending))
	w.mu.Unlock()
	for _, timer := range timers {
		timer.Stop()
	}
}
