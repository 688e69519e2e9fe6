package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onsi/ginkgo/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Definitions is the resource of CustomResourceDefinitions.
var Definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// defineBound is how long a server may take until it serves a new resource: some tens of milliseconds, when it is idle.
const defineBound = 20 * time.Second

// Define makes a CustomResourceDefinition for the specs, with the run's label, and waits until the server serves its resource, and
// tells so in its discovery, in the first of its versions. It is deleted when the suite ends; a spec may delete it before. Give it a group of the kata's own: a
// namespace's name makes one. (For two seconds after that the server lets a create in the new resource wait, and its aggregated discovery
// does not know it. Server-side apply does not wait.)
func (c *Cluster) Define(ctx context.Context, crd *unstructured.Unstructured) schema.GroupVersionResource {
	ginkgo.GinkgoHelper()
	c.Own(crd)
	_, err := c.dyn.Resource(Definitions).Create(ctx, crd, metav1.CreateOptions{})
	stop(explain("create the definition", crd, err))
	resource, err := resourceOf(crd)
	stop(explain("read the definition", crd, err))
	c.definitions = append(c.definitions, resource)
	var refusal error // the last one: a server that has just begun to serve a resource has several ways to say "not yet"
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, defineBound, true, func(ctx context.Context) (bool, error) {
		if _, refusal = c.dyn.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1}); refusal == nil {
			// What is served is not yet discovered: a client with a RESTMapper would not find it.
			_, refusal = c.judge.Discovery().ServerResourcesForGroupVersion(resource.GroupVersion().String())
		}
		return refusal == nil, nil
	})
	if err != nil {
		stop(explain("wait until the server serves the definition", crd, errors.Join(err, refusal)))
	}
	return resource
}

func explain(what string, crd *unstructured.Unstructured, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, crd.GetName(), err)
}

func resourceOf(crd *unstructured.Unstructured) (schema.GroupVersionResource, error) {
	group, _, err := unstructured.NestedString(crd.Object, "spec", "group")
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	plural, _, err := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	resource := schema.GroupVersionResource{Group: group, Resource: plural}
	if len(versions) > 0 {
		if first, ok := versions[0].(map[string]any); ok {
			resource.Version, _ = first["name"].(string)
		}
	}
	return resource, nil
}

// undefine deletes what Define has made. Objects that wait for a finalizer go as well: the controllers that would remove it have ended
// with their specs.
func (c *Cluster) undefine(ctx context.Context) error {
	for _, resource := range c.definitions {
		if err := c.letGo(ctx, resource); err != nil {
			return err
		}
		err := c.dyn.Resource(Definitions).Delete(ctx, resource.GroupResource().String(), metav1.DeleteOptions{})
		if err := ignoreNotFound(err); err != nil {
			return err
		}
	}
	return nil
}

// letGo removes the finalizers from all objects of a resource.
func (c *Cluster) letGo(ctx context.Context, resource schema.GroupVersionResource) error {
	held, err := c.dyn.Resource(resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return ignoreNotFound(err)
	}
	for _, obj := range held.Items {
		if len(obj.GetFinalizers()) == 0 {
			continue
		}
		_, err := c.dyn.Resource(resource).Namespace(obj.GetNamespace()).Patch(ctx, obj.GetName(), types.MergePatchType,
			[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if err := ignoreNotFound(err); err != nil {
			return fmt.Errorf("let %s %s/%s go: %w", resource.Resource, obj.GetNamespace(), obj.GetName(), err)
		}
	}
	return nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
