// Package harness is what every kata's spec file imports.
//
// A suite begins with [RunSpecs], which is Ginkgo's with three additions: every node is bounded, so that a learner's
// endless loop ends in a verdict that names the spec; results are reported to the runner (package report); and a
// panic is located in the learner's file. [Start] runs a learner's loop (a controller, a server) beside a spec, and
// fails the spec at once when that loop returns early.
//
// Specs that need an API server also import package harness/cluster. This package does not, so that a kata without
// a server links in half the time.
package harness
