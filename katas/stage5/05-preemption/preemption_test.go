package preemption_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	preemption "github.com/kubekata/kubekata/katas/stage5/05-preemption"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/scheduler"
)

var _ = harness.NoLeaks()

var api = cluster.Lab()

func TestPreemption(t *testing.T) { harness.RunSpecs(t, "Stage 5 · 05-preemption") }

// bound is for what takes a moment. It is far more than that.
const bound = 10 * time.Second

// What the specs' extender is made with.
const (
	gap      = 100
	critical = 1000
)

// The two ways in which the scheduler asks.
var (
	byUID = configv1.Extender{PreemptVerb: "preempt", NodeCacheCapable: true}
	byPod = configv1.Extender{PreemptVerb: "preempt"}
)

// inBothWays are two specs: one for each way in which the scheduler asks.
func inBothWays(text string, body func(SpecContext, configv1.Extender)) {
	It(text+", asked with UIDs", func(ctx SpecContext) { body(ctx, byUID) })
	It(text+", asked with pods", func(ctx SpecContext) { body(ctx, byPod) })
}

// watcher is an extender whose indexer has what the spec puts there. The index is the spec's own: that IndexByUID is right is asked elsewhere.
type watcher struct {
	*preemption.Extender
	pods *indexer
}

func newWatcher(pods ...*corev1.Pod) *watcher {
	GinkgoHelper()
	w := &watcher{pods: &indexer{Indexer: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
		preemption.UIDIndex:  func(obj any) ([]string, error) { return []string{string(obj.(*corev1.Pod).UID)}, nil },
	})}}
	w.Extender = &preemption.Extender{Gap: gap, Critical: critical, Pods: w.pods}
	w.hears(pods...)
	return w
}

// hears puts pods into the indexer, which are no longer the spec's own.
func (w *watcher) hears(pods ...*corev1.Pod) {
	GinkgoHelper()
	for _, p := range pods {
		Expect(w.pods.Add(p)).To(Succeed())
	}
}

// indexer notices who walks through all that it has.
type indexer struct {
	cache.Indexer
	walked atomic.Int32
	broken bool
}

func (i *indexer) List() []any {
	i.walked.Add(1)
	return i.Indexer.List()
}

func (i *indexer) ListKeys() []string {
	i.walked.Add(1)
	return i.Indexer.ListKeys()
}

func (i *indexer) ListIndexFuncValues(name string) []string {
	i.walked.Add(1)
	return i.Indexer.ListIndexFuncValues(name)
}

var errBroken = errors.New("the informer has stopped")

func (i *indexer) ByIndex(name, value string) ([]any, error) {
	if i.broken {
		return nil, errBroken
	}
	return i.Indexer.ByIndex(name, value)
}

func (i *indexer) Index(name string, obj any) ([]any, error) {
	if i.broken {
		return nil, errBroken
	}
	return i.Indexer.Index(name, obj)
}

func (i *indexer) IndexKeys(name, value string) ([]string, error) {
	if i.broken {
		return nil, errBroken
	}
	return i.Indexer.IndexKeys(name, value)
}

// oracle is the scheduler that asks ProcessPreemption alone: these specs are not about HTTP.
func (w *watcher) oracle(extender configv1.Extender) scheduler.Oracle {
	return scheduler.Oracle{Extender: extender, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var args extenderv1.ExtenderPreemptionArgs
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
			panic(err)
		}
		_ = json.NewEncoder(rw).Encode(w.ProcessPreemption(args))
	})}
}

// left is what a spec wants to be left: the victims' names, by node.
type left map[string][]string

// expects asks about a pod and some candidates.
func (w *watcher) expects(ctx context.Context, extender configv1.Extender, p *corev1.Pod, want left, candidates ...scheduler.Candidate) scheduler.Preempted {
	GinkgoHelper()
	v := w.oracle(extender).Preempt(ctx, p, candidates...)
	Expect(v.Result.NodeNameToMetaVictims).NotTo(BeNil(), "NodeNameToMetaVictims of the answer, which is {} when no node is left; it is %s", v.Exchange.Body)
	Expect(left(v.Victims)).To(Equal(want), "the nodes that are left for pod %s of priority %s, with their victims: %s", p.Name, says(p), about(candidates))
	return v
}

// expectsOf is expects for an extender that knows all the victims.
func expectsOf(ctx context.Context, extender configv1.Extender, p *corev1.Pod, want left, candidates ...scheduler.Candidate) scheduler.Preempted {
	GinkgoHelper()
	w := newWatcher()
	for _, c := range candidates {
		w.hears(c.Victims...)
	}
	return w.expects(ctx, extender, p, want, candidates...)
}

// on is a node with those who would have to go.
func on(node string, victims ...*corev1.Pod) scheduler.Candidate {
	return scheduler.Candidate{Node: node, Victims: victims}
}

// violating is on for victims some of which a budget protects.
func violating(budgets int64, node string, victims ...*corev1.Pod) scheduler.Candidate {
	return scheduler.Candidate{Node: node, Victims: victims, PDBViolations: budgets}
}

// pod has a priority.
func pod(name string, priority int32, changes ...func(*corev1.Pod)) *corev1.Pod {
	return scheduler.Pod(name, append([]func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.Priority = &priority }}, changes...)...)
}

func stay(value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations[preemption.StayAnnotation] = value }
}

func terminating(p *corev1.Pod) {
	p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_800_000_000, 0)}
}
