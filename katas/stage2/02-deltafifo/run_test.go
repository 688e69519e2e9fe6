package deltafifo_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	deltafifo "github.com/kubekata/kubekata/katas/stage2/02-deltafifo"

	"github.com/kubekata/kubekata/harness"
)

const (
	// shortly is for what happens at once, on a machine that is busy with something else.
	shortly = 5 * time.Second
	// aWhile is for what must not happen although it could.
	aWhile = 200 * time.Millisecond
)

// queues are the learner's, each for an indexer.
var queues = []TableEntry{
	Entry("Coalescing", func(indexer cache.Indexer) cache.Queue { return deltafifo.Coalescing(indexer) }),
	Entry("Ordered", func(indexer cache.Indexer) cache.Queue { return deltafifo.Ordered(indexer) }),
	Entry("Atomic", func(cache.Indexer) cache.Queue { return deltafifo.Atomic() }),
}

var _ = Describe("Run", func() {
	DescribeTable("keeps an indexer in step with the server, with a reflector at the queue's other end:",
		func(ctx SpecContext, queueFor func(cache.Indexer) cache.Queue) {
			ns := api.Namespace(ctx)
			create(ctx, ns, "a")
			create(ctx, ns, "b")
			indexer, log := known(), &log{}
			queue := queueFor(indexer)
			ctx2, _ := run(ctx, queue, indexer, log.handlers(), unexpected)
			reflect(ctx, ns, queue)
			has := func(keys ...string) {
				GinkgoHelper()
				for i := range keys {
					keys[i] = ns + "/" + keys[i]
				}
				Eventually(ctx2, indexer.ListKeys).Should(ConsistOf(keys), "the keys in the indexer")
			}
			has("a", "b")
			create(ctx, ns, "c")
			has("a", "b", "c")
			_, err := api.Judge().CoreV1().Pods(ns).Patch(ctx, "b", types.MergePatchType, []byte(`{"metadata":{"labels":{"pizza":"ready"}}}`), metav1.PatchOptions{})
			Expect(err).NotTo(HaveOccurred(), "label pod %s/b for the spec", ns)
			Eventually(ctx2, func() string {
				o, _, _ := indexer.GetByKey(ns + "/b")
				if p, ok := o.(*corev1.Pod); ok {
					return p.Labels["pizza"]
				}
				return ""
			}).Should(Equal("ready"), "the label of pod b in the indexer")
			Expect(api.Judge().CoreV1().Pods(ns).Delete(ctx, "a", metav1.DeleteOptions{})).To(Succeed())
			has("b", "c")
		}, queues)

	DescribeTable("makes the same of a list, whatever the queue makes of it:",
		func(ctx SpecContext, queueFor func(cache.Indexer) cache.Queue) {
			indexer, log := known(slim("a", "1"), slim("z", "3")), &log{}
			queue := queueFor(indexer)
			Expect(queue.Replace([]any{pod("a", "5"), pod("b", "6")}, "7")).To(Succeed())
			ctx2, _ := run(ctx, queue, indexer, log.handlers(), unexpected)
			Eventually(ctx2, log.lines).Should(ConsistOf(
				"deleted pizzeria/z, last at 3", "changed pizzeria/a from 1 to 5", "created pizzeria/b at 6",
			), "what the handlers were told, when a list holds a and b, and the indexer had a and z")
			Expect(contents(indexer)).To(Equal([]string{"pizzeria/a at 5", "pizzeria/b at 6"}), "what is in the indexer")
		}, queues)

	It("goes on after an error, and reports it", func(ctx SpecContext) {
		indexer, log := known(), &log{fail: errOven}
		queue := deltafifo.Ordered(indexer)
		errs := make(chan error, 10)
		ctx2, _ := run(ctx, queue, indexer, log.handlers(), func(err error) { errs <- err })
		Expect(queue.Add(pod("a", "1"))).To(Succeed())
		Eventually(ctx2, errs).Should(Receive(MatchError(errOven)), "what onError was given, after a handler has failed")
		Expect(queue.Add(pod("b", "2"))).To(Succeed())
		Eventually(ctx2, log.lines).Should(Equal([]string{"created pizzeria/a at 1", "created pizzeria/b at 2"}), "what the handlers were told: the item after the one that failed")
		Eventually(ctx2, errs).Should(Receive(MatchError(errOven)), "what onError was given, after the second item")
	})

	DescribeTable("leaves the queue free for onError, which may put something into it:",
		func(ctx SpecContext, queueFor func(cache.Indexer) cache.Queue) {
			indexer, log := known(), &log{fail: errOven}
			queue := queueFor(indexer)
			added := make(chan error, 10)
			ctx2, _ := run(ctx, queue, indexer, log.handlers(), func(error) {
				if len(log.lines()) > 1 {
					return
				}
				done := make(chan error, 1)
				go func() { done <- queue.Update(pod("a", "2")) }()
				select {
				case err := <-done:
					added <- err
				case <-time.After(shortly):
					added <- context.DeadlineExceeded
				}
			})
			Expect(queue.Add(pod("a", "1"))).To(Succeed())
			Eventually(ctx2, added).Should(Receive(BeNil()), "putting pod a into the queue again, from onError")
			Eventually(ctx2, log.lines).Should(Equal([]string{"created pizzeria/a at 1", "changed pizzeria/a from 1 to 2"}), "what the handlers were told")
		}, queues)

	It("returns nil when its context ends while it waits for an item", func(ctx SpecContext) {
		indexer, log := known(), &log{}
		queue := deltafifo.Ordered(indexer)
		ctx2, loop := run(ctx, queue, indexer, log.handlers(), unexpected)
		Expect(queue.Add(pod("a", "1"))).To(Succeed())
		Eventually(ctx2, log.lines).Should(HaveLen(1)) // it has begun, and waits
		Expect(loop.Stop()).To(Succeed())
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returns when its context has ended")
	})

	It("begins no other item once its context has ended", func(ctx SpecContext) {
		indexer := known()
		queue := deltafifo.Ordered(indexer)
		for _, name := range []string{"a", "b", "c"} {
			Expect(queue.Add(pod(name, "1"))).To(Succeed())
		}
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		created := []string{}
		done := make(chan error, 1)
		go func() {
			defer GinkgoRecover()
			done <- deltafifo.Run(ending, queue, indexer, deltafifo.Handlers{Created: func(p *corev1.Pod) error {
				created = append(created, p.Name)
				cancel()
				return nil
			}}, unexpected)
		}()
		Eventually(ctx, done).Should(Receive(BeNil()), "Run, after its context has ended")
		Expect(created).To(Equal([]string{"a"}), "the pods that Created was told of; the context ended with the first")
	})

	It("applies what is left when somebody else closes the queue, and returns nil", func(ctx SpecContext) {
		indexer, log := known(), &log{}
		queue := deltafifo.Ordered(indexer)
		for _, name := range []string{"a", "b", "c"} {
			Expect(queue.Add(pod(name, "1"))).To(Succeed())
		}
		queue.Close()
		done := make(chan error, 1)
		go func() {
			defer GinkgoRecover()
			done <- deltafifo.Run(ctx, queue, indexer, log.handlers(), unexpected)
		}()
		Eventually(ctx, done).Should(Receive(BeNil()), "Run, with a queue that is closed")
		Expect(contents(indexer)).To(Equal([]string{"pizzeria/a at 1", "pizzeria/b at 1", "pizzeria/c at 1"}), "what is in the indexer")
	})

	It("leaves the indexer alone once its context has ended", func(ctx SpecContext) {
		indexer, log := known(), &log{}
		queue := deltafifo.Ordered(indexer)
		ctx2, loop := run(ctx, queue, indexer, log.handlers(), unexpected)
		Expect(queue.Add(pod("a", "1"))).To(Succeed())
		Eventually(ctx2, log.lines).Should(HaveLen(1))
		Expect(loop.Stop()).To(Succeed())
		Expect(queue.Add(pod("b", "2"))).To(Succeed())
		Consistently(ctx, func() []string { return contents(indexer) }).WithTimeout(aWhile).
			Should(Equal([]string{"pizzeria/a at 1"}), "what is in the indexer, when something comes after the end")
	})
})

// run runs the learner's loop beside the spec.
func run(ctx context.Context, queue cache.Queue, indexer cache.Indexer, handlers deltafifo.Handlers, onError func(error)) (context.Context, *harness.Loop) {
	GinkgoHelper()
	return harness.Start(ctx, "Run", func(ctx context.Context) error {
		return deltafifo.Run(ctx, queue, indexer, handlers, onError)
	})
}

// unexpected fails the spec.
func unexpected(err error) {
	defer GinkgoRecover()
	Fail("onError was called, although nothing has failed: " + err.Error())
}

// reflect fills the queue with the pods of a namespace, by client-go's reflector.
func reflect(ctx context.Context, ns string, queue cache.Queue) {
	GinkgoHelper()
	source := cache.NewListWatchFromClient(api.Clientset().CoreV1().RESTClient(), "pods", ns, fields.Everything())
	reflector := cache.NewReflectorWithOptions(source, &corev1.Pod{}, queue, cache.ReflectorOptions{})
	harness.Start(ctx, "the reflector", func(ctx context.Context) error {
		reflector.RunWithContext(ctx)
		return nil
	})
}
