package validate_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	validate "github.com/kubekata/kubekata/katas/stage4/04-validate"
)

// texts are the errors in a line each: the type, the field and the bad value.
func texts(errs field.ErrorList) []string {
	all := []string{}
	for _, err := range errs {
		text := fmt.Sprintf("%s %s", err.Type, err.Field)
		if value, ok := err.BadValue.(string); ok && value != "" {
			text += " " + value
		}
		all = append(all, text)
	}
	return all
}

const (
	noName   = "Required value metadata.labels[app.kubernetes.io/name]"
	noPartOf = "Required value metadata.labels[app.kubernetes.io/part-of]"
	badTier  = "Unsupported value metadata.labels[kubekata.dev/tier] gold"
)

var _ = Describe("Validate", func() {
	DescribeTable("finds", func(change func(*corev1.ConfigMap), want ...string) {
		Expect(texts(policy().Validate(pizza(change)))).To(HaveExactElements(anys(want)...), "the mistakes in an object with the labels %v and the annotations %v", pizza(change).Labels, pizza(change).Annotations)
	},
		Entry("nothing in an object with all labels", func(*corev1.ConfigMap) {}),
		Entry("a label that is missing", without(nameLabel), noName),
		Entry("a label that is empty", with(nameLabel, ""), noName),
		Entry("all labels that are missing", func(cm *corev1.ConfigMap) { cm.Labels = nil }, noName, noPartOf),
		Entry("a value that is not supported", with(tierLabel, "gold"), badTier),
		Entry("an empty value that is not supported", with(tierLabel, ""), "Unsupported value metadata.labels[kubekata.dev/tier]"),
		Entry("nothing in a label that need not be there, and is not", without(tierLabel)),
		Entry("a required label once, when it is empty and has supported values", with(partOfLabel, ""), noPartOf),
		Entry("an unsupported value of a required label", with(partOfLabel, "pasta"), "Unsupported value metadata.labels[app.kubernetes.io/part-of] pasta"),
		Entry("an annotation that is no truth value", annotated(validate.ProtectedAnnotation, "certainly"),
			"Invalid value metadata.annotations[labels.kubekata.dev/protected] certainly"),
		Entry("nothing in an annotation that is one", annotated(validate.ProtectedAnnotation, "F")),
		Entry("everything at once, ordered by field", func(cm *corev1.ConfigMap) {
			cm.Labels = map[string]string{tierLabel: "gold"}
			annotated(validate.ProtectedAnnotation, "")(cm)
		}, "Invalid value metadata.annotations[labels.kubekata.dev/protected]", noName, noPartOf, badTier),
	)

	It("says which values are supported", func(ctx SpecContext) {
		errs := policy().Validate(pizza(with(tierLabel, "gold")))
		Expect(errs).To(HaveLen(1))
		Expect(errs[0].Error()).To(And(ContainSubstring(`"bronze"`), ContainSubstring(`"silver"`)), "the text of the error")
	})

	It("has its mistakes in the same order each time", func(ctx SpecContext) {
		p := policy()
		p.Supported = map[string][]string{"a": {"1"}, "b": {"1"}, "c": {"1"}, "d": {"1"}, "e": {"1"}}
		object := pizza(func(cm *corev1.ConfigMap) {
			for key := range p.Supported {
				cm.Labels[key] = "2"
			}
		})
		for range 20 {
			Expect(texts(p.Validate(object))).To(HaveExactElements(HaveSuffix("[a] 2"), HaveSuffix("[b] 2"), HaveSuffix("[c] 2"), HaveSuffix("[d] 2"), HaveSuffix("[e] 2")))
		}
	})
})

