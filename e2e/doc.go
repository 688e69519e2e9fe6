// Package e2e has the journeys: what the stages build, working together as a user would run it. Programs are processes of their own,
// built from the references (CODE=katas: from the learner's code), on a cluster with controllers, a scheduler and nodes. Begin with
// main_test.go, which makes the cluster, and journey_test.go, which has what the journeys share; make e2e runs them.
//
// Each journey has a namespace and an API group of its own, and leaves neither behind.
package e2e
