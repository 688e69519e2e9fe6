package reflector_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	reflector "github.com/kubekata/kubekata/katas/stage2/01-reflector"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestReflector(t *testing.T) { harness.RunSpecs(t, "Stage 2 · 01-reflector") }

var errOven = errors.New("the oven is cold")

// expired is what a server says when its history does not reach back that far.
func expired() error { return apierrors.NewResourceExpired("too old resource version: 1") }

var _ = Describe("Pods", func() {
	It("lists the pods of the namespace, and of no other", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		create(ctx, mine, "a")
		create(ctx, other, "b")
		got, err := reflector.Pods(api.Clientset(), mine).ListWithContext(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(namesOf(got)).To(ConsistOf("a"), "the pods of %s", mine)
	})

	It("watches the pods of the namespace, and of no other", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		w, err := reflector.Pods(api.Clientset(), mine).WatchWithContext(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(w.Stop)
		create(ctx, other, "b")
		create(ctx, mine, "a")
		var got watch.Event
		Eventually(ctx, w.ResultChan()).Should(Receive(&got), "the first event of a watch of %s, where a pod has been created", mine)
		Expect(got.Type).To(Equal(watch.Added))
		Expect(name(got.Object)).To(Equal("a"), "the pod of the first event of a watch of %s", mine)
	})

	It("gives a list the options that the reflector chose", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := reflector.Pods(api.Clientset(), ns).ListWithContext(ctx, metav1.ListOptions{ResourceVersion: "0", LabelSelector: "a=b"})
		Expect(err).NotTo(HaveOccurred())
		Expect(last().Query.Encode()).To(Equal("labelSelector=a%3Db&resourceVersion=0"), "the query of the list")
	})

	It("gives a watch the options that the reflector chose", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		list, err := api.Judge().CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		w, err := reflector.Pods(api.Clientset(), ns).WatchWithContext(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion, AllowWatchBookmarks: true})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(w.Stop)
		Expect(last().Query).To(HaveKeyWithValue("resourceVersion", []string{list.ResourceVersion}), "the query of the watch: where it begins")
		Expect(last().Query).To(HaveKeyWithValue("allowWatchBookmarks", []string{"true"}), "the query of the watch: whether bookmarks may come")
	})

	It("ends a list with the context of the reflector", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := reflector.Pods(api.Clientset(), ns).ListWithContext(ended, metav1.ListOptions{})
		Expect(err).To(MatchError(context.Canceled), "the error of a list whose context has ended")
	})

	It("ends a watch with the context of the reflector", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		w, err := reflector.Pods(api.Clientset(), ns).WatchWithContext(ending, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(w.Stop)
		cancel()
		Eventually(ctx, w.ResultChan()).Should(BeClosed(), "the watch whose context has ended")
	})

	It("passes on what the server has against a list", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := reflector.Pods(api.Clientset(), ns).ListWithContext(ctx, metav1.ListOptions{FieldSelector: "spec.pizza=margherita"})
		Expect(err).To(Satisfy(apierrors.IsBadRequest), "pods cannot be selected by spec.pizza, got: %v", err)
	})
})

