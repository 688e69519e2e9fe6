package filter_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	filter "github.com/kubekata/kubekata/katas/stage5/02-filter"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/scheduler"
)

var _ = harness.NoLeaks()

var api = cluster.Lab()

func TestFilter(t *testing.T) { harness.RunSpecs(t, "Stage 5 · 02-filter") }

// bound is for what takes a moment. It is far more than that.
const bound = 10 * time.Second

// racks are what the racks of the specs supply.
var racks = map[string]int{"r1": 1000, "r2": 300}

// The two ways in which the scheduler asks.
var (
	byName = configv1.Extender{FilterVerb: "filter", NodeCacheCapable: true}
	byNode = configv1.Extender{FilterVerb: "filter"}
)

// hall is an extender whose listers have what the spec puts there.
type hall struct {
	*filter.Extender
	nodes, pods cache.Indexer
}

// newHall makes a hall with nodes, which are no longer the spec's own.
func newHall(nodes ...*corev1.Node) *hall {
	h := &hall{nodes: indexer(), pods: indexer()}
	h.Extender = &filter.Extender{Racks: racks, Nodes: corelisters.NewNodeLister(h.nodes), Pods: corelisters.NewPodLister(h.pods)}
	for _, n := range nodes {
		Expect(h.nodes.Add(n)).To(Succeed())
	}
	return h
}

func indexer() cache.Indexer {
	return cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
}

// has puts pods on a node.
func (h *hall) has(node string, pods ...*corev1.Pod) *hall {
	GinkgoHelper()
	for _, p := range pods {
		p.Spec.NodeName = node
		Expect(h.pods.Add(p)).To(Succeed())
	}
	return h
}

// oracle is the scheduler that asks Predicate alone: these specs are not about HTTP.
func (h *hall) oracle(extender configv1.Extender) scheduler.Oracle {
	return scheduler.Oracle{Extender: extender, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var args extenderv1.ExtenderArgs
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
			panic(err)
		}
		_ = json.NewEncoder(w).Encode(h.Predicate(args))
	})}
}

// pod draws some watts.
func pod(name string, watts int, changes ...func(*corev1.Pod)) *corev1.Pod {
	return scheduler.Pod(name, append([]func(*corev1.Pod){annotated(strconv.Itoa(watts))}, changes...)...)
}

func annotated(watts string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations[filter.WattsAnnotation] = watts }
}

func phase(is corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = is }
}

func terminating(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }

// node stands in a rack; "" is none.
func node(name, rack string) *corev1.Node {
	return scheduler.Node(name, func(n *corev1.Node) {
		if rack != "" {
			n.Labels[filter.RackLabel] = rack
		}
	})
}

// names are what args of the kind byName have.
func names(all ...string) *[]string { return &all }

// inBothWays are two specs: one for each way in which the scheduler asks.
func inBothWays(text string, body func(SpecContext, configv1.Extender)) {
	It(text+", asked by NodeNames", func(ctx SpecContext) { body(ctx, byName) })
	It(text+", asked by Nodes", func(ctx SpecContext) { body(ctx, byNode) })
}
