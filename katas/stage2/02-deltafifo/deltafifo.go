// Package deltafifo stands at the other end of the queue that a reflector fills: it reads what the queue delivers, and keeps
// an indexer in step with it. Inside client-go, that is the first half of every informer.
package deltafifo

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
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
	// TODO(kata): The constructor with options. What does a list look like without EmitDeltaTypeReplaced?
	panic("Coalescing is not implemented")
}

// Ordered returns client-go's RealFIFO as informers had it from 0.33 on: an item for each thing that happened, in the
// order in which it happened. A list is delivered as Deleted for what known has and the list has not, and then as
// Replaced for what it holds, each an item of its own.
func Ordered(known cache.KeyListerGetter) cache.Queue {
	// TODO(kata): The other constructor.
	panic("Ordered is not implemented")
}

// Atomic returns client-go's RealFIFO as informers have it since 0.36: as Ordered, but a list is one item, ReplacedAll, and so
// is a resync, SyncAll; a reflector's bookmarks are items too. Who takes an item does not keep others from putting something in.
func Atomic() cache.Queue {
	// TODO(kata): Three options make the difference; a fourth one must not be there.
	panic("Atomic is not implemented")
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
	// TODO(kata): An item is a cache.Deltas, whichever queue it comes from. What can the object of a delta be?
	return nil, errors.New("Read is not implemented")
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
	// TODO(kata): One delta after the other, whatever became of the one before.
	return errors.New("Apply is not implemented")
}

// Run takes one item after the other off the queue and Applies it, until the context ends or somebody else closes the queue. It
// returns nil in both cases.
//
//   - When the context ends, Run closes the queue, which wakes it up where it waits, and begins no other item.
//   - When somebody else has closed the queue, Run applies what is left in it first.
//   - An error of Apply goes to onError and does not end Run. onError is called between two items, when the queue is
//     free: it may put something into it.
func Run(ctx context.Context, queue cache.Queue, indexer cache.Indexer, handlers Handlers, onError func(error)) error {
	// TODO(kata): A loop around Pop. Pop knows no context: who ends its wait?
	return errors.New("Run is not implemented")
}

// TODO(kata): Room for the parts that Read and Apply fall into: one delta, an object, a deletion, a list.
