package apicompat

import (
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/schema"
)

// Compare says which promises a release breaks that serves a kind by the schema after, to clients and objects that know it by
// before. Package schema has the rules. They come ordered by field, and for a field in the order of schema's constants. A change
// that breaks nothing, a new optional field for instance, has no breaches. The schemas stay as they are.
func Compare(before, after schema.Schema) []schema.Breach {
	// TODO(kata): One loop over the new fields, one over the old ones? Or one over all names: a name that before does not have
	// can break one rule, and one that after does not have, another.
	panic("Compare is not implemented")
}

// TODO(kata): Functions of your own.
