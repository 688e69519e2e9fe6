package bind_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	bind "github.com/kubekata/kubekata/katas/stage5/04-bind"

	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/scheduler"
)

var shared = scheduler.Share(api, func(c *configv1.KubeSchedulerConfiguration) { c.Extenders = []configv1.Extender{{BindVerb: "bind"}} })

var _ = Describe("kube-scheduler with the extender", func() {
	It("leaves the binding to us, and says in an event where the pod is", func(ctx SpecContext) {
		book := newBook()
		w := start(ctx, book, scheduler.Node("a"))
		w.Create(ctx, scheduler.Pod("web"))
		Expect(w.Lands(ctx, "web")).To(Equal("a"), "the node of pod %s/web", w.Namespace)
		Expect(w.Get(ctx, "web").Annotations).To(HaveKeyWithValue(bind.FuseAnnotation, "fuse-of-"+w.Long("a")), "the annotations of pod %s/web", w.Namespace)
		Expect(w.Event(ctx, "web", "Scheduled")).To(Equal(fmt.Sprintf("Successfully assigned %s/web to %s", w.Namespace, w.Long("a"))), "the event of pod %s/web", w.Namespace)
		Expect(errorsOf(w)).To(Equal(map[types.UID][]string{w.Get(ctx, "web").UID: {""}}), "the Errors of our answers, by the pod's UID")
		book.expectKept(w.Get(ctx, "web"), w.Long("a"))
	})

	It("says in an event what we have said when there is no fuse", func(ctx SpecContext) {
		book := newBook()
		book.full = errFull
		w := start(ctx, book, scheduler.Node("a"))
		w.Create(ctx, scheduler.Pod("web"))
		want := fmt.Sprintf("bind: pod %s/web to node %s: %v", w.Namespace, w.Long("a"), errFull)
		Expect(w.Failed(ctx, "web")).To(ContainSubstring(want), "the message of PodScheduled of pod %s/web", w.Namespace)
		Expect(w.Event(ctx, "web", "FailedScheduling")).To(ContainSubstring(want), "the event of pod %s/web", w.Namespace)
	})

	It("asks again after our Error, and the pod is bound then", func(ctx SpecContext) {
		once(bindingRequest, func() *cluster.Answer { return answer(http.StatusForbidden, metav1.StatusReasonForbidden, "not today") })
		book := newBook()
		w := start(ctx, book, scheduler.Node("a"))
		w.Create(ctx, scheduler.Pod("web"))
		Expect(w.Event(ctx, "web", "FailedScheduling")).To(ContainSubstring("not today"), "the event of pod %s/web", w.Namespace)
		Expect(w.LandsLater(ctx, "web")).To(Equal("a"), "the node of pod %s/web", w.Namespace)
	})

	It("hears of no failure when the answer of the API server was lost, and the pod is bound", func(ctx SpecContext) {
		book := newBook()
		w := start(ctx, book, scheduler.Node("a"))
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if is(r) != bindingRequest {
				return nil
			}
			p := read(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name}})
			elsewhere(ctx, p, w.Long("a"))
			return lost()
		})
		w.Create(ctx, scheduler.Pod("web"))
		Expect(w.Event(ctx, "web", "Scheduled")).To(ContainSubstring(w.Long("a")), "the event of pod %s/web", w.Namespace)
		Expect(errorsOf(w)).To(Equal(map[types.UID][]string{w.Get(ctx, "web").UID: {""}}), "the Errors of our answers, by the pod's UID")
	})

	It("has a successor of the same name wait for its own turn", func(ctx SpecContext) {
		book := newBook()
		w := start(ctx, book, scheduler.Node("a"))
		var old, successor *corev1.Pod
		replaced := make(chan struct{})
		book.entering = func() {
			defer GinkgoRecover()
			defer close(replaced)
			book.entering = nil
			old = w.Get(ctx, "web")
			w.Delete(ctx, "web")
			successor = w.Create(ctx, scheduler.Pod("web"))
		}
		w.Create(ctx, scheduler.Pod("web"))
		Eventually(w.Guard(ctx), replaced).WithTimeout(bound).Should(BeClosed(), "the ledger is called for pod %s/web", w.Namespace)
		Eventually(w.Guard(ctx), func() string { return w.Get(ctx, "web").Spec.NodeName }).WithTimeout(bound).Should(Equal(w.Long("a")), "spec.nodeName of the second pod %s/web", w.Namespace)
		Expect(w.Get(ctx, "web").UID).To(Equal(successor.UID), "the UID of pod %s/web", w.Namespace)
		for _, asked := range []struct {
			uid  types.UID
			want string
			who  string
		}{
			{old.UID, fmt.Sprintf("bind: pod %s/web is gone: there is another one of its name", w.Namespace), "the pod that was deleted meanwhile"},
			{successor.UID, "", "the one that came under its name"},
		} {
			Eventually(w.Guard(ctx), func() map[types.UID][]string { return errorsOf(w) }).WithTimeout(bound).Should(HaveKey(asked.uid), "our answers, by the pod's UID: we are asked about %s", asked.who)
			Expect(errorsOf(w)[asked.uid]).To(Equal([]string{asked.want}), "the Errors of our answers about %s", asked.who)
		}
		book.expectBack(old, w.Long("a"))
		book.expectKept(successor, w.Long("a"))
	})
})

func start(ctx context.Context, book *book, nodes ...*corev1.Node) *scheduler.World {
	GinkgoHelper()
	return shared.World(ctx, bind.NewHandler(newBinder(book).Bind, maxBody), nodes...)
}

// errorsOf are the Errors of our answers so far, by the UID of the pod that was asked about.
func errorsOf(w *scheduler.World) map[types.UID][]string {
	GinkgoHelper()
	all := map[types.UID][]string{}
	for _, e := range w.Requests() {
		var question extenderv1.ExtenderBindingArgs
		var result extenderv1.ExtenderBindingResult
		Expect(e.Code).To(Equal(http.StatusOK), "the code of our answer\n%s", e)
		Expect(json.Unmarshal([]byte(e.Request), &question)).To(Succeed(), "the question\n%s", e)
		Expect(json.Unmarshal([]byte(e.Body), &result)).To(Succeed(), "our answer\n%s", e)
		all[question.PodUID] = append(all[question.PodUID], result.Error)
	}
	return all
}
