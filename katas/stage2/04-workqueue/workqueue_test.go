package workqueue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	kata "github.com/kubekata/kubekata/katas/stage2/04-workqueue"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestWorkqueue(t *testing.T) {
	harness.RunSpecs(t, "Stage 2 · 04-workqueue")
}

// errOven is a failure that another try may get over.
var errOven = errors.New("the oven is cold")

var _ = Describe("Run", func() {
	It("hands every key to Handle, whether it was added before or after the start", func(ctx SpecContext) {
		queue, h := quick(), working(nil)
		queue.Add("a")
		wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle})
		queue.Add("b")
		Eventually(h.handled).WithContext(wait).Should(Equal(map[string]int{"a": 1, "b": 1}), "how often each key was worked on")
	})

	It("works on as many keys at a time as there are workers", func(ctx SpecContext) {
		queue, baking := quick(), closed(ctx)
		h := working(func(context.Context, string, int) error { baking.wait(); return nil })
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			queue.Add(key)
		}
		wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Workers: 3})
		Eventually(h.busy).WithContext(wait).Should(Equal(3), "Handles that run, with three workers and five keys")
		Consistently(h.busy).WithContext(wait).WithTimeout(200*time.Millisecond).Should(Equal(3), "Handles that run, with three workers and five keys")
		baking.open()
		Eventually(h.handled).WithContext(wait).Should(HaveLen(5), "keys that were worked on in the end")
	})

	It("takes a key that it was done with when it is added again", func(ctx SpecContext) {
		queue, h := quick(), working(nil)
		wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle})
		for n := 1; n <= 3; n++ {
			queue.Add("a")
			Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("a", n),
				"how often a was worked on after it was added %d times, each time after the last was over", n)
		}
	})

	When("a key is added while it is worked on", func() {
		It("does not work on it twice at the same time", func(ctx SpecContext) {
			queue, baking := quick(), closed(ctx)
			h := working(func(_ context.Context, key string, _ int) error {
				if key == "a" {
					baking.wait()
				}
				return nil
			})
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Workers: 2})
			queue.Add("a")
			Eventually(h.calls("a")).WithContext(wait).Should(Equal(1))
			queue.Add("a")
			queue.Add("b") // the other worker comes by here, and would have had to take a first
			Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("b", 1), "b, which the second worker takes")
			Consistently(h.calls("a")).WithContext(wait).WithTimeout(200*time.Millisecond).Should(Equal(1), "Handles for a, while the first still runs")
		})

		DescribeTable("works on it once more, when the first time",
			func(ctx SpecContext, first error) {
				queue, baking := newQueue(time.Hour, clocktesting.NewFakeClock(time.Now())), closed(ctx)
				h := working(func(_ context.Context, key string, attempt int) error {
					if key == "b" || attempt > 1 {
						return nil
					}
					baking.wait()
					return first
				})
				wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Workers: 2, Retries: 2})
				queue.Add("a")
				Eventually(h.calls("a")).WithContext(wait).Should(Equal(1))
				queue.Add("a")
				queue.Add("b") // the other worker comes by a, if a is there to be taken, and then by b
				Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("b", 1), "b, which the second worker takes")
				baking.open()
				Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("a", 2), "how often a was worked on: it changed while the first Handle ran")
				Consistently(h.calls("a")).WithContext(wait).WithTimeout(100*time.Millisecond).Should(Equal(2), "Handles for a")
			},
			Entry("succeeds", nil),
			Entry("fails", errOven),
			Entry("finds nothing", gone("a")),
		)
	})

	When("Handle fails", func() {
		It("tries again when the rate limiter's delay is over", func(ctx SpecContext) {
			clock := clocktesting.NewFakeClock(time.Now())
			queue := newQueue(time.Minute, clock)
			h := working(func(_ context.Context, _ string, attempt int) error { return failing(attempt, 1) })
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 1})
			queue.Add("a")
			Eventually(h.calls("a")).WithContext(wait).Should(BeNumerically(">=", 1), "Handles for a")
			Eventually(func() map[string]int {
				clock.Step(time.Minute)
				return h.handled()
			}).WithContext(wait).Should(HaveKeyWithValue("a", 2), "how often a was worked on, minutes after it failed")
		})

		It("does not try again before that", func(ctx SpecContext) {
			queue := newQueue(time.Minute, clocktesting.NewFakeClock(time.Now()))
			h := working(func(_ context.Context, key string, _ int) error {
				if key == "a" {
					return errOven
				}
				return nil
			})
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 100})
			queue.Add("a")
			Eventually(h.calls("a")).WithContext(wait).Should(BeNumerically(">=", 1))
			Consistently(h.calls("a")).WithContext(wait).WithTimeout(200*time.Millisecond).Should(Equal(1),
				"Handles for a, which failed, while the rate limiter's minute has not begun to pass")
		})

		It("works on other keys meanwhile", func(ctx SpecContext) {
			queue := newQueue(time.Minute, clocktesting.NewFakeClock(time.Now()))
			h := working(func(_ context.Context, key string, _ int) error {
				if key == "a" {
					return errOven
				}
				return nil
			})
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Workers: 1, Retries: 1})
			queue.Add("a")
			queue.Add("b")
			Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("b", 1), "b, of the only worker, while a waits for its retry")
		})

		DescribeTable("tries as often as the budget allows, and no more",
			func(ctx SpecContext, retries, calls int) {
				queue, lost := quick(), &abandoned{}
				h := working(func(context.Context, string, int) error { return errOven })
				wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: retries, GaveUp: lost.gaveUp})
				queue.Add("a")
				Eventually(lost.all).WithContext(wait).Should(Equal([]string{"a"}), "keys that were given up")
				Expect(h.calls("a")()).To(Equal(calls), "Handles for a until it was given up, with Retries: %d", retries)
				Consistently(h.calls("a")).WithContext(wait).WithTimeout(100*time.Millisecond).Should(Equal(calls), "Handles for a, which was given up")
			},
			Entry("with a budget of three", 3, 4),
			Entry("with a budget of one", 1, 2),
			Entry("with none", 0, 1),
		)

		It("says which key it gives up, and the last error", func(ctx SpecContext) {
			queue, lost := quick(), &abandoned{}
			last := errors.New("the third")
			h := working(func(_ context.Context, _ string, attempt int) error {
				if attempt == 3 {
					return last
				}
				return fmt.Errorf("attempt %d: %w", attempt, errOven)
			})
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 2, GaveUp: lost.gaveUp})
			queue.Add("a")
			Eventually(lost.all).WithContext(wait).Should(Equal([]string{"a"}), "keys that were given up")
			Expect(lost.errors()).To(HaveExactElements(MatchError(last)), "the errors that GaveUp was told: one a key, the last")
			Consistently(lost.all).WithContext(wait).WithTimeout(100*time.Millisecond).Should(HaveLen(1), "calls of GaveUp")
		})

		It("counts each key's failures by themselves", func(ctx SpecContext) {
			queue, lost := quick(), &abandoned{}
			h := working(func(context.Context, string, int) error { return errOven })
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Workers: 2, Retries: 2, GaveUp: lost.gaveUp})
			queue.Add("a")
			queue.Add("b")
			Eventually(lost.all).WithContext(wait).Should(ConsistOf("a", "b"), "keys that were given up")
			Expect(h.handled()).To(Equal(map[string]int{"a": 3, "b": 3}), "how often each was tried, with Retries: 2")
		})

		It("gives a key that it gave up the whole budget when it is added again", func(ctx SpecContext) {
			queue, lost := quick(), &abandoned{}
			h := working(func(context.Context, string, int) error { return errOven })
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 2, GaveUp: lost.gaveUp})
			queue.Add("a")
			Eventually(lost.all).WithContext(wait).Should(HaveLen(1), "calls of GaveUp")
			Expect(h.calls("a")()).To(Equal(3), "Handles for a until it was given up the first time")
			queue.Add("a")
			Eventually(lost.all).WithContext(wait).Should(HaveLen(2), "calls of GaveUp, after the key was added a second time")
			Expect(h.calls("a")()).To(Equal(6), "Handles for a: twice one and two retries")
		})

		It("goes on without a word when there is no GaveUp", func(ctx SpecContext) {
			queue := quick()
			h := working(func(_ context.Context, key string, _ int) error {
				if key == "a" {
					return errOven
				}
				return nil
			})
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle})
			queue.Add("a")
			queue.Add("b")
			Eventually(h.handled).WithContext(wait).Should(Equal(map[string]int{"a": 1, "b": 1}), "how often each key was worked on")
		})
	})

	When("Handle succeeds after it has failed", func() {
		It("forgets the failures", func(ctx SpecContext) {
			queue := quick()
			h := working(func(_ context.Context, _ string, attempt int) error { return failing(attempt, 2) })
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 5})
			queue.Add("a")
			Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("a", 3), "how often a was tried: the third time it succeeds")
			Eventually(func() int { return queue.NumRequeues("a") }).WithContext(wait).Should(BeZero(),
				"NumRequeues of a, which the rate limiter keeps, and with it the delay of the next retry, until it is told to forget")
		})

		It("counts from the beginning when it fails again", func(ctx SpecContext) {
			queue, lost := quick(), &abandoned{}
			// Fails twice, succeeds, fails twice, succeeds.
			h := working(func(_ context.Context, _ string, attempt int) error {
				if attempt%3 == 0 {
					return nil
				}
				return errOven
			})
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 2, GaveUp: lost.gaveUp})
			queue.Add("a")
			Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("a", 3), "how often a was tried")
			queue.Add("a")
			Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("a", 6), "how often a was tried, after it was added again")
			Expect(lost.all()).To(BeEmpty(), "keys that were given up: the budget of two is for failures in a row")
		})
	})

	When("the object is gone", func() {
		DescribeTable("does not try again",
			func(ctx SpecContext, err error) {
				queue, lost := quick(), &abandoned{}
				h := working(func(context.Context, string, int) error { return err })
				wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 5, GaveUp: lost.gaveUp})
				queue.Add("a")
				Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("a", 1), "how often a was tried")
				Consistently(h.calls("a")).WithContext(wait).WithTimeout(200*time.Millisecond).Should(Equal(1), "Handles for a, which is not found")
				Expect(queue.NumRequeues("a")).To(BeZero(), "retries that were asked for")
				Expect(lost.all()).To(BeEmpty(), "keys that were given up: an object that is gone is nobody's failure")
			},
			Entry("a NotFound", gone("a")),
			Entry("a NotFound that is wrapped", fmt.Errorf("bake a: %w", gone("a"))),
		)

		It("forgets the failures before", func(ctx SpecContext) {
			queue := quick()
			h := working(func(_ context.Context, _ string, attempt int) error {
				if attempt < 3 {
					return errOven
				}
				return gone("a")
			})
			wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 5})
			queue.Add("a")
			Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("a", 3), "how often a was tried: the third time it is gone")
			Eventually(func() int { return queue.NumRequeues("a") }).WithContext(wait).Should(BeZero(), "NumRequeues of a, which is gone")
		})
	})
})

