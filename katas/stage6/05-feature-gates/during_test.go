package featuregates_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/featuregate"

	kata "github.com/kubekata/kubekata/katas/stage6/05-feature-gates"
	"github.com/kubekata/kubekata/katas/stage6/05-feature-gates/gatetest"
)

// test is a *testing.T that a spec can look into.
type test struct {
	cleanups []func()
	failures []string
}

// over is a test that a Fatal has ended.
type over struct{}

func (t *test) Cleanup(f func())    { t.cleanups = append(t.cleanups, f) }
func (t *test) Logf(string, ...any) {}
func (t *test) Error(args ...any)   { t.failures = append(t.failures, fmt.Sprint(args...)) }
func (t *test) Errorf(format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}
func (t *test) Fatal(args ...any)                 { t.Error(args...); panic(over{}) }
func (t *test) Fatalf(format string, args ...any) { t.Errorf(format, args...); panic(over{}) }
func (t *test) Helper()                           {}
func (t *test) Name() string                      { return fmt.Sprintf("TestMenu%p", t) }

// run runs a body as package testing does: after it, the clean-ups, the last one first.
func (t *test) run(body func()) {
	part := func(f func()) {
		defer func() {
			if p := recover(); p != nil {
				if _, ok := p.(over); !ok {
					panic(p)
				}
			}
		}()
		f()
	}
	part(body)
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		part(last)
	}
}

var _ = Describe("During", func() {
	It("switches features for a test, and back after it", func(ctx SpecContext) {
		gate, t := newGate(), &test{}
		before := state(gate)
		t.run(func() {
			gatetest.During(t, gate, nil, map[featuregate.Feature]bool{kata.Voice: true})
			Expect(gate.Enabled(kata.Voice)).To(BeTrue(), "whether Voice is on during the test")
		})
		Expect(t.failures).To(BeEmpty(), "what has failed in the test")
		Expect(state(gate)).To(Equal(before), "the state of the gate after the test")
	})

	It("emulates a version for a test, in which other features are there, and other ones are locked", func(ctx SpecContext) {
		gate, t := newGate(), &test{}
		before := state(gate)
		t.run(func() {
			gatetest.During(t, gate, version.MajorMinor(1, 2), map[featuregate.Feature]bool{kata.Prices: false, kata.Translations: true})
			Expect(state(gate)).To(And(HaveKeyWithValue("version", "1.2"), HaveKeyWithValue("Prices", "on: false, set: true"), HaveKeyWithValue("Translations", "on: true, set: true"),
				HaveKeyWithValue("Chalk", "on: true, set: false")), "the state of the gate during the test")
		})
		Expect(t.failures).To(BeEmpty(), "what has failed in the test")
		Expect(state(gate)).To(Equal(before), "the state of the gate after the test")
	})

	It("leaves what was set before it as it was", func(ctx SpecContext) {
		gate, t := newGate(), &test{}
		Expect(gate.Set("Voice=true")).To(Succeed())
		before := state(gate)
		t.run(func() {
			gatetest.During(t, gate, nil, map[featuregate.Feature]bool{kata.Voice: false})
			Expect(gate.Enabled(kata.Voice)).To(BeFalse(), "whether Voice is on during the test")
		})
		Expect(t.failures).To(BeEmpty(), "what has failed in the test")
		Expect(state(gate)).To(Equal(before), "the state of the gate after the test: Voice was set before it")
	})

	It("switches off what depends on what it switches off", func(ctx SpecContext) {
		gate, t := newGate(), &test{}
		Expect(gate.Set("Voice=true")).To(Succeed())
		before := state(gate)
		t.run(func() {
			gatetest.During(t, gate, nil, map[featuregate.Feature]bool{kata.Translations: false})
			Expect(gate.Enabled(kata.Voice)).To(BeFalse(), "whether Voice is on while Translations is off")
		})
		Expect(t.failures).To(BeEmpty(), "what has failed in the test")
		Expect(state(gate)).To(Equal(before), "the state of the gate after the test")
	})

	It("lets features follow the version again after it", func(ctx SpecContext) {
		gate, t := newGate(), &test{}
		t.run(func() { gatetest.During(t, gate, nil, map[featuregate.Feature]bool{kata.Translations: true}) })
		Expect(gate.SetEmulationVersion(version.MajorMinor(1, 2))).To(Succeed())
		Expect(gate.Enabled(kata.Translations)).To(BeFalse(), "whether Translations is on in 1.2, when only a test has set it")
	})

	It("switches on at once what depends on each other, and off again", func(ctx SpecContext) {
		for range 20 { // a map has no order
			gate, t := newGate(), &test{}
			Expect(gate.Set("Translations=false")).To(Succeed())
			before := state(gate)
			t.run(func() {
				gatetest.During(t, gate, nil, map[featuregate.Feature]bool{kata.Voice: true, kata.Translations: true})
				Expect(gate.Enabled(kata.Voice)).To(BeTrue(), "whether Voice is on during the test")
			})
			Expect(t.failures).To(BeEmpty(), "what has failed in the test")
			Expect(state(gate)).To(Equal(before), "the state of the gate after the test")
		}
	})

	It("stays with the version that the gate emulates, when it is told none", func(ctx SpecContext) {
		gate, t := newGate(), &test{}
		Expect(gate.SetEmulationVersion(version.MajorMinor(1, 3))).To(Succeed())
		t.run(func() {
			gatetest.During(t, gate, nil, map[featuregate.Feature]bool{kata.Chalk: true})
			Expect(state(gate)).To(HaveKeyWithValue("version", "1.3"), "the state of the gate during the test")
		})
		Expect(t.failures).To(BeEmpty(), "what has failed in the test")
	})

	It("fails the test when the gate refuses a value", func(ctx SpecContext) {
		gate, t := newGate(), &test{}
		t.run(func() { gatetest.During(t, gate, nil, map[featuregate.Feature]bool{kata.Prices: false}) })
		Expect(t.failures).To(ContainElement(ContainSubstring("locked")), "what has failed in the test")
	})

	It("works in a spec of Ginkgo's", func(ctx SpecContext) {
		gate := newGate()
		gatetest.During(GinkgoTB(), gate, version.MajorMinor(1, 3), map[featuregate.Feature]bool{kata.Chalk: true})
		Expect(gate.Enabled(kata.Chalk)).To(BeTrue(), "whether Chalk is on")
	})
})
