// Package typedinformer answers questions about pods and Services from the caches of a shared informer factory: what stands
// on a node, what belongs to an owner, what is behind a Service. The server is asked once, and tells the rest by itself.
package typedinformer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// NewFactory makes a factory whose informers see one namespace, or all when it is empty, and there the objects whose labels
// match the selector ("app=web,tier!=test"; an empty one matches all). It is the server that selects: what does not match is
// neither sent nor kept. There is no resync. A selector that cannot be parsed is an error that
// shows it, and then there is no factory.
func NewFactory(client kubernetes.Interface, namespace, selector string) (informers.SharedInformerFactory, error) {
	// kata:begin Parse the selector, so that a mistake in it is noticed here. Then a factory with two options.
	parsed, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("label selector %q: %w", selector, err)
	}
	return informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) {
			options.LabelSelector = parsed.String()
		}),
	), nil
	// kata:end
}

// Handler is told where pods stand. Either function may be nil. They are called one at a time, in the order in which things
// happened, and must neither block for long nor change the pods, which are the cache's own.
//
// A pod that is there again under its old name but with another UID is another pod: the old one has left, then the new one
// has arrived, even when both reach us as a single update.
type Handler struct {
	// Arrived is called once for each pod that has a node, as soon as it has one. Initial says that the pod had it already when
	// the cache was filled for the first time.
	Arrived func(pod *corev1.Pod, initial bool)
	// Left is called once for each pod that had a node and is gone, with the last state that is known of it. It is not
	// called for a pod of which nothing is known but the name.
	Left func(pod *corev1.Pod)
}

// Directory answers questions from the caches of a factory. Its answers are right as of a moment ago; they are empty until
// [Directory.Run] has filled the caches.
//
// The pods that it returns are sorted by namespace and name, and are the cache's own: to be read, not to be changed.
type Directory struct {
	// kata:begin What does it hold? The factory, what to look things up with, and what tells whether the handler is up to date.
	// kata:stub
	factory  informers.SharedInformerFactory
	pods     coreinformers.PodIndexInformer
	podList  corelisters.PodLister
	services corelisters.ServiceLister
	handler  cache.DoneChecker
	// kata:end
}

// New makes a Directory of a factory. It only asks the factory for what it needs: it starts nothing, and sends no request.
//
// The factory is shared. Others may have asked it for the same informers, further Directories included: they then have one
// cache and one watch between them. It may even have been started before.
func New(factory informers.SharedInformerFactory, handler Handler) (*Directory, error) {
	// kata:begin Ask the factory for its informers of pods and Services, now and not later: what nobody has asked for is not
	// | started. Index the pods, unless somebody has done so before, and add the handler.
	pods := coreinformers.ToTypedPodInformer(factory.Core().V1().Pods())
	informer := pods.TypedInformer()
	if err := addIndexes(informer); err != nil {
		return nil, fmt.Errorf("index the pods: %w", err)
	}
	registration, err := informer.AddTypedEventHandler(typed(handler))
	if err != nil {
		return nil, fmt.Errorf("add the handler of pods: %w", err)
	}
	return &Directory{
		factory:  factory,
		pods:     informer,
		podList:  pods.Lister(),
		services: factory.Core().V1().Services().Lister(), // asks for the informer, too
		handler:  registration.HasSyncedChecker(),
	}, nil
	// kata:end
}

// Run starts the factory's informers, waits until all is there that was there at the start, does the work, and stops what
// it started. It returns what work returned. It is called once, and for one Directory of a factory, which it shuts down: if
// somebody else has started informers of it, Run waits for their end, too.
//
//   - When work begins, the caches of pods and of Services are full, and the handler has returned from its last initial pod.
//   - Work's context ends with ctx. It is work's to return then.
//   - When ctx ends before all is there, Run returns an error that wraps ctx's own, and work is not called.
//   - When Run returns, everything that it started has ended: no handler is called any more.
func (d *Directory) Run(ctx context.Context, work func(ctx context.Context) error) error {
	// kata:begin Start the factory, and wait: for its caches, for the handler. Then the work. Whatever happens, end the informers
	// | and wait for them before you return: the factory has a method for that.
	ctx, cancel := context.WithCancel(ctx)
	defer d.factory.Shutdown() // waits for the informers …
	defer cancel()             // … which end with their context
	d.factory.StartWithContext(ctx)
	if err := d.factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return fmt.Errorf("fill the caches: %w", err)
	}
	if !cache.WaitFor(ctx, "", d.handler) {
		return fmt.Errorf("wait for the handler of pods: %w", context.Cause(ctx))
	}
	return work(ctx)
	// kata:end
}

// OnNode returns the pods that stand on a node. A pod that has no node yet is on none: not on "" either.
func (d *Directory) OnNode(node string) ([]*corev1.Pod, error) {
	// kata:begin Look into an index.
	return d.byIndex(byNode, node)
	// kata:end
}