var _ = Describe("Run, with an API server behind Handle,", func() {
	It("gets over a conflict", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		order(ctx, ns, "calzone")
		client, judge := api.Clientset().CoreV1().ConfigMaps(ns), api.Judge().CoreV1().ConfigMaps(ns)
		queue := quick()
		h := working(func(ctx context.Context, key string, attempt int) error {
			cm, err := client.Get(ctx, key, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if attempt <= 2 { // somebody else writes between our Get and our Update
				other := cm.DeepCopy()
				other.Data = map[string]string{"extra": fmt.Sprintf("olives %d", attempt)}
				if _, err := judge.Update(ctx, other, metav1.UpdateOptions{}); err != nil {
					return err
				}
			}
			cm.Annotations = map[string]string{"baked": "yes"}
			_, err = client.Update(ctx, cm, metav1.UpdateOptions{})
			return err
		})
		wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 5})
		queue.Add("calzone")
		Eventually(func(ctx context.Context) (*corev1.ConfigMap, error) {
			return judge.Get(ctx, "calzone", metav1.GetOptions{})
		}).WithContext(wait).Should(HaveField("Annotations", HaveKeyWithValue("baked", "yes")), "annotation of configmap %s/calzone", ns)
		Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("calzone", 3), "how often it was tried: two conflicts, and then none")
	})

	It("lets go of an object that was deleted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		client := api.Clientset().CoreV1().ConfigMaps(ns)
		queue, lost := quick(), &abandoned{}
		h := working(func(ctx context.Context, key string, _ int) error {
			_, err := client.Get(ctx, key, metav1.GetOptions{})
			return err
		})
		wait, _ := run(ctx, &kata.Processor{Queue: queue, Handle: h.handle, Retries: 5, GaveUp: lost.gaveUp})
		queue.Add("calzone")
		Eventually(h.handled).WithContext(wait).Should(HaveKeyWithValue("calzone", 1), "how often it was tried")
		Consistently(h.calls("calzone")).WithContext(wait).WithTimeout(200*time.Millisecond).Should(Equal(1), "Handles for a configmap that is not there")
		Expect(lost.all()).To(BeEmpty(), "keys that were given up")
	})
})

// gone is the error of an API server that does not have the object.
func gone(name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name)
}

// failing fails as long as the attempt is not above the number.
func failing(attempt, times int) error {
	if attempt <= times {
		return errOven
	}
	return nil
}

// order makes a ConfigMap.
func order(ctx context.Context, ns, name string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make configmap %s/%s for the spec", ns, name)
}
