package frameworkplugin_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	fwk "k8s.io/kube-scheduler/framework"
	clocktesting "k8s.io/utils/clock/testing"

	frameworkplugin "github.com/kubekata/kubekata/katas/stage5/01-framework-plugin"
	"github.com/kubekata/kubekata/katas/stage5/01-framework-plugin/cycle"
	"github.com/kubekata/kubekata/katas/stage5/01-framework-plugin/licences"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestFrameworkPlugin(t *testing.T) {
	harness.RunSpecs(t, "Stage 5 · 01-framework-plugin")
}

// world is a scheduler with the learner's plugin, a licence server and a clock that stands still.
type world struct {
	*cycle.Scheduler
	plugin   *frameworkplugin.Plugin
	licences *licences.Server
	clock    *clocktesting.FakeClock
}

// args has a timeout that nobody waits for: the clock stands still.
var args = frameworkplugin.Args{PermitTimeout: time.Minute}

// newWorld makes a world in memory. The plugins before stand before the learner's in the configuration, those that a spec adds later behind it.
func newWorld(args frameworkplugin.Args, total map[string]int, nodes []*corev1.Node, before ...fwk.Plugin) *world {
	GinkgoHelper()
	return makeWorld(args, total, nodes, cycle.Options{Informers: informers.NewSharedInformerFactory(&kubernetes.Clientset{}, 0)}, before...)
}

func makeWorld(args frameworkplugin.Args, total map[string]int, nodes []*corev1.Node, options cycle.Options, before ...fwk.Plugin) *world {
	GinkgoHelper()
	w := &world{licences: licences.New(total), clock: clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	options.Clock = w.clock
	w.Scheduler = cycle.New(options)
	DeferCleanup(w.Close)
	w.SetNodes(nodes...)
	for _, plugin := range before {
		w.Add(plugin)
	}
	var err error
	w.plugin, err = frameworkplugin.New(w.Handle(), w.licences, args)
	Expect(err).NotTo(HaveOccurred(), "New")
	w.Add(w.plugin)
	return w
}

// has puts pods on a node, with the licences that they need.
func (w *world) has(node string, pods ...*corev1.Pod) {
	GinkgoHelper()
	for _, pod := range pods {
		pod.Spec.NodeName = node
		w.SetPod(pod)
		if product := pod.Labels[frameworkplugin.LicenceLabel]; product != "" {
			Expect(w.licences.Checkout(product, pod.UID)).To(BeTrue(), "the spec's own licence for %s", pod.Name)
		}
	}
}

// places schedules a pod that must get a node, and be bound to it.
func (w *world) places(ctx context.Context, pod *corev1.Pod) *cycle.Attempt {
	GinkgoHelper()
	a := w.Schedule(ctx, pod)
	Expect(a.Node).NotTo(BeEmpty(), "the node of pod %s, of which the scheduler says: %s", pod.Name, a.Message)
	Expect(a.Status.IsWait()).To(BeFalse(), "pod %s need not wait in Permit: %s", pod.Name, a.Status.Message())
	status := a.Bound(ctx)
	Expect(status.IsSuccess()).To(BeTrue(), "the binding cycle of pod %s ends with %v: %s", pod.Name, status.Code(), status.Message())
	return a
}

// waits schedules a pod that must wait in Permit.
func (w *world) waits(ctx context.Context, pod *corev1.Pod) *cycle.Attempt {
	GinkgoHelper()
	a := w.Schedule(ctx, pod)
	Expect(a.Status.Code().String()).To(Equal(fwk.Wait.String()), "pod %s waits in Permit; the scheduler says: %s", pod.Name, a.Message)
	return a
}

// refuses schedules a pod that must not get a node.
func (w *world) refuses(ctx context.Context, pod *corev1.Pod) *cycle.Attempt {
	GinkgoHelper()
	a := w.Schedule(ctx, pod)
	Expect(a.Node).To(BeEmpty(), "the node of pod %s, which fits on none", pod.Name)
	return a
}

// holders expects that these pods have a licence, and no others.
func (w *world) holders(product string, pods ...*corev1.Pod) {
	GinkgoHelper()
	if len(pods) == 0 {
		Expect(w.licences.Holders(product)).To(BeEmpty(), "the UIDs of those who hold a licence for %s, which nobody must", product)
		return
	}
	var uids []types.UID
	for _, pod := range pods {
		uids = append(uids, pod.UID)
	}
	Expect(w.licences.Holders(product)).To(ConsistOf(uids), "the UIDs of those who hold a licence for %s", product)
}

type option func(*corev1.Pod)

func pod(name string, options ...option) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "render", Name: name, UID: types.UID("uid-of-" + name), Labels: map[string]string{}, Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{SchedulerName: cycle.SchedulerName, Containers: []corev1.Container{{Name: "main", Image: "registry.k8s.io/pause:3.10"}}},
	}
	for _, o := range options {
		o(p)
	}
	return p
}

func pods(prefix string, n int, options ...option) []*corev1.Pod {
	var all []*corev1.Pod
	for i := range n {
		all = append(all, pod(fmt.Sprintf("%s-%d", prefix, i), options...))
	}
	return all
}

func team(name string) option {
	return func(p *corev1.Pod) { p.Labels[frameworkplugin.TeamLabel] = name }
}

func licence(product string) option {
	return func(p *corev1.Pod) { p.Labels[frameworkplugin.LicenceLabel] = product }
}

func job(name, size string) option {
	return func(p *corev1.Pod) {
		p.Labels[frameworkplugin.JobLabel] = name
		p.Annotations[frameworkplugin.SizeAnnotation] = size
	}
}

func namespace(name string) option { return func(p *corev1.Pod) { p.Namespace = name } }

func uid(uid string) option { return func(p *corev1.Pod) { p.UID = types.UID(uid) } }

func priority(n int32) option { return func(p *corev1.Pod) { p.Spec.Priority = &n } }

// node is one on which the products are installed.
func node(name string, products ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	for _, product := range products {
		n.Labels[frameworkplugin.NodeLabelPrefix+product] = ""
	}
	return n
}

func nodes(all ...*corev1.Node) []*corev1.Node { return all }

// refuser is another plugin in the same configuration, which refuses pods in Reserve or in Permit.
type refuser struct {
	at   string
	only string // the pod, or "" for each
}

// refuserOf refuses one pod in Reserve.
func refuserOf(name string) fwk.Plugin { return refuser{at: "Reserve", only: name} }

var (
	_ fwk.ReservePlugin = refuser{}
	_ fwk.PermitPlugin  = refuser{}
)

func (r refuser) Name() string { return "Refuser" }

func (r refuser) refuse(pod *corev1.Pod, at string) *fwk.Status {
	if r.at != at || r.only != "" && r.only != pod.Name {
		return nil
	}
	return fwk.NewStatus(fwk.Unschedulable, "refused in "+at)
}

func (r refuser) Reserve(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) *fwk.Status {
	return r.refuse(pod, "Reserve")
}

func (r refuser) Unreserve(context.Context, fwk.CycleState, *corev1.Pod, string) {}

func (r refuser) Permit(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) (*fwk.Status, time.Duration) {
	return r.refuse(pod, "Permit"), 0
}
