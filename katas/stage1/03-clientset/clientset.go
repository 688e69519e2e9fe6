// Package clientset takes a Deployment through its life with client-go's typed clientset.
package clientset

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

// ErrNoContainer says that a Deployment has no container of the name that was asked for.
var ErrNoContainer = errors.New("no such container")

// Create creates a Deployment that runs replicas pods of one container, which has the Deployment's name. Deployment,
// selector and pods carry the label app=<name>. It returns the object as the server stored it; a Deployment that is there
// already is an error that apierrors.IsAlreadyExists recognises, and stays as it was.
func Create(ctx context.Context, client kubernetes.Interface, namespace, name, image string, replicas int32) (*appsv1.Deployment, error) {
	// TODO(kata): Build the Deployment, create it in the namespace, return what the server answers.
	return nil, errors.New("Create is not implemented")
}

// Image returns the image of a Deployment's first container. A Deployment that does not exist is no error: ok is false.
func Image(ctx context.Context, client kubernetes.Interface, namespace, name string) (image string, ok bool, err error) {
	// TODO(kata): Get the Deployment. Tell "it does not exist" from "I could not find out".
	return "", false, errors.New("Image is not implemented")
}

// SetImage sets the image of one container of a Deployment. What other writers change meanwhile stays: on a conflict it
// starts again from the object as it is now, and after a few attempts it gives up with the conflict. It writes nothing when
// the image is right already. A container that is not there is ErrNoContainer; a Deployment that is not there is an error
// that apierrors.IsNotFound recognises.
func SetImage(ctx context.Context, client kubernetes.Interface, namespace, name, container, image string) error {
	// TODO(kata): Get, change, update; on a conflict do all three again, with client-go's retry package.
	return errors.New("SetImage is not implemented")
}

// findContainer returns the container of that name in the pod template, for the caller to change; nil when there is none.
func findContainer(deployment *appsv1.Deployment, name string) *corev1.Container {
	containers := deployment.Spec.Template.Spec.Containers
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}

// Delete deletes a Deployment, and leaves its ReplicaSets and pods to the garbage collector, which deletes them in the
// background. A Deployment that does not exist is what the caller wanted: no error.
func Delete(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	// TODO(kata): Delete it, and say what shall become of its dependants.
	return errors.New("Delete is not implemented")
}

// ListPods returns all pods of a namespace that both selectors match; an empty selector matches all. The server selects,
// and sends at most pageSize pods at a time. An error, also on a later page, means no list.
func ListPods(ctx context.Context, client kubernetes.Interface, namespace, labelSelector, fieldSelector string, pageSize int64) ([]corev1.Pod, error) {
	// TODO(kata): List page by page, until the server sends no continue token.
	return nil, errors.New("ListPods is not implemented")
}
