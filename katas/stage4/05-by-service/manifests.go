package byservice

import "embed"

// Manifests has the files of manifests, and Samples those of samples.
var (
	//go:embed manifests
	Manifests embed.FS
	//go:embed samples
	Samples embed.FS
)
