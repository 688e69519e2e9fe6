// Package deltafifo stands at the other end of the queue that a reflector fills: it reads what the queue delivers, and keeps
// an indexer in step with it. Inside client-go, that is the first half of every informer.
package deltafifo

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/cache"
)

// ByNode is the name of NewIndexer's index: the pods of a node.
const ByNode = "node"

// NewIndexer returns an indexer for pods with the index ByNode. Its keys are those of cache.MetaNamespaceKeyFunc, which
// knows objects and nothing else.
func NewIndexer() cache.Indexer {
	return cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{ByNode: func(o any) ([]string, error) {
		pod, ok := o.(*corev1.Pod)
		if !ok {
			return nil, fmt.Errorf("index a %T by node: want a *Pod", o)
		}
		return []string{pod.Spec.NodeName}, nil
	}})
}

// Coalescing returns client-go's DeltaFIFO, the queue of the informers up to client-go 0.32. An item is an object with all
// that has happened to it since it was last delivered. A list is delivered as Replaced for what it holds, and as Deleted
// for what known has and the list has not.
func Coalescing(known cache.KeyListerGetter) cache.Queue {
	// kata:begin The constructor with options. What does a list look like without EmitDeltaTypeReplaced?
	return cache.NewDeltaFIFOWithOptions(cache.DeltaFIFOOptions{
		KnownObjects:          known,
		EmitDeltaTypeReplaced: true,
	})
	// kata:end
}

// Ordered returns client-go's RealFIFO as informers had it from 0.33 on: an item for each thing that happened, in the
// order in which it happened. A list is delivered as Deleted for what known has and the list has not, and then as
// Replaced for what it holds, each an item of its own.
func Ordered(known cache.KeyListerGetter) cache.Queue {
	// kata:begin The other constructor.
	return cache.NewRealFIFOWithOptions(cache.RealFIFOOptions{KnownObjects: known})
	// kata:end
}

// Atomic returns client-go's RealFIFO as informers have it since 0.36: as Ordered, but a list is one item, ReplacedAll, and so
// is a resync, SyncAll; a reflector's bookmarks are items too. Who takes an item does not keep others from putting something in.
func Atomic() cache.Queue {
	// kata:begin Three options make the difference; a fourth one must not be there.
	return cache.NewRealFIFOWithOptions(cache.RealFIFOOptions{
		AtomicEvents:          true,
		UnlockWhileProcessing: true,
		EmitDeltaTypeBookmark: true,
	})
	// kata:end
}

// Change is what one delta says, in short.
type Change struct {
	Type cache.DeltaType
	// Key is namespace/name, or the name alone for what is in no namespace. It is empty for ReplacedAll, SyncAll and
	// Bookmark, which are about no object in particular.
	Key string
	// Version is the resourceVersion of the object, of the list (ReplacedAll) or of the bookmark. It is empty where there
	// is none.
	Version string
	// Unseen says that the deletion itself was not seen: Version is that of the last state that was, if there is one.
	Unseen bool
	// Objects is how many a ReplacedAll holds.
	Objects int
}

// String is the line that the program prints.
func (c Change) String() string {
	text := string(c.Type)
	if c.Type == cache.ReplacedAll {
		text += fmt.Sprintf(" with %d objects", c.Objects)
	}
	if c.Key != "" {
		text += " " + c.Key
	}
	if c.Unseen {
		text += ", unseen, last known"
	}
	if c.Version != "" {
		text += " at " + c.Version
	}
	return text
}

// Read says what an item is that a queue's Pop has delivered: a Change for each delta in it, oldest first. It reads objects of
// any kind. What is no cache.Deltas, or holds an object without metadata, is an error, and nothing is returned with it.
func Read(popped any) ([]Change, error) {
	// kata:begin An item is a cache.Deltas, whichever queue it comes from. What can the object of a delta be?
	deltas, ok := popped.(cache.Deltas)
	if !ok {
		return nil, fmt.Errorf("read a %T: want cache.Deltas", popped)
	}
	changes := make([]Change, 0, len(deltas))
	for _, delta := range deltas {
		change, err := read(delta)
		if err != nil {
			return nil, fmt.Errorf("read a delta of the type %s: %w", delta.Type, err)
		}
		changes = append(changes, change)
	}
	return changes, nil
	// kata:end
}

