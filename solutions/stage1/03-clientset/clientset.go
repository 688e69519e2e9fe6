// Package clientset takes a Deployment through its life with client-go's typed clientset.
package clientset

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// ErrNoContainer says that a Deployment has no container of the name that was asked for.
var ErrNoContainer = errors.New("no such container")

// Create creates a Deployment that runs replicas pods of one container, which has the Deployment's name. Deployment,
// selector and pods carry the label app=<name>. It returns the object as the server stored it; a Deployment that is there
// already is an error that apierrors.IsAlreadyExists recognises, and stays as it was.
func Create(ctx context.Context, client kubernetes.Interface, namespace, name, image string, replicas int32) (*appsv1.Deployment, error) {
	// kata:begin Build the Deployment, create it in the namespace, return what the server answers.
	labels := map[string]string{"app": name}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: name, Image: image}}},
			},
		},
	}
	created, err := client.AppsV1().Deployments(namespace).Create(ctx, deployment, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create deployment %s/%s: %w", namespace, name, err)
	}
	return created, nil
	// kata:end
}

// Image returns the image of a Deployment's first container. A Deployment that does not exist is no error: ok is false.
func Image(ctx context.Context, client kubernetes.Interface, namespace, name string) (image string, ok bool, err error) {
	// kata:begin Get the Deployment. Tell "it does not exist" from "I could not find out".
	deployment, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("get deployment %s/%s: %w", namespace, name, err)
	}
	return deployment.Spec.Template.Spec.Containers[0].Image, true, nil
	// kata:end
}

// SetImage sets the image of one container of a Deployment. What other writers change meanwhile stays: on a conflict it
// starts again from the object as it is now, and after a few attempts it gives up with the conflict. It writes nothing when
// the image is right already. A container that is not there is ErrNoContainer; a Deployment that is not there is an error
// that apierrors.IsNotFound recognises.
func SetImage(ctx context.Context, client kubernetes.Interface, namespace, name, container, image string) error {
	// kata:begin Get, change, update; on a conflict do all three again, with client-go's retry package.
	deployments := client.AppsV1().Deployments(namespace)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		deployment, err := deployments.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		found := findContainer(deployment, container)
		if found == nil {
			return fmt.Errorf("%w: %s", ErrNoContainer, container)
		}
		if found.Image == image {
			return nil
		}
		found.Image = image
		_, err = deployments.Update(ctx, deployment, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("set the image of deployment %s/%s: %w", namespace, name, err)
	}
	return nil
	// kata:end
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
	// kata:begin Delete it, and say what shall become of its dependants.
	policy := metav1.DeletePropagationBackground
	err := client.AppsV1().Deployments(namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete deployment %s/%s: %w", namespace, name, err)
	}
	return nil
	// kata:end
}

// ListPods returns all pods of a namespace that both selectors match; an empty selector matches all. The server selects,
// and sends at most pageSize pods at a time. An error, also on a later page, means no list.
func ListPods(ctx context.Context, client kubernetes.Interface, namespace, labelSelector, fieldSelector string, pageSize int64) ([]corev1.Pod, error) {
	// kata:begin List page by page, until the server sends no continue token.
	options := metav1.ListOptions{LabelSelector: labelSelector, FieldSelector: fieldSelector, Limit: pageSize}
	var pods []corev1.Pod
	for {
		page, err := client.CoreV1().Pods(namespace).List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list pods in %s: %w", namespace, err)
		}
		pods = append(pods, page.Items...)
		if page.Continue == "" {
			return pods, nil
		}
		options.Continue = page.Continue
	}
	// kata:end
}
