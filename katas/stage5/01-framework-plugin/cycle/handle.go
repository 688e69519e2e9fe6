package cycle

import (
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	fwk "k8s.io/kube-scheduler/framework"
)

// handle is what a plugin is given of the scheduler.
type handle struct {
	fwk.Handle
	s *Scheduler
}

func (h *handle) SnapshotSharedLister() fwk.SharedLister { return h.s.lastSnapshot() }

func (h *handle) IterateOverWaitingPods(callback func(fwk.WaitingPod)) {
	h.s.waitingMu.RLock()
	defer h.s.waitingMu.RUnlock()
	for _, w := range h.s.waiting {
		callback(w)
	}
}

func (h *handle) GetWaitingPod(uid types.UID) fwk.WaitingPod {
	h.s.waitingMu.RLock()
	defer h.s.waitingMu.RUnlock()
	if w, ok := h.s.waiting[uid]; ok {
		return w
	}
	return nil // and not a nil *waitingPod
}

func (h *handle) RejectWaitingPod(uid types.UID) bool {
	if w := h.GetWaitingPod(uid); w != nil {
		return w.Reject("", "removed")
	}
	return false
}

func (h *handle) ClientSet() kubernetes.Interface { return h.s.options.Client }
func (h *handle) SharedInformerFactory() informers.SharedInformerFactory {
	return h.s.options.Informers
}
func (h *handle) Parallelizer() fwk.Parallelizer { return parallelizer{} }
func (h *handle) ProfileName() string            { return SchedulerName }

type parallelizer struct{}

// Until implements [fwk.Parallelizer].
func (parallelizer) Until(_ context.Context, pieces int, piece workqueue.DoWorkPieceFunc, _ string) {
	parallel(pieces, piece)
}

// parallel calls a plugin for all nodes at once. A panic is the caller's, so that it ends a spec and not the program.
func parallel(pieces int, piece func(int)) {
	var wg sync.WaitGroup
	panics := make([]any, pieces)
	for i := range pieces {
		wg.Go(func() {
			defer func() { panics[i] = recover() }()
			piece(i)
		})
	}
	wg.Wait()
	if i := slices.IndexFunc(panics, func(p any) bool { return p != nil }); i >= 0 {
		panic(panics[i])
	}
}

// onNode returns a copy of the pod that has the node, as kube-scheduler assumes it.
func onNode(pod *corev1.Pod, node string) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Spec.NodeName = node
	return pod
}
