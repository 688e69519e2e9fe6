package scheduler

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/onsi/ginkgo/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// Outcome is what the scheduler has decided about a pod: a node, or a reason.
type Outcome struct {
	// Node is the short name of the node that the pod is bound to.
	Node string
	// Reason and Message are those of the condition PodScheduled while it is false: Unschedulable, or SchedulerError.
	Reason, Message string
	// Nominated is the short name of the node that preemption has chosen.
	Nominated string
}

func (o Outcome) String() string {
	if o.Node != "" {
		return "bound to node " + o.Node
	}
	if o.Reason == "" {
		return "not decided yet"
	}
	return o.Reason + ": " + o.Message
}

// Outcome returns at once what has been decided about a pod so far.
func (w *World) Outcome(ctx context.Context, name string) Outcome {
	ginkgo.GinkgoHelper()
	return w.outcome(ctx, name)
}

func (w *World) outcome(ctx context.Context, name string) Outcome {
	ginkgo.GinkgoHelper()
	p := w.Get(ctx, name)
	o := Outcome{Node: w.Short(p.Spec.NodeName), Nominated: w.Short(p.Status.NominatedNodeName)}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && o.Node == "" {
			o.Reason, o.Message = c.Reason, c.Message
		}
	}
	return o
}

// wait polls until an outcome satisfies done.
func (w *World) wait(ctx context.Context, name, what string, done func(Outcome) bool) Outcome {
	ginkgo.GinkgoHelper()
	bounded, cancel := w.bounded(ctx, fmt.Sprintf("not within %v", decideBound))
	defer cancel()
	var o Outcome
	for {
		// The request itself has the spec's context: what ends the wait should not look like the server's failure.
		if o = w.outcome(ctx, name); done(o) {
			return o
		}
		if why := pause(bounded); why != nil {
			ginkgo.Fail(fmt.Sprintf("pod %s/%s %s: %v; it is %v", w.Namespace, name, what, why, o))
		}
	}
}

// Decided waits until the scheduler has decided about a pod for the first time.
func (w *World) Decided(ctx context.Context, name string) Outcome {
	ginkgo.GinkgoHelper()
	return w.wait(ctx, name, "is scheduled or refused", func(o Outcome) bool { return o.Node != "" || o.Reason != "" })
}

// Lands waits until a pod is bound, and returns the node's short name. It fails the spec at once when the scheduler refuses the pod, with what it says.
func (w *World) Lands(ctx context.Context, name string) string {
	ginkgo.GinkgoHelper()
	o := w.Decided(ctx, name)
	if o.Node == "" {
		ginkgo.Fail(fmt.Sprintf("pod %s/%s is not scheduled: %v", w.Namespace, name, o))
	}
	return o.Node
}

// LandsLater is Lands for a pod that may have been refused before: it waits for the next try.
func (w *World) LandsLater(ctx context.Context, name string) string {
	ginkgo.GinkgoHelper()
	return w.wait(ctx, name, "is scheduled at last", func(o Outcome) bool { return o.Node != "" }).Node
}

// Refused waits until the scheduler has refused a pod as unschedulable, and returns its message. It fails the spec at once when the pod is bound, or the
// scheduler calls it an error.
func (w *World) Refused(ctx context.Context, name string) string {
	ginkgo.GinkgoHelper()
	return w.refused(ctx, name, corev1.PodReasonUnschedulable)
}

// Failed waits until the scheduler has failed to schedule a pod because of an error (an extender that does not answer, for instance), and returns its message.
func (w *World) Failed(ctx context.Context, name string) string {
	ginkgo.GinkgoHelper()
	return w.refused(ctx, name, corev1.PodReasonSchedulerError)
}

func (w *World) refused(ctx context.Context, name, reason string) string {
	ginkgo.GinkgoHelper()
	o := w.Decided(ctx, name)
	if o.Reason != reason {
		ginkgo.Fail(fmt.Sprintf("pod %s/%s gets the condition PodScheduled with the reason %s; it is %v", w.Namespace, name, reason, o))
	}
	return o.Message
}

// Reasons are the reasons of a scheduler's message, with the number of nodes for each: "2 rack r1 has no power left" is {"rack r1 has no power left": 2}. What the
// scheduler says of others' nodes is left out: that the selector does not match, that they are tainted (each node is, for a moment, when it is new), or cordoned. So is
// what preemption says: see [Preemption].
//
//	0/7 nodes are available: 2 rack r1 has no power left, 5 node(s) didn't match Pod's node affinity/selector. preemption: …
//
// A reason of the learner's may have neither ", " nor ". " in it.
func Reasons(message string) map[string]int {
	message, _, _ = strings.Cut(message, " preemption: ")
	return reasons(message)
}

// Preemption is Reasons for what preemption says. It is nil where the message has no such part.
func Preemption(message string) map[string]int {
	_, message, ok := strings.Cut(message, " preemption: ")
	if !ok {
		return nil
	}
	return reasons(message)
}

// others are the reasons why nodes of others do not fit.
var others = []string{"node(s) didn't match Pod's node affinity/selector", "node(s) had untolerated taint(s)", "node(s) were unschedulable"}

var counted = regexp.MustCompile(`^(\d+) (.+)$`)

func reasons(message string) map[string]int {
	_, message, _ = strings.Cut(message, ": ")
	all := map[string]int{}
	for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(message), "."), ", ") {
		match := counted.FindStringSubmatch(part)
		if match == nil || slices.Contains(others, match[2]) {
			continue
		}
		n, err := strconv.Atoi(match[1])
		if err == nil {
			all[match[2]] += n
		}
	}
	return all
}

// Event is what kubectl describe pod shows at its end.
type Event struct {
	Type, Reason, Message string
}

// Events are a pod's events so far.
func (w *World) Events(ctx context.Context, name string) []Event {
	ginkgo.GinkgoHelper()
	list, err := w.shared.api.Judge().CoreV1().Events(w.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.Set{"involvedObject.kind": "Pod", "involvedObject.name": name}.String(),
	})
	must(err, "list the events of pod %s/%s", w.Namespace, name)
	var events []Event
	for _, e := range list.Items {
		events = append(events, Event{Type: e.Type, Reason: e.Reason, Message: e.Message})
	}
	return events
}

// Event waits for a pod's event with a reason, and returns its message: FailedScheduling, Scheduled, Preempted.
func (w *World) Event(ctx context.Context, name, reason string) string {
	ginkgo.GinkgoHelper()
	bounded, cancel := w.bounded(ctx, fmt.Sprintf("not within %v", decideBound))
	defer cancel()
	for {
		events := w.Events(ctx, name)
		for _, e := range events {
			if e.Reason == reason {
				return e.Message
			}
		}
		if why := pause(bounded); why != nil {
			ginkgo.Fail(fmt.Sprintf("pod %s/%s has an event with the reason %s: %v; its events are %v", w.Namespace, name, reason, why, events))
		}
	}
}
