package scheduler_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/scheduler"
)

var _ = harness.NoLeaks()

var api = cluster.Lab()

func TestScheduler(t *testing.T) { harness.RunSpecs(t, "harness/scheduler") }

var shared = scheduler.Share(api, func(c *configv1.KubeSchedulerConfiguration) {
	c.Extenders = []configv1.Extender{{URLPrefix: "/only", FilterVerb: "filter", PreemptVerb: "preempt", NodeCacheCapable: true}}
})

// only is an extender that refuses the nodes whose name does not end in one of the suffixes.
func only(suffixes ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var args extenderv1.ExtenderArgs
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil || args.NodeNames == nil {
			http.Error(w, "no question", http.StatusBadRequest)
			return
		}
		result := extenderv1.ExtenderFilterResult{NodeNames: &[]string{}, FailedNodes: extenderv1.FailedNodesMap{}}
	nodes:
		for _, name := range *args.NodeNames {
			for _, suffix := range suffixes {
				if strings.HasSuffix(name, suffix) {
					*result.NodeNames = append(*result.NodeNames, name)
					continue nodes
				}
			}
			result.FailedNodes[name] = "it is another one"
		}
		_ = json.NewEncoder(w).Encode(result)
	}
}

var _ = Describe("A world", func() {
	It("has pods that land where the handler wants them, and nowhere else", func(ctx SpecContext) {
		w := shared.World(ctx, only("-b"), scheduler.Node("a"), scheduler.Node("b"), scheduler.Node("c"))
		w.Create(ctx, scheduler.Pod("web"))
		Expect(w.Lands(ctx, "web")).To(Equal("b"))
		Expect(w.Event(ctx, "web", "Scheduled")).To(ContainSubstring(w.Long("b")))
		Expect(w.Requests()).To(HaveLen(1))
		request := w.Requests()[0]
		args, err := request.FilterArgs()
		Expect(err).NotTo(HaveOccurred())
		Expect(request.Path).To(Equal("/only/filter"))
		Expect(*args.NodeNames).To(ConsistOf(w.Long("a"), w.Long("b"), w.Long("c")))
	})

	It("tells why a pod lands nowhere, and tries again when the world changes", func(ctx SpecContext) {
		w := shared.World(ctx, only("-b"), scheduler.Node("a"), scheduler.Node("c"))
		w.Create(ctx, scheduler.Pod("web"))
		message := w.Refused(ctx, "web")
		Expect(scheduler.Reasons(message)).To(Equal(map[string]int{"it is another one": 2}), message)
		Expect(scheduler.Preemption(message)).NotTo(BeEmpty(), message)
		Expect(w.Event(ctx, "web", "FailedScheduling")).To(HavePrefix("0/"))
		w.AddNode(ctx, scheduler.Node("b"))
		Expect(w.LandsLater(ctx, "web")).To(Equal("b"))
	})

	It("tells what the scheduler makes of an answer that is none", func(ctx SpecContext) {
		w := shared.World(ctx, http.NotFoundHandler(), scheduler.Node("a"))
		w.Create(ctx, scheduler.Pod("web"))
		Expect(w.Failed(ctx, "web")).To(ContainSubstring("code 404"))
	})

	It("knows a node's present labels after Sync", func(ctx SpecContext) {
		w := shared.World(ctx, only("-a", "-b"), scheduler.Node("a"), scheduler.Node("b"))
		for range 5 {
			w.UpdateNode(ctx, "a", func(n *corev1.Node) { n.Labels["mine"] = "yes" })
			w.Sync(ctx)
			w.Create(ctx, scheduler.Pod("web", func(p *corev1.Pod) { p.Spec.NodeSelector["mine"] = "yes" }))
			Expect(w.Lands(ctx, "web")).To(Equal("a"))
			w.Delete(ctx, "web")
			w.UpdateNode(ctx, "a", func(n *corev1.Node) { delete(n.Labels, "mine") })
			w.Sync(ctx)
		}
	})

	It("has classes for pods, and pods that are there from the beginning", func(ctx SpecContext) {
		var preempted atomic.Int32
		w := shared.World(ctx, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/only/preempt" {
				preempted.Add(1)
				var args extenderv1.ExtenderPreemptionArgs
				_ = json.NewDecoder(r.Body).Decode(&args)
				_ = json.NewEncoder(rw).Encode(extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: args.NodeNameToMetaVictims})
				return
			}
			only("-a").ServeHTTP(rw, r)
		}), scheduler.Node("a", scheduler.Has("cpu", "1")))
		w.AddClass(ctx, "urgent", 1000)
		w.Create(ctx, scheduler.Pod("old", scheduler.Bound("a"), scheduler.Asks("cpu", "1")))
		w.Sync(ctx)
		w.Create(ctx, scheduler.Pod("new", scheduler.Class("urgent"), scheduler.Asks("cpu", "1")))
		Expect(w.LandsLater(ctx, "new")).To(Equal("a"))
		Expect(preempted.Load()).NotTo(BeZero())
	})
})

