package typedinformer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	typedinformer "github.com/kubekata/kubekata/katas/stage2/05-typed-informer"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestTypedInformer(t *testing.T) {
	harness.RunSpecs(t, "Stage 2 · 05-typed-informer")
}

var _ = Describe("NewFactory", func() {
	It("sees the objects of its namespace, and of no other", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		pod(ctx, mine, "a", on("rack-1"))
		pod(ctx, other, "b", on("rack-1"))
		d, _ := running(ctx, factory(mine, ""), typedinformer.Handler{})
		Expect(names(d.OnNode(node("rack-1")))).To(Equal([]string{mine + "/a"}), "pods on rack-1, from a factory for %s", mine)
	})

	It("sees all namespaces when none is given", func(ctx SpecContext) {
		one, two := api.Namespace(ctx), api.Namespace(ctx)
		first, second := min(one, two), max(one, two)
		pod(ctx, first, "b", on(one), labelled("zoo", one))
		pod(ctx, second, "a", on(one), labelled("zoo", one))
		d, _ := running(ctx, factory("", "zoo="+one), typedinformer.Handler{})
		Expect(names(d.OnNode(node(one)))).To(Equal([]string{first + "/b", second + "/a"}), "pods on node %s, by namespace and name", one)
	})

	It("sees the pods and Services whose labels match, and no others", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a", on("rack-1"), labelled("tier", "prod"))
		pod(ctx, ns, "b", on("rack-1"), labelled("tier", "test"))
		pod(ctx, ns, "c", on("rack-1"))
		service(ctx, ns, "seen", map[string]string{"tier": "prod"}, map[string]string{"tier": "prod"})
		service(ctx, ns, "unseen", map[string]string{"tier": "prod"}, map[string]string{"tier": "test"})
		d, _ := running(ctx, factory(ns, "tier in (prod),tier!=test"), typedinformer.Handler{})
		Expect(names(d.OnNode(node("rack-1")))).To(Equal([]string{ns + "/a"}), "pods on rack-1 with tier=prod")
		Expect(names(d.Backends(ns, "seen"))).To(Equal([]string{ns + "/a"}), "backends of the Service with tier=prod")
		Expect(errorOf(d.Backends(ns, "unseen"))).To(HaveOccurred(), "a Service whose labels do not match is not in the cache")
	})

	It("lets the server select", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		running(ctx, factory(ns, "tier=prod"), typedinformer.Handler{})
		for _, r := range api.Requests() {
			Expect(r.Query.Get("labelSelector")).To(Equal("tier=prod"), "the labelSelector of the request: %s", r)
		}
		Expect(api.Requests()).NotTo(BeEmpty())
	})

	It("loses a pod whose labels match no more", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		pod(ctx, ns, "a", on("rack-1"), labelled("tier", "prod"))
		d, wait := running(ctx, factory(ns, "tier=prod"), diary.handler())
		patch(ctx, ns, "a", `{"labels":{"tier":"test"}}`)
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"a arrived on rack-1, initially", "a left rack-1"}),
			"what the handler is told: to a watch with a selector, a pod that matches no more is gone")
		Expect(names(d.OnNode(node("rack-1")))).To(BeEmpty(), "pods on rack-1 with tier=prod")
	})

	It("refuses a selector that cannot be parsed", func() {
		factory, err := typedinformer.NewFactory(api.Clientset(), "default", "tier=prod,=")
		Expect(err).To(MatchError(ContainSubstring("tier=prod,=")), "the error names the selector; without one, the informers try for ever, and log it")
		Expect(err).NotTo(MatchError(ContainSubstring("not implemented")))
		Expect(factory).To(BeNil(), "a factory together with an error")
	})
})

var _ = Describe("New", func() {
	It("asks the server for nothing", func(ctx SpecContext) {
		_, err := typedinformer.New(factory(api.Namespace(ctx), ""), typedinformer.Handler{})
		Expect(err).NotTo(HaveOccurred())
		Consistently(api.Requests).WithContext(ctx).WithTimeout(200*time.Millisecond).Should(BeEmpty(), "requests before Run")
	})

	It("shares one cache and one watch with another Directory of the factory", func(ctx SpecContext) {
		ns, first, second := api.Namespace(ctx), &diary{}, &diary{}
		pod(ctx, ns, "a", on("rack-1"))
		f := factory(ns, "")
		other, err := typedinformer.New(f, first.handler())
		Expect(err).NotTo(HaveOccurred())
		d, wait := running(ctx, f, second.handler())
		Expect(names(d.OnNode(node("rack-1")))).To(Equal([]string{ns + "/a"}), "what the Directory that runs answers")
		Expect(names(other.OnNode(node("rack-1")))).To(Equal([]string{ns + "/a"}), "what the other Directory answers")
		told := []string{"a arrived on rack-1, initially"}
		Eventually(first.read).WithContext(wait).Should(Equal(told), "what the first handler is told")
		Expect(second.read()).To(Equal(told), "what the second handler is told")
		Expect(watches("pods")).To(Equal(1), "watches of pods, for two Directories of one factory")
		Expect(watches("services")).To(Equal(1), "watches of Services, for two Directories of one factory")
	})

	It("takes a factory that has been started", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pod(ctx, ns, "a", on("rack-1"), labelled("app", "web"))
		service(ctx, ns, "web", map[string]string{"app": "web"}, nil)
		f := factory(ns, "")
		f.StartWithContext(ctx)
		d, _ := running(ctx, f, typedinformer.Handler{})
		Expect(names(d.Backends(ns, "web"))).To(Equal([]string{ns + "/a"}), "backends of the Service web")
	})
})

