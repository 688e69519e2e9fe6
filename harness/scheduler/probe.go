package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/onsi/ginkgo/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	"sigs.k8s.io/yaml"
)

const (
	probeVerb     = "kubekata-probe"
	probeResource = "kubekata.dev/probe"
	probePrefix   = "kubekata-probe-"
)

// probeExtender is asked about probes alone.
func probeExtender(url string) configv1.Extender {
	return configv1.Extender{
		URLPrefix: url, FilterVerb: probeVerb,
		ManagedResources: []configv1.ExtenderManagedResource{{Name: probeResource, IgnoredByScheduler: true}},
	}
}

// withProbe puts the extender for probes before a configuration's own. One that cannot be read stays as it is: the scheduler has something to say about it.
func withProbe(config []byte, url string) []byte {
	var fields map[string]any
	if err := yaml.Unmarshal(config, &fields); err != nil || fields == nil {
		return config
	}
	extenders, ok := fields["extenders"].([]any)
	if !ok && fields["extenders"] != nil {
		return config
	}
	fields["extenders"] = append([]any{probeExtender(url)}, extenders...)
	with, err := yaml.Marshal(fields)
	if err != nil {
		return config
	}
	return with
}

// Sync returns when the scheduler knows the world as it is: its nodes in their present versions, and the pods that were created before.
//
// The proof is a pod that asks for a resource which only an extender of the harness manages. What the scheduler sends it are the nodes as it sees them, and the
// answer is that none fits. The learner's handler is not asked; the pod is deleted.
func (w *World) Sync(ctx context.Context) {
	ginkgo.GinkgoHelper()
	bounded, cancel := w.bounded(ctx, fmt.Sprintf("the scheduler did not know the world's nodes within %v", decideBound))
	defer cancel()
	var want map[string]string
	for {
		var err error
		if want, err = w.ready(bounded); err == nil {
			break
		}
		if why := pause(bounded); why != nil {
			ginkgo.Fail(fmt.Sprintf("%v: %v", why, err))
		}
	}
	for {
		seen := w.probe(bounded)
		missing := older(seen, want)
		if missing == "" {
			return
		}
		if why := pause(bounded); why != nil {
			ginkgo.Fail(fmt.Sprintf("%v: %s", why, missing))
		}
	}
}

// ready returns the nodes with their versions, once KWOK has made all of them ready, and the node controller has noticed.
func (w *World) ready(ctx context.Context) (map[string]string, error) {
	list, err := w.shared.api.Judge().CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: worldKey + "=" + w.Namespace})
	if err != nil {
		return nil, err
	}
	versions := map[string]string{}
	for _, n := range list.Items {
		for _, taint := range n.Spec.Taints {
			if taint.Key == corev1.TaintNodeNotReady {
				return nil, fmt.Errorf("node %s is not ready yet", n.Name)
			}
		}
		versions[n.Name] = n.ResourceVersion
	}
	return versions, nil
}

// probe makes a pod and waits until the scheduler has tried it. It returns the nodes that the scheduler sees, with their versions; none when no node has
// come through the scheduler's own filters.
func (w *World) probe(ctx context.Context) map[string]string {
	ginkgo.GinkgoHelper()
	w.mu.Lock()
	w.tried++
	name := probePrefix + strconv.Itoa(w.tried)
	w.mu.Unlock()
	w.Create(ctx, Pod(name, Asks(probeResource, "1"), func(p *corev1.Pod) {
		// Other taints of the nodes are the spec's business.
		p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	}))
	defer w.Delete(context.WithoutCancel(ctx), name)
	for {
		w.mu.Lock()
		seen, asked := w.probes[name]
		w.mu.Unlock()
		if asked || w.outcome(ctx, name).Reason != "" {
			return seen
		}
		if why := pause(ctx); why != nil {
			ginkgo.Fail(fmt.Sprintf("%v: the scheduler has not tried the harness's pod %s/%s", why, w.Namespace, name))
		}
	}
}

// probed answers the scheduler's question about a probe.
func (w *World) probed(rw http.ResponseWriter, body []byte) {
	var args extenderv1.ExtenderArgs
	if err := json.Unmarshal(body, &args); err != nil || args.Pod == nil || args.Nodes == nil {
		http.Error(rw, "no question of a scheduler's", http.StatusBadRequest)
		return
	}
	seen, refused := map[string]string{}, extenderv1.FailedNodesMap{}
	for _, n := range args.Nodes.Items {
		seen[n.Name], refused[n.Name] = n.ResourceVersion, "the harness's probe fits nowhere"
	}
	w.mu.Lock()
	w.probes[args.Pod.Name] = seen
	w.mu.Unlock()
	_ = json.NewEncoder(rw).Encode(extenderv1.ExtenderFilterResult{Nodes: &corev1.NodeList{}, FailedAndUnresolvableNodes: refused})
}

// older says which node is missing, or older than wanted; nothing when all are there.
func older(seen, want map[string]string) string {
	for name, version := range want {
		has, ok := seen[name]
		if !ok {
			return fmt.Sprintf("it does not see node %s", name)
		}
		if number(has) < number(version) {
			return fmt.Sprintf("it sees node %s in version %s, and not in %s", name, has, version)
		}
	}
	return ""
}

// number is a resource version, which clients may compare since Kubernetes 1.35.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
