package finalizers_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kata "github.com/kubekata/kubekata/katas/stage6/03-finalizers"
)

// The shop's three steps: an account, a number that belongs to the account, and a listing that has the number in it.
const (
	account = "kubekata.dev/account"
	number  = "kubekata.dev/number"
	listing = "kubekata.dev/listing"
)

var errAway = errors.New("the service is away")

// diary is a Pipeline whose steps write down what is called, and what a spec has them do.
type diary struct {
	calls []string
	// working and cleaning are called by the steps with these finalizers. A step without does nothing, and succeeds.
	working  map[string]func(obj *metav1.PartialObjectMetadata) error
	cleaning map[string]func(obj *metav1.PartialObjectMetadata) (time.Duration, error)
}

func newDiary() *diary {
	return &diary{
		working:  map[string]func(*metav1.PartialObjectMetadata) error{},
		cleaning: map[string]func(*metav1.PartialObjectMetadata) (time.Duration, error){},
	}
}

func (d *diary) step(finalizer string) kata.Step {
	return kata.Step{
		Finalizer: finalizer,
		Work: func(_ context.Context, obj *metav1.PartialObjectMetadata) error {
			d.calls = append(d.calls, "work "+finalizer)
			if do := d.working[finalizer]; do != nil {
				return do(obj)
			}
			return nil
		},
		Clean: func(_ context.Context, obj *metav1.PartialObjectMetadata) (time.Duration, error) {
			d.calls = append(d.calls, "clean "+finalizer)
			if do := d.cleaning[finalizer]; do != nil {
				return do(obj)
			}
			return 0, nil
		},
	}
}

// pipeline has the steps, all three unless some are named.
func (d *diary) pipeline(finalizers ...string) *kata.Pipeline {
	GinkgoHelper()
	if len(finalizers) == 0 {
		finalizers = []string{account, number, listing}
	}
	p := &kata.Pipeline{Client: learner()}
	for _, f := range finalizers {
		p.Steps = append(p.Steps, d.step(f))
	}
	return p
}

// run calls Run, and expects that it succeeds, and wants nothing more.
func run(ctx context.Context, p *kata.Pipeline, m *corev1.ConfigMap) {
	GinkgoHelper()
	again, err := p.Run(ctx, refTo(m))
	Expect(err).NotTo(HaveOccurred(), "Run")
	Expect(again).To(BeZero(), "the duration after which Run wants to be called again")
}

// deleted makes a ConfigMap with finalizers that is being deleted.
func deleted(ctx context.Context, finalizers ...string) *corev1.ConfigMap {
	GinkgoHelper()
	m := create(ctx, api.Namespace(ctx), finalizers...)
	remove(ctx, m)
	return m
}

