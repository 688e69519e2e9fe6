package apicompat_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	apicompat "github.com/kubekata/kubekata/katas/stage3/03-api-compat"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/schema"
)

// text returns a field of the type string, changed.
func text(changes ...func(*schema.Field)) schema.Field {
	f := schema.Field{Type: "string"}
	for _, change := range changes {
		change(&f)
	}
	return f
}

func required(f *schema.Field)  { f.Required = true }
func open(f *schema.Field)      { f.Open = true }
func immutable(f *schema.Field) { f.Immutable = true }

func defaults(value string) func(*schema.Field)    { return func(f *schema.Field) { f.Default = value } }
func limit(n int) func(*schema.Field)              { return func(f *schema.Field) { f.MaxLength = n } }
func values(v ...string) func(*schema.Field)       { return func(f *schema.Field) { f.Values = v } }
func of(name string, f schema.Field) schema.Schema { return schema.Schema{name: f} }

// lines shows breaches as they are reported.
func lines(breaches []schema.Breach) []string {
	out := []string{}
	for _, b := range breaches {
		out = append(out, b.String())
	}
	return out
}

var _ = Describe("Compare", func() {
	const f = "spec.size"

	DescribeTable("has nothing against", func(before, after schema.Schema) {
		Expect(lines(apicompat.Compare(before, after))).To(BeEmpty(), "broken promises")
	},
		Entry("no change", of(f, text(required, limit(9), immutable)), of(f, text(required, limit(9), immutable))),
		Entry("a new optional field", schema.Schema{}, of(f, text())),
		Entry("a new field with a default", schema.Schema{}, of(f, text(defaults("large")))),
		Entry("a new required field with a default", schema.Schema{}, of(f, text(required, defaults("large")))),
		Entry("a new field with values and a limit", schema.Schema{}, of(f, text(values("small", "large"), limit(5), immutable))),
		Entry("a new value where clients expect new ones", of(f, text(values("small", "large"), open)), of(f, text(values("small", "large", "huge"), open))),
		Entry("a new value where clients expect new ones, for the last time", of(f, text(values("small", "large"), open)), of(f, text(values("small", "large", "huge")))),
		Entry("every value where clients expect new ones", of(f, text(values("small", "large"), open)), of(f, text(open))),
		Entry("values in another order", of(f, text(values("small", "large"))), of(f, text(values("large", "small")))),
		Entry("an immutable field that can be changed now", of(f, text(immutable)), of(f, text())),
		Entry("an empty schema", schema.Schema{}, schema.Schema{}),
	)

	DescribeTable("reports", func(before, after schema.Field, want ...schema.Rule) {
		var lineOf []string
		for _, rule := range want {
			lineOf = append(lineOf, schema.Breach{Field: f, Rule: rule}.String())
		}
		Expect(lines(apicompat.Compare(of(f, before), of(f, after)))).To(Equal(lineOf), "broken promises")
	},
		Entry("another type", text(), schema.Field{Type: "integer"}, schema.TypeChanged),
		Entry("an optional field that is required now", text(), text(required), schema.BecameRequired),
		Entry("a required field that is optional now", text(required), text(), schema.BecameOptional),
		Entry("another default", text(defaults("large")), text(defaults("small")), schema.DefaultChanged),
		Entry("a default where there was none", text(), text(defaults("small")), schema.DefaultChanged),
		Entry("a default that is gone", text(defaults("large")), text(), schema.DefaultChanged),
		Entry("an optional field that is required now, and has a default", text(), text(required, defaults("large")), schema.DefaultChanged),
		Entry("a required field whose default is gone", text(required, defaults("large")), text(required), schema.BecameRequired, schema.DefaultChanged),
		Entry("a required field that gets a default", text(required), text(required, defaults("large")), schema.DefaultChanged),
		Entry("a required field that is optional now, and has a default", text(required), text(defaults("large")), schema.BecameOptional, schema.DefaultChanged),
		Entry("a value that is not taken any more", text(values("small", "large")), text(values("small")), schema.ValuesRemoved),
		Entry("a value that is not taken any more, where clients expect new ones", text(values("small", "large"), open), text(values("small"), open), schema.ValuesRemoved),
		Entry("values where every value was taken", text(), text(values("small", "large")), schema.ValuesRemoved),
		Entry("a new value", text(values("small", "large")), text(values("small", "large", "huge")), schema.ValuesAdded),
		Entry("a new value, of a field that is open only now", text(values("small", "large")), text(values("small", "large", "huge"), open), schema.ValuesAdded),
		Entry("every value where there were some", text(values("small", "large")), text(), schema.ValuesAdded),
		Entry("a value that was renamed", text(values("small", "large")), text(values("small", "big")), schema.ValuesRemoved, schema.ValuesAdded),
		Entry("a lower limit", text(limit(20)), text(limit(10)), schema.LimitLowered),
		Entry("a limit where there was none", text(), text(limit(10)), schema.LimitLowered),
		Entry("a higher limit", text(limit(10)), text(limit(20)), schema.LimitRaised),
		Entry("a limit that is gone", text(limit(10)), text(), schema.LimitRaised),
		Entry("a field that cannot be changed any more", text(), text(immutable), schema.BecameImmutable),
		Entry("all that one field can do", text(values("small"), limit(20)), schema.Field{Type: "integer", Required: true, Values: []string{"1"}, MaxLength: 10, Immutable: true},
			schema.TypeChanged, schema.BecameRequired, schema.ValuesRemoved, schema.ValuesAdded, schema.LimitLowered, schema.BecameImmutable),
	)

	It("reports a field that is gone, and nothing else of it", func() {
		Expect(lines(apicompat.Compare(of(f, text(required, defaults("large"))), schema.Schema{}))).To(Equal([]string{"spec.size: removed"}))
	})

	It("reports a new field that is required", func() {
		Expect(lines(apicompat.Compare(schema.Schema{}, of(f, text(required))))).To(Equal([]string{"spec.size: became required"}))
	})

	It("reports a renamed field as gone", func() {
		Expect(lines(apicompat.Compare(of("spec.topping", text()), of("spec.mainTopping", text())))).To(Equal([]string{"spec.topping: removed"}))
	})

	It("orders what it reports by field", func() {
		before := schema.Schema{"spec.d": text(), "spec.b": text(), "spec.c": text(), "spec.a": text(limit(9))}
		after := schema.Schema{"spec.e": text(required), "spec.d": text(immutable), "spec.b": text(required, limit(1)), "spec.a": text(limit(10)), "spec.f": text()}
		for range 20 { // a map's order is another one each time
			Expect(lines(apicompat.Compare(before, after))).To(Equal([]string{
				"spec.a: limit raised", "spec.b: became required", "spec.b: limit lowered", "spec.c: removed", "spec.d: became immutable", "spec.e: became required",
			}))
		}
	})

	It("leaves the schemas as they are", func() {
		before, after := of(f, text(values("small", "large"))), of(f, text(values("large", "huge")))
		apicompat.Compare(before, after)
		Expect(before).To(Equal(of(f, text(values("small", "large")))), "the schema before")
		Expect(after).To(Equal(of(f, text(values("large", "huge")))), "the schema after")
	})
})