var _ = Describe("List", func() {
	It("replaces what is in the store by what the server has, in one step", func(ctx SpecContext) {
		store := newSpy(pod("vanished", "3"))
		_, err := reflector.New(serving(pods("7", "a", "b")), store, reflector.Options{}).List(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(store.changes()).To(Equal([]string{"Replace [a b] at 7"}), "what the store was told")
		Expect(store.names()).To(Equal([]string{"a", "b"}), "what is in the store")
	})

	It("returns the resourceVersion of the list", func(ctx SpecContext) {
		list := pods("7", "a", "b")
		list.Items[1].ResourceVersion = "5"
		got, err := reflector.New(serving(list), newSpy(), reflector.Options{}).List(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal("7"), "the version that the watch begins at: the list's own, not a pod's")
	})

	It("empties the store when the server has nothing", func(ctx SpecContext) {
		store := newSpy(pod("vanished", "3"))
		got, err := reflector.New(serving(pods("7")), store, reflector.Options{}).List(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal("7"))
		Expect(store.changes()).To(Equal([]string{"Replace [] at 7"}), "what the store was told")
	})

	It("asks once, for the newest state", func(ctx SpecContext) {
		from := serving(pods("7", "a"))
		_, err := reflector.New(from, newSpy(), reflector.Options{}).List(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(from.listed).To(HaveLen(1), "lists")
		Expect(from.listed[0].ResourceVersion).To(BeEmpty(), "resourceVersion of the list: 0 would allow a state from before the last watch")
	})

	It("reports a list that failed, and leaves the store alone", func(ctx SpecContext) {
		from := serving(nil)
		from.list = func(context.Context, int) (apiruntime.Object, error) { return nil, expired() }
		store := newSpy(pod("a", "3"))
		_, err := reflector.New(from, store, reflector.Options{}).List(ctx)
		Expect(err).To(Satisfy(apierrors.IsResourceExpired), "want the server's error, wrapped so that apierrors.IsResourceExpired recognises it, got: %v", err)
		Expect(store.changes()).To(BeEmpty(), "what the store was told")
	})

	It("reports a store that refuses the list", func(ctx SpecContext) {
		store := newSpy()
		store.before = func(string) error { return errOven }
		_, err := reflector.New(serving(pods("7", "a")), store, reflector.Options{}).List(ctx)
		Expect(err).To(MatchError(errOven), "the store's error, wrapped")
	})
})

var _ = Describe("Watch", func() {
	It("begins at the version that it is given, and asks for bookmarks", func(ctx SpecContext) {
		from := serving(nil, newStream().end())
		watched(ctx, from, newSpy(), "7")
		Expect(from.watched).To(HaveLen(1), "watches")
		Expect(from.watched[0].ResourceVersion).To(Equal("7"), "resourceVersion of the watch: without one, or from another, the events between list and watch are lost")
		Expect(from.watched[0].AllowWatchBookmarks).To(BeTrue(), "allowWatchBookmarks of the watch")
	})

	DescribeTable("tells the store of an object that was", func(ctx SpecContext, kind watch.EventType, want string) {
		store := newSpy(pod("a", "6"))
		_, err := watched(ctx, serving(nil, newStream(event(kind, pod("a", "8"))).end()), store, "7")
		Expect(err).NotTo(HaveOccurred())
		Expect(store.changes()).To(Equal([]string{want}), "what the store was told after an event of the type %s", kind)
	},
		Entry("added", watch.Added, "Add a"),
		Entry("modified", watch.Modified, "Update a"),
		Entry("deleted", watch.Deleted, "Delete a"),
	)

	It("keeps the order of the events", func(ctx SpecContext) {
		store := newSpy()
		_, err := watched(ctx, serving(nil, newStream(
			event(watch.Added, pod("a", "8")),
			event(watch.Deleted, pod("a", "9")),
			event(watch.Added, pod("a", "10")),
			event(watch.Modified, pod("a", "11"))).end()), store, "7")
		Expect(err).NotTo(HaveOccurred())
		Expect(store.changes()).To(Equal([]string{"Add a", "Delete a", "Add a", "Update a"}), "what the store was told")
	})

	It("tells the store nothing of a bookmark", func(ctx SpecContext) {
		store := newSpy()
		_, err := watched(ctx, serving(nil, newStream(event(watch.Bookmark, pod("", "30"))).end()), store, "7")
		Expect(err).NotTo(HaveOccurred())
		Expect(store.changes()).To(BeEmpty(), "what the store was told: a bookmark holds an object that has nothing but a version")
	})

	DescribeTable("returns where the next one begins, without an error, when the server closes it",
		func(ctx SpecContext, want string, events ...watch.Event) {
			got, err := watched(ctx, serving(nil, newStream(events...).end()), newSpy(), "7")
			Expect(err).NotTo(HaveOccurred(), "a watch that the server closes is no failure")
			Expect(got).To(Equal(want), "the version that the next watch begins at")
		},
		Entry("after nothing: where this one began", "7"),
		Entry("after events: at the last one", "9", event(watch.Added, pod("a", "8")), event(watch.Deleted, pod("b", "9"))),
		Entry("after a bookmark: there", "30", event(watch.Added, pod("a", "8")), event(watch.Bookmark, pod("", "30"))),
	)

	It("returns the server's error when it cannot begin", func(ctx SpecContext) {
		from := serving(nil)
		from.watch = func(int) (watch.Interface, error) { return nil, expired() }
		got, err := watched(ctx, from, newSpy(), "7")
		Expect(err).To(Satisfy(apierrors.IsResourceExpired), "want the server's error, wrapped so that apierrors.IsResourceExpired recognises it, got: %v", err)
		Expect(got).To(Equal("7"), "the version that the next watch begins at")
	})

	It("returns the server's error when an event holds one", func(ctx SpecContext) {
		status := expired().(apierrors.APIStatus).Status()
		w := newStream(event(watch.Added, pod("a", "8")), event(watch.Error, &status))
		store := newSpy()
		got, err := watched(ctx, serving(nil, w), store, "7")
		Expect(err).To(Satisfy(apierrors.IsResourceExpired),
			"want the error that the Status in the event describes, so that apierrors.IsResourceExpired recognises it, got: %v", err)
		Expect(got).To(Equal("8"), "the version of the last event that is in the store")
		Expect(store.changes()).To(Equal([]string{"Add a"}), "what the store was told: a Status is no pod")
	})

	It("returns the store's error when it refuses an event, and the version from before", func(ctx SpecContext) {
		store := newSpy()
		store.before = func(change string) error {
			if change == "Update b" {
				return errOven
			}
			return nil
		}
		w := newStream(event(watch.Added, pod("a", "8")), event(watch.Modified, pod("b", "9")), event(watch.Added, pod("c", "10")))
		got, err := watched(ctx, serving(nil, w), store, "7")
		Expect(err).To(MatchError(errOven), "the store's error, wrapped")
		Expect(got).To(Equal("8"), "the version of the last event that is in the store")
	})

	It("ends with its context, although the server keeps it open", func(ctx SpecContext) {
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		store := newSpy()
		store.before = func(string) error { cancel(); return nil }
		_, err := watched(ending, serving(nil, newStream(event(watch.Added, pod("a", "8")))), store, "7")
		Expect(err).To(MatchError(context.Canceled), "the error of a watch whose context has ended")
	})

	DescribeTable("stops the watch that the source has returned", func(ctx SpecContext, end func(w *stream, cancel func())) {
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		w := newStream()
		end(w, cancel)
		_, _ = watched(ending, serving(nil, w), newSpy(), "7")
		Expect(w.stopped).To(BeClosed(), "the watch, after Watch has returned: one that nobody stops keeps its connection and its goroutine")
	},
		Entry("when the server has closed it", func(w *stream, _ func()) { w.end() }),
		Entry("when it ends with an error", func(w *stream, _ func()) { w.send(watch.Error, &metav1.Status{Code: 500}) }),
		Entry("when its context has ended", func(_ *stream, cancel func()) { cancel() }),
	)
})

// watched calls the learner's Watch and returns what that returns.
func watched(ctx context.Context, from *source, store *spy, version string) (string, error) {
	GinkgoHelper()
	type answer struct {
		version string
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		defer GinkgoRecover()
		got, err := reflector.New(from, store, reflector.Options{}).Watch(ctx, version)
		done <- answer{got, err}
	}()
	var got answer
	Eventually(done).WithTimeout(waitFor).Should(Receive(&got), "Watch has not returned, although its watch or its context has ended")
	return got.version, got.err
}

// last returns the last request that the learner's client made.
func last() cluster.Request {
	GinkgoHelper()
	requests := api.Requests()
	Expect(requests).NotTo(BeEmpty(), "requests")
	return requests[len(requests)-1]
}

// create makes a pod that no scheduler takes.
func create(ctx context.Context, ns, name string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Pods(ns).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pod %s/%s for the spec", ns, name)
}

func namesOf(list apiruntime.Object) []string {
	GinkgoHelper()
	Expect(list).To(BeAssignableToTypeOf(&corev1.PodList{}), fmt.Sprintf("what the list returned: %T", list))
	found := []string{}
	for _, p := range list.(*corev1.PodList).Items {
		found = append(found, p.Name)
	}
	return found
}