var _ = Describe("A Pipeline", func() {
	When("the object is not being deleted", func() {
		It("does the work of the steps in their order", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx)), newDiary()
			run(ctx, d.pipeline(), m)
			Expect(d.calls).To(Equal([]string{"work " + account, "work " + number, "work " + listing}), "what was called")
			Expect(get(ctx, m).Finalizers).To(ConsistOf(account, number, listing), "the finalizers of configmap menu")
		})

		It("has the finalizer of a step on the server before its work is begun, and not much sooner", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx), theirs), newDiary()
			seen := map[string][]string{}
			for _, f := range []string{account, number} {
				d.working[f] = func(*metav1.PartialObjectMetadata) error {
					seen[f] = get(ctx, m).Finalizers
					return nil
				}
			}
			run(ctx, d.pipeline(account, number), m)
			Expect(seen[account]).To(ConsistOf(theirs, account), "the finalizers that the server has when the work of %s is done, the first one", account)
			Expect(seen[number]).To(ConsistOf(theirs, account, number), "the finalizers that the server has when the work of %s is done, the second one", number)
		})

		It("does no work when the finalizer is refused", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx)), newDiary()
			refuse(isWrite, metav1.StatusReasonForbidden, 403)
			_, err := d.pipeline().Run(ctx, refTo(m))
			expectForbidden(err)
			Expect(d.calls).To(BeEmpty(), "what was called, although no finalizer was stored")
		})

		It("begins no further step when one has failed", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx)), newDiary()
			d.working[number] = func(*metav1.PartialObjectMetadata) error { return errAway }
			_, err := d.pipeline().Run(ctx, refTo(m))
			Expect(err).To(MatchError(errAway), "what Run returns when the work of %s has failed", number)
			Expect(err).To(MatchError(ContainSubstring(number)), "which step has failed")
			Expect(d.calls).To(Equal([]string{"work " + account, "work " + number}), "what was called")
			Expect(get(ctx, m).Finalizers).To(ConsistOf(account, number), "the finalizers of configmap menu: the failed work may have done something, the next step has not begun")
		})

		It("does the work again in the next Run, and writes nothing", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx)), newDiary()
			p := d.pipeline()
			run(ctx, p, m)
			d.calls = nil
			version := get(ctx, m).ResourceVersion
			run(ctx, p, m)
			Expect(d.calls).To(Equal([]string{"work " + account, "work " + number, "work " + listing}), "what was called: nobody knows how far the first Run came")
			Expect(get(ctx, m).ResourceVersion).To(Equal(version), "the resourceVersion of configmap menu, which has all finalizers")
		})

		It("cleans nothing", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx), account, number, listing), newDiary()
			run(ctx, d.pipeline(), m)
			Expect(d.calls).NotTo(ContainElement(HavePrefix("clean")), "what was called")
		})

		It("begins no step when the deletion begins meanwhile, and cleans up those that it has begun", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx)), newDiary()
			d.working[account] = func(*metav1.PartialObjectMetadata) error {
				remove(ctx, m)
				return nil
			}
			p := d.pipeline()
			if _, err := p.Run(ctx, refTo(m)); err != nil {
				Expect(err).To(MatchError(kata.ErrDeleting), "what Run returns when the deletion has begun meanwhile, unless it cleans up at once")
				run(ctx, p, m)
			}
			expectGone(ctx, m)
			Expect(d.calls).To(Equal([]string{"work " + account, "clean " + account}), "what was called, in both Runs")
		})
	})

	When("the object is being deleted", func() {
		It("cleans up from the last step to the first, and lets the object go", func(ctx SpecContext) {
			m, d := deleted(ctx, account, number, listing), newDiary()
			run(ctx, d.pipeline(), m)
			Expect(d.calls).To(Equal([]string{"clean " + listing, "clean " + number, "clean " + account}), "what was called")
			expectGone(ctx, m)
		})

		It("cleans up from the last step to the first, whatever the order of the finalizers", func(ctx SpecContext) {
			m, d := deleted(ctx, listing, account, number), newDiary()
			run(ctx, d.pipeline(), m)
			Expect(d.calls).To(Equal([]string{"clean " + listing, "clean " + number, "clean " + account}), "what was called for configmap menu, whose finalizers stand in another order")
		})

		It("removes the finalizer of a step after its clean-up, and before the next one's", func(ctx SpecContext) {
			m, d := deleted(ctx, account, number), newDiary()
			seen := map[string][]string{}
			for _, f := range []string{account, number} {
				d.cleaning[f] = func(*metav1.PartialObjectMetadata) (time.Duration, error) {
					seen[f] = get(ctx, m).Finalizers
					return 0, nil
				}
			}
			run(ctx, d.pipeline(account, number), m)
			Expect(seen[number]).To(ConsistOf(account, number), "the finalizers that the server has while %s is cleaned up, the last one", number)
			Expect(seen[account]).To(ConsistOf(account), "the finalizers that the server has while %s is cleaned up, the first one", account)
		})

		It("keeps the finalizer of a clean-up that has failed, and those before it", func(ctx SpecContext) {
			m, d := deleted(ctx, account, number, listing), newDiary()
			d.cleaning[number] = func(*metav1.PartialObjectMetadata) (time.Duration, error) { return 0, errAway }
			_, err := d.pipeline().Run(ctx, refTo(m))
			Expect(err).To(MatchError(errAway), "what Run returns when the clean-up of %s has failed", number)
			Expect(err).To(MatchError(ContainSubstring(number)), "which step has failed")
			Expect(d.calls).To(Equal([]string{"clean " + listing, "clean " + number}), "what was called: the account is needed as long as the number is there")
			Expect(get(ctx, m).Finalizers).To(ConsistOf(account, number), "the finalizers of configmap menu")
		})

		It("goes on in the next Run where it has failed, and cleans nothing twice", func(ctx SpecContext) {
			m, d := deleted(ctx, account, number, listing), newDiary()
			p := d.pipeline()
			d.cleaning[number] = func(*metav1.PartialObjectMetadata) (time.Duration, error) { return 0, errAway }
			_, err := p.Run(ctx, refTo(m))
			Expect(err).To(MatchError(errAway), "the first Run")
			d.calls, d.cleaning[number] = nil, nil
			run(ctx, p, m)
			Expect(d.calls).To(Equal([]string{"clean " + number, "clean " + account}), "what was called in the second Run: %s was cleaned up in the first", listing)
			expectGone(ctx, m)
		})

		It("comes again when a clean-up takes its time, and keeps its finalizer until then", func(ctx SpecContext) {
			m, d := deleted(ctx, account, number), newDiary()
			p := d.pipeline(account, number)
			d.cleaning[number] = func(*metav1.PartialObjectMetadata) (time.Duration, error) { return 7 * time.Second, nil }
			again, err := p.Run(ctx, refTo(m))
			Expect(err).NotTo(HaveOccurred(), "Run: it is no error that a clean-up takes its time")
			Expect(again).To(Equal(7*time.Second), "the duration after which Run wants to be called again, which the clean-up has said")
			Expect(d.calls).To(Equal([]string{"clean " + number}), "what was called")
			Expect(get(ctx, m).Finalizers).To(ConsistOf(account, number), "the finalizers of configmap menu")
			d.cleaning[number] = nil
			run(ctx, p, m)
			expectGone(ctx, m)
		})

		It("has an error come first when a clean-up returns a duration as well", func(ctx SpecContext) {
			m, d := deleted(ctx, account), newDiary()
			d.cleaning[account] = func(*metav1.PartialObjectMetadata) (time.Duration, error) { return 7 * time.Second, errAway }
			_, err := d.pipeline().Run(ctx, refTo(m))
			Expect(err).To(MatchError(errAway), "what Run returns when the clean-up of %s has failed", account)
		})

		It("cleans only the steps whose finalizers are there", func(ctx SpecContext) {
			m, d := deleted(ctx, theirs, account), newDiary()
			run(ctx, d.pipeline(), m)
			Expect(d.calls).To(Equal([]string{"clean " + account}), "what was called for configmap menu, of which only the first step had begun")
			Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs), "the finalizers of configmap menu: others' are others' business")
		})

		It("does nothing when only others' finalizers are left", func(ctx SpecContext) {
			m, d := deleted(ctx, theirs), newDiary()
			run(ctx, d.pipeline(), m)
			Expect(d.calls).To(BeEmpty(), "what was called for configmap menu, on which there is none of the finalizers")
			Expect(asked(isWrite)).To(BeEmpty(), "writes")
		})

		It("cleans no further step when a finalizer cannot be removed", func(ctx SpecContext) {
			m, d := deleted(ctx, account, number), newDiary()
			refuse(isWrite, metav1.StatusReasonForbidden, 403)
			_, err := d.pipeline(account, number).Run(ctx, refTo(m))
			expectForbidden(err)
			Expect(d.calls).To(Equal([]string{"clean " + number}), "what was called: %s is still on the object", number)
		})

		It("keeps the finalizers of a successor that comes while it cleans up", func(ctx SpecContext) {
			m, d := deleted(ctx, account, number), newDiary()
			d.cleaning[number] = func(*metav1.PartialObjectMetadata) (time.Duration, error) {
				replace(ctx, m, account, number)
				return 0, nil
			}
			_, err := d.pipeline(account, number).Run(ctx, refTo(m))
			if err != nil {
				Expect(err).To(MatchError(kata.ErrGone), "what Run returns, if anything")
			}
			Expect(get(ctx, m).Finalizers).To(ConsistOf(account, number), "the finalizers of the new configmap menu, whose clean-up is still to come")
		})
	})

	When("the object is not there", func() {
		It("has nothing to do", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx)), newDiary()
			remove(ctx, m)
			run(ctx, d.pipeline(), m)
			Expect(d.calls).To(BeEmpty(), "what was called for configmap menu, which is gone")
		})

		It("does nothing to a successor of the name", func(ctx SpecContext) {
			m, d := create(ctx, api.Namespace(ctx)), newDiary()
			now := replace(ctx, m)
			run(ctx, d.pipeline(), m)
			Expect(d.calls).To(BeEmpty(), "what was called for configmap menu, which was replaced")
			Expect(get(ctx, now).Finalizers).To(BeEmpty(), "the finalizers of the new configmap menu")
		})

		It("does not believe so when it cannot be read", func(ctx SpecContext) {
			m, d := deleted(ctx, account), newDiary()
			refuse(anyRequest, metav1.StatusReasonForbidden, 403)
			_, err := d.pipeline().Run(ctx, refTo(m))
			expectForbidden(err)
		})
	})

	It("takes steps without work and without a clean-up", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		p := &kata.Pipeline{Client: learner(), Steps: []kata.Step{{Finalizer: account}}}
		run(ctx, p, m)
		Expect(get(ctx, m).Finalizers).To(ConsistOf(account), "the finalizers of configmap menu")
		remove(ctx, m)
		run(ctx, p, m)
		expectGone(ctx, m)
	})

	It("gives each function a copy of the object", func(ctx SpecContext) {
		m, d := deleted(ctx, account, number), newDiary()
		for _, f := range []string{account, number} {
			d.cleaning[f] = func(obj *metav1.PartialObjectMetadata) (time.Duration, error) {
				Expect(obj.UID).To(Equal(m.UID), "the UID of the object that the clean-up of %s has got", f)
				obj.UID, obj.Name = "", "another"
				for i := range obj.Finalizers {
					obj.Finalizers[i] = "example.com/spoilt"
				}
				return 0, nil
			}
		}
		run(ctx, d.pipeline(account, number), m)
		expectGone(ctx, m)
	})

	DescribeTable("asks nobody, and does nothing, with", func(ctx SpecContext, steps []string, uid bool, want error, text string) {
		m, d := create(ctx, api.Namespace(ctx)), newDiary()
		ref := refTo(m)
		if !uid {
			ref.UID = ""
		}
		_, err := d.pipeline(steps...).Run(ctx, ref)
		Expect(err).To(MatchError(want), "what Run returns")
		Expect(err).To(MatchError(ContainSubstring(text)), "what it says")
		Expect(d.calls).To(BeEmpty(), "what was called")
		Expect(asked(anyRequest)).To(BeEmpty(), "requests")
	},
		Entry("a finalizer whose name is not fit, in the last step", []string{account, "cleanup"}, true, kata.ErrName, "cleanup"),
		Entry("two steps of one finalizer", []string{account, number, account}, true, kata.ErrTwice, account),
		Entry("a Ref without a UID", []string{account}, false, kata.ErrNoUID, "UID"),
	)
})
