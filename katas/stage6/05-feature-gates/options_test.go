package featuregates_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/featuregate"

	kata "github.com/kubekata/kubekata/katas/stage6/05-feature-gates"
)

// options are for a gate, with the flags that they have added.
func options(gate featuregate.MutableVersionedFeatureGate) (*kata.Options, *pflag.FlagSet) {
	GinkgoHelper()
	o, fs := &kata.Options{Gate: gate}, pflag.NewFlagSet("menu", pflag.ContinueOnError)
	o.AddFlags(fs)
	return o, fs
}

// complete is what a program does with a command line.
func complete(gate featuregate.MutableVersionedFeatureGate, args ...string) error {
	GinkgoHelper()
	o, fs := options(gate)
	Expect(fs.Parse(args)).To(Succeed(), "parse %q", args)
	return o.Complete()
}

var _ = Describe("The flags", func() {
	It("leave everything as it is when there are none", func(ctx SpecContext) {
		gate := newGate()
		before := state(gate)
		Expect(complete(gate)).To(Succeed())
		Expect(state(gate)).To(Equal(before), "the state of the gate")
	})

	It("switch features on and off", func(ctx SpecContext) {
		gate := newGate()
		Expect(complete(gate, "--feature-gates=Voice=true")).To(Succeed())
		Expect(gate.Enabled(kata.Voice)).To(BeTrue(), "whether Voice is on")
		gate = newGate()
		Expect(complete(gate, "--feature-gates", "Translations=false")).To(Succeed())
		Expect(gate.Enabled(kata.Translations)).To(BeFalse(), "whether Translations is on")
	})

	It("take several features, with commas and in several flags", func(ctx SpecContext) {
		gate := newGate()
		Expect(complete(gate, "--feature-gates=Voice=true,Translations=true", "--emulation-version=1.3", "--feature-gates=Chalk=true")).To(Succeed())
		Expect(state(gate)).To(And(HaveKeyWithValue("Voice", "on: true, set: true"), HaveKeyWithValue("Chalk", "on: true, set: true")), "the state of the gate")
	})

	It("let the last one win when a feature is named twice", func(ctx SpecContext) {
		gate := newGate()
		Expect(complete(gate, "--feature-gates=Voice=true", "--feature-gates=Voice=false")).To(Succeed())
		Expect(gate.Enabled(kata.Voice)).To(BeFalse(), "whether Voice is on")
	})

	It("emulate a version", func(ctx SpecContext) {
		gate := newGate()
		Expect(complete(gate, "--emulation-version=1.2")).To(Succeed())
		Expect(state(gate)).To(And(HaveKeyWithValue("version", "1.2"), HaveKeyWithValue("Chalk", "on: true, set: false"), HaveKeyWithValue("Translations", "on: false, set: false")), "the state of the gate")
	})

	DescribeTable("emulate both ends of what they can", func(v string) {
		gate := newGate()
		Expect(complete(gate, "--emulation-version="+v)).To(Succeed())
		Expect(state(gate)).To(HaveKeyWithValue("version", v), "the state of the gate")
	},
		Entry("the oldest", kata.Oldest.String()),
		Entry("the program's own", kata.Binary.String()),
	)

	It("emulate the program's own version when they do not say one", func(ctx SpecContext) {
		gate := newGate()
		Expect(gate.SetEmulationVersion(version.MajorMinor(1, 2))).To(Succeed())
		Expect(complete(gate)).To(Succeed())
		Expect(state(gate)).To(HaveKeyWithValue("version", kata.Binary.String()), "the state of a gate that has emulated 1.2 before")
	})

	DescribeTable("mean the same in any order", func(args ...string) {
		gate := newGate()
		Expect(complete(gate, args...)).To(Succeed(), "%q: Prices was not locked in 1.2", args)
		Expect(state(gate)).To(And(HaveKeyWithValue("version", "1.2"), HaveKeyWithValue("Prices", "on: false, set: true")), "the state of the gate after %q", args)
	},
		Entry("the version first", "--emulation-version=1.2", "--feature-gates=Prices=false"),
		Entry("the features first", "--feature-gates=Prices=false", "--emulation-version=1.2"),
	)

	It("set nothing while they are parsed", func(ctx SpecContext) {
		gate := newGate()
		o, fs := options(gate)
		before := state(gate)
		Expect(fs.Parse([]string{"--feature-gates=Voice=true", "--emulation-version=1.3"})).To(Succeed())
		Expect(state(gate)).To(Equal(before), "the state of the gate before Complete")
		Expect(o.Complete()).To(Succeed())
		Expect(gate.Enabled(kata.Voice)).To(BeTrue(), "whether Voice is on after Complete")
	})

	It("list the features in their help", func(ctx SpecContext) {
		_, fs := options(newGate())
		Expect(fs.FlagUsages()).To(And(ContainSubstring("--feature-gates"), ContainSubstring("Voice=true|false (BETA - default=false)"), ContainSubstring("Translations=true|false (BETA - default=true)"),
			ContainSubstring("--emulation-version")), "the help")
	})

	It("close the gate", func(ctx SpecContext) {
		gate := newGate()
		options(gate)
		Expect(gate.Add(map[featuregate.Feature]featuregate.FeatureSpec{"Late": {PreRelease: featuregate.Alpha}})).NotTo(Succeed(), "add a feature after the flags, which would be missing from the help")
	})

	DescribeTable("are refused, and leave the gate as it was,", func(reason string, args ...string) {
		gate := newGate()
		Expect(gate.Set("Translations=true")).To(Succeed()) // somebody has set it in the code
		before := state(gate)
		err := complete(gate, args...)
		Expect(err).To(MatchError(ContainSubstring(reason)), "%q", args)
		Expect(err).NotTo(MatchError(kata.ErrVersion), "%q: nothing is wrong with the version", args)
		Expect(state(gate)).To(Equal(before), "the state of the gate after %q", args)
		Expect(gate.Set("Voice=true")).To(Succeed(), "set something else, which is right, after %q", args)
	},
		Entry("when a feature is locked", "Prices to false, feature is locked to true", "--feature-gates=Prices=false"),
		Entry("when there is no such feature", "unrecognized feature gate: Smell", "--feature-gates=Smell=true"),
		Entry("when there is no such feature in that version", "Voice to true, feature is PreAlpha at emulated version 1.2", "--feature-gates=Voice=true", "--emulation-version=1.2"),
		Entry("when a value is missing", "missing bool value for Voice", "--feature-gates=Voice"),
		Entry("when a value is neither", "invalid value of Voice=perhaps", "--feature-gates=Voice=perhaps"),
		Entry("when a dependency is off", "depends on features that are disabled", "--feature-gates=Voice=true,Translations=false"),
		Entry("when one of several is wrong", "unrecognized feature gate: Smell", "--feature-gates=Voice=true,Smell=true", "--emulation-version=1.3"),
	)

	DescribeTable("cannot emulate", func(v string) {
		gate := newGate()
		before := state(gate)
		err := complete(gate, "--emulation-version="+v, "--feature-gates=Voice=true")
		Expect(err).To(MatchError(kata.ErrVersion), "--emulation-version=%s", v)
		Expect(err).To(MatchError(ContainSubstring("--emulation-version")), "the error names the flag")
		Expect(state(gate)).To(Equal(before), "the state of the gate")
	},
		Entry("a version that is older than the oldest", "1.0"),
		Entry("a version that is newer than the program", "1.5"),
		Entry("another major version", "2.2"),
		Entry("a patch", "1.2.3"),
		Entry("a major version alone", "1"),
		Entry("what is none", "latest"),
		Entry("nothing", ""),
		Entry("a version with something after it", "1.3-alpha.1"),
		Entry("a version with something else after it", "1.3banana"),
		Entry("a version with a v before it", "v1.3"),
		Entry("a version with a zero too many", "1.03"),
	)
})
