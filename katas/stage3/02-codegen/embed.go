package codegen

import "embed"

// Sources are the types and what is generated from them, for the specs.
//
//go:embed apis generated
var Sources embed.FS