var _ = Describe("ValidateUpdate", func() {
	It("tells two mistakes in one label: it may not change, and not to that value", func(ctx SpecContext) {
		p := policy()
		p.Immutable = append(p.Immutable, tierLabel)
		fresh, inherited := p.ValidateUpdate(pizza(with(tierLabel, "gold")), pizza())
		Expect(texts(fresh)).To(ConsistOf(badTier, "Invalid value metadata.labels[kubekata.dev/tier] gold"), "the fresh mistakes, when an immutable tier silver becomes gold")
		Expect(texts(inherited)).To(BeEmpty(), "the inherited mistakes")
	})

	It("leaves the policy as it was", func(ctx SpecContext) {
		p := policy()
		p.ValidateUpdate(pizza(both(without(nameLabel), without(partOfLabel))), pizza(with(tierLabel, "gold")))
		Expect(p).To(Equal(policy()), "the policy, which other requests are reading")
	})

	DescribeTable("tells apart", func(old, object func(*corev1.ConfigMap), fresh, inherited []string) {
		gotFresh, gotInherited := policy().ValidateUpdate(pizza(object), pizza(old))
		situation := fmt.Sprintf("an update of labels %v, annotations %v to %v, %v", pizza(old).Labels, pizza(old).Annotations, pizza(object).Labels, pizza(object).Annotations)
		Expect(texts(gotFresh)).To(HaveExactElements(anys(fresh)...), "the fresh mistakes of %s", situation)
		Expect(texts(gotInherited)).To(HaveExactElements(anys(inherited)...), "the inherited mistakes of %s", situation)
	},
		Entry("nothing, when all is well", as, as, nil, nil),
		Entry("a label that is removed", as, without(nameLabel), []string{noName}, nil),
		Entry("a label that was missing already", without(nameLabel), without(nameLabel), nil, []string{noName}),
		Entry("a label that is missing, and was empty", with(nameLabel, ""), without(nameLabel), nil, []string{noName}),
		Entry("an unsupported value that was there already", with(tierLabel, "gold"), with(tierLabel, "gold"), nil, []string{badTier}),
		Entry("an unsupported value in the place of another", with(tierLabel, "tin"), with(tierLabel, "gold"), []string{badTier}, nil),
		Entry("one that is new and one that is not", without(nameLabel), both(without(nameLabel), without(partOfLabel)), []string{noPartOf}, []string{noName}),
		Entry("a mistake that is mended", without(nameLabel), as, nil, nil),
		Entry("an immutable label that has another value", as, with(instanceLabel, "second"), []string{"Invalid value metadata.labels[app.kubernetes.io/instance] second"}, nil),
		Entry("an immutable label that is emptied", as, with(instanceLabel, ""), []string{"Invalid value metadata.labels[app.kubernetes.io/instance]"}, nil),
		Entry("an immutable label that is removed", as, without(instanceLabel), []string{"Invalid value metadata.labels[app.kubernetes.io/instance]"}, nil),
		Entry("an immutable label that was not there", without(instanceLabel), as, nil, nil),
		Entry("an immutable label that was empty", with(instanceLabel, ""), as, nil, nil),
		Entry("a wrong annotation, when the old one was wrong in another way", annotated(validate.ProtectedAnnotation, "yes"), annotated(validate.ProtectedAnnotation, "no"),
			[]string{"Invalid value metadata.annotations[labels.kubekata.dev/protected] no"}, nil),
		Entry("a wrong annotation that was there already", annotated(validate.ProtectedAnnotation, "yes"), annotated(validate.ProtectedAnnotation, "yes"),
			nil, []string{"Invalid value metadata.annotations[labels.kubekata.dev/protected] yes"}),
		Entry("fresh ones in the order of their fields", as, both(without(nameLabel), with(instanceLabel, "second"), without(partOfLabel)),
			[]string{"Invalid value metadata.labels[app.kubernetes.io/instance] second", noName, noPartOf}, nil),
	)
})

var _ = Describe("Warnings", func() {
	It("are none when all is well", func(ctx SpecContext) {
		Expect(validate.Warnings(pizza(), nil)).To(BeEmpty())
	})

	It("name each inherited mistake, in a line", func(ctx SpecContext) {
		_, inherited := policy().ValidateUpdate(pizza(func(cm *corev1.ConfigMap) { cm.Labels = nil }), pizza(func(cm *corev1.ConfigMap) { cm.Labels = nil }))
		got := validate.Warnings(pizza(), inherited)
		Expect(got).To(HaveExactElements(ContainSubstring("metadata.labels[app.kubernetes.io/name]"), ContainSubstring("metadata.labels[app.kubernetes.io/part-of]")), "the warnings")
		Expect(got).To(HaveEach(Not(ContainSubstring("\n"))), "the warnings: the API server drops those with line breaks")
	})

	It("name an old label, even an empty one", func(ctx SpecContext) {
		Expect(validate.Warnings(pizza(with(validate.OldLabel, "")), nil)).To(ConsistOf(ContainSubstring("metadata.labels[app]")), "the warnings")
	})
})
