package scheduler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/harness"
)

// worldKey is the label and the taint of a world's nodes, with its namespace as the value: nobody else's pods go there, and its own nowhere else.
const worldKey = "world.kubekata.dev/namespace"

const (
	decideBound = 15 * time.Second // for what the scheduler decides in some milliseconds
	pollEvery   = 20 * time.Millisecond
)

// World is what a spec has of the lab and of the suite's scheduler: a namespace, simulated nodes, and the handler that is asked about its pods.
//
// The nodes' names are long in the cluster and in the learner's answers (NAMESPACE-a), and short in what the methods take and return: see [World.Long] and
// [World.Short]. Everything goes when the spec ends. A red spec shows the calls of the handler, and what the scheduler has logged about the pods.
type World struct {
	Namespace string

	shared  *Shared
	process *Process
	handler http.Handler
	giveUp  context.CancelCauseFunc
	broken  context.Context // ends when the handler has panicked
	calls   sync.WaitGroup

	mu        sync.Mutex
	exchanges []Exchange
	probes    map[string]map[string]string // what each probe was sent: the nodes, with their resource versions
	tried     int
}

// World makes a world with nodes, and returns when the scheduler knows of them (as after [World.Sync]). Call it in the It. handler may be nil where the suite's
// configuration has no extenders.
func (s *Shared) World(ctx context.Context, handler http.Handler, nodes ...*corev1.Node) *World {
	ginkgo.GinkgoHelper()
	if s.server.err != nil {
		ginkgo.Fail(s.server.err.Error())
	}
	w := &World{shared: s, handler: handler, process: s.up(ctx), Namespace: s.api.Namespace(ctx), probes: map[string]map[string]string{}}
	w.broken, w.giveUp = context.WithCancelCause(context.Background())
	go func() {
		select {
		case <-w.process.Ended():
			w.giveUp(errors.New("kube-scheduler has ended"))
		case <-w.broken.Done():
		}
	}()
	s.server.add(w)
	ginkgo.DeferCleanup(w.end)
	for _, n := range nodes {
		w.AddNode(ctx, n)
	}
	if len(nodes) > 0 {
		w.Sync(ctx)
	}
	return w
}

// end removes the world, so that the scheduler stops trying. Nobody waits until all of it has gone.
func (w *World) end(ctx context.Context) error {
	if ginkgo.CurrentSpecReport().Failed() {
		ginkgo.AddReportEntry(harness.TranscriptEntry, ginkgo.ReportEntryVisibilityFailureOrVerbose, w.transcript())
	}
	judge, now := w.shared.api.Judge(), metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}
	mine := metav1.ListOptions{LabelSelector: worldKey + "=" + w.Namespace}
	err := errors.Join(
		judge.CoreV1().Pods(w.Namespace).DeleteCollection(ctx, now, metav1.ListOptions{}),
		judge.CoreV1().Nodes().DeleteCollection(ctx, now, mine),
		judge.SchedulingV1().PriorityClasses().DeleteCollection(ctx, now, mine),
	)
	w.shared.server.remove(w)
	w.calls.Wait()
	w.giveUp(errors.New("the spec is over"))
	return err
}

// Guard returns a context that ends with ctx, and when the handler panics (which fails the spec) or the scheduler ends. Pass it to every Eventually that
// waits for what the scheduler does. The methods of World do so themselves.
func (w *World) Guard(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(w.broken, func() { cancel(context.Cause(w.broken)) })
	ginkgo.DeferCleanup(func() {
		stop()
		cancel(nil)
	})
	return ctx
}

// bounded is a guarded context for a wait of World's own.
func (w *World) bounded(ctx context.Context, what string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(ctx, decideBound, errors.New(what))
	ctx, giveUp := context.WithCancelCause(ctx)
	stop := context.AfterFunc(w.broken, func() { giveUp(context.Cause(w.broken)) })
	return ctx, func() {
		stop()
		giveUp(nil)
		cancel()
	}
}

// Long is a node's name in the cluster.
func (w *World) Long(short string) string { return w.Namespace + "-" + short }

// Short is a node's name without the namespace. A name that is not of this world stays as it is.
func (w *World) Short(long string) string { return strings.TrimPrefix(long, w.Namespace+"-") }

// Requests are the calls of the handler so far, without those about the harness's own probes.
func (w *World) Requests() []Exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.exchanges)
}

// AddNode creates a node of the world. The scheduler knows of it after [World.Sync].
func (w *World) AddNode(ctx context.Context, n *corev1.Node) *corev1.Node {
	ginkgo.GinkgoHelper()
	n = n.DeepCopy()
	n.Name, n.UID = w.Long(n.Name), ""
	mark(&n.ObjectMeta.Labels, worldKey, w.Namespace)
	mark(&n.ObjectMeta.Labels, corev1.LabelHostname, n.Name)
	mark(&n.ObjectMeta.Annotations, "kwok.x-k8s.io/node", "fake")
	n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: worldKey, Value: w.Namespace, Effect: corev1.TaintEffectNoSchedule})
	w.shared.api.Own(n)
	made, err := w.shared.api.Judge().CoreV1().Nodes().Create(ctx, n, metav1.CreateOptions{})
	must(err, "create node %s", n.Name)
	return made
}

