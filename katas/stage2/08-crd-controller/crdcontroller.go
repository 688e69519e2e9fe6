// Package crdcontroller is a whole controller: it watches Pizzerias, a kind of our own, gives each a Deployment of ovens, and
// says in the Pizzeria's status how many of them are ready.
package crdcontroller

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// ErrBlocked says that a Deployment has the name of a Pizzeria's ovens, and is not the Pizzeria's.
var ErrBlocked = errors.New("the deployment is not the pizzeria's")

// Controller looks after the Pizzerias of a namespace.
type Controller struct {
	// TODO(kata): Two clients, two informers, one queue.
}

// New makes a controller for the Pizzerias of a namespace, which are the resource's objects. It asks the server for nothing.
func New(kube kubernetes.Interface, client dynamic.Interface, resource schema.GroupVersionResource, namespace string) (*Controller, error) {
	// TODO(kata): A dynamic informer for the Pizzerias, a typed one for the Deployments, and handlers, which do nothing but put the
	// Pizzeria's name into the queue. Whose name is it, when a Deployment changes?
	return nil, errors.New("New is not implemented")
}

// Run works until ctx ends, with a number of workers, and returns when all that it has started has ended: nil, or an error that
// wraps ctx's own when ctx ended before both caches were full. It is called once. For each Pizzeria:
//
//   - There is a Deployment, named by Pizzeria.Deployment, which the Pizzeria owns as its controller, with the Pizzeria's number
//     of ovens as its replicas, and the Pizzeria's image in its one container, "oven". Its pods have the label
//     "pizzeria" with the Pizzeria's name, which is also its selector.
//   - Whoever deletes it, or changes replicas or image, sees it put right. What else others have written to it stays.
//   - The status says how many ovens are ready, of which generation it speaks, and the phase. It is written when it is not so
//     already. Other fields of the status are others'.
//   - A Deployment of that name that is not the Pizzeria's own, by UID, is left alone. Then the phase is Blocked, no oven is
//     ready, and the Pizzeria is tried again later.
//   - A Pizzeria that is being deleted is left alone, and so is what belonged to one that is gone: the garbage collector
//     sees to it.
//
// What fails is tried again, later each time, while the others are looked after. Nothing is done before both caches are full, and
// nothing is written when all is well.
func (c *Controller) Run(ctx context.Context, workers int) error {
	// TODO(kata): As in kata 03: start, wait, work, end, and wait for the end.
	return errors.New("Controller.Run is not implemented")
}

// TODO(kata): Functions of your own: the handlers, what a worker does with one name, and the reconciling: look at the Pizzeria, look
// at the Deployment, do the difference.