// OwnedBy returns the pods whose controller has the UID: the one owner that is responsible for them, such as their
// ReplicaSet. Whoever else owns them does not count.
func (d *Directory) OwnedBy(owner types.UID) ([]*corev1.Pod, error) {
	// kata:begin Look into another.
	return d.byIndex(byController, string(owner))
	// kata:end
}

// Backends returns the pods that a Service selects, which are in its own namespace. A Service without a selector selects
// none. When the cache does not have the Service, there are no pods but an error that apierrors.IsNotFound recognises.
func (d *Directory) Backends(namespace, name string) ([]*corev1.Pod, error) {
	// kata:begin Get the Service from its Lister, then the pods from theirs. What does an empty selector select, if one lets it?
	service, err := d.services.Services(namespace).Get(name)
	if err != nil {
		return nil, fmt.Errorf("backends of service %s/%s: %w", namespace, name, err)
	}
	if len(service.Spec.Selector) == 0 {
		return nil, nil
	}
	pods, err := d.podList.Pods(namespace).List(labels.SelectorFromSet(service.Spec.Selector))
	if err != nil {
		return nil, fmt.Errorf("backends of service %s/%s: %w", namespace, name, err)
	}
	return sorted(pods), nil
	// kata:end
}

// SetLabel sets a label of a pod that the cache has, at the server: with one update of the state that the cache knows, or with
// no request when that has the label already. The cached pod is not touched; it follows when the server sends the change.
//
// Errors are for apierrors to recognise: IsNotFound when the cache does not have the pod (the server is not asked), IsConflict
// when the server has a newer one, and whatever else the server says.
func (d *Directory) SetLabel(ctx context.Context, client kubernetes.Interface, namespace, name, key, value string) error {
	// kata:begin Get the pod from its Lister, and change something that is yours.
	cached, err := d.podList.Pods(namespace).Get(name)
	if err != nil {
		return fmt.Errorf("label pod %s/%s: %w", namespace, name, err)
	}
	if current, ok := cached.Labels[key]; ok && current == value {
		return nil
	}
	pod := cached.DeepCopy()
	metav1.SetMetaDataLabel(&pod.ObjectMeta, key, value)
	if _, err := client.CoreV1().Pods(namespace).Update(ctx, pod, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("label pod %s/%s: %w", namespace, name, err)
	}
	return nil
	// kata:end
}

// kata:begin Functions of your own: the two index functions, the handler of the informer, the order of pods.
// kata:stub

// The names of our indexes. The factory is shared, and so are its indexes: the names say whose they are.
const (
	byNode       = "directory/node"
	byController = "directory/controller"
)

// addIndexes adds the indexes that the informer does not have yet: adding one twice is an error.
func addIndexes(informer coreinformers.PodIndexInformer) error {
	missing := coreinformers.PodIndexers{}
	for name, index := range (coreinformers.PodIndexers{byNode: nodeOf, byController: controllerOf}) {
		if _, ok := informer.GetIndexer().GetIndexers()[name]; !ok {
			missing[name] = index
		}
	}
	return informer.AddTypedIndexers(missing)
}

// nodeOf is the index function of byNode.
func nodeOf(pod *corev1.Pod) ([]string, error) {
	if pod.Spec.NodeName == "" {
		return nil, nil
	}
	return []string{pod.Spec.NodeName}, nil
}

// controllerOf is the index function of byController.
func controllerOf(pod *corev1.Pod) ([]string, error) {
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		return []string{string(owner.UID)}, nil
	}
	return nil, nil
}

func (d *Directory) byIndex(index, value string) ([]*corev1.Pod, error) {
	pods, err := d.pods.GetTypedIndexer().ByTypedIndex(index, value)
	if err != nil {
		return nil, fmt.Errorf("look up pods: %w", err)
	}
	return sorted(pods), nil
}

// sorted sorts a slice of the caller's. The cache's indexers and listers make a new one for each answer.
func sorted(pods []*corev1.Pod) []*corev1.Pod {
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return pods
}

// typed makes an informer's handler of ours.
func typed(h Handler) coreinformers.PodDetailedHandlerFuncs {
	arrived := func(pod *corev1.Pod, initial bool) {
		if h.Arrived != nil && pod.Spec.NodeName != "" {
			h.Arrived(pod, initial)
		}
	}
	left := func(pod *corev1.Pod) {
		if h.Left != nil && pod.Spec.NodeName != "" {
			h.Left(pod)
		}
	}
	return coreinformers.PodDetailedHandlerFuncs{
		AddFunc: arrived,
		UpdateFunc: func(before, after *corev1.Pod) {
			if before.UID == after.UID && before.Spec.NodeName == after.Spec.NodeName {
				return
			}
			left(before)
			arrived(after, false)
		},
		DeleteFunc: func(deleted coreinformers.DeletedPod) {
			if pod := deleted.OptionalObj; pod != nil {
				left(pod)
			}
		},
	}
}

// kata:end
