// Package typedinformer answers questions about pods and Services from the caches of a shared informer factory: what stands
// on a node, what belongs to an owner, what is behind a Service. The server is asked once, and tells the rest by itself.
package typedinformer

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
)

// NewFactory makes a factory whose informers see one namespace, or all when it is empty, and there the objects whose labels
// match the selector ("app=web,tier!=test"; an empty one matches all). It is the server that selects: what does not match is
// neither sent nor kept. There is no resync. A selector that cannot be parsed is an error that
// shows it, and then there is no factory.
func NewFactory(client kubernetes.Interface, namespace, selector string) (informers.SharedInformerFactory, error) {
	// TODO(kata): Parse the selector, so that a mistake in it is noticed here. Then a factory with two options.
	return *new(informers.SharedInformerFactory), errors.New("NewFactory is not implemented")
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
	// TODO(kata): What does it hold? The factory, what to look things up with, and what tells whether the handler is up to date.
}

// New makes a Directory of a factory. It only asks the factory for what it needs: it starts nothing, and sends no request.
//
// The factory is shared. Others may have asked it for the same informers, further Directories included: they then have one
// cache and one watch between them. It may even have been started before.
func New(factory informers.SharedInformerFactory, handler Handler) (*Directory, error) {
	// TODO(kata): Ask the factory for its informers of pods and Services, now and not later: what nobody has asked for is not
	// started. Index the pods, unless somebody has done so before, and add the handler.
	return nil, errors.New("New is not implemented")
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
	// TODO(kata): Start the factory, and wait: for its caches, for the handler. Then the work. Whatever happens, end the informers
	// and wait for them before you return: the factory has a method for that.
	return errors.New("Directory.Run is not implemented")
}

// OnNode returns the pods that stand on a node. A pod that has no node yet is on none: not on "" either.
func (d *Directory) OnNode(node string) ([]*corev1.Pod, error) {
	// TODO(kata): Look into an index.
	return nil, errors.New("Directory.OnNode is not implemented")
}

// OwnedBy returns the pods whose controller has the UID: the one owner that is responsible for them, such as their
// ReplicaSet. Whoever else owns them does not count.
func (d *Directory) OwnedBy(owner types.UID) ([]*corev1.Pod, error) {
	// TODO(kata): Look into another.
	return nil, errors.New("Directory.OwnedBy is not implemented")
}

// Backends returns the pods that a Service selects, which are in its own namespace. A Service without a selector selects
// none. When the cache does not have the Service, there are no pods but an error that apierrors.IsNotFound recognises.
func (d *Directory) Backends(namespace, name string) ([]*corev1.Pod, error) {
	// TODO(kata): Get the Service from its Lister, then the pods from theirs. What does an empty selector select, if one lets it?
	return nil, errors.New("Directory.Backends is not implemented")
}

// SetLabel sets a label of a pod that the cache has, at the server: with one update of the state that the cache knows, or with
// no request when that has the label already. The cached pod is not touched; it follows when the server sends the change.
//
// Errors are for apierrors to recognise: IsNotFound when the cache does not have the pod (the server is not asked), IsConflict
// when the server has a newer one, and whatever else the server says.
func (d *Directory) SetLabel(ctx context.Context, client kubernetes.Interface, namespace, name, key, value string) error {
	// TODO(kata): Get the pod from its Lister, and change something that is yours.
	return errors.New("Directory.SetLabel is not implemented")
}

// TODO(kata): Functions of your own: the two index functions, the handler of the informer, the order of pods.
