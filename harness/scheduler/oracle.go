package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Oracle asks a handler what kube-scheduler asks an extender, and does with the answer what kube-scheduler does.
//
// Each verb has two methods. [Oracle.Filter] fails the spec when the scheduler takes the answer for an error, and when the oracle has a complaint:
// something that the scheduler does not notice, and that is wrong. [Oracle.TryFilter] returns both, for specs whose subject they are.
type Oracle struct {
	// Handler is called in the caller's goroutine: its panic is the caller's.
	Handler http.Handler
	// Extender is what the scheduler's configuration says: verbs, nodeCacheCapable, weight. A path in its urlPrefix comes before the verbs. (ignorable does
	// not matter here: an error is an error, whoever ignores it.)
	Extender configv1.Extender
}

// send is HTTPExtender.send in pkg/scheduler/extender.go.
func (o Oracle) send(ctx context.Context, verb, pod string, args, result any) (Exchange, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return Exchange{}, err
	}
	path := "/" + verb
	if prefix := o.Extender.URLPrefix; strings.HasPrefix(prefix, "/") {
		path = strings.TrimRight(prefix, "/") + path
	}
	exchange := Post(ctx, o.Handler, http.MethodPost, path, string(body))
	exchange.Pod = pod
	if exchange.Code != http.StatusOK {
		return exchange, fmt.Errorf("failed %v with extender at URL %v, code %v", verb, path, exchange.Code)
	}
	return exchange, json.NewDecoder(strings.NewReader(exchange.Body)).Decode(result)
}

// Post sends a handler a body, of the type application/json. It is for specs about HTTP itself.
func Post(ctx context.Context, handler http.Handler, method, path, body string) Exchange {
	r := httptest.NewRequestWithContext(ctx, method, "http://extender.kubekata.test"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	exchange := Exchange{Method: method, Path: path, Request: body}
	exchange.read(answer)
	return exchange
}

// refuse fails the spec with what is wrong about an answer, if anything is.
func refuse(verb string, exchange Exchange, err error, complaints []string) {
	ginkgo.GinkgoHelper()
	if err != nil {
		ginkgo.Fail(fmt.Sprintf("kube-scheduler takes the answer to %s for an error, and says\n    %v\n%v", verb, err, exchange))
	}
	if len(complaints) > 0 {
		ginkgo.Fail(fmt.Sprintf("kube-scheduler takes the answer to %s as it is, and it is wrong:\n    %s\n%v", verb, strings.Join(complaints, "\n    "), exchange))
	}
}

// Filtered is what comes of an answer to the filter verb.
type Filtered struct {
	// Fits are the nodes that are left, in the order of the answer.
	Fits []string
	// Refused and Unresolvable are the reasons for those that are not, by node. Preemption looks at the former, and not at the latter, nor at a node without a
	// reason.
	Refused, Unresolvable map[string]string
	// Message is what the pod's condition and event say when no node is left, up to where preemption speaks. It is empty otherwise.
	Message string
	// Complaints are sentences about what is wrong, and the scheduler does not notice.
	Complaints []string
	Result     extenderv1.ExtenderFilterResult
	Exchange   Exchange
}

// Filter asks which nodes a pod fits on. With nodeCacheCapable it sends the nodes' names, otherwise the nodes.
func (o Oracle) Filter(ctx context.Context, pod *corev1.Pod, nodes ...*corev1.Node) Filtered {
	ginkgo.GinkgoHelper()
	verdict, err := o.TryFilter(ctx, pod, nodes...)
	refuse("filter", verdict.Exchange, err, verdict.Complaints)
	return verdict
}

// TryFilter is Filter for an answer that may be wrong. The error is the scheduler's.
func (o Oracle) TryFilter(ctx context.Context, pod *corev1.Pod, nodes ...*corev1.Node) (Filtered, error) {
	var v Filtered
	var err error
	if v.Exchange, err = o.send(ctx, o.Extender.FilterVerb, pod.Name, o.args(pod, nodes), &v.Result); err != nil {
		return v, err
	}
	if v.Result.Error != "" {
		return v, errors.New(v.Result.Error)
	}
	byName := map[string]*corev1.Node{}
	for _, n := range nodes {
		byName[n.Name] = n
	}
	switch {
	case o.Extender.NodeCacheCapable && v.Result.NodeNames != nil:
		for _, name := range *v.Result.NodeNames {
			if byName[name] == nil {
				return v, fmt.Errorf("extender %q claims a filtered node %q which is not found in the input node list", o.Extender.URLPrefix, name)
			}
			v.Fits = append(v.Fits, name)
		}
	case v.Result.Nodes != nil:
		v.Fits = namesOf(v.Result.Nodes)
	}
	v.Refused, v.Unresolvable = map[string]string{}, map[string]string{}
	for name, reason := range v.Result.FailedNodes {
		if _, both := v.Result.FailedAndUnresolvableNodes[name]; !both {
			v.Refused[name] = reason
		}
	}
	for name, reason := range v.Result.FailedAndUnresolvableNodes {
		v.Unresolvable[name] = reason
	}
	if len(v.Fits) == 0 {
		v.Message = message(len(nodes), v.Refused, v.Unresolvable)
	}
	v.Complaints = o.complain(v, nodes, byName)
	return v, nil
}

func (o Oracle) args(pod *corev1.Pod, nodes []*corev1.Node) *extenderv1.ExtenderArgs {
	args := &extenderv1.ExtenderArgs{Pod: pod}
	if o.Extender.NodeCacheCapable {
		names := []string{}
		for _, n := range nodes {
			names = append(names, n.Name)
		}
		args.NodeNames = &names
		return args
	}
	args.Nodes = &corev1.NodeList{}
	for _, n := range nodes {
		args.Nodes.Items = append(args.Nodes.Items, *n)
	}
	return args
}

// message is FitError.Error in pkg/scheduler/framework/types.go. Nodes without a reason are in the first number alone.
func message(total int, maps ...map[string]string) string {
	counts := map[string]int{}
	for _, m := range maps {
		for _, reason := range m {
			counts[reason]++
		}
	}
	var parts []string
	for reason, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, reason))
	}
	slices.Sort(parts)
	text := fmt.Sprintf("0/%d nodes are available:", total)
	if len(parts) > 0 {
		text += " " + strings.Join(parts, ", ") + "."
	}
	return text
}

