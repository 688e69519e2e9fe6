package prioritize_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	prioritize "github.com/kubekata/kubekata/katas/stage5/03-prioritize"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/scheduler"
)

var _ = harness.NoLeaks()

var api = cluster.Lab()

func TestPrioritize(t *testing.T) { harness.RunSpecs(t, "Stage 5 · 03-prioritize") }

// bound is for what takes a moment. It is far more than that.
const bound = 10 * time.Second

// rackLabel is where a node stands.
const rackLabel = "cooling.kubekata.dev/rack"

// What the electricity costs in the zones, in euros for a megawatt hour, and how warm the racks' air is, in tenths of a degree.
var (
	prices = map[string]int64{"north": -20, "west": 40, "east": 70, "south": 180}
	warmth = map[string]int64{"r1": 180, "r2": 220, "r3": 280}
)

// errDown is what a table says that is not there.
var errDown = errors.New("the market does not answer")

// The two ways in which the scheduler asks.
var (
	byName = configv1.Extender{PrioritizeVerb: "prioritize", Weight: 1, NodeCacheCapable: true}
	byNode = configv1.Extender{PrioritizeVerb: "prioritize", Weight: 1}
)

// byPrice and byWarmth are the criteria of the specs.
func byPrice(weight int64) prioritize.Criterion {
	return prioritize.Criterion{Name: "price", Label: corev1.LabelTopologyZone, Weight: weight, Table: fixed(prices)}
}

func byWarmth(weight int64) prioritize.Criterion {
	return prioritize.Criterion{Name: "warmth", Label: rackLabel, Weight: weight, Table: fixed(warmth)}
}

func fixed(table map[string]int64) func() (map[string]int64, error) {
	return func() (map[string]int64, error) { return table, nil }
}

// extender knows some nodes.
func extender(nodes []*corev1.Node, criteria ...prioritize.Criterion) *prioritize.Extender {
	GinkgoHelper()
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	for _, n := range nodes {
		Expect(indexer.Add(n)).To(Succeed())
	}
	return &prioritize.Extender{Criteria: criteria, Nodes: corelisters.NewNodeLister(indexer)}
}

// oracle is the scheduler that asks Prioritize alone: these specs are not about HTTP.
func oracle(e *prioritize.Extender, way configv1.Extender) scheduler.Oracle {
	return scheduler.Oracle{Extender: way, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var args extenderv1.ExtenderArgs
		Expect(json.NewDecoder(r.Body).Decode(&args)).To(Succeed())
		list, err := e.Prioritize(args)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(list)
	})}
}

// node stands in a zone and in a rack; "" is none.
func node(name, zone, rack string) *corev1.Node {
	return scheduler.Node(name, func(n *corev1.Node) {
		n.Labels[corev1.LabelHostname] = "host-of-" + name
		if zone != "" {
			n.Labels[corev1.LabelTopologyZone] = zone
		}
		if rack != "" {
			n.Labels[rackLabel] = rack
		}
	})
}

// question asks by NodeNames.
func question(names ...string) extenderv1.ExtenderArgs {
	return extenderv1.ExtenderArgs{Pod: scheduler.Pod("web"), NodeNames: &names}
}

// scores are what a spec wants.
type scores map[string]int64

// expectScores asks about all nodes, in both ways.
func expectScores(ctx context.Context, e *prioritize.Extender, nodes []*corev1.Node, want scores) {
	GinkgoHelper()
	for way, asking := range map[string]configv1.Extender{"NodeNames": byName, "Nodes": byNode} {
		got := oracle(e, asking).Prioritize(ctx, scheduler.Pod("web"), nodes...)
		Expect(got.Scores).To(Equal(map[string]int64(want)), "the scores, asked by %s", way)
	}
}

