package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Node builds a node with room for a lot, which changes make another one. Its name is a short one: in a [World] it gets the namespace and a hyphen before it.
func Node(name string, changes ...func(*corev1.Node)) *corev1.Node {
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("110")}
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name), Labels: map[string]string{}, Annotations: map[string]string{}},
		Status:     corev1.NodeStatus{Capacity: room, Allocatable: room.DeepCopy()},
	}
	for _, change := range changes {
		change(n)
	}
	return n
}

// Pod builds a pod that asks for nothing, which changes make another one. In a [World] it gets the namespace, the scheduler's name, and a selector
// for the world's nodes.
func Pod(name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-of-" + name), Labels: map[string]string{}, Annotations: map[string]string{}},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "main", Image: "pause"}}, TerminationGracePeriodSeconds: new(int64(0)), NodeSelector: map[string]string{},
		},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

// Has gives a node its allocatable resources, as pairs: Has("cpu", "2", "pods", "10"). The others stay.
func Has(pairs ...string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		for i := 0; i+1 < len(pairs); i += 2 {
			n.Status.Capacity[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
			n.Status.Allocatable[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
	}
}

// Asks gives a pod's container requests and the same limits, as pairs: Asks("cpu", "1").
func Asks(pairs ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		list := corev1.ResourceList{}
		for i := 0; i+1 < len(pairs); i += 2 {
			list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
		p.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: list, Limits: list.DeepCopy()}
	}
}
