// Package configuration holds what the learner writes, for the specs and the programs: the scheduler's configuration, and what runs it in a cluster.
package configuration

import "embed"

// Scheduler is the KubeSchedulerConfiguration.
//
//go:embed scheduler.yaml
var Scheduler []byte

// Dockerfile is that of the extender's image.
//
//go:embed Dockerfile
var Dockerfile []byte

// Manifests is what kubectl apply -k reads, kustomization.yaml and all that it names.
//
//go:embed kustomization.yaml scheduler.yaml manifests/*.yaml
var Manifests embed.FS
