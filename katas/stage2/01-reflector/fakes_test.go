package reflector_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// source is what a reflector lists and watches, as a spec wants it: a server whose every word is known.
type source struct {
	// list answers the n-th list, watch the n-th watch, both from 1 on.
	list  func(ctx context.Context, n int) (apiruntime.Object, error)
	watch func(n int) (watch.Interface, error)

	mu      sync.Mutex
	listed  []metav1.ListOptions
	watched []metav1.ListOptions
}

// serving answers every list with the same pods, and watches with the streams, one after the other.
func serving(list *corev1.PodList, streams ...*stream) *source {
	return &source{
		list: func(context.Context, int) (apiruntime.Object, error) { return list.DeepCopy(), nil },
		watch: func(n int) (watch.Interface, error) {
			if n > len(streams) {
				return newStream(), nil
			}
			return streams[n-1], nil
		},
	}
}

func (s *source) ListWithContext(ctx context.Context, options metav1.ListOptions) (apiruntime.Object, error) {
	s.mu.Lock()
	s.listed = append(s.listed, options)
	n := len(s.listed)
	s.mu.Unlock()
	return s.list(ctx, n)
}

func (s *source) WatchWithContext(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
	if options.SendInitialEvents != nil {
		return nil, fmt.Errorf("this source does not know WatchList") // client-go's reflector lists instead
	}
	s.mu.Lock()
	s.watched = append(s.watched, options)
	n := len(s.watched)
	s.mu.Unlock()
	return s.watch(n)
}

// lists and watches return how many there were.
func (s *source) lists() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listed)
}

func (s *source) watches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watched)
}

// from returns the resourceVersions that the watches have begun at.
func (s *source) from() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := []string{}
	for _, options := range s.watched {
		versions = append(versions, options.ResourceVersion)
	}
	return versions
}

// stream is a watch that the spec feeds. The server closes it with end; stopped is closed by Stop.
type stream struct {
	events  chan watch.Event
	stopped chan struct{}
	once    sync.Once
}

// newStream returns a stream that has the events to deliver.
func newStream(events ...watch.Event) *stream {
	s := &stream{events: make(chan watch.Event, 100), stopped: make(chan struct{})}
	for _, event := range events {
		s.events <- event
	}
	return s
}

// end closes the stream, as a server does whose timeout has come.
func (s *stream) end() *stream {
	close(s.events)
	return s
}

func (s *stream) send(kind watch.EventType, object apiruntime.Object) {
	s.events <- event(kind, object)
}

func (s *stream) ResultChan() <-chan watch.Event { return s.events }
func (s *stream) Stop()                          { s.once.Do(func() { close(s.stopped) }) }

func event(kind watch.EventType, object apiruntime.Object) watch.Event {
	return watch.Event{Type: kind, Object: object}
}

// spy is a store that keeps a record of what is asked of it.
type spy struct {
	cache.Store
	// before is called before each change, with its text, and refuses it by an error.
	before func(change string) error

	mu      sync.Mutex
	written []string
	read    []string
	resyncs int
}

func newSpy(pods ...*corev1.Pod) *spy {
	s := &spy{Store: cache.NewStore(cache.MetaNamespaceKeyFunc)}
	for _, pod := range pods {
		_ = s.Store.Add(pod)
	}
	return s
}

func (s *spy) write(change string, do func() error) error {
	if s.before != nil {
		if err := s.before(change); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.written = append(s.written, change)
	s.mu.Unlock()
	return do()
}

func (s *spy) Add(o any) error {
	return s.write("Add "+name(o), func() error { return s.Store.Add(o) })
}

func (s *spy) Update(o any) error {
	return s.write("Update "+name(o), func() error { return s.Store.Update(o) })
}

func (s *spy) Delete(o any) error {
	return s.write("Delete "+name(o), func() error { return s.Store.Delete(o) })
}

func (s *spy) Replace(objects []any, version string) error {
	found := []string{}
	for _, o := range objects {
		found = append(found, name(o))
	}
	return s.write(fmt.Sprintf("Replace %v at %s", found, version), func() error { return s.Store.Replace(objects, version) })
}

func (s *spy) Resync() error {
	s.mu.Lock()
	s.resyncs++
	s.mu.Unlock()
	if s.before != nil {
		return s.before("Resync")
	}
	return nil
}

func (s *spy) reading(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = append(s.read, what)
}

func (s *spy) List() []any                  { s.reading("List"); return s.Store.List() }
func (s *spy) ListKeys() []string           { s.reading("ListKeys"); return s.Store.ListKeys() }
func (s *spy) Get(o any) (any, bool, error) { s.reading("Get"); return s.Store.Get(o) }
func (s *spy) LastStoreSyncResourceVersion() string {
	s.reading("LastStoreSyncResourceVersion")
	return s.Store.LastStoreSyncResourceVersion()
}

func (s *spy) GetByKey(key string) (any, bool, error) {
	s.reading("GetByKey")
	return s.Store.GetByKey(key)
}

// changes returns what the store was told, in order.
func (s *spy) changes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.written)
}

func (s *spy) reads() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.read)
}

func (s *spy) resynced() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resyncs
}

// names returns the names of what is in the store.
func (s *spy) names() []string {
	found := []string{}
	for _, o := range s.Store.List() {
		found = append(found, name(o))
	}
	slices.Sort(found)
	return found
}

func name(o any) string {
	object, err := meta.Accessor(o)
	if err != nil {
		return fmt.Sprintf("(a %T, which is no object)", o)
	}
	return object.GetName()
}

// pod is a pod of a version; pods is a list of a version, with pods of it.
func pod(name, version string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "pizzeria", Name: name, ResourceVersion: version}}
}

func pods(version string, names ...string) *corev1.PodList {
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: version}}
	for _, name := range names {
		list.Items = append(list.Items, *pod(name, version))
	}
	return list
}

// busy says how a goroutine that stands in a function spends its time there, when it does anything but wait for a
// channel or a lock. found is whether there is such a goroutine.
func busy(function string) (how string, found bool) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if !strings.Contains(stack, function+"(") {
			continue
		}
		found = true
		_, state, _ := strings.Cut(stack, "[")
		state, _, _ = strings.Cut(state, "]")
		waits := slices.ContainsFunc([]string{"select", "chan receive", "sync.", "semacquire"}, func(s string) bool {
			return strings.HasPrefix(state, s)
		})
		if !waits {
			return state, true
		}
		if strings.Contains(stack, "k8s.io/apimachinery/pkg/util/wait.") {
			return "polling with package wait", true
		}
	}
	return "", found
}
