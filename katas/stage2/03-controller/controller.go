// Package controller is the pattern of every controller, by hand: an informer keeps a cache of pods and calls handlers, the
// handlers put keys into a queue, and workers take the keys out and look into the cache.
package controller

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

// AppLabel is the label that says which app a pod belongs to.
const AppLabel = "app"

// Reconcile does whatever has to be done about one app. It gets all of the app's pods, as the cache has them at the moment,
// in no particular order: none when the last is gone. The pods are the cache's own, to be read and not to be changed.
type Reconcile func(ctx context.Context, app string, pods []*corev1.Pod) error

// Controller calls Reconcile for each app of a namespace that has pods, and again whenever a pod of it comes, changes or goes.
type Controller struct {
	// TODO(kata): What does a controller hold? The cache, what fills it, the queue, and what there is to do.
}

// New makes a controller for the pods of a namespace. It asks the server for nothing: Run does.
func New(client kubernetes.Interface, namespace string, reconcile Reconcile) *Controller {
	// TODO(kata): Make the queue, and with cache.NewInformerWithOptions the cache and the informer: what to list and watch, an
	// index by app, and the three handlers. Which apps does a change of a pod concern? What may a deletion hand you?
	panic("New is not implemented")
}

// Enqueue asks for an app to be reconciled, whether it has pods or not. It may be called at any time, also before Run. An app
// without a name is ignored.
func (c *Controller) Enqueue(app string) {
	// TODO(kata): Put the app's name into the queue.
	panic("Controller.Enqueue is not implemented")
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
	// TODO(kata): Start the informer, wait until its cache has synced, start the workers, and wait for the end. Whoever starts a
	// goroutine waits for it.
	return errors.New("Controller.Run is not implemented")
}

// TODO(kata): Functions of your own: what lists and watches, the index function, the handlers, what a worker does with one key.