var _ = Describe("Run", func() {
	DescribeTable("does not begin the work before the cache is full:", func(ctx SpecContext, resource, other string) {
		ns, list := api.Namespace(ctx), harness.Closed(ctx)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == resource {
				list.Wait()
			}
			return nil
		})
		work := &job{}
		wait, _ := start(ctx, made(factory(ns, ""), typedinformer.Handler{}), work.do)
		DeferCleanup(list.Open)
		Eventually(func() int { return watches(other) }).WithContext(wait).Should(Equal(1), "watches of %s, which nobody holds up", other)
		Consistently(work.begun).WithContext(wait).WithTimeout(300*time.Millisecond).Should(BeFalse(), "the work has begun, and the server has not yet answered for %s", resource)
		list.Open()
		Eventually(work.begun).WithContext(wait).Should(BeTrue(), "the work has begun")
	},
		Entry("of pods", "pods", "services"),
		Entry("of Services", "services", "pods"),
	)

	It("does not begin the work before the handler has been told of the last pod that was there", func(ctx SpecContext) {
		ns, telling, asked := api.Namespace(ctx), harness.Closed(ctx), make(chan struct{}, 10)
		pod(ctx, ns, "a", on("rack-1"))
		handler := typedinformer.Handler{Arrived: func(*corev1.Pod, bool) { asked <- struct{}{}; telling.Wait() }}
		work := &job{}
		wait, _ := start(ctx, made(factory(ns, ""), handler), work.do)
		DeferCleanup(telling.Open)
		Eventually(asked).WithContext(wait).Should(Receive(), "Arrived is called")
		Eventually(func() int { return watches("services") }).WithContext(wait).Should(Equal(1), "watches of Services")
		Consistently(work.begun).WithContext(wait).WithTimeout(300*time.Millisecond).Should(BeFalse(), "the work has begun, and Arrived has not yet returned")
		telling.Open()
		Eventually(work.begun).WithContext(wait).Should(BeTrue(), "the work has begun")
	})

	It("ends the work's context with its own, and returns", func(ctx SpecContext) {
		work := &job{}
		wait, loop := start(ctx, made(factory(api.Namespace(ctx), ""), typedinformer.Handler{}), work.do)
		Eventually(work.begun).WithContext(wait).Should(BeTrue(), "the work has begun")
		Expect(loop.Stop()).To(Succeed(), "Run, whose context has ended")
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returned")
	})

	It("waits for the work, however long that takes to end", func(ctx SpecContext) {
		cleaning, begun := harness.Closed(ctx), make(chan struct{})
		wait, loop := start(ctx, made(factory(api.Namespace(ctx), ""), typedinformer.Handler{}), func(ctx context.Context) error {
			close(begun)
			<-ctx.Done()
			cleaning.Wait()
			return nil
		})
		DeferCleanup(cleaning.Open)
		Eventually(begun).WithContext(wait).Should(BeClosed(), "the work has begun")
		end(loop)
		Consistently(loop.Done()).WithContext(ctx).WithTimeout(300*time.Millisecond).ShouldNot(BeClosed(), "Run has returned, and the work has not")
		cleaning.Open()
		Eventually(loop.Done()).WithContext(ctx).Should(BeClosed(), "Run has returned")
	})

	It("returns what the work returned, and ends the informers", func(ctx SpecContext) {
		burnt := errors.New("the pizza is burnt")
		d := made(factory(api.Namespace(ctx), ""), typedinformer.Handler{})
		running, cancel := context.WithCancel(context.WithoutCancel(ctx))
		DeferCleanup(cancel)
		done := make(chan error, 1)
		go func() { done <- d.Run(running, func(context.Context) error { return burnt }) }()
		Eventually(done).WithContext(ctx).Should(Receive(MatchError(burnt)), "what Run returns when the work is over, while its context goes on")
		Expect(informing()).To(BeEmpty(), "informers that still run when Run has returned")
	})

	It("does no work when its context ends before the caches are full", func(ctx SpecContext) {
		list := harness.Closed(ctx)
		api.Intercept(func(r cluster.Request) *cluster.Answer { list.Wait(); return nil })
		work := &job{}
		_, loop := start(ctx, made(factory(api.Namespace(ctx), ""), typedinformer.Handler{}), work.do)
		DeferCleanup(list.Open)
		end(loop)
		list.Open()
		Eventually(loop.Done()).WithContext(ctx).Should(BeClosed(), "Run has returned")
		Expect(loop.Err()).To(MatchError(context.Canceled), "what Run returned: its context has ended before the caches were full")
		Expect(work.begun()).To(BeFalse(), "the work has begun")
	})

	It("returns when the last handler has", func(ctx SpecContext) {
		ns, telling, asked, work := api.Namespace(ctx), harness.Closed(ctx), make(chan struct{}, 10), &job{}
		handler := typedinformer.Handler{Arrived: func(*corev1.Pod, bool) { asked <- struct{}{}; telling.Wait() }}
		wait, loop := start(ctx, made(factory(ns, ""), handler), work.do)
		DeferCleanup(telling.Open)
		Eventually(work.begun).WithContext(wait).Should(BeTrue(), "the work has begun")
		pod(ctx, ns, "a", on("rack-1"))
		Eventually(asked).WithContext(wait).Should(Receive(), "Arrived is called")
		end(loop)
		Consistently(loop.Done()).WithContext(ctx).WithTimeout(300*time.Millisecond).ShouldNot(BeClosed(), "Run has returned, and Arrived still runs")
		telling.Open()
		Eventually(loop.Done()).WithContext(ctx).Should(BeClosed(), "Run has returned")
	})
})

