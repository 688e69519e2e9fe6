package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/harness/manifest"
	byservice "github.com/kubekata/kubekata/katas/stage4/05-by-service"
)

// site is what is installed on the lab.
type site struct {
	client  dynamic.Interface
	objects []*unstructured.Unstructured
}

// newSite reads the manifests, and the namespace of the samples. On the lab no container runs, so that the Deployment is left out, and the Service leads to this machine: it is of
// the type ExternalName, and the API server calls the port.
func newSite(config *rest.Config, port int64) (*site, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	s := &site{client: client}
	for _, file := range []struct {
		files fs.FS
		path  string
	}{
		{byservice.Manifests, "manifests/server.yaml"}, {byservice.Samples, "samples/namespace.yaml"},
		{byservice.Manifests, "manifests/rbac.yaml"}, {byservice.Manifests, "manifests/webhooks.yaml"},
	} {
		data, err := fs.ReadFile(file.files, file.path)
		if err != nil {
			return nil, err
		}
		objects, err := manifest.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.path, err)
		}
		for _, object := range objects {
			if err := s.add(object, port); err != nil {
				return nil, fmt.Errorf("%s: %w", file.path, err)
			}
		}
	}
	return s, nil
}

func (s *site) add(object *unstructured.Unstructured, port int64) error {
	switch object.GetKind() {
	case "Deployment":
		return nil
	case "Service":
		object.Object["spec"] = map[string]any{"type": "ExternalName", "externalName": "localhost"}
	case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
		hooks, found, err := unstructured.NestedSlice(object.Object, "webhooks")
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("there are no webhooks in the %s", object.GetKind())
		}
		for _, hook := range hooks {
			if err := unstructured.SetNestedField(hook.(map[string]any), port, "clientConfig", "service", "port"); err != nil {
				return err
			}
		}
		object.Object["webhooks"] = hooks
	}
	s.objects = append(s.objects, object)
	return nil
}

func (s *site) resource(object *unstructured.Unstructured) dynamic.ResourceInterface {
	gv := schema.FromAPIVersionAndKind(object.GetAPIVersion(), object.GetKind()).GroupVersion()
	resource := s.client.Resource(gv.WithResource(strings.ToLower(object.GetKind()) + "s"))
	if object.GetNamespace() == "" {
		return resource
	}
	return resource.Namespace(object.GetNamespace())
}

func (s *site) install(ctx context.Context) error {
	for _, object := range s.objects {
		_, err := s.resource(object).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "by-service", Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// remove deletes what install has made, the configurations first: nobody shall be asked about the rest.
func (s *site) remove(ctx context.Context) error {
	var errs []error
	for i := len(s.objects) - 1; i >= 0; i-- {
		object := s.objects[i]
		if object.GetNamespace() != "" {
			continue // it goes with its namespace
		}
		err := s.resource(object).Delete(ctx, object.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("remove %s %s: %w", object.GetKind(), object.GetName(), err))
		}
	}
	return errors.Join(errs...)
}