var _ = Describe("A scheduler of a spec's own", func() {
	It("goes by the configuration that it was given", func(ctx SpecContext) {
		own := scheduler.Own(ctx, api, func(name, url string) []byte {
			return []byte("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n" +
				"profiles: [{schedulerName: " + name + "}]\nextenders: [{urlPrefix: " + url + "/mine/, filterVerb: only, nodeCacheCapable: true}]\n")
		})
		w := own.World(ctx, only("-b"), scheduler.Node("a"), scheduler.Node("b"))
		w.Create(ctx, scheduler.Pod("web"))
		Expect(w.Lands(ctx, "web")).To(Equal("b"))
		Expect(w.Requests()).To(HaveEach(HaveField("Path", "/mine/only")))
	})
})

var _ = Describe("Reasons", func() {
	It("are the extender's, with their numbers, whatever other nodes there are", func() {
		message := "0/9 nodes are available: 1 a thing, 2 node(s) didn't match Pod's node affinity/selector, 2 node(s) had untolerated taint(s), 1 node(s) were unschedulable, 3 rack r1: 200 W left. " +
			"preemption: 0/9 nodes are available: 4 No preemption victims found for incoming pod, 5 Preemption is not helpful for scheduling."
		Expect(scheduler.Reasons(message)).To(Equal(map[string]int{"a thing": 1, "rack r1: 200 W left": 3}))
		Expect(scheduler.Preemption(message)).To(Equal(map[string]int{"No preemption victims found for incoming pod": 4, "Preemption is not helpful for scheduling": 5}))
		Expect(scheduler.Reasons("0/9 nodes are available: preemption: not eligible")).To(BeEmpty())
		Expect(scheduler.Preemption("an error")).To(BeNil())
	})
})

var _ = Describe("A process", func() {
	It("has what is missing in its configuration filled in, and ends", func(ctx SpecContext) {
		p := scheduler.Start(ctx, api, []byte("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles: [{schedulerName: nobody}]\n"))
		Expect(p.Log()).NotTo(BeEmpty())
		Expect(p.Stop()).To(Succeed())
		Expect(p.Ended()).To(BeClosed())
	})

	DescribeTable("says why it does not start", func(ctx SpecContext, config, words string) {
		Expect(scheduler.Try(ctx, api, []byte(config))).To(ContainSubstring(words))
	},
		Entry("another version", "apiVersion: kubescheduler.config.k8s.io/v1alpha1\nkind: KubeSchedulerConfiguration\n", `is registered for version "kubescheduler.config.k8s.io/v1alpha1"`),
		Entry("an unknown field", "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nextenders: [{urlPrefix: http://127.0.0.1:1, enableHttps: true}]\n", `unknown field "extenders[0].enableHttps"`),
		Entry("weight 0", "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nextenders: [{urlPrefix: http://127.0.0.1:1, prioritizeVerb: p}]\n", "must have a positive weight"),
		Entry("no YAML", "{", "get version/kind"),
	)

	It("says nothing when it starts after all", func(ctx SpecContext) {
		Expect(scheduler.Try(ctx, api, []byte("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"))).To(BeEmpty())
	})
})

