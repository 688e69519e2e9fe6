package v1

// The defaults, see LoafSpec.
const (
	DefaultFlour         = "wheat"
	DefaultSalt    int32 = 20
	DefaultMinutes int32 = 10
	StepBake             = "bake"
)

// TODO(kata): Functions that defaulter-gen finds by their name: SetDefaults_ and the type's, with a pointer to it. They fill in what is
// left out, and nothing else: a 0 that somebody has written is a 0, and what was defaulted once stays as it is. Then generate
// again, so that they are called.