// UpdateNode changes a node's labels, annotations and spec. The scheduler knows of it after [World.Sync].
func (w *World) UpdateNode(ctx context.Context, short string, change func(*corev1.Node)) *corev1.Node {
	ginkgo.GinkgoHelper()
	nodes := w.shared.api.Judge().CoreV1().Nodes()
	for {
		n, err := nodes.Get(ctx, w.Long(short), metav1.GetOptions{})
		must(err, "get node %s", w.Long(short))
		change(n)
		n, err = nodes.Update(ctx, n, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) {
			continue // KWOK writes, too
		}
		must(err, "update node %s", w.Long(short))
		return n
	}
}

// Create creates a pod that the suite's scheduler schedules, in this world only. [Bound] puts one onto a node without asking the scheduler.
func (w *World) Create(ctx context.Context, p *corev1.Pod) *corev1.Pod {
	ginkgo.GinkgoHelper()
	p = p.DeepCopy()
	p.Namespace, p.UID, p.Spec.SchedulerName = w.Namespace, "", w.shared.Name
	mark(&p.Spec.NodeSelector, worldKey, w.Namespace)
	p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: worldKey, Operator: corev1.TolerationOpExists})
	if p.Spec.NodeName != "" {
		p.Spec.NodeName = w.Long(p.Spec.NodeName)
	}
	if p.Spec.PriorityClassName != "" {
		p.Spec.PriorityClassName = w.Long(p.Spec.PriorityClassName)
	}
	made, err := w.create(ctx, p)
	must(err, "create pod %s/%s", p.Namespace, p.Name)
	return made
}

// create waits until the server knows a class that has just been made.
func (w *World) create(ctx context.Context, p *corev1.Pod) (*corev1.Pod, error) {
	deadline := time.Now().Add(decideBound)
	for {
		made, err := w.shared.api.Judge().CoreV1().Pods(w.Namespace).Create(ctx, p, metav1.CreateOptions{})
		if err == nil || !strings.Contains(err.Error(), "no PriorityClass with name") || time.Now().After(deadline) {
			return made, err
		}
		if pause(ctx) != nil {
			return nil, err
		}
	}
}

// Bound puts a pod onto a node from the beginning: nobody schedules it. It is for [World.Create]; the name is the short one.
func Bound(node string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeName = node }
}

// Class gives a pod a priority class that [World.AddClass] has made; the name is the short one.
func Class(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.PriorityClassName = name }
}

// AddClass makes a PriorityClass of the world, for [Class].
func (w *World) AddClass(ctx context.Context, short string, value int32) {
	ginkgo.GinkgoHelper()
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: w.Long(short), Labels: map[string]string{worldKey: w.Namespace}}, Value: value}
	w.shared.api.Own(class)
	_, err := w.shared.api.Judge().SchedulingV1().PriorityClasses().Create(ctx, class, metav1.CreateOptions{})
	must(err, "create priorityclass %s", class.Name)
}

// Get reads a pod.
func (w *World) Get(ctx context.Context, name string) *corev1.Pod {
	ginkgo.GinkgoHelper()
	p, err := w.shared.api.Judge().CoreV1().Pods(w.Namespace).Get(ctx, name, metav1.GetOptions{})
	must(err, "get pod %s/%s", w.Namespace, name)
	return p
}

// Delete deletes a pod at once.
func (w *World) Delete(ctx context.Context, name string) {
	ginkgo.GinkgoHelper()
	err := w.shared.api.Judge().CoreV1().Pods(w.Namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	must(err, "delete pod %s/%s", w.Namespace, name)
}

// transcript is what a red spec shows.
func (w *World) transcript() string {
	var text strings.Builder
	for _, e := range tail(w.Requests(), tailLines) {
		fmt.Fprintln(&text, e)
	}
	var about []string
	for line := range strings.Lines(w.process.Log()) {
		if strings.Contains(line, w.Namespace) && !strings.Contains(line, probePrefix) && !strings.Contains(line, "NodeTree") {
			about = append(about, strings.TrimSpace(line))
		}
	}
	fmt.Fprintln(&text, "kube-scheduler's log about the spec's pods:")
	for _, line := range tail(about, tailLines) {
		_, line, _ = strings.Cut(line, "] ") // what is before is a time and a place in its source
		fmt.Fprintln(&text, "  "+line)
	}
	return text.String()
}

func tail[T any](all []T, n int) []T { return all[max(0, len(all)-n):] }

func mark(to *map[string]string, key, value string) {
	if *to == nil {
		*to = map[string]string{}
	}
	(*to)[key] = value
}

func must(err error, format string, args ...any) {
	ginkgo.GinkgoHelper()
	if err != nil {
		ginkgo.Fail(fmt.Sprintf(format, args...) + ": " + err.Error())
	}
}

// pause waits for a moment, or returns why ctx has ended.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pollEvery):
		return nil
	}
}
