// Package crdcontroller is a whole controller: it watches Pizzerias, a kind of our own, gives each a Deployment of ovens, and
// says in the Pizzeria's status how many of them are ready.
package crdcontroller

import (
	"context"
	"errors"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appsv1listers "k8s.io/client-go/listers/apps/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/kubekata/kubekata/katas/stage2/08-crd-controller/pizzeria"
)

// ErrBlocked says that a Deployment has the name of a Pizzeria's ovens, and is not the Pizzeria's.
var ErrBlocked = errors.New("the deployment is not the pizzeria's")

// Controller looks after the Pizzerias of a namespace.
type Controller struct {
	// kata:begin Two clients, two informers, one queue.
	// kata:stub
	kube        kubernetes.Interface
	client      dynamic.Interface
	resource    schema.GroupVersionResource
	pizzerias   cache.SharedIndexInformer
	deployments cache.SharedIndexInformer
	ovens       appsv1listers.DeploymentLister
	queue       workqueue.TypedRateLimitingInterface[cache.ObjectName]
	// kata:end
}

// New makes a controller for the Pizzerias of a namespace, which are the resource's objects. It asks the server for nothing.
func New(kube kubernetes.Interface, client dynamic.Interface, resource schema.GroupVersionResource, namespace string) (*Controller, error) {
	// kata:begin A dynamic informer for the Pizzerias, a typed one for the Deployments, and handlers, which do nothing but put the
	// | Pizzeria's name into the queue. Whose name is it, when a Deployment changes?
	deployments := informers.NewSharedInformerFactoryWithOptions(kube, 0, informers.WithNamespace(namespace)).Apps().V1().Deployments()
	c := &Controller{
		kube: kube, client: client, resource: resource,
		pizzerias:   dynamicinformer.NewFilteredDynamicInformer(client, resource, namespace, 0, cache.Indexers{}, nil).Informer(),
		deployments: deployments.Informer(),
		ovens:       deployments.Lister(),
		queue:       workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]()),
	}
	if _, err := c.pizzerias.AddEventHandler(handler(c.enqueue)); err != nil {
		return nil, fmt.Errorf("watch %s: %w", resource, err)
	}
	if _, err := c.deployments.AddEventHandler(handler(c.enqueueOwner)); err != nil {
		return nil, fmt.Errorf("watch deployments: %w", err)
	}
	return c, nil
	// kata:end
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
	// kata:begin As in kata 03: start, wait, work, end, and wait for the end.
	var running sync.WaitGroup
	defer running.Wait()
	defer c.queue.ShutDown()

	running.Go(func() { c.pizzerias.RunWithContext(ctx) })
	running.Go(func() { c.deployments.RunWithContext(ctx) })
	if !cache.WaitFor(ctx, "", c.pizzerias.HasSyncedChecker(), c.deployments.HasSyncedChecker()) {
		return fmt.Errorf("wait for the caches: %w", ctx.Err())
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

// kata:begin Functions of your own: the handlers, what a worker does with one name, and the reconciling: look at the Pizzeria, look
// | at the Deployment, do the difference.
// kata:stub

// ovenContainer is the name of the Deployment's one container, ownerLabel of its pods' label.
const (
	ovenContainer = "oven"
	ownerLabel    = "pizzeria"
)

// handler calls one function for whatever happens to an object, with what an unseen deletion leaves unwrapped.
func handler(enqueue func(metav1.Object)) cache.ResourceEventHandler {
	of := func(obj any) {
		if unseen, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = unseen.Obj
		}
		object, ok := obj.(metav1.Object)
		if !ok {
			utilruntime.HandleError(fmt.Errorf("a handler got a %T", obj))
			return
		}
		enqueue(object)
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    of,
		UpdateFunc: func(_, obj any) { of(obj) },
		DeleteFunc: of,
	}
}

func (c *Controller) enqueue(obj metav1.Object) { c.queue.Add(cache.MetaObjectToName(obj)) }

// enqueueOwner enqueues the Pizzeria that an object names as its controller. Whether the object really is that Pizzeria's is for
// reconcile to see.
func (c *Controller) enqueueOwner(obj metav1.Object) {
	owner := metav1.GetControllerOf(obj)
	if owner == nil || owner.Kind != pizzeria.Kind {
		return
	}
	if version, err := schema.ParseGroupVersion(owner.APIVersion); err != nil || version.Group != c.resource.Group {
		return
	}
	c.queue.Add(cache.NewObjectName(obj.GetNamespace(), owner.Name))
}