var _ = Describe("A Handler", func() {
	It("is told which pods were there at the start, and which came later", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		pod(ctx, ns, "a", on("rack-1"))
		_, wait := running(ctx, factory(ns, ""), diary.handler())
		Expect(diary.read()).To(Equal([]string{"a arrived on rack-1, initially"}))
		pod(ctx, ns, "b", on("rack-2"))
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"a arrived on rack-1, initially", "b arrived on rack-2"}))
	})

	It("is told of a pod when it gets a node, and not before", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		pod(ctx, ns, "a")
		_, wait := running(ctx, factory(ns, ""), diary.handler())
		bind(ctx, ns, "a", node("rack-1"))
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"a arrived on rack-1"}))
	})

	It("is told once, however often the pod changes", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		pod(ctx, ns, "a", on("rack-1"))
		_, wait := running(ctx, factory(ns, ""), diary.handler())
		patch(ctx, ns, "a", `{"labels":{"change":"1"}}`)
		patch(ctx, ns, "a", `{"labels":{"change":"2"}}`)
		pod(ctx, ns, "b", on("rack-1")) // what comes after it has been told in order
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"a arrived on rack-1, initially", "b arrived on rack-1"}))
	})

	It("is told when a pod is gone", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		pod(ctx, ns, "a", on("rack-1"))
		pod(ctx, ns, "b")
		_, wait := running(ctx, factory(ns, ""), diary.handler())
		remove(ctx, ns, "b") // never stood anywhere
		remove(ctx, ns, "a")
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"a arrived on rack-1, initially", "a left rack-1"}))
	})

	It("may leave out what it does not want to know", func(ctx SpecContext) {
		ns, diary := api.Namespace(ctx), &diary{}
		pod(ctx, ns, "a", on("rack-1"))
		_, wait := running(ctx, factory(ns, ""), typedinformer.Handler{Left: diary.handler().Left})
		remove(ctx, ns, "a")
		Eventually(diary.read).WithContext(wait).Should(Equal([]string{"a left rack-1"}))
	})

	When("the watch is interrupted", func() {
		It("is told of a pod that went in the meantime", func(ctx SpecContext) {
			ns, diary, over := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
			api.InterruptWatch("pods", pod(ctx, ns, "a", on("rack-1")), over)
			_, wait := running(ctx, factory(ns, ""), diary.handler())
			DeferCleanup(over.Open)
			remove(ctx, ns, "a")
			over.Open()
			Eventually(diary.read).WithContext(wait).Should(Equal([]string{"a arrived on rack-1, initially", "a left rack-1"}),
				"nobody has seen the pod go: it is missed when the cache is filled anew")
		})

		It("is told of a pod that was replaced by another one of the same name", func(ctx SpecContext) {
			ns, diary, over := api.Namespace(ctx), &diary{}, harness.Closed(ctx)
			api.InterruptWatch("pods", pod(ctx, ns, "a", on("rack-1")), over)
			_, wait := running(ctx, factory(ns, ""), diary.handler())
			DeferCleanup(over.Open)
			remove(ctx, ns, "a")
			pod(ctx, ns, "a", on("rack-1"))
			over.Open()
			Eventually(diary.read).WithContext(wait).Should(Equal([]string{"a arrived on rack-1, initially", "a left rack-1", "a arrived on rack-1"}),
				"the deletion and the creation come as one update, and the UID says that it is another pod")
		})
	})
})
