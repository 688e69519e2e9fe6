package featuregates_test

import (
	"fmt"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/featuregate"
	"k8s.io/klog/v2"

	kata "github.com/kubekata/kubekata/katas/stage6/05-feature-gates"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestFeatureGates(t *testing.T) {
	klog.SetLogger(logr.Discard()) // gates say what they are set to
	harness.RunSpecs(t, "Stage 6 · 05-feature-gates")
}

// features are all of them.
var features = []featuregate.Feature{kata.Prices, kata.Translations, kata.Voice, kata.Chalk}

// newGate is the learner's.
func newGate() featuregate.MutableVersionedFeatureGate {
	GinkgoHelper()
	gate, err := kata.NewGate()
	Expect(err).NotTo(HaveOccurred(), "NewGate")
	Expect(gate).NotTo(BeNil(), "the gate")
	return gate
}

// emulating is the learner's, which emulates a version.
func emulating(minor uint) featuregate.MutableVersionedFeatureGate {
	GinkgoHelper()
	gate := newGate()
	Expect(gate.SetEmulationVersion(version.MajorMinor(1, minor))).To(Succeed(), "emulate version 1.%d", minor)
	return gate
}

// state is what a gate says of itself: each feature, whether it is on and whether somebody has set it, and the version.
func state(gate featuregate.MutableVersionedFeatureGate) map[string]string {
	all := map[string]string{"version": gate.EmulationVersion().String()}
	for _, f := range features {
		all[string(f)] = fmt.Sprintf("on: %t, set: %t", gate.Enabled(f), gate.ExplicitlySet(f))
	}
	return all
}

var _ = Describe("The features", func() {
	stage := func(gate featuregate.MutableVersionedFeatureGate, f featuregate.Feature) string {
		spec, ok := gate.GetAll()[f]
		if !ok || spec.PreRelease == featuregate.PreAlpha {
			return "not there"
		}
		text := map[bool]string{true: "on", false: "off"}[spec.Default]
		if spec.LockToDefault {
			text += ", locked"
		}
		name := string(spec.PreRelease)
		if spec.PreRelease == featuregate.GA {
			name = "GA"
		}
		return name + ", " + text
	}

	for _, row := range []struct {
		minor uint
		want  map[featuregate.Feature]string
	}{
		{1, map[featuregate.Feature]string{kata.Prices: "BETA, on", kata.Translations: "ALPHA, off", kata.Voice: "not there", kata.Chalk: "GA, on"}},
		{2, map[featuregate.Feature]string{kata.Prices: "BETA, on", kata.Translations: "ALPHA, off", kata.Voice: "not there", kata.Chalk: "GA, on"}},
		{3, map[featuregate.Feature]string{kata.Prices: "GA, on, locked", kata.Translations: "BETA, on", kata.Voice: "ALPHA, off", kata.Chalk: "DEPRECATED, off"}},
		{4, map[featuregate.Feature]string{kata.Prices: "GA, on, locked", kata.Translations: "BETA, on", kata.Voice: "BETA, off", kata.Chalk: "DEPRECATED, off, locked"}},
	} {
		for _, f := range features {
			It(fmt.Sprintf("in 1.%d: %s is %s", row.minor, f, row.want[f]), func(ctx SpecContext) {
				Expect(stage(emulating(row.minor), f)).To(Equal(row.want[f]), "what feature %s is in a gate that emulates 1.%d", f, row.minor)
			})
		}
	}

	It("have a spec for each change, and no others", func(ctx SpecContext) {
		got := map[featuregate.Feature][]string{}
		for f, specs := range kata.Specs() {
			for _, spec := range specs {
				got[f] = append(got[f], spec.Version.String())
			}
		}
		Expect(got).To(Equal(map[featuregate.Feature][]string{
			kata.Prices: {"1.1", "1.3"}, kata.Translations: {"1.1", "1.3"}, kata.Voice: {"1.3", "1.4"}, kata.Chalk: {"1.0", "1.3", "1.4"},
		}), "the versions of the specs, by feature")
	})

	It("are a fresh map each time", func(ctx SpecContext) {
		Expect(kata.Specs()).To(HaveLen(4), "the features")
		specs := kata.Specs()
		specs[kata.Voice][0].Default = true
		delete(specs, kata.Chalk)
		Expect(kata.Specs()).To(And(HaveKey(kata.Chalk), HaveKeyWithValue(kata.Voice, HaveEach(HaveField("Default", false)))), "what Specs returns when somebody has changed what it returned before")
	})
})

var _ = Describe("NewGate", func() {
	It("emulates the program's own version", func(ctx SpecContext) {
		Expect(newGate().EmulationVersion().String()).To(Equal("1.4"), "the version that is emulated")
	})

	It("has nothing set", func(ctx SpecContext) {
		Expect(state(newGate())).To(Equal(map[string]string{
			"version": "1.4", "Prices": "on: true, set: false", "Translations": "on: true, set: false", "Voice": "on: false, set: false", "Chalk": "on: false, set: false",
		}), "the state of a new gate")
	})

	It("returns another gate each time", func(ctx SpecContext) {
		first, second := newGate(), newGate()
		Expect(first.Set("Voice=true")).To(Succeed())
		Expect(second.Enabled(kata.Voice)).To(BeFalse(), "whether Voice is on in one gate, when it was set in another")
	})

	It("refuses Voice without Translations", func(ctx SpecContext) {
		Expect(newGate().Set("Voice=true,Translations=false")).To(MatchError(ContainSubstring("Voice is enabled, but depends on features that are disabled: [Translations]")))
	})

	It("knows that the dependency is Voice's", func(ctx SpecContext) {
		Expect(newGate().Dependencies()).To(HaveKeyWithValue(kata.Voice, ConsistOf(kata.Translations)), "the dependencies")
		Expect(newGate().Set("Translations=true")).To(Succeed(), "switch Translations on, and not Voice")
	})
})
