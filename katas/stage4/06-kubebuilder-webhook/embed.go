// Package kubebuilderwebhook holds the files of a small kubebuilder project, for its specs. The project itself is in the folders: api, config, internal.
package kubebuilderwebhook

import "embed"

// Files are the project's sources, and its configuration.
//
//go:embed api/v1/*.go internal/webhook/v1/*.go hack/*.txt config
var Files embed.FS
