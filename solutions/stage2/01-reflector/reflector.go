// Package reflector keeps a store in step with the API server: list once, watch from where the list ended, begin again
// when that is over. It is what client-go's cache.Reflector does, below every informer, in a size that fits one file.
package reflector

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// Options say how a Reflector behaves. The zero value is useful.
type Options struct {
	// ResyncPeriod is how often the store's Resync is called; zero means never.
	ResyncPeriod time.Duration
	// Pause is how long Run waits before it begins again after a failure; zero means a second.
	Pause time.Duration
	// Clock is what time is measured with; nil means the real one.
	Clock clock.WithTicker
}

// Reflector keeps a store in step with a source. Make one with New, and call Run once.
type Reflector struct {
	source  cache.ListerWatcherWithContext
	store   cache.Store
	options Options
	// synced is closed when the first list is in the store.
	synced chan struct{}
}

// New returns a reflector that fills the store from the source once it is Run. The store must be safe for use by several
// goroutines, as those of the cache package are.
func New(source cache.ListerWatcherWithContext, store cache.Store, options Options) *Reflector {
	if options.Pause == 0 {
		options.Pause = time.Second
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	return &Reflector{source: source, store: store, options: options, synced: make(chan struct{})}
}

// Pods returns a source for a reflector: the pods of one namespace, all of them when it is empty. Lists and watches carry
// the options that the reflector gives them, and end with its context.
func Pods(client kubernetes.Interface, namespace string) *cache.ListWatch {
	// kata:begin A cache.ListWatch whose two functions with a context ask the client.
	pods := client.CoreV1().Pods(namespace)
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return pods.Watch(ctx, options)
		},
	}
	// kata:end
}

// List asks the source once for all there is, in its newest state (a resourceVersion of ""), and puts it into the store
// with one Replace, so that what is gone from the server goes from the store too. It returns the list's resourceVersion,
// which is also what Replace is told. The source's and the store's errors are wrapped; a list that failed leaves the
// store as it was.
func (r *Reflector) List(ctx context.Context) (string, error) {
	// kata:begin List, take the version and the items out of the answer (package meta knows how), and Replace.
	list, err := r.source.ListWithContext(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list: %w", err)
	}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return "", fmt.Errorf("read the version of a list: %w", err)
	}
	found, err := meta.ExtractList(list)
	if err != nil {
		return "", fmt.Errorf("read the items of a list: %w", err)
	}
	items := make([]any, len(found))
	for i, item := range found {
		items[i] = item
	}
	version := accessor.GetResourceVersion()
	if err := r.store.Replace(items, version); err != nil {
		return "", fmt.Errorf("replace the store's content: %w", err)
	}
	return version, nil
	// kata:end
}

// Watch follows the source from a resourceVersion on and tells the store: Add, Update and Delete for the events Added,
// Modified and Deleted. It asks for bookmarks, which say no more than how far the world has moved on.
//
// Watch returns where the next one has to begin: the resourceVersion of the last event that is in the store, or of a
// later bookmark, or, before there was any, the one that it was given. The error with it says why:
//
//   - none: the server has closed the watch, as it does every few minutes;
//   - ctx's: the context has ended;
//   - the server's, which apierrors.IsResourceExpired and its like recognise: the watch could not begin, or ended with an
//     event of the type Error;
//   - the store's, wrapped: it refused an event.
//
// However it ends, the watch that the source has returned is stopped.
func (r *Reflector) Watch(ctx context.Context, resourceVersion string) (string, error) {
	// kata:begin Watch from the version on, with bookmarks; go through the events until there are no more or the
	// | context ends. What does an event of the type Error hold?
	w, err := r.source.WatchWithContext(ctx, metav1.ListOptions{
		ResourceVersion:     resourceVersion,
		AllowWatchBookmarks: true,
	})
	if err != nil {
		return resourceVersion, fmt.Errorf("watch from %q: %w", resourceVersion, err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return resourceVersion, ctx.Err()
		case event, open := <-w.ResultChan():
			if !open {
				return resourceVersion, ctx.Err() // a watch also closes because its context has ended
			}
			version, err := r.apply(event)
			if err != nil {
				return resourceVersion, err
			}
			resourceVersion = version
		}
	}
	// kata:end
}

