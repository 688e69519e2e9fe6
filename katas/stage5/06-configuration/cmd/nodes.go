package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/katas/stage5/06-configuration/extender"
)

const (
	namespace = "solvers"
	// run is on the nodes, as a label and as a taint: only pods that tolerate it go there.
	run      = "kubekata.dev/run"
	runValue = "configuration"

	goneBound = time.Minute
)

// nodes are those of the program, which KWOK simulates: their prices, and whether they have the solver.
var nodes = []struct {
	name, price string
	solver      bool
}{
	{"solver-0", "6", true},
	{"solver-1", "4", true},
	{"plain-0", "2", false},
	{"plain-1", "2", false},
}

// furnish makes the Namespace and the nodes, or takes over those that a run before has left.
func furnish(ctx context.Context, client kubernetes.Interface) error {
	if err := makeNamespace(ctx, client); err != nil {
		return err
	}
	for _, n := range nodes {
		labels := map[string]string{run: runValue, extender.PriceLabel: n.price, corev1.LabelHostname: n.name}
		if n.solver {
			labels[extender.SolverLabel] = ""
		}
		room := corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("110"),
		}
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: labels, Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}},
			Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: run, Value: runValue, Effect: corev1.TaintEffectNoSchedule}}},
			Status:     corev1.NodeStatus{Capacity: room, Allocatable: room},
		}
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// makeNamespace makes the Namespace, when that of the run before has gone: the server takes some seconds for it.
func makeNamespace(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeoutCause(ctx, goneBound, fmt.Errorf("the Namespace %s of the run before was not gone within %v", namespace, goneBound))
	defer cancel()
	namespaces := client.CoreV1().Namespaces()
	for {
		_, err := namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		ns, err := namespaces.Get(ctx, namespace, metav1.GetOptions{})
		if err == nil && ns.DeletionTimestamp == nil {
			return nil
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// remove removes them.
func remove(ctx context.Context, client kubernetes.Interface) error {
	return errors.Join(
		client.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, metav1.ListOptions{}),
		client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}),
		client.CoreV1().Nodes().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: run + "=" + runValue}),
	)
}
