package configuration_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"github.com/kubekata/kubekata/harness/scheduler"
	"github.com/kubekata/kubekata/katas/stage5/06-configuration/extender"
)

// shared is kube-scheduler with scheduler.yaml. Other than in the file are the schedulerName, the extenders' address (the path stays), and their patience: a
// machine may be busy.
var shared = scheduler.Share(api, func(c *configv1.KubeSchedulerConfiguration) {
	mine, err := decode()
	if err != nil {
		return // the specs say so
	}
	name := c.Profiles[0].SchedulerName
	if len(mine.Profiles) > 0 {
		c.Profiles = mine.Profiles[:1]
		c.Profiles[0].SchedulerName = name
	}
	c.PercentageOfNodesToScore = mine.PercentageOfNodesToScore
	c.Parallelism = mine.Parallelism
	c.Extenders = mine.Extenders
	for i := range c.Extenders {
		e := &c.Extenders[i]
		if _, rest, ok := strings.Cut(e.URLPrefix, "://"); ok {
			_, path, _ := strings.Cut(rest, "/")
			e.URLPrefix = "/" + path
		}
		e.EnableHTTPS, e.TLSConfig, e.HTTPTimeout = false, nil, metav1.Duration{Duration: 10 * time.Second}
	}
})

var _ = Describe("Scheduling", func() {
	It("puts a pod that asks for kubekata.dev/solver onto a node that has it", func(ctx SpecContext) {
		w, _ := world(ctx, scheduler.Node("plain", price("0")), scheduler.Node("solver", solver, price("9")))
		w.Create(ctx, scheduler.Pod("solve", licence))
		Expect(w.Lands(ctx, "solve")).To(Equal("solver"), "the node of pod solve")
	})

	It("binds that pod through the extender, which gives it a licence", func(ctx SpecContext) {
		w, door := world(ctx, scheduler.Node("solver", solver))
		w.Create(ctx, scheduler.Pod("solve", licence))
		Expect(w.Lands(ctx, "solve")).To(Equal("solver"), "the node of pod solve")
		Expect(door.begun()).To(ContainElement("/licences/bind"), "what the extender was asked about pod solve")
	})

	It("asks about prices, and not about licences, when a pod wants none", func(ctx SpecContext) {
		w, _ := world(ctx, scheduler.Node("a"), scheduler.Node("b", solver))
		w.Create(ctx, scheduler.Pod("web"))
		w.Lands(ctx, "web")
		Expect(paths(w, "web")).To(Equal([]string{"/prices/filter", "/prices/prioritize"}), "what the extender was asked about pod web, which asks for nothing")
	})

	It("tells in an event why the third pod of two licences has to wait", func(ctx SpecContext) {
		w, _ := world(ctx, scheduler.Node("plain"), scheduler.Node("solver", solver))
		for _, name := range []string{"first", "second"} {
			w.Create(ctx, scheduler.Pod(name, licence))
			Expect(w.Lands(ctx, name)).To(Equal("solver"), "the node of pod %s", name)
		}
		w.Create(ctx, scheduler.Pod("third", licence))
		w.Refused(ctx, "third")
		Expect(scheduler.Reasons(w.Event(ctx, "third", "FailedScheduling"))).To(Equal(map[string]int{
			"node(s) without the solver": 1, "node(s) for which 0 of 2 solver licences are free": 1,
		}), "the reasons in the event FailedScheduling of pod third")
	})

	It("leaves pods that hold a licence where they are when it makes room", func(ctx SpecContext) {
		w, _ := world(ctx, scheduler.Node("solving", solver, scheduler.Has("cpu", "2")), scheduler.Node("idling", solver, scheduler.Has("cpu", "2")))
		w.AddClass(ctx, "low", 10)
		w.AddClass(ctx, "middle", 20)
		w.AddClass(ctx, "urgent", 1000)
		// Of the two, preemption would take the one with the lowest priority, which is the one that solves.
		w.Create(ctx, scheduler.Pod("solve", scheduler.Bound("solving"), scheduler.Asks("cpu", "2", resourceName, "1"), scheduler.Class("low")))
		w.Create(ctx, scheduler.Pod("idle", scheduler.Bound("idling"), scheduler.Asks("cpu", "2"), scheduler.Class("middle")))
		w.Sync(ctx)
		w.Create(ctx, scheduler.Pod("urgent", scheduler.Asks("cpu", "2", resourceName, "1"), scheduler.Class("urgent")))
		Expect(w.LandsLater(ctx, "urgent")).To(Equal("idling"), "the node on which preemption has made room for pod urgent")
		Expect(paths(w, "urgent")).To(ContainElement("/licences/preempt"), "what the extender was asked about pod urgent")
	})

	It("prefers a node that is two cheaper, even to one that is nearly full", func(ctx SpecContext) {
		w, _ := world(ctx, scheduler.Node("full", price("5")), scheduler.Node("cheap", price("3")))
		w.Create(ctx, scheduler.Pod("before", scheduler.Bound("full"), scheduler.Asks("cpu", "7", "memory", "28Gi")))
		w.Sync(ctx)
		w.Create(ctx, scheduler.Pod("web", scheduler.Asks("cpu", "100m", "memory", "400Mi")))
		Expect(w.Lands(ctx, "web")).To(Equal("cheap"), "the node of pod web: 2 of the extender's points, times the weight, times 10, against 87 for the full node")
	})

	It("fills one node before the next, when both cost the same", func(ctx SpecContext) {
		w, _ := world(ctx, scheduler.Node("empty", price("5")), scheduler.Node("used", price("5")))
		w.Create(ctx, scheduler.Pod("before", scheduler.Bound("used"), scheduler.Asks("cpu", "4", "memory", "16Gi")))
		w.Sync(ctx)
		w.Create(ctx, scheduler.Pod("web", scheduler.Asks("cpu", "100m", "memory", "400Mi")))
		Expect(w.Lands(ctx, "web")).To(Equal("used"), "the node of pod web, of one that is empty and one that is half full")
	})

	It("puts no pod onto a node that is too dear for it", func(ctx SpecContext) {
		w, _ := world(ctx, scheduler.Node("dear", price("8")))
		w.Create(ctx, scheduler.Pod("web", func(p *corev1.Pod) { p.Annotations[extender.MaxPriceAnnotation] = "5" }))
		Expect(scheduler.Reasons(w.Refused(ctx, "web"))).To(Equal(map[string]int{"node(s) that cost more than 5": 1}), "the reasons in the condition of pod web")
	})

	It("goes on without prices when their extender is down", func(ctx SpecContext) {
		w, door := world(ctx, scheduler.Node("a"), scheduler.Node("b"))
		door.down = "/prices/"
		w.Create(ctx, scheduler.Pod("web"))
		w.Lands(ctx, "web")
		Expect(paths(w, "web")).To(ContainElement("/prices/filter"), "what the extender was asked about pod web")
	})

	It("starts no pod that wants a licence when their extender is down", func(ctx SpecContext) {
		w, door := world(ctx, scheduler.Node("solver", solver))
		door.down = "/licences/"
		w.Create(ctx, scheduler.Pod("solve", licence))
		Expect(w.Failed(ctx, "solve")).To(ContainSubstring("/licences/filter, code 503"), "the message of the condition PodScheduled of pod solve")
	})
})

