package fakeclientset_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	fakeclientset "github.com/kubekata/kubekata/katas/stage1/09-fake-clientset"
	"github.com/kubekata/kubekata/katas/stage1/09-fake-clientset/nightshift"
)

// verdictBound is how long a check of a component may take.
const verdictBound = 10 * time.Second

// verdict runs a check, which may hang: a reactor that asks the client does, since the fake holds its lock.
func verdict(ctx context.Context, check func(context.Context) error) error {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, verdictBound)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer GinkgoRecover()
		done <- check(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		Fail("the check has not returned after " + verdictBound.String() + ": does a reactor ask the client that it belongs to?")
		return ctx.Err()
	}
}

type sleepCheck func(context.Context, nightshift.SleepFunc) error

// accepts and rejects are what a check is for. A check that rejects everything is worth no more than one that accepts everything.
func (c sleepCheck) accepts(ctx context.Context) {
	GinkgoHelper()
	Expect(verdict(ctx, func(ctx context.Context) error { return c(ctx, nightshift.Sleep) })).To(Succeed(), "the check of nightshift.Sleep, which keeps the contract")
	Expect(verdict(ctx, func(ctx context.Context) error { return c(ctx, sleeper{}.sleep) })).To(Succeed(),
		"the check of a Sleep that keeps the contract in another way: it lists everything, works from the end, and reads before it writes")
}

func (c sleepCheck) rejects(ctx context.Context, s sleeper) {
	GinkgoHelper()
	c.accepts(ctx)
	Expect(verdict(ctx, func(ctx context.Context) error { return c(ctx, s.sleep) })).NotTo(Succeed(), "the check of a Sleep that does not keep the contract")
}

var _ = Describe("CheckSleep", func() {
	check := sleepCheck(fakeclientset.CheckSleep)

	It("accepts what keeps the contract", func(ctx SpecContext) { check.accepts(ctx) })

	DescribeTable("rejects one that", func(ctx SpecContext, s sleeper) { check.rejects(ctx, s) },
		Entry("scales what is not labelled", sleeper{unlabelled: true}),
		Entry("returns other names", sleeper{otherNames: true}),
		Entry("ignores the label's value", sleeper{anyValue: true}),
		Entry("goes through all namespaces", sleeper{everyNamespace: true}),
		Entry("does not scale", sleeper{noReplicas: true}),
		Entry("forgets the day's replicas", sleeper{noAnnotation: true}),
		Entry("writes to those that sleep already", sleeper{rewritesSleepers: true}),
		Entry("writes twice", sleeper{writesTwice: true}),
		Entry("returns no names", sleeper{noNames: true}),
		Entry("names those that slept before", sleeper{allNames: true}),
	)
})

var _ = Describe("CheckConflict", func() {
	check := sleepCheck(fakeclientset.CheckConflict)

	It("accepts what keeps the contract", func(ctx SpecContext) { check.accepts(ctx) })

	DescribeTable("rejects one that", func(ctx SpecContext, s sleeper) { check.rejects(ctx, s) },
		Entry("tries once", sleeper{tries: 1}),
		Entry("tries three times", sleeper{tries: 3}),
		Entry("tries four times", sleeper{tries: 4}),
		Entry("undoes the other writer's annotation", sleeper{dropsAnnotations: true}),
		Entry("tries again with its old copy", sleeper{stale: true}),
		Entry("swallows the conflict", sleeper{swallows: true}),
		Entry("formats the conflict away", sleeper{formats: true}),
	)
})

var _ = Describe("CheckRefusal", func() {
	check := sleepCheck(fakeclientset.CheckRefusal)

	It("accepts what keeps the contract", func(ctx SpecContext) { check.accepts(ctx) })

	DescribeTable("rejects one that", func(ctx SpecContext, s sleeper) { check.rejects(ctx, s) },
		Entry("stops at the first refusal", sleeper{stopsFirst: true}),
		Entry("swallows the refusal", sleeper{swallows: true}),
		Entry("formats the refusal away", sleeper{formats: true}),
		Entry("counts the refused among the sleepers", sleeper{countsRefused: true}),
		Entry("names the refused instead of one that sleeps", sleeper{namesTheRefused: true}),
		Entry("says nothing of a list that failed", sleeper{listInSilence: true}),
		Entry("formats the failure of the list away", sleeper{formatsList: true}),
		Entry("goes on after a list that failed", sleeper{goesOnWithoutList: true}),
	)
})

var _ = Describe("CheckAwait", func() {
	accepts := func(ctx context.Context) {
		GinkgoHelper()
		Expect(verdict(ctx, func(ctx context.Context) error { return fakeclientset.CheckAwait(ctx, nightshift.Await) })).To(Succeed(),
			"the check of nightshift.Await, which keeps the contract")
		Expect(verdict(ctx, func(ctx context.Context) error { return fakeclientset.CheckAwait(ctx, waiter{}.await) })).To(Succeed(),
			"the check of an Await that keeps the contract in another way: it lists by the name, and takes the first item")
	}

	It("accepts what keeps the contract", func(ctx SpecContext) { accepts(ctx) })

	DescribeTable("rejects one that", func(ctx SpecContext, a waiter) {
		accepts(ctx)
		Expect(verdict(ctx, func(ctx context.Context) error { return fakeclientset.CheckAwait(ctx, a.await) })).NotTo(Succeed(),
			"the check of an Await that does not keep the contract")
	},
		Entry("takes any event for the last", waiter{anyEvent: true}),
		Entry("reads spec.replicas", waiter{specReplicas: true}),
		Entry("takes a deletion for the end", waiter{deletedIsFine: true}),
		Entry("ignores a deletion", waiter{ignoresDeletion: true}),
		Entry("takes the end of its watch for the end", waiter{endIsTheEnd: true}),
		Entry("takes the end of its watch for an error", waiter{endIsAnError: true}),
		Entry("leaves its watch running", waiter{leaks: true}),
		Entry("waits for an event although no pod is left", waiter{needsAnEvent: true}),
		Entry("looks once, and gives up", waiter{givesUp: true}),
		Entry("looks at no event", waiter{deaf: true}),
		Entry("reports a deletion as something else", waiter{deletedIsSomething: true}),
		Entry("leaves its watch running after a deletion", waiter{leaksOnError: true}),
	)
})