// Run keeps the store in step with the source until the context ends, and then returns nil: being asked to stop is no
// failure. Nothing that it has started is left when it returns.
//
//   - It lists, and watches from the list's version on.
//   - A watch that the server has closed is followed by the next, from the last version on, without a list.
//   - A watch that ended without anything new is followed by a pause first: a server in trouble is not helped by haste.
//   - A failure, the server's or the store's, in a list or in a watch, is followed by a pause and a new list. It is
//     reported to utilruntime.HandleErrorWithContext, and never ends Run.
//   - Every ResyncPeriod, counted from when the first list is in the store, it calls the store's Resync, whatever
//     lists and watches are doing meanwhile. An error of Resync is reported in the same way, and has no other consequence.
func (r *Reflector) Run(ctx context.Context) error {
	// kata:begin A loop around List and Watch. What must happen before the next list, and what before the next watch?
	var background sync.WaitGroup
	defer background.Wait()
	synced := false
	for ctx.Err() == nil {
		version, err := r.List(ctx)
		if err == nil && !synced {
			synced = true
			close(r.synced)
			background.Go(func() { r.resync(ctx) })
		}
		if err == nil {
			err = r.follow(ctx, version)
		}
		if ctx.Err() == nil {
			utilruntime.HandleErrorWithContext(ctx, err, "The reflector begins again")
			r.pause(ctx)
		}
	}
	return nil
	// kata:end
}

// WaitForSync blocks until the first list is in the store, however little was in it, and returns nil; once that has
// happened it returns at once, for any number of callers. It returns ctx's error when that ends first. It costs nothing while it
// waits: it neither polls nor reads the store, and a list that failed is none.
func (r *Reflector) WaitForSync(ctx context.Context) error {
	// kata:begin Wait for one of two channels.
	select {
	case <-r.synced:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	// kata:end
}

// FromClientGo returns client-go's own reflector for the pods of a source, with the options' resync period and clock: it puts
// nothing into the store but pods. Its pauses are its own affair. The caller runs it, with RunWithContext.
func FromClientGo(source cache.ListerWatcher, store cache.ReflectorStore, options Options) *cache.Reflector {
	// kata:begin The constructor that takes cache.ReflectorOptions.
	return cache.NewReflectorWithOptions(source, &corev1.Pod{}, store, cache.ReflectorOptions{
		ResyncPeriod: options.ResyncPeriod,
		Clock:        options.Clock,
	})
	// kata:end
}

// kata:begin Room for the parts that Watch and Run fall into: one event, one watch after the other, the resync, the pause.
// kata:stub

// apply brings the store up to date with an event, and returns the event's resourceVersion.
func (r *Reflector) apply(event watch.Event) (string, error) {
	if event.Type == watch.Error {
		return "", fmt.Errorf("watch: %w", apierrors.FromObject(event.Object))
	}
	object, err := meta.Accessor(event.Object)
	if err != nil {
		return "", fmt.Errorf("read an event of the type %s: %w", event.Type, err)
	}
	switch event.Type {
	case watch.Added:
		err = r.store.Add(event.Object)
	case watch.Modified:
		err = r.store.Update(event.Object)
	case watch.Deleted:
		err = r.store.Delete(event.Object)
	}
	if err != nil {
		return "", fmt.Errorf("store %s/%s (%s): %w", object.GetNamespace(), object.GetName(), event.Type, err)
	}
	return object.GetResourceVersion(), nil
}

// follow watches, one watch after the other, until one fails or the context ends. It returns why.
func (r *Reflector) follow(ctx context.Context, version string) error {
	for {
		last, err := r.Watch(ctx, version)
		if err != nil {
			return err
		}
		if last == version {
			r.pause(ctx)
		}
		version = last
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// resync calls the store's Resync every ResyncPeriod until the context ends.
func (r *Reflector) resync(ctx context.Context) {
	if r.options.ResyncPeriod == 0 {
		return
	}
	ticker := r.options.Clock.NewTicker(r.options.ResyncPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			if err := r.store.Resync(); err != nil {
				utilruntime.HandleErrorWithContext(ctx, err, "Resync")
			}
		}
	}
}

// pause waits as long as the options say, by their clock, or until the context ends.
func (r *Reflector) pause(ctx context.Context) {
	timer := r.options.Clock.NewTimer(r.options.Pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C():
	}
}

// kata:end