// door is what calls come through. For paths with the prefix that is down it lets none through.
type door struct {
	down string // set before the first pod
	next http.Handler

	mu    sync.Mutex
	paths []string
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.paths = append(d.paths, r.URL.Path)
	d.mu.Unlock()
	if d.down != "" && strings.HasPrefix(r.URL.Path, d.down) {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	d.next.ServeHTTP(w, r)
}

// begun are the paths of all calls. Those of World are there when they have ended, which for bind may be after the pod is bound.
func (d *door) begun() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.paths)
}

// world is a World with the given extender, which has two licences.
func world(ctx context.Context, nodes ...*corev1.Node) (*scheduler.World, *door) {
	GinkgoHelper()
	Expect(extenders()).To(HaveLen(2), "extenders of scheduler.yaml")
	core := api.Judge().CoreV1()
	e := &extender.Extender{Client: api.Judge(), Licences: 2}
	d := &door{next: e.Handler()}
	w := shared.World(ctx, d, nodes...)
	e.Pods = func(ctx context.Context) ([]*corev1.Pod, error) {
		list, err := core.Pods(w.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		var pods []*corev1.Pod
		for i := range list.Items {
			pods = append(pods, &list.Items[i])
		}
		return pods, nil
	}
	e.Node = func(ctx context.Context, name string) (*corev1.Node, error) {
		return core.Nodes().Get(ctx, name, metav1.GetOptions{})
	}
	return w, d
}

func solver(n *corev1.Node) { n.Labels[extender.SolverLabel] = "" }

func price(p string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Labels[extender.PriceLabel] = p }
}

func licence(p *corev1.Pod) { scheduler.Asks(resourceName, "1")(p) }

// paths are those of the calls about a pod, each once, in the order of their first.
func paths(w *scheduler.World, pod string) []string {
	var all []string
	for _, e := range w.Requests() {
		if e.Pod == pod && !slices.Contains(all, e.Path) {
			all = append(all, e.Path)
		}
	}
	return all
}