// complain says what is wrong with an answer that the scheduler accepts.
func (o Oracle) complain(v Filtered, nodes []*corev1.Node, byName map[string]*corev1.Node) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	switch {
	case o.Extender.NodeCacheCapable && v.Result.NodeNames == nil:
		add("it was asked with NodeNames (nodeCacheCapable: true), and its answer has none")
	case !o.Extender.NodeCacheCapable && v.Result.Nodes == nil:
		add("it was asked with Nodes (nodeCacheCapable: false), and its answer has none: for the scheduler no node fits")
	case v.Result.Nodes != nil && v.Result.NodeNames != nil:
		add("its answer has Nodes and NodeNames, of which the scheduler reads those that it has asked with")
	}
	for _, n := range nodes {
		times := len(slices.DeleteFunc(slices.Clone(v.Fits), func(name string) bool { return name != n.Name }))
		_, failed := v.Result.FailedNodes[n.Name]
		_, hopeless := v.Result.FailedAndUnresolvableNodes[n.Name]
		switch {
		case times == 0 && !failed && !hopeless:
			add("node %s neither fits nor has a reason: nobody will read why, and preemption does not look at it", n.Name)
		case times > 1:
			add("node %s fits %d times", n.Name, times)
		case times > 0 && (failed || hopeless):
			add("node %s fits, and is refused", n.Name)
		case failed && hopeless:
			add("node %s is in FailedNodes and in FailedAndUnresolvableNodes, of which the latter counts", n.Name)
		}
	}
	for field, failed := range map[string]map[string]string{"FailedNodes": v.Result.FailedNodes, "FailedAndUnresolvableNodes": v.Result.FailedAndUnresolvableNodes} {
		for name, reason := range failed {
			if byName[name] == nil {
				add("%s has a node %q that nobody has asked for", field, name)
			}
			if strings.TrimSpace(reason) == "" {
				add("%s has no reason for node %s", field, name)
			}
		}
	}
	if v.Result.Nodes != nil && (!o.Extender.NodeCacheCapable || v.Result.NodeNames == nil) {
		for i, n := range v.Result.Nodes.Items {
			switch asked := byName[n.Name]; {
			case asked == nil:
				add("Nodes has a node %q that nobody has asked for, and the scheduler would go on with it", n.Name)
			case !equality.Semantic.DeepEqual(*asked, v.Result.Nodes.Items[i]):
				add("node %s comes back as another than it was sent, and the scheduler would go on with that", n.Name)
			}
		}
	}
	slices.Sort(all)
	return all
}

func namesOf(list *corev1.NodeList) []string {
	var names []string
	for _, n := range list.Items {
		names = append(names, n.Name)
	}
	return names
}
