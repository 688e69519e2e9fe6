package frameworkplugin

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// What pods and nodes say of themselves.
const (
	// TeamLabel names the team of a pod. A team may have pods in several namespaces.
	TeamLabel = "kubekata.dev/team"
	// LicenceLabel names the product for which a pod needs a licence.
	LicenceLabel = "kubekata.dev/licence"
	// JobLabel names the job of a pod, within its namespace, and SizeAnnotation how many pods of the job there must be for it to be of any use.
	JobLabel       = "kubekata.dev/job"
	SizeAnnotation = "kubekata.dev/job-size"
	// NodeLabelPrefix and a product are the label of a node on which the product is installed.
	NodeLabelPrefix = "licence.kubekata.dev/"
)

// wish is what a pod wants of the plugin. One that wants nothing has the zero value.
type wish struct {
	teamName string
	product  string
	job      string
	size     int
}

// wishOf reads a pod's wish.
func wishOf(pod *corev1.Pod) (wish, error) {
	w := wish{teamName: pod.Labels[TeamLabel], product: pod.Labels[LicenceLabel], job: jobOf(pod)}
	if w.job == "" {
		return w, nil
	}
	size, err := strconv.Atoi(pod.Annotations[SizeAnnotation])
	if err != nil || size < 1 {
		return wish{}, fmt.Errorf("annotation %s: %q is not a number of pods", SizeAnnotation, pod.Annotations[SizeAnnotation])
	}
	w.size = size
	return w, nil
}

// jobOf returns namespace and name of a pod's job, and "" if it has none.
func jobOf(pod *corev1.Pod) string {
	if pod.Labels[JobLabel] == "" {
		return ""
	}
	return pod.Namespace + "/" + pod.Labels[JobLabel]
}

// stateKey is where the plugin keeps its state of a cycle.
const stateKey fwk.StateKey = Name

// state is what PreFilter finds out, for the rest of the cycle.
type state struct {
	wish
	free   int            // how many licences for the pod's product are free
	team   map[string]int // how many pods of the pod's team a node has
	placed int            // how many other pods of the pod's job have a node
}

// Clone implements [fwk.StateData]. The scheduler tries out an eviction on a clone, for several nodes at once, and changes it with AddPod and RemovePod.
// Whatever happens to a clone, the original stays what it is.
func (s *state) Clone() fwk.StateData {
	// TODO(kata): Return a copy that shares nothing with the original that may be changed.
	panic("state.Clone is not implemented")
}

// read returns the state that PreFilter has left in the cycle's. If there is none, because PreFilter has skipped the pod, that is [fwk.ErrNotFound].
func read(cs fwk.CycleState) (*state, error) {
	data, err := cs.Read(stateKey)
	if err != nil {
		return nil, fmt.Errorf("read the state of %s: %w", Name, err)
	}
	s, ok := data.(*state)
	if !ok {
		return nil, fmt.Errorf("the state of %s is a %T", Name, data)
	}
	return s, nil
}

// TODO(kata): Functions of your own. AddPod, RemovePod and PreFilter count the same things.
