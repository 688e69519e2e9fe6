package apicompat

import (
	"maps"
	"slices"

	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/schema"
)

// Compare says which promises a release breaks that serves a kind by the schema after, to clients and objects that know it by
// before. Package schema has the rules. They come ordered by field, and for a field in the order of schema's constants. A change
// that breaks nothing, a new optional field for instance, has no breaches. The schemas stay as they are.
func Compare(before, after schema.Schema) []schema.Breach {
	// kata:begin One loop over the new fields, one over the old ones? Or one over all names: a name that before does not have
	// | can break one rule, and one that after does not have, another.
	var breaches []schema.Breach
	names := slices.Collect(maps.Keys(after))
	for name := range before {
		if _, ok := after[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		was, had := before[name]
		is, has := after[name]
		var rules []schema.Rule
		switch {
		case !has:
			rules = []schema.Rule{schema.Removed}
		case !had:
			if asksFor(is) {
				rules = []schema.Rule{schema.BecameRequired}
			}
		default:
			rules = broken(was, is)
		}
		for _, rule := range rules {
			breaches = append(breaches, schema.Breach{Field: name, Rule: rule})
		}
	}
	return breaches
	// kata:end
}

// kata:begin Functions of your own.
// kata:stub

// broken returns the rules that are broken by a field that was there and still is.
func broken(was, is schema.Field) []schema.Rule {
	var rules []schema.Rule
	for _, check := range []struct {
		broken bool
		rule   schema.Rule
	}{
		{was.Type != is.Type, schema.TypeChanged},
		{asksFor(is) && !asksFor(was), schema.BecameRequired},
		{was.Required && !is.Required, schema.BecameOptional},
		{was.Default != is.Default, schema.DefaultChanged},
		{!takesAll(is.Values, was.Values), schema.ValuesRemoved},
		{!takesAll(was.Values, is.Values) && !was.Open, schema.ValuesAdded},
		{shorter(is.MaxLength, was.MaxLength), schema.LimitLowered},
		{shorter(was.MaxLength, is.MaxLength), schema.LimitRaised},
		{!was.Immutable && is.Immutable, schema.BecameImmutable},
	} {
		if check.broken {
			rules = append(rules, check.rule)
		}
	}
	return rules
}

// asksFor says whether a request without the field is refused.
func asksFor(f schema.Field) bool {
	return f.Required && f.Default == ""
}

// takesAll says whether a field with these values takes whatever one with the others takes. No values are all values.
func takesAll(values, others []string) bool {
	if len(values) == 0 {
		return true
	}
	return len(others) > 0 && !slices.ContainsFunc(others, func(v string) bool { return !slices.Contains(values, v) })
}

// shorter says whether one limit is lower than another. 0 is none.
func shorter(limit, than int) bool {
	return limit != 0 && (than == 0 || limit < than)
}

// kata:end