// Handlers are told what has happened to pods, after it is in the indexer. Each may be nil. They must not change the pods:
// these are the indexer's.
type Handlers struct {
	// Created is told of a pod that the indexer did not have.
	Created func(pod *corev1.Pod) error
	// Changed is told of a pod that the indexer had: the state that it had, and the one that it has. They can be the same.
	Changed func(was, is *corev1.Pod) error
	// Deleted is told of a pod that is gone: its key, and the last state that anybody knows of it, nil if nobody does.
	Deleted func(key string, last *corev1.Pod) error
}

// Apply brings an indexer (see NewIndexer) up to date with an item that a queue's Pop has delivered, and tells the handlers.
// It goes through the item's deltas from the oldest to the newest:
//
//   - Added, Updated, Replaced and Sync put the pod into the indexer. Whether that is Created or Changed is not the
//     delta's to say: it depends on whether the indexer had the pod.
//   - Deleted takes it out. The last state is the delta's: the object, or what a tombstone (cache.DeletedFinalStateUnknown)
//     holds, which may be nothing.
//   - ReplacedAll replaces the indexer's content in one step (its Replace, with the version). Then Deleted is told of each pod
//     that has gone, with the state that the indexer had, and after that Created or Changed of each pod of the list, in its order.
//   - SyncAll is Changed for every pod of the indexer, with the same state twice.
//   - Bookmark goes to the indexer's Bookmark, and to no handler.
//
// The pods in the indexer, and those that the handlers get from it, have no managedFields. The objects in the queue keep
// them: others hold these too, so what is to be changed is copied.
//
// No error keeps the later deltas from being applied, and what is in the indexer stays there although its handler has failed:
// the queue has forgotten the item by now, and will not deliver it again. All errors are returned, joined: those of the
// handlers, and one for each delta that is about something else than a pod, or of a type that is not in the list above.
func Apply(indexer cache.Indexer, handlers Handlers, popped any) error {
	// kata:begin One delta after the other, whatever became of the one before.
	deltas, ok := popped.(cache.Deltas)
	if !ok {
		return fmt.Errorf("apply a %T: want cache.Deltas", popped)
	}
	a := applier{indexer: indexer, handlers: handlers}
	var errs []error
	for _, delta := range deltas {
		if err := a.apply(delta); err != nil {
			errs = append(errs, fmt.Errorf("apply a delta of the type %s: %w", delta.Type, err))
		}
	}
	return errors.Join(errs...)
	// kata:end
}

// Run takes one item after the other off the queue and Applies it, until the context ends or somebody else closes the queue. It
// returns nil in both cases.
//
//   - When the context ends, Run closes the queue, which wakes it up where it waits, and begins no other item.
//   - When somebody else has closed the queue, Run applies what is left in it first.
//   - An error of Apply goes to onError and does not end Run. onError is called between two items, when the queue is
//     free: it may put something into it.
func Run(ctx context.Context, queue cache.Queue, indexer cache.Indexer, handlers Handlers, onError func(error)) error {
	// kata:begin A loop around Pop. Pop knows no context: who ends its wait?
	stop := context.AfterFunc(ctx, queue.Close)
	defer stop()
	for ctx.Err() == nil {
		_, err := queue.Pop(func(popped any, _ bool) error {
			return Apply(indexer, handlers, popped)
		})
		if errors.Is(err, cache.ErrFIFOClosed) {
			return nil
		}
		if err != nil {
			onError(err)
		}
	}
	return nil
	// kata:end
}

// kata:begin Room for the parts that Read and Apply fall into: one delta, an object, a deletion, a list.
// kata:stub

// read says what one delta is.
func read(delta cache.Delta) (Change, error) {
	change := Change{Type: delta.Type}
	object := delta.Object
	switch o := object.(type) {
	case cache.ReplacedAllInfo:
		change.Version, change.Objects = o.ResourceVersion, len(o.Objects)
		return change, nil
	case cache.SyncAllInfo:
		return change, nil
	case cache.BookmarkInfo:
		change.Version = o.ResourceVersion
		return change, nil
	case cache.DeletedFinalStateUnknown:
		change.Key, change.Unseen = o.Key, true
		if o.Obj == nil {
			return change, nil
		}
		object = o.Obj
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return change, fmt.Errorf("a %T: %w", object, err)
	}
	change.Version = accessor.GetResourceVersion()
	if !change.Unseen {
		change.Key = cache.MetaObjectToName(accessor).String()
	}
	return change, nil
}

