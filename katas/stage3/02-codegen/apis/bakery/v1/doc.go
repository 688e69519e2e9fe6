// TODO(kata): Tags for the whole package, each on a line of its own above the package's doc: deepcopy-gen for all its types, defaulter-gen
// for those that have a TypeMeta, and the name of the API group, bakery.kubekata.dev.

// Package v1 is version v1 of the API group bakery.kubekata.dev.
package v1
