// Package scheduler judges a scheduler extender: in memory, as kube-scheduler v1.37 would, and with kube-scheduler itself on simulated nodes.
//
// In memory, an [Oracle] sends what the scheduler sends, and says what the scheduler makes of the answer:
//
//	oracle := scheduler.Oracle{Handler: handler, Extender: configv1.Extender{FilterVerb: "filter", NodeCacheCapable: true}}
//	verdict := oracle.Filter(ctx, scheduler.Pod("web"), scheduler.Node("a"), scheduler.Node("b"))
//	Expect(verdict.Fits).To(Equal([]string{"a"}))
//
// With the real one, a suite shares a scheduler, which [Share] starts when the first spec needs it, and each spec has a [World]: a namespace with
// nodes of its own, and the learner's handler for the calls about its pods.
//
//	var api = cluster.Lab()
//
//	var shared = scheduler.Share(api, func(c *configv1.KubeSchedulerConfiguration) {
//		c.Extenders = []configv1.Extender{{FilterVerb: "filter", NodeCacheCapable: true}}
//	})
//
//	It("…", func(ctx SpecContext) {
//		w := shared.World(ctx, handler, scheduler.Node("a"), scheduler.Node("b"))
//		w.Create(ctx, scheduler.Pod("web"))
//		Expect(w.Lands(ctx, "web")).To(Equal("a"))
//
// A configuration that is the kata's subject goes to [Start], or to [Try] when the scheduler must refuse it.
//
// The rules of the oracle are those of pkg/scheduler/extender.go, schedule_one.go and framework/preemption, which this package does not import; what
// the scheduler swallows without a word although it is wrong, the oracle complains about.
package scheduler