var _ = Describe("Prioritize", func() {
	It("gives the cheapest node 10, the dearest 0, and the others a place between", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "south", ""), node("b", "north", ""), node("c", "west", ""), node("d", "east", "")}
		expectScores(ctx, extender(nodes, byPrice(1)), nodes, scores{"a": 0, "b": 10, "c": 7, "d": 6})
	})

	It("compares the nodes that it is asked about with each other, and not with others", func(ctx SpecContext) {
		all := []*corev1.Node{node("a", "south", ""), node("b", "north", ""), node("c", "west", ""), node("d", "east", "")}
		expectScores(ctx, extender(all, byPrice(1)), all[2:], scores{"c": 10, "d": 0})
	})

	It("gives nodes that cost the same the same", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "west", ""), node("b", "east", ""), node("c", "west", "")}
		expectScores(ctx, extender(nodes, byPrice(1)), nodes, scores{"a": 10, "b": 0, "c": 10})
	})

	It("gives all nodes 10 when all cost the same", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "west", ""), node("b", "west", "")}
		expectScores(ctx, extender(nodes, byPrice(1)), nodes, scores{"a": 10, "b": 10})
	})

	It("gives a single node 10", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "south", "")}
		expectScores(ctx, extender(nodes, byPrice(1)), nodes, scores{"a": 10})
	})

	It("gives a node without a cost 0: its label is missing, or nobody has a price for it", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "west", ""), node("b", "", ""), node("c", "moon", ""), node("d", "north", "")}
		expectScores(ctx, extender(nodes, byPrice(1)), nodes, scores{"a": 0, "b": 0, "c": 0, "d": 10})
	})

	It("gives a node that its lister does not know 0, and all the others what they would have without it", func(ctx SpecContext) {
		known := []*corev1.Node{node("a", "west", ""), node("c", "east", "")}
		got := oracle(extender(known, byPrice(1)), byName).Prioritize(ctx, scheduler.Pod("web"), known[0], node("new", "north", ""), known[1])
		Expect(got.Scores).To(Equal(map[string]int64{"a": 10, "new": 0, "c": 0}), "the scores, asked by NodeNames, of which the lister does not know new")
	})

	It("believes the nodes that it is sent, and not its lister", func(ctx SpecContext) {
		old := []*corev1.Node{node("a", "north", ""), node("b", "west", "")}
		got := oracle(extender(old, byPrice(1)), byNode).Prioritize(ctx, scheduler.Pod("web"), node("a", "south", ""), node("b", "west", ""))
		Expect(got.Scores).To(Equal(map[string]int64{"a": 0, "b": 10}), "the scores, asked by Nodes: a has moved to the south, which the lister does not know yet")
	})

	It("weighs its criteria", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "west", "r3"), node("b", "east", "r1"), node("c", "east", "r3"), node("d", "west", "r1")}
		expectScores(ctx, extender(nodes, byPrice(3), byWarmth(1)), nodes, scores{"a": 8, "b": 3, "c": 0, "d": 10})
	})

	It("rounds once, after it has weighed", func(ctx SpecContext) {
		table := func(a, b int64) prioritize.Criterion {
			return prioritize.Criterion{Label: corev1.LabelTopologyZone, Weight: 1, Table: fixed(map[string]int64{"first": 0, "a": a, "b": b, "last": 100})}
		}
		nodes := []*corev1.Node{node("a", "a", ""), node("b", "b", ""), node("first", "first", ""), node("last", "last", "")}
		expectScores(ctx, extender(nodes, table(64, 66), table(74, 66)), nodes, scores{"a": 3, "b": 3, "first": 10, "last": 0})
	})

	It("does not ask about a criterion that has no weight", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "west", "r3"), node("b", "east", "r1")}
		broken := prioritize.Criterion{Name: "warmth", Label: rackLabel, Table: func() (map[string]int64, error) { return nil, errDown }}
		expectScores(ctx, extender(nodes, byPrice(1), broken), nodes, scores{"a": 10, "b": 0})
	})

	It("has no opinion without criteria: all nodes have 0", func(ctx SpecContext) {
		nodes := []*corev1.Node{node("a", "west", ""), node("b", "east", "")}
		expectScores(ctx, extender(nodes), nodes, scores{"a": 0, "b": 0})
	})

	It("has a score for each node, under its name, in the order in which it was asked", func() {
		nodes := []*corev1.Node{node("d", "east", ""), node("a", "south", ""), node("c", "", ""), node("b", "north", "")}
		want := extenderv1.HostPriorityList{{Host: "d", Score: 6}, {Host: "a", Score: 0}, {Host: "new", Score: 0}, {Host: "c", Score: 0}, {Host: "b", Score: 10}}
		e := extender(nodes, byPrice(1))
		got, err := e.Prioritize(question("d", "a", "new", "c", "b"))
		Expect(err).NotTo(HaveOccurred(), "Prioritize, asked by NodeNames")
		Expect(got).To(Equal(want), "the list, asked by NodeNames, of which the lister does not know new")
		sent := &corev1.NodeList{Items: []corev1.Node{*nodes[0], *nodes[1], *node("new", "", ""), *nodes[2], *nodes[3]}}
		got, err = e.Prioritize(extenderv1.ExtenderArgs{Pod: scheduler.Pod("web"), Nodes: sent})
		Expect(err).NotTo(HaveOccurred(), "Prioritize, asked by Nodes")
		Expect(got).To(Equal(want), "the list, asked by Nodes")
	})

	It("has an empty list, and not nil, for no nodes", func() {
		for way, args := range map[string]extenderv1.ExtenderArgs{"NodeNames": question(), "Nodes": {Pod: scheduler.Pod("web"), Nodes: &corev1.NodeList{}}} {
			if args.NodeNames != nil {
				args.NodeNames = &[]string{}
			}
			got, err := extender(nil, byPrice(1)).Prioritize(args)
			Expect(err).NotTo(HaveOccurred(), "Prioritize, asked by %s", way)
			Expect(got).To(Equal(extenderv1.HostPriorityList{}), "the list, asked by %s: as JSON it is to be [], and not null", way)
		}
	})

	It("asks each table once for a question, so that all nodes are measured with the same one", func() {
		var called int
		rising := byPrice(1)
		rising.Table = func() (map[string]int64, error) {
			called++
			return map[string]int64{"west": int64(called), "east": int64(called)}, nil
		}
		nodes := []*corev1.Node{node("a", "west", ""), node("b", "east", ""), node("c", "west", "")}
		got, err := extender(nodes, rising).Prioritize(question("a", "b", "c"))
		Expect(err).NotTo(HaveOccurred(), "Prioritize")
		Expect(called).To(Equal(1), "how often the table was called for three nodes; the list is %v", got)
	})

	It("asks its tables again for the next question", func(ctx SpecContext) {
		table := map[string]int64{"west": 10, "east": 20}
		changing := byPrice(1)
		changing.Table = func() (map[string]int64, error) { return maps.Clone(table), nil }
		nodes := []*corev1.Node{node("a", "west", ""), node("b", "east", "")}
		e := extender(nodes, changing)
		expectScores(ctx, e, nodes, scores{"a": 10, "b": 0})
		table["west"] = 30
		expectScores(ctx, e, nodes, scores{"a": 0, "b": 10})
	})

	It("fails when a table fails, and says which, in whatever place it is", func() {
		nodes := []*corev1.Node{node("a", "west", "r1"), node("b", "east", "r2")}
		broken := prioritize.Criterion{Name: "tariff-2", Label: corev1.LabelTopologyZone, Weight: 1, Table: func() (map[string]int64, error) { return nil, errDown }}
		for _, criteria := range [][]prioritize.Criterion{{broken, byWarmth(1)}, {byWarmth(1), broken}} {
			got, err := extender(nodes, criteria...).Prioritize(question("a", "b"))
			Expect(err).To(MatchError(errDown), "Prioritize, when the table of tariff-2 fails; the list is %v", got)
			Expect(err).To(MatchError(ContainSubstring("tariff-2")), "Prioritize, when the table of tariff-2 fails")
			Expect(got).To(BeNil(), "the list beside the error")
		}
	})

	It("fails when its lister fails", func() {
		e := extender(nil, byPrice(1))
		e.Nodes = brokenNodes{e.Nodes}
		got, err := e.Prioritize(question("a", "b"))
		Expect(err).To(MatchError(errDown), "Prioritize, when the lister fails; the list is %v", got)
		Expect(got).To(BeNil(), "the list beside the error")
	})

	DescribeTable("fails at a question", func(args extenderv1.ExtenderArgs) {
		got, err := extender([]*corev1.Node{node("a", "west", "")}, byPrice(1)).Prioritize(args)
		Expect(err).To(HaveOccurred(), "Prioritize; the list is %v", got)
		Expect(err).NotTo(MatchError(ContainSubstring("not implemented")), "Prioritize")
		Expect(got).To(BeNil(), "the list beside the error")
	},
		Entry("without a pod", extenderv1.ExtenderArgs{NodeNames: &[]string{"a"}}),
		Entry("with neither Nodes nor NodeNames", extenderv1.ExtenderArgs{Pod: scheduler.Pod("web")}),
	)

	It("leaves what it is asked with, what its lister has, and the tables as they are", func() {
		nodes := []*corev1.Node{node("c", "west", ""), node("a", "", ""), node("b", "moon", "")}
		e := extender(nodes, byPrice(1))
		byNames, byNodes := question("c", "a", "new", "b"), extenderv1.ExtenderArgs{Pod: scheduler.Pod("web"), Nodes: &corev1.NodeList{}}
		kept := []*corev1.Node{}
		for _, n := range nodes {
			byNodes.Nodes.Items = append(byNodes.Nodes.Items, *n.DeepCopy())
			kept = append(kept, n.DeepCopy())
		}
		list, table := byNodes.Nodes.DeepCopy(), maps.Clone(prices)
		for _, args := range []extenderv1.ExtenderArgs{byNames, byNodes} {
			_, err := e.Prioritize(args)
			Expect(err).NotTo(HaveOccurred(), "Prioritize")
		}
		Expect(*byNames.NodeNames).To(Equal([]string{"c", "a", "new", "b"}), "NodeNames of the question, after the call")
		Expect(byNodes.Nodes).To(Equal(list), "Nodes of the question, after the call")
		Expect(nodes).To(Equal(kept), "the lister's nodes, after the call")
		Expect(prices).To(Equal(table), "the table of prices, after the call")
	})

	It("answers several questions at once, each for itself", func(ctx SpecContext) {
		// Each table answers when both questions have come to it.
		arrive := meeting(ctx, 2)
		together := byPrice(1)
		together.Table = func() (map[string]int64, error) {
			if err := arrive(); err != nil {
				return nil, err
			}
			return prices, nil
		}
		e := extender([]*corev1.Node{node("a", "west", ""), node("b", "east", ""), node("c", "north", ""), node("d", "south", "")}, together)
		questions := [][]string{{"a", "b"}, {"c", "a", "d"}}
		lists, errs := make([]extenderv1.HostPriorityList, 2), make([]error, 2)
		var calls sync.WaitGroup
		for i := range questions {
			calls.Go(func() {
				defer GinkgoRecover()
				lists[i], errs[i] = e.Prioritize(question(questions[i]...))
			})
		}
		calls.Wait()
		Expect(errors.Join(errs...)).NotTo(HaveOccurred(), "Prioritize, for two questions at once")
		Expect(lists[0]).To(Equal(extenderv1.HostPriorityList{{Host: "a", Score: 10}, {Host: "b", Score: 0}}), "the list for the first question")
		Expect(lists[1]).To(Equal(extenderv1.HostPriorityList{{Host: "c", Score: 10}, {Host: "a", Score: 7}, {Host: "d", Score: 0}}), "the list for the second question")
	})
})

// meeting is a place that one leaves when so many have come.
func meeting(ctx context.Context, size int) func() error {
	met, mu, came := make(chan struct{}), sync.Mutex{}, 0
	return func() error {
		mu.Lock()
		if came++; came == size {
			close(met)
		}
		mu.Unlock()
		select {
		case <-met:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(bound / 2):
			return errors.New("one question waits for the other: only one of two has come to the table")
		}
	}
}

// brokenNodes is a lister that does not work, and not one that does not know.
type brokenNodes struct{ corelisters.NodeLister }

// Get implements corelisters.NodeLister.
func (brokenNodes) Get(string) (*corev1.Node, error) { return nil, errDown }
