package v1

// The defaults, see LoafSpec.
const (
	DefaultFlour         = "wheat"
	DefaultSalt    int32 = 20
	DefaultMinutes int32 = 10
	StepBake             = "bake"
)

// kata:begin Functions that defaulter-gen finds by their name: SetDefaults_ and the type's, with a pointer to it. They fill in what is
// | left out, and nothing else: a 0 that somebody has written is a 0, and what was defaulted once stays as it is. Then generate
// | again, so that they are called.
// kata:stub

// SetDefaults_LoafSpec fills in what a recipe leaves out.
func SetDefaults_LoafSpec(spec *LoafSpec) {
	if spec.Flour == "" {
		spec.Flour = DefaultFlour
	}
	if spec.Salt == nil {
		spec.Salt = new(DefaultSalt)
	}
	for _, step := range spec.Steps {
		if step.Name == StepBake {
			return
		}
	}
	// The generated code calls SetDefaults_Step for the elements of Steps afterwards, so that this one needs no minutes.
	spec.Steps = append(spec.Steps, Step{Name: StepBake})
}

// SetDefaults_Step fills in what a step leaves out.
func SetDefaults_Step(step *Step) {
	if step.Minutes == nil {
		step.Minutes = new(DefaultMinutes)
	}
}

// kata:end
