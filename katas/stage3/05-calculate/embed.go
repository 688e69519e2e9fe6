// Package calculate holds the files of a small kubebuilder project, for its program and its specs. The project itself is in the
// folders: api, config, internal.
package calculate

import "embed"

// Files are the project's sources, and what controller-gen has made of them.
//
//go:embed api/v1/*.go config/crd/bases/*.yaml config/rbac/*.yaml internal/controller/*.go hack/*.txt
var Files embed.FS
