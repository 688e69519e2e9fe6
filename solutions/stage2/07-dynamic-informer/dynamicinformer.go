// Package dynamicinformer follows the Pizzas of a cluster: a kind that has no Go type here, that may be installed long after this
// program has started, and whose objects are not all as its author has imagined them.
package dynamicinformer

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// Pizza is what we want to know of one.
type Pizza struct {
	Namespace, Name string
	// UID tells a Pizza from another one that has had the same name before.
	UID      types.UID
	Size     string
	Toppings []string
	// Phase is empty as long as nobody has said how far it is.
	Phase string
}

// Event says what happened to which Pizza.
type Event struct {
	// Type is watch.Added, watch.Modified or watch.Deleted.
	Type watch.EventType
	// Pizza is the Pizza as it is now; a deleted one as it was last seen. It is the receiver's own.
	Pizza Pizza
	// Err says why the Pizza could not be read, as Read does. Pizza then has its namespace, name and UID alone.
	Err error
}

// Await returns the resource of a kind, in the version that the server prefers. It asks the mapper at once; as long as the server
// has no such kind, it asks the server anew, after every "every".
//
// When ctx ends before, the error wraps ctx's. An error of the mapper that does not say "there is no such kind" is returned at
// once, wrapped. Both name the kind.
func Await(ctx context.Context, mapper meta.ResettableRESTMapperWithContext, kind schema.GroupKind, every time.Duration) (schema.GroupVersionResource, error) {
	// kata:begin Ask for the kind's RESTMapping, again and again. Which error says that there is none? And where does the mapper's
	// | next answer come from?
	var resource schema.GroupVersionResource
	err := wait.PollUntilContextCancel(ctx, every, true, func(ctx context.Context) (bool, error) {
		mapping, err := mapper.RESTMappingWithContext(ctx, kind)
		switch {
		case meta.IsNoMatchError(err):
			mapper.ResetWithContext(ctx)
			return false, nil
		case err != nil:
			return false, err
		}
		resource = mapping.Resource
		return true, nil
	})
	if err != nil {
		return schema.GroupVersionResource{}, fmt.Errorf("wait until there is a %s: %w", kind, err)
	}
	return resource, nil
	// kata:end
}

// Read reads spec.size, spec.toppings and status.phase. A Pizza without toppings or without a phase is a Pizza like any other;
// one without a size is none. That, and a field that holds something else than it ought to (a string, a list of strings, a
// string), is an error that names the Pizza as namespace/name and the field as spec.size. What could be read of the metadata is returned with the error.
//
// The object may be the cache's: Read changes nothing in it, and what it returns shares nothing with it.
func Read(obj *unstructured.Unstructured) (Pizza, error) {
	// kata:begin The Nested functions return three values; each of them means something.
	pizza := Pizza{Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID()}
	size, found, err := unstructured.NestedString(obj.Object, "spec", "size")
	if err == nil && !found {
		err = fmt.Errorf("it has no spec.size")
	}
	if err != nil {
		return pizza, unreadable(pizza, "spec.size", err)
	}
	toppings, _, err := unstructured.NestedStringSlice(obj.Object, "spec", "toppings")
	if err != nil {
		return pizza, unreadable(pizza, "spec.toppings", err)
	}
	phase, _, err := unstructured.NestedString(obj.Object, "status", "phase")
	if err != nil {
		return pizza, unreadable(pizza, "status.phase", err)
	}
	pizza.Size, pizza.Toppings, pizza.Phase = size, toppings, phase
	return pizza, nil
	// kata:end
}

// Follow tells what happens to the Pizzas of a namespace, or of all if it is empty, until ctx ends; then it returns nil, when the last call
// of tell has returned. Tell is called for one event at a time.
//
// The Pizzas that are there at the start are Added. A Pizza that was deleted and made again is Deleted and Added, also when the
// watch was interrupted meanwhile, and has seen neither. Nothing is told of a Pizza that has not changed;
// any change of the object is one.
func Follow(ctx context.Context, client dynamic.Interface, pizzas schema.GroupVersionResource, namespace string, tell func(Event)) error {
	// kata:begin A dynamic informer for the one resource, a handler, and run it. When does an update speak of two Pizzas, and when
	// | of none?
	informer := dynamicinformer.NewFilteredDynamicInformer(client, pizzas, namespace, 0, cache.Indexers{}, nil).Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { report(tell, watch.Added, obj) },
		UpdateFunc: func(before, after any) {
			switch was, is := identify(before), identify(after); {
			case was.uid != is.uid:
				report(tell, watch.Deleted, before)
				report(tell, watch.Added, after)
			case was.version != is.version:
				report(tell, watch.Modified, after)
			}
		},
		DeleteFunc: func(obj any) { report(tell, watch.Deleted, obj) },
	})
	if err != nil {
		return fmt.Errorf("follow %s: %w", pizzas, err)
	}
	informer.RunWithContext(ctx)
	return nil
	// kata:end
}

// kata:begin Functions of your own.
// kata:stub

// unreadable makes Read's error.
func unreadable(pizza Pizza, field string, err error) error {
	return fmt.Errorf("read %s of pizza %s/%s: %w", field, pizza.Namespace, pizza.Name, err)
}

// identity says which object it is, and in which state.
type identity struct {
	uid     types.UID
	version string
}

// identify returns an object's identity, and none for what is no object.
func identify(obj any) identity {
	object, err := meta.Accessor(obj)
	if err != nil {
		return identity{}
	}
	return identity{object.GetUID(), object.GetResourceVersion()}
}

// report tells of an object that an informer has delivered.
func report(tell func(Event), kind watch.EventType, obj any) {
	if unseen, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = unseen.Obj
	}
	object, ok := obj.(*unstructured.Unstructured)
	if !ok {
		utilruntime.HandleError(fmt.Errorf("%s: not a pizza but %T", kind, obj))
		return
	}
	pizza, err := Read(object)
	tell(Event{Type: kind, Pizza: pizza, Err: err})
}

// kata:end
