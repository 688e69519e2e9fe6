package bind_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	bind "github.com/kubekata/kubekata/katas/stage5/04-bind"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/scheduler"
)

var _ = harness.NoLeaks()

var api = cluster.Lab()

func TestBind(t *testing.T) { harness.RunSpecs(t, "Stage 5 · 04-bind") }

// patient is a Timeout that no request reaches.
const patient = time.Minute

// bound is for what takes a moment. It is far more than that.
const bound = 10 * time.Second

// newBinder makes a binder with the learner's client.
func newBinder(book *book) *bind.Binder {
	return &bind.Binder{Client: api.Clientset(), Ledger: book, Timeout: patient}
}

// create creates a pod that no scheduler looks at. What it is bound to need not be there: the API server does not ask.
func create(ctx context.Context, ns, name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	GinkgoHelper()
	p := scheduler.Pod(name, changes...)
	p.Namespace, p.UID, p.Spec.SchedulerName = "", "", "nobody"
	p, err := api.Judge().CoreV1().Pods(ns).Create(ctx, p, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create pod %s/%s", ns, name)
	return p
}

// remove deletes a pod, which is not on a node and so is gone at once, unless it has a finalizer.
func remove(ctx context.Context, p *corev1.Pod) {
	GinkgoHelper()
	err := api.Judge().CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	Expect(err).NotTo(HaveOccurred(), "delete pod %s/%s", p.Namespace, p.Name)
}

// elsewhere binds a pod as somebody else would.
func elsewhere(ctx context.Context, p *corev1.Pod, node string) {
	GinkgoHelper()
	err := api.Judge().CoreV1().Pods(p.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, UID: p.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "bind pod %s/%s to node %s, as somebody else", p.Namespace, p.Name, node)
}

// finalized keeps a pod that is deleted until the spec ends.
func finalized(p *corev1.Pod) { p.Finalizers = []string{"power.kubekata.dev/spec"} }

func release(ctx context.Context, p *corev1.Pod) {
	GinkgoHelper()
	patch := []byte(`{"metadata":{"finalizers":null}}`)
	_, err := api.Judge().CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "remove the finalizer of pod %s/%s", p.Namespace, p.Name)
}

// read reads a pod as it is.
func read(ctx context.Context, p *corev1.Pod) *corev1.Pod {
	GinkgoHelper()
	got, err := api.Judge().CoreV1().Pods(p.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pod %s/%s", p.Namespace, p.Name)
	return got
}

// args are what the scheduler asks about a pod.
func args(p *corev1.Pod, node string) extenderv1.ExtenderBindingArgs {
	return extenderv1.ExtenderBindingArgs{PodNamespace: p.Namespace, PodName: p.Name, PodUID: p.UID, Node: node}
}

// ask asks for a binding, and returns the Error of the result.
func ask(ctx context.Context, b *bind.Binder, p *corev1.Pod, node string) string {
	GinkgoHelper()
	result := b.Bind(ctx, args(p, node))
	Expect(result).NotTo(BeNil(), "the result for pod %s/%s", p.Namespace, p.Name)
	return result.Error
}

// succeed is a result without an Error.
func succeed(ctx context.Context, b *bind.Binder, p *corev1.Pod, node string) {
	GinkgoHelper()
	Expect(ask(ctx, b, p, node)).To(BeEmpty(), "the Error of the result for pod %s/%s and node %s: the scheduler takes whatever is in it for a failure", p.Namespace, p.Name, node)
}

// expectOn expects that a pod is on a node; "" is none.
func expectOn(ctx context.Context, p *corev1.Pod, node string) *corev1.Pod {
	GinkgoHelper()
	got := read(ctx, p)
	Expect(got.Spec.NodeName).To(Equal(node), "spec.nodeName of pod %s/%s (UID %s; the question was about UID %s)", p.Namespace, p.Name, got.UID, p.UID)
	return got
}

// is what a request is: "create pods/binding".
func is(r cluster.Request) string {
	what := r.Verb + " " + r.Resource
	if r.Subresource != "" {
		what += "/" + r.Subresource
	}
	return what
}

const (
	bindingRequest = "create pods/binding"
	readingRequest = "get pods"
)

// expectRequests expects what the learner has asked the API server for, in its order.
func expectRequests(want ...string) {
	GinkgoHelper()
	var got []string
	for _, r := range api.Requests() {
		got = append(got, is(r))
	}
	Expect(got).To(Equal(want), "the requests to the API server, in their order")
}

// sentBindings are what the learner has sent to the API server.
func sentBindings() []corev1.Binding {
	GinkgoHelper()
	var all []corev1.Binding
	for _, r := range api.Requests() {
		if is(r) == bindingRequest {
			var b corev1.Binding
			Expect(json.Unmarshal(r.Body, &b)).To(Succeed(), "the Binding that was sent: %q", r.Body)
			all = append(all, b)
		}
	}
	return all
}

// book is a ledger that tells what it was asked. Its fuses are "fuse-of-NODE".
type book struct {
	mu      sync.Mutex
	entries map[entry]bool
	calls   []string
	full    error
	// entering is called after each entry.
	entering func()
}

type entry struct {
	node string
	pod  types.UID
}

func newBook() *book { return &book{entries: map[entry]bool{}} }

// Enter implements [bind.Ledger].
func (b *book) Enter(node string, pod types.UID) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, "Enter "+node+" "+string(pod))
	if b.full != nil {
		return "", b.full
	}
	b.entries[entry{node, pod}] = true
	if b.entering != nil {
		b.entering()
	}
	return "fuse-of-" + node, nil
}

