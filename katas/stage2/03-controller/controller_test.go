package controller_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	controller "github.com/kubekata/kubekata/katas/stage2/03-controller"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestController(t *testing.T) {
	harness.RunSpecs(t, "Stage 2 · 03-controller")
}

// short is how long a spec waits for what must not come, once there was every opportunity for it.
const short = 200 * time.Millisecond

var _ = Describe("A controller", func() {
	When("it starts", func() {
		It("reconciles the apps that are there, each with its pods", func(ctx SpecContext) {
			ns := api.Namespace(ctx)
			create(ctx, ns, "web-1", "web")
			create(ctx, ns, "web-2", "web")
			create(ctx, ns, "db-1", "db")
			d := reconciling(nil)
			wait, _ := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 2)
			Eventually(d.last("web")).WithContext(wait).Should(Equal([]string{"web-1", "web-2"}), "the pods of web, in the latest Reconcile")
			Eventually(d.last("db")).WithContext(wait).Should(Equal([]string{"db-1"}), "the pods of db, in the latest Reconcile")
		})

		It("reconciles nothing before the cache is full", func(ctx SpecContext) {
			ns, answers := api.Namespace(ctx), harness.Closed(ctx)
			create(ctx, ns, "web-1", "web")
			create(ctx, ns, "web-2", "web")
			held(answers)
			d := reconciling(nil)
			c := controller.New(api.Clientset(), ns, d.reconcile)
			wait, _ := run(ctx, c, 2)
			c.Enqueue("web")
			Consistently(d.count("web")).WithContext(wait).WithTimeout(short).Should(BeZero(), "Reconciles of web, while the server has not yet said which pods there are")
			answers.Open()
			Eventually(d.first("web")).WithContext(wait).Should(Equal([]string{"web-1", "web-2"}), "the pods of web, in its first Reconcile")
		})

		It("sees no pods of other namespaces", func(ctx SpecContext) {
			ns, other := api.Namespace(ctx), api.Namespace(ctx)
			create(ctx, other, "foreign-1", "foreign")
			create(ctx, other, "web-2", "web")
			create(ctx, ns, "web-1", "web")
			d := reconciling(nil)
			wait, _ := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 2)
			Eventually(d.last("web")).WithContext(wait).Should(Equal([]string{"web-1"}), "the pods of web in the controller's namespace")
			Consistently(d.apps).WithContext(wait).WithTimeout(short).Should(Equal([]string{"web"}), "apps that were reconciled")
		})
	})

	It("reconciles an app that it was asked for, also one without pods", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		d := reconciling(nil)
		c := controller.New(api.Clientset(), ns, d.reconcile)
		c.Enqueue("early")
		wait, _ := run(ctx, c, 1)
		Eventually(d.last("early")).WithContext(wait).Should(BeEmpty(), "the pods of early")
		Eventually(d.count("early")).WithContext(wait).Should(Equal(1), "Reconciles of early, which was enqueued before Run")
		c.Enqueue("late")
		Eventually(d.count("late")).WithContext(wait).Should(Equal(1), "Reconciles of late, which was enqueued after it")
		c.Enqueue("")
		Consistently(d.apps).WithContext(wait).WithTimeout(short).Should(Equal([]string{"early", "late"}), "apps that were reconciled")
	})

	When("a pod", func() {
		var ns string
		var d *desk
		var wait context.Context
		// started has web-1 of web in the cache, and web reconciled.
		started := func(ctx SpecContext) {
			GinkgoHelper()
			ns, d = api.Namespace(ctx), reconciling(nil)
			create(ctx, ns, "web-1", "web")
			wait, _ = run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 2)
			Eventually(d.last("web")).WithContext(wait).Should(Equal([]string{"web-1"}), "the pods of web")
		}

		It("comes, reconciles its app", func(ctx SpecContext) {
			started(ctx)
			create(ctx, ns, "web-2", "web")
			Eventually(d.last("web")).WithContext(wait).Should(Equal([]string{"web-1", "web-2"}), "the pods of web, in the latest Reconcile")
		})

		It("changes, reconciles its app with the pod as it is now", func(ctx SpecContext) {
			started(ctx)
			change(ctx, ns, "web-1", version(2))
			Eventually(d.last("web")).WithContext(wait).Should(Equal([]string{"web-1 v2"}), "the pods of web, in the latest Reconcile")
		})

		It("goes, reconciles the app with those that are left", func(ctx SpecContext) {
			started(ctx)
			create(ctx, ns, "web-2", "web")
			Eventually(d.last("web")).WithContext(wait).Should(Equal([]string{"web-1", "web-2"}), "the pods of web")
			remove(ctx, ns, "web-1")
			Eventually(d.last("web")).WithContext(wait).Should(Equal([]string{"web-2"}), "the pods of web, in the latest Reconcile")
			remove(ctx, ns, "web-2")
			Eventually(d.last("web")).WithContext(wait).Should(BeEmpty(), "the pods of web, in the latest Reconcile, after the last one has gone")
		})

		It("moves to another app, reconciles both", func(ctx SpecContext) {
			started(ctx)
			change(ctx, ns, "web-1", `{"labels":{"app":"db"}}`)
			Eventually(d.last("db")).WithContext(wait).Should(Equal([]string{"web-1"}), "the pods of db, in the latest Reconcile")
			Eventually(d.last("web")).WithContext(wait).Should(BeEmpty(), "the pods of web, which web-1 has left, in the latest Reconcile")
		})

		It("loses its label, reconciles the app that it leaves", func(ctx SpecContext) {
			started(ctx)
			change(ctx, ns, "web-1", `{"labels":{"app":null}}`)
			Eventually(d.last("web")).WithContext(wait).Should(BeEmpty(), "the pods of web, in the latest Reconcile")
			Consistently(d.apps).WithContext(wait).WithTimeout(short).Should(Equal([]string{"web"}), "apps that were reconciled")
		})

		It("has no app, reconciles nothing", func(ctx SpecContext) {
			started(ctx)
			create(ctx, ns, "loner", "")
			change(ctx, ns, "loner", version(2))
			create(ctx, ns, "db-1", "db") // once this was noticed, the loner was
			Eventually(d.count("db")).WithContext(wait).Should(BeNumerically(">=", 1), "Reconciles of db")
			Consistently(d.apps).WithContext(wait).WithTimeout(short).Should(Equal([]string{"web", "db"}), "apps that were reconciled: a pod without the label has none")
		})
	})

	When("a pod goes while the watch is interrupted", func() {
		It("reconciles the app that it belonged to", func(ctx SpecContext) {
			ns, over := api.Namespace(ctx), harness.Closed(ctx)
			api.InterruptWatch("pods", create(ctx, ns, "web-1", "web"), over)
			remove(ctx, ns, "web-1")
			d := reconciling(nil)
			wait, _ := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 1)
			Eventually(d.first("web")).WithContext(wait).Should(Equal([]string{"web-1"}), "the pods of web, before the interruption")
			over.Open()
			Eventually(d.last("web")).WithContext(wait).Should(BeEmpty(),
				"the pods of web, in the latest Reconcile: no event told of the deletion, it was found out by the next list")
		})
	})

	When("an app changes while it is reconciled", func() {
		var ns string
		var d *desk
		var first *harness.Gate
		var wait context.Context
		// changed has the first Reconcile of web wait at the gate, while the handlers have seen three changes of web-1. There
		// are two workers, and the second is free.
		changed := func(ctx SpecContext) {
			GinkgoHelper()
			ns, first = api.Namespace(ctx), harness.Closed(ctx)
			create(ctx, ns, "web-1", "web")
			d = reconciling(func(_ context.Context, app string, n int) error {
				if app == "web" && n == 1 {
					first.Wait()
				}
				return nil
			})
			wait, _ = run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 2)
			Eventually(d.count("web")).WithContext(wait).Should(Equal(1), "Reconciles of web")
			for n := 2; n <= 4; n++ {
				change(ctx, ns, "web-1", version(n))
			}
			create(ctx, ns, "db-1", "db") // once this was noticed, the others were: events keep their order
			Eventually(d.finished("db")).WithContext(wait).Should(BeNumerically(">=", 1),
				"Reconciles of db, which the second of two workers is free for")
		}

		It("does not reconcile it twice at the same time", func(ctx SpecContext) {
			changed(ctx)
			Consistently(d.count("web")).WithContext(wait).WithTimeout(short).Should(Equal(1), "Reconciles of web, while the first still runs")
		})

		It("reconciles it once more, not once a change", func(ctx SpecContext) {
			changed(ctx)
			first.Open()
			Eventually(d.finished("web")).WithContext(wait).Should(Equal(2), "Reconciles of web, after three changes while the first ran")
			Consistently(d.count("web")).WithContext(wait).WithTimeout(short).Should(Equal(2), "Reconciles of web, after three changes while the first ran")
		})

		It("reads the pods when it begins, not when they change", func(ctx SpecContext) {
			changed(ctx)
			first.Open()
			Eventually(d.finished("web")).WithContext(wait).Should(BeNumerically(">=", 2), "Reconciles of web")
			d.mu.Lock()
			defer d.mu.Unlock()
			Expect(d.podsLocked("web")[1]).To(Equal([]string{"web-1 v4"}), "the pods of web, in its second Reconcile: the cache has had version 4 for long")
		})
	})

	It("reconciles as many apps at the same time as there are workers", func(ctx SpecContext) {
		ns, working := api.Namespace(ctx), harness.Closed(ctx)
		for _, app := range []string{"a", "b", "c", "d"} {
			create(ctx, ns, app+"-1", app)
		}
		d := reconciling(func(context.Context, string, int) error { working.Wait(); return nil })
		wait, _ := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 3)
		Eventually(d.busy).WithContext(wait).Should(Equal(3), "Reconciles that run, with three workers and four apps")
		Consistently(d.busy).WithContext(wait).WithTimeout(short).Should(Equal(3), "Reconciles that run, with three workers and four apps")
		working.Open()
		Eventually(d.apps).WithContext(wait).Should(ConsistOf("a", "b", "c", "d"), "apps that were reconciled in the end")
	})

	When("Reconcile fails", func() {
		It("tries again, with the pods as they are then", func(ctx SpecContext) {
			ns := api.Namespace(ctx)
			create(ctx, ns, "web-1", "web")
			d := reconciling(func(_ context.Context, app string, n int) error {
				if n < 3 {
					return errors.New("the database is away")
				}
				return nil
			})
			wait, _ := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 1)
			Eventually(d.finished("web")).WithContext(wait).Should(Equal(3), "Reconciles of web, of which the third succeeds")
			Consistently(d.count("web")).WithContext(wait).WithTimeout(short).Should(Equal(3), "Reconciles of web, which has succeeded")
			Expect(d.last("web")()).To(Equal([]string{"web-1"}), "the pods of web, in the last try")
		})

		It("does not try again at once, over and over", func(ctx SpecContext) {
			ns := api.Namespace(ctx)
			create(ctx, ns, "web-1", "web")
			d := reconciling(func(context.Context, string, int) error { return errors.New("the database is away") })
			wait, _ := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 1)
			Eventually(d.count("web")).WithContext(wait).Should(BeNumerically(">=", 3), "Reconciles of web, which always fails")
			Consistently(d.count("web")).WithContext(wait).WithTimeout(500*time.Millisecond).Should(BeNumerically("<", 20),
				"Reconciles of web in half a second: the rate limiter's delay begins with 5ms and doubles")
		})

		It("goes on with the other apps", func(ctx SpecContext) {
			ns := api.Namespace(ctx)
			create(ctx, ns, "web-1", "web")
			d := reconciling(func(_ context.Context, app string, _ int) error {
				if app == "web" {
					return errors.New("the database is away")
				}
				return nil
			})
			wait, _ := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 1)
			Eventually(d.count("web")).WithContext(wait).Should(BeNumerically(">=", 1), "Reconciles of web")
			create(ctx, ns, "db-1", "db")
			Eventually(d.last("db")).WithContext(wait).Should(Equal([]string{"db-1"}), "the pods of db, which the only worker gets to, whatever becomes of web")
		})
	})

	It("asks the server for the list and the watch, and for nothing else", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, "web-1", "web")
		d := reconciling(nil)
		c := controller.New(api.Clientset(), ns, d.reconcile)
		Expect(api.Requests()).To(BeEmpty(), "requests of New")
		wait, _ := run(ctx, c, 1)
		for n := 2; n <= 4; n++ {
			change(ctx, ns, "web-1", version(n))
		}
		remove(ctx, ns, "web-1")
		Eventually(d.last("web")).WithContext(wait).Should(BeEmpty(), "the pods of web, in the latest Reconcile")
		requests := api.Requests()
		Expect(requests).To(HaveEach(And(HaveField("Resource", "pods"), HaveField("Namespace", ns), HaveField("Verb", BeElementOf("list", "watch")))), "requests")
		Expect(len(requests)).To(BeNumerically("<=", 2), "requests, however often there is something to do: %v", requests)
	})
})