// says is an extender that answers with a text.
func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

var _ = Describe("The oracle", func() {
	capable, sent := configv1.Extender{FilterVerb: "f", NodeCacheCapable: true}, configv1.Extender{FilterVerb: "f"}
	a, b := scheduler.Node("a"), scheduler.Node("b")

	It("reads an answer as the scheduler does", func(ctx SpecContext) {
		v := scheduler.Oracle{Handler: only("a"), Extender: capable}.Filter(ctx, scheduler.Pod("web"), a, b)
		Expect(v.Fits).To(Equal([]string{"a"}))
		Expect(v.Refused).To(Equal(map[string]string{"b": "it is another one"}))
		Expect(v.Message).To(BeEmpty())
		v = scheduler.Oracle{Handler: only(), Extender: capable}.Filter(ctx, scheduler.Pod("web"), a, b)
		Expect(v.Message).To(Equal("0/2 nodes are available: 2 it is another one."))
	})

	DescribeTable("complains about what the scheduler swallows", func(ctx SpecContext, extender configv1.Extender, text, complaint string) {
		v, err := scheduler.Oracle{Handler: says(text), Extender: extender}.TryFilter(ctx, scheduler.Pod("web"), a, b)
		Expect(err).NotTo(HaveOccurred())
		Expect(v.Complaints).To(ContainElement(ContainSubstring(complaint)))
	},
		Entry("a node without a reason", capable, `{"NodeNames": ["a"]}`, "node b neither fits nor has a reason"),
		Entry("Nodes instead of NodeNames", capable, `{"Nodes": {"items": []}, "FailedNodes": {"a": "x", "b": "x"}}`, "its answer has none"),
		Entry("NodeNames instead of Nodes", sent, `{"NodeNames": ["a", "b"]}`, "for the scheduler no node fits"),
		Entry("a node in two places", capable, `{"NodeNames": ["a", "b"], "FailedNodes": {"a": "x"}}`, "node a fits, and is refused"),
		Entry("an empty reason", capable, `{"NodeNames": ["a"], "FailedNodes": {"b": ""}}`, "no reason for node b"),
		Entry("an unknown node", capable, `{"NodeNames": ["a", "b"], "FailedNodes": {"c": "x"}}`, `a node "c" that nobody has asked for`),
		Entry("a changed node", sent, `{"Nodes": {"items": [{"metadata": {"name": "a"}}]}, "FailedNodes": {"b": "x"}}`, "node a comes back as another"),
	)

	DescribeTable("refuses what the scheduler refuses", func(ctx SpecContext, handler http.Handler, words string) {
		_, err := scheduler.Oracle{Handler: handler, Extender: capable}.TryFilter(ctx, scheduler.Pod("web"), a, b)
		Expect(err).To(MatchError(ContainSubstring(words)))
	},
		Entry("a code", http.NotFoundHandler(), "failed f with extender at URL /f, code 404"),
		Entry("an error", says(`{"Error": "oh"}`), "oh"),
		Entry("an unknown node", says(`{"NodeNames": ["c"]}`), `claims a filtered node "c"`),
		Entry("no JSON", says("hello"), "invalid character"),
	)

	DescribeTable("checks scores", func(ctx SpecContext, text, complaint string, best ...string) {
		oracle := scheduler.Oracle{Handler: says(text), Extender: configv1.Extender{PrioritizeVerb: "p", Weight: 2}}
		v, err := oracle.TryPrioritize(ctx, scheduler.Pod("web"), a, b)
		Expect(err).NotTo(HaveOccurred())
		Expect(v.Best).To(Equal(best))
		if complaint == "" {
			Expect(v.Complaints).To(BeEmpty())
			return
		}
		Expect(v.Complaints).To(ContainElement(ContainSubstring(complaint)))
	},
		Entry("good ones", `[{"Host": "a", "Score": 3}, {"Host": "b", "Score": 10}]`, "", "b"),
		Entry("a tie", `[{"Host": "b", "Score": 0}, {"Host": "a", "Score": 0}]`, "", "a", "b"),
		Entry("too many", `[{"Host": "a", "Score": 3}, {"Host": "b", "Score": 11}]`, "is 11, and not between 0 and 10", "b"),
		Entry("a missing one", `[{"Host": "a", "Score": 3}]`, "node b has no score", "a"),
		Entry("a double one", `[{"Host": "a", "Score": 3}, {"Host": "a", "Score": 3}, {"Host": "b", "Score": 5}]`, "node a has 2 scores", "a"),
		Entry("a stranger", `[{"Host": "a", "Score": 3}, {"Host": "b", "Score": 3}, {"Host": "c", "Score": 5}]`, `node "c"`, "a", "b"),
	)

	It("takes a text in Error for a binding that has failed", func(ctx SpecContext) {
		bind := configv1.Extender{BindVerb: "b"}
		_, err := scheduler.Oracle{Handler: says(`{"Error": "no"}`), Extender: bind}.TryBind(ctx, scheduler.Pod("web"), "a")
		Expect(err).To(MatchError("no"))
		scheduler.Oracle{Handler: says(`{}`), Extender: bind}.Bind(ctx, scheduler.Pod("web"), "a")
	})

	DescribeTable("judges victims", func(ctx SpecContext, text, words, complaint string) {
		p, q, r := scheduler.Pod("p"), scheduler.Pod("q"), scheduler.Pod("r")
		oracle := scheduler.Oracle{Handler: says(text), Extender: configv1.Extender{PreemptVerb: "p"}}
		v, err := oracle.TryPreempt(ctx, scheduler.Pod("web"),
			scheduler.Candidate{Node: "a", Victims: []*corev1.Pod{p, q}, Pods: []*corev1.Pod{r}}, scheduler.Candidate{Node: "b", Pods: []*corev1.Pod{scheduler.Pod("s")}})
		switch {
		case words != "":
			Expect(err).To(MatchError(ContainSubstring(words)))
		case complaint != "":
			Expect(err).NotTo(HaveOccurred())
			Expect(v.Complaints).To(ContainElement(ContainSubstring(complaint)))
		default:
			Expect(err).NotTo(HaveOccurred())
			Expect(v.Complaints).To(BeEmpty())
		}
	},
		Entry("some of them", `{"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "uid-of-q"}]}}}`, "", ""),
		Entry("nobody", `{"NodeNameToMetaVictims": {}}`, "", ""),
		Entry("the wrong map", `{"NodeNameToVictims": {}}`, "", "does not read"),
		Entry("a stranger", `{"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "uid-of-s"}]}}}`, "not found on that node", ""),
		Entry("no victims", `{"NodeNameToMetaVictims": {"a": {"Pods": []}}}`, "expected at least one victim pod", ""),
		Entry("null", `{"NodeNameToMetaVictims": {"a": null}}`, "panics", ""),
		Entry("an unknown node", `{"NodeNameToMetaVictims": {"c": {"Pods": [{"UID": "uid-of-q"}]}}}`, `"c"`, ""),
		Entry("an invented victim", `{"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "uid-of-r"}]}}}`, "", "pod r on node a is not one of the victims"),
		Entry("another node", `{"NodeNameToMetaVictims": {"b": {"Pods": [{"UID": "uid-of-s"}]}}}`, "", "node b is not one that the scheduler has asked about"),
		Entry("too many violations", `{"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "uid-of-q"}], "NumPDBViolations": 2}}}`, "", "the scheduler has counted 0"),
	)
})