// Strike implements [bind.Ledger].
func (b *book) Strike(node string, pod types.UID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, "Strike "+node+" "+string(pod))
	delete(b.entries, entry{node, pod})
}

func (b *book) called() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// expectKept expects that the pod has its fuse still, and expectBack that it has been given back.
func (b *book) expectKept(p *corev1.Pod, node string) {
	GinkgoHelper()
	b.mu.Lock()
	defer b.mu.Unlock()
	Expect(b.entries[entry{node, p.UID}]).To(BeTrue(), "pod %s/%s has a fuse of node %s still; the ledger was called with %q", p.Namespace, p.Name, node, b.calls)
}

func (b *book) expectBack(p *corev1.Pod, node string) {
	GinkgoHelper()
	b.mu.Lock()
	defer b.mu.Unlock()
	Expect(b.entries[entry{node, p.UID}]).To(BeFalse(), "pod %s/%s has a fuse of node %s still, which it will never use; the ledger was called with %q", p.Namespace, p.Name, node, b.calls)
}

// once answers the first request of a kind; the others go on to the API server.
func once(what string, answer func() *cluster.Answer) {
	var mu sync.Mutex
	var done bool
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		mu.Lock()
		defer mu.Unlock()
		if done || is(r) != what {
			return nil
		}
		done = true
		return answer()
	})
}

// answer is one of the API server's with a code.
func answer(code int32, reason metav1.StatusReason, message string) *cluster.Answer {
	return &cluster.Answer{Status: &metav1.Status{Code: code, Reason: reason, Message: message}}
}

// lost is an answer that never arrives.
func lost() *cluster.Answer { return &cluster.Answer{} }

// errFull is what a ledger says that has no fuse.
var errFull = errors.New("node a has no fuse left")