var _ = Describe("The end of Run's context", func() {
	It("ends Run, which returns nil", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		create(ctx, ns, "web-1", "web")
		d := reconciling(nil)
		wait, loop := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 3)
		Eventually(d.count("web")).WithContext(wait).Should(BeNumerically(">=", 1), "Reconciles of web")
		Expect(loop.Stop()).To(Succeed(), "Run, with idle workers")
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Run returned")
	})

	It("is known to Reconcile, and waited for", func(ctx SpecContext) {
		ns, finishing := api.Namespace(ctx), harness.Closed(ctx)
		create(ctx, ns, "web-1", "web")
		told := make(chan struct{})
		d := reconciling(func(work context.Context, _ string, n int) error {
			if n > 1 {
				return nil
			}
			select {
			case <-work.Done():
				close(told)
			case <-ctx.Done():
			}
			finishing.Wait()
			return nil
		})
		wait, loop := run(ctx, controller.New(api.Clientset(), ns, d.reconcile), 1)
		Eventually(d.count("web")).WithContext(wait).Should(BeNumerically(">=", 1), "Reconciles of web")
		end(loop)
		Eventually(told).WithContext(ctx).Should(BeClosed(), "Reconcile's context, after the end of Run's")
		Consistently(loop.Done()).WithContext(ctx).WithTimeout(short).ShouldNot(BeClosed(), "Run has returned, and a Reconcile still runs")
		finishing.Open()
		Eventually(loop.Done()).WithContext(ctx).Should(BeClosed(), "Run has not returned, and all Reconciles have")
	})

	It("ends Run with an error when the cache has never been full", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		refused()
		d := reconciling(nil)
		c := controller.New(api.Clientset(), ns, d.reconcile)
		c.Enqueue("web")
		wait, loop := run(ctx, c, 1)
		Consistently(loop.Done()).WithContext(wait).WithTimeout(short).ShouldNot(BeClosed(), "Run, whose context has not ended: a server that refuses may change its mind")
		Expect(loop.Stop()).To(Succeed(), "Run, which still waits for its cache")
		Expect(loop.Err()).To(MatchError(context.Canceled), "what Run returned: it has not done what it is for")
		Expect(d.apps()).To(BeEmpty(), "apps that were reconciled")
	})
})
