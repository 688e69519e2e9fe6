// Package controller is the pattern of every controller, by hand: an informer keeps a cache of pods and calls handlers, the
// handlers put keys into a queue, and workers take the keys out and look into the cache.
package controller

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// AppLabel is the label that says which app a pod belongs to.
const AppLabel = "app"

// Reconcile does whatever has to be done about one app. It gets all of the app's pods, as the cache has them at the moment,
// in no particular order: none when the last is gone. The pods are the cache's own, to be read and not to be changed.
type Reconcile func(ctx context.Context, app string, pods []*corev1.Pod) error

// Controller calls Reconcile for each app of a namespace that has pods, and again whenever a pod of it comes, changes or goes.
type Controller struct {
	// kata:begin What does a controller hold? The cache, what fills it, the queue, and what there is to do.
	// kata:stub
	pods      cache.Indexer
	informer  cache.Controller
	queue     workqueue.TypedRateLimitingInterface[string]
	reconcile Reconcile
	// kata:end
}

// New makes a controller for the pods of a namespace. It asks the server for nothing: Run does.
func New(client kubernetes.Interface, namespace string, reconcile Reconcile) *Controller {
	// kata:begin Make the queue, and with cache.NewInformerWithOptions the cache and the informer: what to list and watch, an
	// | index by app, and the three handlers. Which apps does a change of a pod concern? What may a deletion hand you?
	c := &Controller{
		queue:     workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
		reconcile: reconcile,
	}
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: listWatch(client, namespace),
		ObjectType:    &corev1.Pod{},
		Indexers:      cache.Indexers{byApp: appsOf},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: c.enqueuePod,
			UpdateFunc: func(before, after any) {
				c.enqueuePod(before) // its app may have been another one
				c.enqueuePod(after)
			},
			DeleteFunc: func(obj any) {
				if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
					obj = tombstone.Obj
				}
				c.enqueuePod(obj)
			},
		},
	})
	c.pods, c.informer = store.(cache.Indexer), informer // with Indexers, the store is one
	return c
	// kata:end
}

// Enqueue asks for an app to be reconciled, whether it has pods or not. It may be called at any time, also before Run. An app
// without a name is ignored.
func (c *Controller) Enqueue(app string) {
	// kata:begin Put the app's name into the queue.
	if app != "" {
		c.queue.Add(app)
	}
	// kata:end
}

// Run lists and watches the pods, and reconciles with the number of workers, until ctx ends. It is called once.
//
//   - No app is reconciled before the cache has all pods that were there at the start.
//   - An app is never reconciled twice at the same time. Changes that come while it is reconciled lead to one more Reconcile
//     afterwards, not to one each.
//   - When Reconcile returns an error, the app is tried again, later each time: workqueue.DefaultTypedControllerRateLimiter
//     says when.
//   - The server is asked for nothing but the list and the watch.
//
// Reconcile's context ends with ctx. Run returns when the last Reconcile has returned and all that Run started has ended:
// nil, or an error that wraps ctx's own when ctx ended before the cache was full.
func (c *Controller) Run(ctx context.Context, workers int) error {
	// kata:begin Start the informer, wait until its cache has synced, start the workers, and wait for the end. Whoever starts a
	// | goroutine waits for it.
	var running sync.WaitGroup
	defer running.Wait()
	defer c.queue.ShutDown()

	running.Go(func() { c.informer.RunWithContext(ctx) })
	if !cache.WaitFor(ctx, "", c.informer.HasSyncedChecker()) {
		return fmt.Errorf("wait for the cache of pods: %w", context.Cause(ctx))
	}
	for range workers {
		running.Go(func() {
			for c.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	return nil
	// kata:end
}

// kata:begin Functions of your own: what lists and watches, the index function, the handlers, what a worker does with one key.
// kata:stub

// byApp is the name of the index of pods by their app.
const byApp = "app"

// appsOf is the index function of byApp.
func appsOf(obj any) ([]string, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("index by app: %T is not a pod", obj)
	}
	if app := pod.Labels[AppLabel]; app != "" {
		return []string{app}, nil
	}
	return nil, nil
}

// listWatch is where the informer gets the pods from.
func listWatch(client kubernetes.Interface, namespace string) cache.ListerWatcher {
	pods := client.CoreV1().Pods(namespace)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return pods.Watch(ctx, options)
		},
	}, client)
}

func (c *Controller) enqueuePod(obj any) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		utilruntime.HandleError(fmt.Errorf("a handler for pods got a %T", obj))
		return
	}
	c.Enqueue(pod.Labels[AppLabel])
}

// next reconciles one app. It returns false when there will be no more.
func (c *Controller) next(ctx context.Context) bool {
	app, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(app)
	if err := c.reconcileApp(ctx, app); err != nil {
		c.queue.AddRateLimited(app)
		return true
	}
	c.queue.Forget(app)
	return true
}

func (c *Controller) reconcileApp(ctx context.Context, app string) error {
	found, err := c.pods.ByIndex(byApp, app)
	if err != nil {
		return err
	}
	pods := make([]*corev1.Pod, len(found))
	for i, obj := range found {
		pods[i] = obj.(*corev1.Pod) // ObjectType lets nothing else in
	}
	return c.reconcile(ctx, app, pods)
}

// kata:end