var _ = Describe("Bind", func() {
	It("binds a pod to a node, and has a result without an Error", func(ctx SpecContext) {
		p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
		succeed(ctx, newBinder(book), p, "a")
		expectOn(ctx, p, "a")
		book.expectKept(p, "a")
	})

	It("asks for nothing but the pod's Binding, once, when it goes well", func(ctx SpecContext) {
		p := create(ctx, api.Namespace(ctx), "web")
		succeed(ctx, newBinder(newBook()), p, "a")
		expectRequests(bindingRequest)
		Expect(sentBindings()[0].Target).To(HaveField("Name", "a"), "the target of the Binding")
	})

	It("binds the pod with this UID, and no other of its name", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		old := create(ctx, ns, "web")
		remove(ctx, old)
		create(ctx, ns, "web")
		book := newBook()
		got := ask(ctx, newBinder(book), old, "a")
		expectOn(ctx, old, "")
		Expect(got).To(HavePrefix("bind: "), "the Error of the result for pod %s/web of another UID", ns)
		Expect(got).To(HaveSuffix("pod "+ns+"/web is gone: there is another one of its name"), "the Error")
		book.expectBack(old, "a")
		Expect(sentBindings()).To(HaveExactElements(HaveField("UID", old.UID)), "the Bindings that were sent: the API server compares, and nobody can come in between")
	})

	It("puts the fuse onto the pod together with the node, and leaves its other annotations", func(ctx SpecContext) {
		p := create(ctx, api.Namespace(ctx), "web", func(p *corev1.Pod) { p.Annotations["team"] = "render" })
		succeed(ctx, newBinder(newBook()), p, "a")
		Expect(read(ctx, p).Annotations).To(Equal(map[string]string{bind.FuseAnnotation: "fuse-of-a", "team": "render"}), "the annotations of pod %s/web", p.Namespace)
		Expect(sentBindings()).To(HaveExactElements(HaveField("Annotations", HaveKeyWithValue(bind.FuseAnnotation, "fuse-of-a"))), "the Bindings that were sent")
	})

	It("has the ledger give it a fuse for the node before it binds", func(ctx SpecContext) {
		p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
		book.entering = func() {
			Expect(api.Requests()).To(BeEmpty(), "the requests to the API server before the ledger was called")
		}
		succeed(ctx, newBinder(book), p, "a")
		Expect(book.called()).To(Equal([]string{"Enter a " + string(p.UID)}), "what the ledger was called with")
	})

	It("says that there is no fuse, and asks the API server for nothing", func(ctx SpecContext) {
		p, book := scheduler.Pod("web"), newBook()
		book.full = errFull
		Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web to node a: "+errFull.Error()), "the Error of the result")
		Expect(api.Requests()).To(BeEmpty(), "the requests to the API server")
		Expect(book.called()).To(Equal([]string{"Enter a " + string(p.UID)}), "what the ledger was called with: there is nothing to strike")
	})

	DescribeTable("refuses half a question without asking anybody", func(ctx SpecContext, field string, change func(*extenderv1.ExtenderBindingArgs)) {
		p, book := scheduler.Pod("web"), newBook()
		question := args(p, "a")
		change(&question)
		result := newBinder(book).Bind(ctx, question)
		Expect(result).To(HaveValue(HaveField("Error", "bind: the question has no "+field)), "the result for %+v", question)
		Expect(api.Requests()).To(BeEmpty(), "the requests to the API server")
		Expect(book.called()).To(BeEmpty(), "what the ledger was called with")
	},
		Entry("without PodUID, which would bind by name", "PodUID", func(a *extenderv1.ExtenderBindingArgs) { a.PodUID = "" }),
		Entry("without PodName", "PodName", func(a *extenderv1.ExtenderBindingArgs) { a.PodName = "" }),
		Entry("without PodNamespace", "PodNamespace", func(a *extenderv1.ExtenderBindingArgs) { a.PodNamespace = "" }),
		Entry("without Node", "Node", func(a *extenderv1.ExtenderBindingArgs) { a.Node = "" }),
		Entry("without PodUID and Node, of which it names the first", "PodUID", func(a *extenderv1.ExtenderBindingArgs) { a.PodUID, a.Node = "", "" }),
	)

	When("the pod is bound already,", func() {
		It("succeeds if that is to the same node, and keeps the fuse", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			b := newBinder(book)
			succeed(ctx, b, p, "a")
			before := read(ctx, p)
			succeed(ctx, b, p, "a")
			Expect(read(ctx, p).Spec.NodeName).To(Equal(before.Spec.NodeName), "spec.nodeName of pod %s/web", p.Namespace)
			book.expectKept(p, "a")
		})

		It("succeeds if somebody else has bound it to the same node", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			elsewhere(ctx, p, "a")
			succeed(ctx, newBinder(book), p, "a")
			book.expectKept(p, "a")
		})

		It("succeeds if it is on the same node and is being deleted", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web", finalized), newBook()
			elsewhere(ctx, p, "a")
			remove(ctx, p)
			DeferCleanup(release, p)
			succeed(ctx, newBinder(book), p, "a")
			book.expectKept(p, "a")
		})

		It("says where it is if that is another node, and gives the fuse back", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			elsewhere(ctx, p, "b")
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is on node b already"), "the Error of the result")
			expectOn(ctx, p, "b")
			book.expectBack(p, "a")
		})

		It("says the same if it is being deleted there", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web", finalized), newBook()
			elsewhere(ctx, p, "b")
			remove(ctx, p)
			DeferCleanup(release, p)
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is on node b already"), "the Error of the result")
			book.expectBack(p, "a")
		})

		It("does not take another pod of its name for it, on the same node though it is", func(ctx SpecContext) {
			ns := api.Namespace(ctx)
			old := create(ctx, ns, "web")
			remove(ctx, old)
			elsewhere(ctx, create(ctx, ns, "web"), "a")
			book := newBook()
			Expect(ask(ctx, newBinder(book), old, "a")).To(Equal("bind: pod "+ns+"/web is gone: there is another one of its name"), "the Error of the result")
			book.expectBack(old, "a")
		})
	})

	When("the pod was deleted meanwhile,", func() {
		It("says so, and gives the fuse back", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			remove(ctx, p)
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is gone"), "the Error of the result")
			book.expectBack(p, "a")
		})

		It("says that it is being deleted, if it is not gone yet, and gives the fuse back", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web", finalized), newBook()
			remove(ctx, p)
			DeferCleanup(release, p)
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is being deleted"), "the Error of the result")
			expectOn(ctx, p, "")
			book.expectBack(p, "a")
		})

		It("says so, if it is gone when it is looked for", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web", func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "kubekata.dev/gate"}} }), newBook()
			once(readingRequest, func() *cluster.Answer { remove(ctx, p); return nil })
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is gone"), "the Error of the result")
			book.expectBack(p, "a")
		})
	})

	When("the API server refuses,", func() {
		It("says what it says, does not try again, and gives the fuse back", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web", func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "kubekata.dev/gate"}} }), newBook()
			got := ask(ctx, newBinder(book), p, "a")
			Expect(got).To(HavePrefix("bind: pod "+p.Namespace+"/web to node a: "), "the Error of the result, for a pod that has a scheduling gate")
			Expect(got).To(ContainSubstring("non-empty .spec.schedulingGates"), "the Error of the result, for a pod that has a scheduling gate")
			expectRequests(bindingRequest, readingRequest)
			book.expectBack(p, "a")
		})

		for code, reason := range map[int32]metav1.StatusReason{http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusUnprocessableEntity: metav1.StatusReasonInvalid} {
			It("does the same for any other code from 400 to 499: "+http.StatusText(int(code)), func(ctx SpecContext) {
				p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
				once(bindingRequest, func() *cluster.Answer { return answer(code, reason, "not today") })
				Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web to node a: not today"), "the Error of the result")
				expectOn(ctx, p, "")
				expectRequests(bindingRequest, readingRequest)
				book.expectBack(p, "a")
			})
		}

		It("gives the fuse back also when the pod cannot be read", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			api.Intercept(func(r cluster.Request) *cluster.Answer {
				return answer(http.StatusForbidden, metav1.StatusReasonForbidden, "you may not "+is(r))
			})
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web to node a: you may not create pods/binding, and the pod cannot be read: you may not get pods"),
				"the Error of the result")
			book.expectBack(p, "a")
		})
	})

	When("nobody knows what the API server has done,", func() {
		It("succeeds if it has bound the pod, and the answer was lost", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			once(bindingRequest, func() *cluster.Answer { elsewhere(ctx, p, "a"); return lost() })
			succeed(ctx, newBinder(book), p, "a")
			expectRequests(bindingRequest, readingRequest)
			book.expectKept(p, "a")
		})

		It("succeeds if it has bound the pod, and has answered with 504", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			once(bindingRequest, func() *cluster.Answer {
				elsewhere(ctx, p, "a")
				return answer(http.StatusGatewayTimeout, metav1.StatusReasonTimeout, "etcd is slow")
			})
			succeed(ctx, newBinder(book), p, "a")
			book.expectKept(p, "a")
		})

		It("fails if the pod is not bound, and keeps the fuse, since it may be bound yet", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			once(bindingRequest, lost)
			Expect(ask(ctx, newBinder(book), p, "a")).To(HavePrefix("bind: pod "+p.Namespace+"/web to node a: "), "the Error of the result, when there is no answer and the pod is not bound")
			expectOn(ctx, p, "")
			expectRequests(bindingRequest, readingRequest)
			book.expectKept(p, "a")
		})

		It("does the same after a 500", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			once(bindingRequest, func() *cluster.Answer {
				return answer(http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcd is down")
			})
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web to node a: etcd is down"), "the Error of the result")
			expectRequests(bindingRequest, readingRequest)
			book.expectKept(p, "a")
		})

		It("gives the fuse back if the pod is gone", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			once(bindingRequest, func() *cluster.Answer { remove(ctx, p); return lost() })
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is gone"), "the Error of the result")
			book.expectBack(p, "a")
		})

		It("gives the fuse back if there is another pod of its name", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			once(bindingRequest, func() *cluster.Answer { remove(ctx, p); create(ctx, p.Namespace, "web"); return lost() })
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is gone: there is another one of its name"), "the Error of the result")
			book.expectBack(p, "a")
		})

		It("gives the fuse back if the pod is being deleted, and can no longer be bound", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web", finalized), newBook()
			DeferCleanup(release, p)
			once(bindingRequest, func() *cluster.Answer { remove(ctx, p); return lost() })
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is being deleted"), "the Error of the result")
			book.expectBack(p, "a")
		})

		It("gives the fuse back if the pod is on another node", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			once(bindingRequest, func() *cluster.Answer { elsewhere(ctx, p, "b"); return lost() })
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web is on node b already"), "the Error of the result")
			book.expectBack(p, "a")
		})

		It("says both when the pod cannot be read either, and keeps the fuse", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			api.Intercept(func(r cluster.Request) *cluster.Answer {
				return answer(http.StatusInternalServerError, metav1.StatusReasonInternalError, is(r)+": etcd is down")
			})
			Expect(ask(ctx, newBinder(book), p, "a")).To(Equal("bind: pod "+p.Namespace+"/web to node a: create pods/binding: etcd is down, and the pod cannot be read: get pods: etcd is down"),
				"the Error of the result")
			expectRequests(bindingRequest, readingRequest)
			book.expectKept(p, "a")
		})

		It("keeps the fuse for the next try, which has the same", func(ctx SpecContext) {
			p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
			once(bindingRequest, lost)
			b := newBinder(book)
			Expect(ask(ctx, b, p, "a")).NotTo(BeEmpty(), "the Error of the first result, when there is no answer")
			succeed(ctx, b, p, "a")
			expectOn(ctx, p, "a")
			book.expectKept(p, "a")
		})
	})

	It("binds two pods at the same time, of which none waits for the other", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods, b := []*corev1.Pod{create(ctx, ns, "web"), create(ctx, ns, "db")}, newBinder(newBook())
		// A Binding goes on when there are two.
		var mu sync.Mutex
		var came int
		both := make(chan struct{})
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			mu.Lock()
			if came++; came == 2 {
				close(both)
			}
			mu.Unlock()
			select {
			case <-both:
				return nil
			case <-ctx.Done():
			case <-time.After(bound / 2):
			}
			return answer(http.StatusForbidden, metav1.StatusReasonForbidden, "one pod waits for the other: of two Bindings only one has come")
		})
		results := make([]*extenderv1.ExtenderBindingResult, 2)
		var calls sync.WaitGroup
		for i, p := range pods {
			calls.Go(func() {
				defer GinkgoRecover()
				results[i] = b.Bind(ctx, args(p, "a"))
			})
		}
		calls.Wait()
		Expect(results).To(HaveEach(HaveValue(HaveField("Error", BeEmpty()))), "both results")
	})

	It("binds a pod once for two questions at the same time, and both succeed", func(ctx SpecContext) {
		p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
		b := newBinder(book)
		results := make([]*extenderv1.ExtenderBindingResult, 2)
		var calls sync.WaitGroup
		for i := range results {
			calls.Go(func() {
				defer GinkgoRecover()
				results[i] = b.Bind(ctx, args(p, "a"))
			})
		}
		calls.Wait()
		Expect(results).To(HaveEach(HaveValue(HaveField("Error", BeEmpty()))), "both results")
		expectOn(ctx, p, "a")
		book.expectKept(p, "a")
	})
})
