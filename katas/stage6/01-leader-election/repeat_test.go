package leaderelection_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	kata "github.com/kubekata/kubekata/katas/stage6/01-leader-election"

	"github.com/kubekata/kubekata/harness"
)

var _ = Describe("Repeat", func() {
	const period = time.Minute

	// repeat runs Repeat with steps that succeed, and returns how many there were.
	repeat := func(ctx context.Context, clock *clocktesting.FakeClock) (context.Context, *harness.Loop, *atomic.Int32) {
		GinkgoHelper()
		var steps atomic.Int32
		wait, loop := harness.Start(ctx, "Repeat", func(ctx context.Context) error {
			return kata.Repeat(ctx, clock, period, func(context.Context) error { steps.Add(1); return nil })
		})
		return wait, loop, &steps
	}

	It("begins at once", func(ctx SpecContext) {
		wait, _, steps := repeat(ctx, clocktesting.NewFakeClock(time.Now()))
		Eventually(steps.Load).WithContext(wait).Should(BeEquivalentTo(1), "steps, at a clock that stands still")
	})

	It("does a step in each period", func(ctx SpecContext) {
		clock := clocktesting.NewFakeClock(time.Now())
		wait, _, steps := repeat(ctx, clock)
		for n := range 4 {
			Eventually(steps.Load).WithContext(wait).Should(BeEquivalentTo(n+1), "steps, after %d minutes and with a period of one", n)
			Eventually(clock.HasWaiters).WithContext(wait).Should(BeTrue(), "somebody waits for the clock")
			Consistently(steps.Load).WithContext(wait).WithTimeout(40*time.Millisecond).Should(BeEquivalentTo(n+1), "steps, after %d minutes and with a period of one", n)
			clock.Step(period)
		}
	})

	It("returns nil when its context ends", func(ctx SpecContext) {
		wait, loop, steps := repeat(ctx, clocktesting.NewFakeClock(time.Now()))
		Eventually(steps.Load).WithContext(wait).Should(BeEquivalentTo(1), "steps")
		Expect(loop.Stop()).To(Succeed())
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Repeat returns")
	})

	It("begins no step once its context has ended, not even one that is due", func(ctx SpecContext) {
		for range 60 { // select takes one of two channels that are ready, and not always the same
			clock := clocktesting.NewFakeClock(time.Now())
			ctx, cancel := context.WithCancel(ctx)
			steps := 0
			err := kata.Repeat(ctx, clock, period, func(context.Context) error {
				steps++
				if steps == 3 {
					cancel()
				}
				clock.Step(period) // the step takes so long that the next one is due
				clock.Step(period)
				if steps > 3 {
					return errors.New("one step too many")
				}
				return nil
			})
			cancel()
			Expect(err).NotTo(HaveOccurred(), "what Repeat returns when its context has ended in the third step, and the fourth is due")
			Expect(steps).To(Equal(3), "steps, when the context has ended in the third, and the fourth is due")
		}
	})

	It("does nothing when its context has ended before", func(ctx SpecContext) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		steps := 0
		Expect(kata.Repeat(ended, clocktesting.NewFakeClock(time.Now()), period, func(context.Context) error { steps++; return nil })).To(Succeed(), "what Repeat returns")
		Expect(steps).To(BeZero(), "steps")
	})

	It("leaves its context to the step, which can stop in the middle", func(ctx SpecContext) {
		clock := clocktesting.NewFakeClock(time.Now())
		var in atomic.Bool
		wait, loop := harness.Start(ctx, "Repeat", func(ctx context.Context) error {
			return kata.Repeat(ctx, clock, period, func(step context.Context) error {
				in.Store(true)
				select {
				case <-step.Done():
					return step.Err()
				case <-time.After(20 * time.Second):
					return errors.New("the step's context has not ended")
				}
			})
		})
		Eventually(in.Load).WithContext(wait).Should(BeTrue(), "a step is running")
		Expect(loop.Stop()).To(Succeed(), "Repeat, whose step ends with its context")
		Expect(loop.Err()).NotTo(HaveOccurred(), "what Repeat returns when the step returns context.Canceled, as it was asked to stop")
	})

	It("returns the error of a step, and does no other", func(ctx SpecContext) {
		clock := clocktesting.NewFakeClock(time.Now())
		steps := 0
		err := kata.Repeat(ctx, clock, period, func(context.Context) error {
			if steps++; steps == 3 {
				return errMail
			}
			clock.Step(period)
			clock.Step(period)
			if steps > 3 {
				return errors.New("one step too many")
			}
			return nil
		})
		Expect(err).To(MatchError(errMail), "what Repeat returns when the third step fails")
		Expect(steps).To(Equal(3), "steps, when the third has failed")
	})

	It("returns an error of a step that comes after the end of the context", func(ctx SpecContext) {
		ctx2, cancel := context.WithCancel(ctx)
		err := kata.Repeat(ctx2, clocktesting.NewFakeClock(time.Now()), period, func(context.Context) error { cancel(); return errMail })
		Expect(err).To(MatchError(errMail), "what Repeat returns when the context ends, and the step fails for another reason")
	})
})
