package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var (
	namespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	services    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
)

// site is what is installed on the lab: a namespace, a Service in it that leads to this machine, and the learner's APIService.
type site struct {
	client     dynamic.Interface
	apiService *unstructured.Unstructured
}

func newSite(config *rest.Config, apiService *unstructured.Unstructured) (*site, error) {
	client, err := dynamic.NewForConfig(config)
	return &site{client, apiService}, err
}

// install makes what is missing, takes over what another process has left, and waits until the API server says that it can reach us.
func (s *site) install(ctx context.Context) error {
	object := func(kind, name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name}}}
	}
	leadsHere := object("Service", service)
	leadsHere.Object["spec"] = map[string]any{"type": "ExternalName", "externalName": "localhost"}
	if err := s.goneIfGoing(ctx); err != nil {
		return err
	}
	options := metav1.ApplyOptions{FieldManager: "aggregated-apiserver", Force: true}
	if _, err := s.client.Resource(namespaces).Apply(ctx, namespace, object("Namespace", namespace), options); err != nil {
		return fmt.Errorf("apply namespace %s: %w", namespace, err)
	}
	if _, err := s.client.Resource(services).Namespace(namespace).Apply(ctx, service, leadsHere, options); err != nil {
		return fmt.Errorf("apply service %s/%s: %w", namespace, service, err)
	}
	name := s.apiService.GetName()
	if _, err := s.client.Resource(apiServices).Apply(ctx, name, s.apiService, options); err != nil {
		return fmt.Errorf("apply apiservice %s: %w", name, err)
	}
	last := "no condition yet"
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		got, err := s.client.Resource(apiServices).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		conditions, _, _ := unstructured.NestedSlice(got.Object, "status", "conditions")
		for _, c := range conditions {
			if condition, ok := c.(map[string]any); ok && condition["type"] == "Available" {
				last = fmt.Sprintf("%v, %v", condition["reason"], condition["message"])
				return condition["status"] == "True", nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("wait for apiservice %s: %w: %s", name, err, last)
	}
	return nil
}

// goneIfGoing waits for the namespace of the run before, if that is being deleted.
func (s *site) goneIfGoing(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		got, err := s.client.Resource(namespaces).Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return err == nil && got.GetDeletionTimestamp() == nil, err
	})
	if err != nil {
		return fmt.Errorf("wait for the namespace %s of the run before to be gone: %w", namespace, err)
	}
	return nil
}

// remove deletes the APIService, and then the rest, whose content the API server no longer asks us about.
func (s *site) remove(ctx context.Context) error {
	gone := func(err error) error {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	return errors.Join(
		gone(s.client.Resource(apiServices).Delete(ctx, s.apiService.GetName(), metav1.DeleteOptions{})),
		gone(s.client.Resource(namespaces).Delete(ctx, namespace, metav1.DeleteOptions{})),
	)
}
