// Package genericinformer watches any resource with one function, and reads any cache through one typed view: what a tool
// needs that is told only at run time what to look at.
package genericinformer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// Object is what every object of the API is, whatever its type: *corev1.Pod and *appsv1.Deployment both are.
type Object interface {
	runtime.Object
	metav1.Object
}

// Event says what happened to which object.
type Event struct {
	// Type is watch.Added, watch.Modified or watch.Deleted.
	Type watch.EventType
	// Resource is the object's resource, as it was given to Watch.
	Resource schema.GroupVersionResource
	// Name is the object's name, with its namespace if it is in one.
	Name cache.ObjectName
	// Initial says of an Added object that it was there when the cache was filled for the first time.
	Initial bool
}

// Watch asks the factory for the informer of each resource, and has tell called for whatever happens to an object of one: also
// for a deletion that nobody has seen, and which a later list has found out. It starts nothing: [Sync] does.
//
// Tell is called one at a time for one resource, but for several resources at once.
//
// A resource that the factory does not know is an error, which names it as its String does; when there are several, it names all of them. Then
// tell is called for none of them.
func Watch(factory informers.SharedInformerFactory, resources []schema.GroupVersionResource, tell func(Event)) error {
	// kata:begin ForResource, for each of them; look at all errors before anything is watched. Then a handler for each informer,
	// | which must not care what type the objects are. What may it be given for a deletion?
	var errs []error
	watched := make([]cache.SharedIndexInformer, len(resources))
	for i, resource := range resources {
		generic, err := factory.ForResource(resource)
		if err != nil {
			errs = append(errs, fmt.Errorf("watch %s: %w", resource, err))
			continue
		}
		watched[i] = generic.Informer()
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, resource := range resources {
		if _, err := watched[i].AddEventHandler(handler(resource, tell)); err != nil {
			return fmt.Errorf("watch %s: %w", resource, err)
		}
	}
	return nil
	// kata:end
}

// Sync starts those of the factory's informers that do not run yet, and waits until the caches of all of them are full. It may be
// called again when more has been asked of the factory.
//
// The informers run until ctx ends, also those whose cache was not full in time: they go on trying. The waiting ends after
// patience, or with ctx. Then the error names the Go types whose caches are not full ("*v1.ConfigMap"), and wraps
// context.DeadlineExceeded, or ctx's own error.
func Sync(ctx context.Context, factory informers.SharedInformerFactory, patience time.Duration) error {
	// kata:begin Two contexts: one for the informers, one for the waiting.
	factory.StartWithContext(ctx)
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := factory.WaitForCacheSyncWithContext(waiting).AsError(); err != nil {
		return fmt.Errorf("fill the caches: %w", err)
	}
	return nil
	// kata:end
}

// View is a typed view of one resource's cache. T is the type of its objects, a pointer (*corev1.Pod), or an interface that
// they have: View[Object] is a view of any resource.
//
// What a View returns is the caller's own, a copy that may be changed.
type View[T Object] struct {
	// kata:begin What does it hold? What looks things up, and what error messages need to say.
	// kata:stub
	resource schema.GroupVersionResource
	lister   cache.GenericLister
	// kata:end
}

// NewView makes a View of a resource, and asks the factory for the resource's informer. It starts nothing. A resource that the
// factory does not know is an error, which names it, and then there is no View.
//
// Whether T is the type of the resource's objects shows when there are some.
func NewView[T Object](factory informers.SharedInformerFactory, resource schema.GroupVersionResource) (*View[T], error) {
	// kata:begin ForResource again.
	generic, err := factory.ForResource(resource)
	if err != nil {
		return nil, fmt.Errorf("view of %s: %w", resource, err)
	}
	return &View[T]{resource: resource, lister: generic.Lister()}, nil
	// kata:end
}

// Get returns an object from the cache. The namespace is empty for a resource that has none. When the cache does not have the
// object, apierrors.IsNotFound recognises the error. When the object is no T, the error names its type and T. With an error there
// is no object: T's zero value.
func (v *View[T]) Get(namespace, name string) (T, error) {
	// kata:begin Get it from the lister, and make a T of it, carefully.
	var found runtime.Object
	var err error
	if namespace == "" {
		found, err = v.lister.Get(name)
	} else {
		found, err = v.lister.ByNamespace(namespace).Get(name)
	}
	if err != nil {
		return *new(T), fmt.Errorf("get from the cache of %s: %w", v.resource.GroupResource(), err)
	}
	return v.typed(found)
	// kata:end
}

// List returns the cache's objects that the selector matches, sorted by namespace and name. An empty namespace means all
// namespaces, and is what a resource has that has none. A nil selector matches everything. When one of the objects is no T,
// there is no list but an error that names its type and T.
func (v *View[T]) List(namespace string, selector labels.Selector) ([]T, error) {
	// kata:begin List them from the lister, make a T of each, and sort.
	if selector == nil {
		selector = labels.Everything()
	}
	found, err := v.lister.ByNamespace(namespace).List(selector)
	if err != nil {
		return nil, fmt.Errorf("list from the cache of %s: %w", v.resource.GroupResource(), err)
	}
	objects := make([]T, 0, len(found))
	for _, obj := range found {
		object, err := v.typed(obj)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	slices.SortFunc(objects, func(a, b T) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return objects, nil
	// kata:end
}

// kata:begin Functions of your own: the handler of any informer, and the way from an object to a T.
// kata:stub

// handler makes an informer's handler that knows no more of an object than its name.
func handler(resource schema.GroupVersionResource, tell func(Event)) cache.ResourceEventHandler {
	event := func(kind watch.EventType, obj any, initial bool) {
		name, err := cache.DeletionHandlingObjectToName(obj)
		if err != nil {
			utilruntime.HandleError(fmt.Errorf("%s of %s: %w", kind, resource, err))
			return
		}
		tell(Event{Type: kind, Resource: resource, Name: name, Initial: initial})
	}
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(obj any, initial bool) { event(watch.Added, obj, initial) },
		UpdateFunc: func(_, obj any) { event(watch.Modified, obj, false) },
		DeleteFunc: func(obj any) { event(watch.Deleted, obj, false) },
	}
}

// typed makes a T of an object of the cache: a copy, or an error.
func (v *View[T]) typed(obj runtime.Object) (T, error) {
	object, ok := obj.DeepCopyObject().(T)
	if !ok {
		return *new(T), fmt.Errorf("the cache of %s holds %T, and not %s", v.resource.GroupResource(), obj, reflect.TypeFor[T]())
	}
	return object, nil
}

// kata:end
