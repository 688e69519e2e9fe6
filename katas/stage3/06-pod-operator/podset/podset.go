// Package podset has the kind that kata pod-operator's controller is for, ready made: its Go types, how its pods are called, and
// its definition for the API server.
package podset

import (
	"encoding/json"
	"fmt"
	"hash/fnv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
)

// Labels of a PodSet's pods. They are for people, and for kubectl get pods -l: who reads them to find out whose a pod is, believes
// everybody who can write a label.
const (
	// NameLabel is the PodSet's name.
	NameLabel = "podset.kubekata.dev/name"
	// HashLabel is the Hash of the template that the pod was made of.
	HashLabel = "podset.kubekata.dev/hash"
)

// Phase says in a word how a PodSet stands.
type Phase string

// The phases. The first that fits is the one.
const (
	// Ready: there are as many live pods as wanted, all of them of today's template, and all of them ready.
	Ready Phase = "Ready"
	// Degraded: a pod of somebody else has a name that the PodSet needs; or the PodSet was Ready or Degraded already when the
	// status spoke of today's generation. It had what it wants, and has lost something.
	Degraded Phase = "Degraded"
	// Progressing: a live pod is ready.
	Progressing Phase = "Progressing"
	// Pending: none is.
	Pending Phase = "Pending"
)

// PodSet wants a number of pods that are all alike.
type PodSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitempty"`
}

// Spec is what somebody wants.
type Spec struct {
	// Replicas is how many pods there shall be.
	Replicas int32 `json:"replicas"`
	// Template is what they look like.
	Template corev1.PodTemplateSpec `json:"template"`
}

// Status is what the controller has found. A pod is live when it is the PodSet's, is not being deleted, and has neither failed nor
// succeeded.
type Status struct {
	// ObservedGeneration is the metadata.generation of the spec that the rest of the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Phase is one of the four above.
	Phase Phase `json:"phase,omitempty"`
	// Replicas is how many pods are live.
	Replicas int32 `json:"replicas"`
	// Ready is how many of them have the condition Ready.
	Ready int32 `json:"ready"`
	// Updated is how many of them have one of the names that are wanted.
	Updated int32 `json:"updated"`
}

// PodSetList is a list of them.
type PodSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []PodSet `json:"items"`
}

// Hash is a short text that differs when the template does. It is taken of the template as somebody wrote it: a pod, in which the
// server has filled in its defaults, is no longer the same text.
func (s *PodSet) Hash() string {
	data, err := json.Marshal(s.Spec.Template)
	if err != nil {
		panic(fmt.Sprintf("a pod template that came from JSON does not go there: %v", err))
	}
	sum := fnv.New32a()
	sum.Write(data) // a hash never fails
	return rand.SafeEncodeString(fmt.Sprint(sum.Sum32()))
}

// PodNames are the names of the pods that are wanted: as many as replicas, each with the template's hash and the number of its place.
// web-6d4f8-0 is always the pod of place 0 and of that template, however often it was made.
func (s *PodSet) PodNames() []string {
	names, hash := make([]string, s.Spec.Replicas), s.Hash()
	for i := range names {
		names[i] = fmt.Sprintf("%s-%s-%d", s.Name, hash, i)
	}
	return names
}