// next works on one Pizzeria. It returns false when there will be no more.
func (c *Controller) next(ctx context.Context) bool {
	name, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(name)
	if err := c.reconcile(ctx, name); err != nil {
		if ctx.Err() == nil && !apierrors.IsConflict(err) { // a conflict says that the cache will soon know more
			utilruntime.HandleErrorWithContext(ctx, err, "Reconciling failed", "pizzeria", name)
		}
		c.queue.AddRateLimited(name)
		return true
	}
	c.queue.Forget(name)
	return true
}

func (c *Controller) reconcile(ctx context.Context, name cache.ObjectName) error {
	found, exists, err := c.pizzerias.GetIndexer().GetByKey(name.String())
	if err != nil || !exists {
		return err
	}
	obj, ok := found.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("the cache of pizzerias holds a %T", found)
	}
	if obj.GetDeletionTimestamp() != nil {
		return nil
	}
	p, err := pizzeria.FromUnstructured(obj)
	if err != nil {
		return err
	}
	status := pizzeria.Status{ObservedGeneration: p.Generation, Phase: pizzeria.PhaseHeating}
	deployment, err := c.ensureOvens(ctx, p)
	switch {
	case errors.Is(err, ErrBlocked):
		status.Phase = pizzeria.PhaseBlocked
	case err != nil:
		return err
	default:
		status.Ready = deployment.Status.ReadyReplicas
		if status.Ready == p.Spec.Ovens {
			status.Phase = pizzeria.PhaseOpen
		}
	}
	return errors.Join(err, c.writeStatus(ctx, obj, p.Status, status))
}

// ensureOvens makes the Pizzeria's Deployment what it ought to be, and returns it as it is then.
func (c *Controller) ensureOvens(ctx context.Context, p *pizzeria.Pizzeria) (*appsv1.Deployment, error) {
	deployments := c.kube.AppsV1().Deployments(p.Namespace)
	deployment, err := c.ovens.Deployments(p.Namespace).Get(p.Deployment())
	if apierrors.IsNotFound(err) {
		return deployments.Create(ctx, c.newDeployment(p), metav1.CreateOptions{})
	}
	if err != nil {
		return nil, err
	}
	if !metav1.IsControlledBy(deployment, p) {
		return nil, fmt.Errorf("deployment %s/%s: %w", p.Namespace, deployment.Name, ErrBlocked)
	}
	wanted := deployment.DeepCopy() // the cache's own must stay as it is
	if !settle(wanted, p) {
		return deployment, nil
	}
	return deployments.Update(ctx, wanted, metav1.UpdateOptions{})
}

// settle writes the Pizzeria's wishes into its Deployment, and says whether they were not there.
func settle(deployment *appsv1.Deployment, p *pizzeria.Pizzeria) (changed bool) {
	if deployment.Spec.Replicas == nil || *deployment.Spec.Replicas != p.Spec.Ovens {
		deployment.Spec.Replicas = &p.Spec.Ovens
		changed = true
	}
	for i := range deployment.Spec.Template.Spec.Containers {
		container := &deployment.Spec.Template.Spec.Containers[i]
		if container.Name == ovenContainer && container.Image != p.Spec.Image {
			container.Image = p.Spec.Image
			changed = true
		}
	}
	return changed
}

func (c *Controller) newDeployment(p *pizzeria.Pizzeria) *appsv1.Deployment {
	labels := map[string]string{ownerLabel: p.Name}
	kind := c.resource.GroupVersion().WithKind(pizzeria.Kind)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Deployment(), Namespace: p.Namespace, Labels: labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(p, kind)},
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: &p.Spec.Ovens,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: ovenContainer, Image: p.Spec.Image}}},
			},
		},
	}
}

// writeStatus writes the status if it is another one. The object is the cache's.
func (c *Controller) writeStatus(ctx context.Context, obj *unstructured.Unstructured, is, wanted pizzeria.Status) error {
	if is == wanted {
		return nil
	}
	changed := obj.DeepCopy()
	for field, value := range map[string]any{
		"observedGeneration": wanted.ObservedGeneration, "ready": int64(wanted.Ready), "phase": wanted.Phase,
	} {
		if err := unstructured.SetNestedField(changed.Object, value, "status", field); err != nil {
			return fmt.Errorf("set the status of %s: %w", obj.GetName(), err)
		}
	}
	_, err := c.client.Resource(c.resource).Namespace(obj.GetNamespace()).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	return err
}

// kata:end