// applier applies deltas to an indexer and tells the handlers.
type applier struct {
	indexer  cache.Indexer
	handlers Handlers
}

func (a applier) apply(delta cache.Delta) error {
	switch delta.Type {
	case cache.Added, cache.Updated, cache.Replaced, cache.Sync:
		return a.put(delta.Object)
	case cache.Deleted:
		return a.remove(delta.Object)
	case cache.ReplacedAll:
		if info, ok := delta.Object.(cache.ReplacedAllInfo); ok {
			return a.replace(info)
		}
	case cache.SyncAll:
		var errs []error
		for _, o := range a.indexer.List() {
			errs = append(errs, a.tell(o, o.(*corev1.Pod)))
		}
		return errors.Join(errs...)
	case cache.Bookmark:
		if info, ok := delta.Object.(cache.BookmarkInfo); ok {
			a.indexer.Bookmark(info.ResourceVersion)
			return nil
		}
	}
	return fmt.Errorf("it holds a %T", delta.Object)
}

// put stores a pod.
func (a applier) put(o any) error {
	pod, err := slim(o)
	if err != nil {
		return err
	}
	was, _, err := a.indexer.Get(pod)
	if err != nil {
		return err
	}
	if err := a.indexer.Update(pod); err != nil {
		return err
	}
	return a.tell(was, pod)
}

// tell tells a handler of a pod that is in the indexer. was is nil where it is new.
func (a applier) tell(was any, is *corev1.Pod) error {
	switch old, existed := was.(*corev1.Pod); {
	case existed && a.handlers.Changed != nil:
		return a.handlers.Changed(old, is)
	case !existed && a.handlers.Created != nil:
		return a.handlers.Created(is)
	}
	return nil
}

// remove takes a pod out of the indexer. The indexer finds no key for a tombstone, but it has the object of that key.
func (a applier) remove(o any) error {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(o)
	if err != nil {
		return err
	}
	if tombstone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = tombstone.Obj
	}
	var last *corev1.Pod
	if o != nil {
		if last, err = slim(o); err != nil {
			return err
		}
	}
	if was, exists, err := a.indexer.GetByKey(key); err != nil {
		return err
	} else if exists {
		if err := a.indexer.Delete(was); err != nil {
			return err
		}
	}
	if a.handlers.Deleted == nil {
		return nil
	}
	return a.handlers.Deleted(key, last)
}

// replace puts a list in the place of what the indexer has.
func (a applier) replace(list cache.ReplacedAllInfo) error {
	var errs []error
	had := map[string]any{}
	for _, o := range a.indexer.List() {
		key, err := cache.MetaNamespaceKeyFunc(o)
		if err != nil {
			return err
		}
		had[key] = o
	}
	pods, keys, objects := []*corev1.Pod{}, map[string]bool{}, []any{}
	for _, o := range list.Objects {
		pod, err := slim(o)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		pods, objects = append(pods, pod), append(objects, pod)
		keys[cache.MetaObjectToName(pod).String()] = true
	}
	if err := a.indexer.Replace(objects, list.ResourceVersion); err != nil {
		return errors.Join(append(errs, err)...)
	}
	for key, was := range had {
		if !keys[key] && a.handlers.Deleted != nil {
			errs = append(errs, a.handlers.Deleted(key, was.(*corev1.Pod)))
		}
	}
	for _, pod := range pods {
		errs = append(errs, a.tell(had[cache.MetaObjectToName(pod).String()], pod))
	}
	return errors.Join(errs...)
}

// slim returns a copy of a pod without its managedFields.
func slim(o any) (*corev1.Pod, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("it holds a %T, want a *Pod", o)
	}
	pod = pod.DeepCopy()
	pod.ManagedFields = nil
	return pod, nil
}

// kata:end
