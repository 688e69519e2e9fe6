package genericinformer_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"

	generic "github.com/kubekata/kubekata/katas/stage2/06-generic-informer"

	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/crash"
)

func resources(all ...schema.GroupVersionResource) []schema.GroupVersionResource { return all }

// factory makes a factory that is shut down after the spec. Its informers' context has to be informersOf's.
func factory(ctx context.Context, namespace string) informers.SharedInformerFactory {
	f := informers.NewSharedInformerFactoryWithOptions(api.Clientset(), 0, informers.WithNamespace(namespace))
	DeferCleanup(f.Shutdown)
	return f
}

// informersOf returns a context for the spec's informers. It ends before the factory's shutdown, which waits for them.
func informersOf(ctx context.Context) context.Context {
	informing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	DeferCleanup(cancel)
	return informing
}

// view makes the learner's View.
func view[T generic.Object](f informers.SharedInformerFactory, resource schema.GroupVersionResource) *generic.View[T] {
	GinkgoHelper()
	v, err := generic.NewView[T](f, resource)
	Expect(err).NotTo(HaveOccurred(), "NewView of %s", resource)
	Expect(v).NotTo(BeNil(), "NewView's View of %s", resource)
	return v
}

// synced has the learner's Sync fill the factory's caches. Use the context that it returns from then on.
func synced(ctx context.Context, f informers.SharedInformerFactory) context.Context {
	GinkgoHelper()
	wait := crash.Guard(ctx)
	Expect(generic.Sync(informersOf(ctx), f, 20*time.Second)).To(Succeed(), "Sync")
	return wait
}

// diary writes down what Watch tells.
type diary struct {
	mu     sync.Mutex
	events []generic.Event
}

func (d *diary) tell(e generic.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) filter(want func(generic.Event) bool) []generic.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []generic.Event
	for _, e := range d.events {
		if want(e) {
			all = append(all, e)
		}
	}
	return all
}

// of returns a function for Eventually: what was told of the namespace's objects. Those that the control plane makes in every
// namespace are left out.
func (d *diary) of(ns string) func() []string {
	return func() []string {
		return lines(d.filter(func(e generic.Event) bool { return e.Name.Namespace == ns && e.Name.Name != rootCA }))
	}
}

// named is of's counterpart for an object that is in no namespace.
func (d *diary) named(name string) func() []string {
	return func() []string {
		return lines(d.filter(func(e generic.Event) bool { return e.Name.Namespace == "" && e.Name.Name == name }))
	}
}

func (d *diary) resources(ns string) []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	for _, e := range d.filter(func(e generic.Event) bool { return e.Name.Namespace == ns && e.Name.Name != rootCA }) {
		all = append(all, e.Resource)
	}
	return all
}

// rootCA is the name of a ConfigMap that the lab's controllers make in every namespace.
const rootCA = "kube-root-ca.crt"

func lines(events []generic.Event) []string {
	all := []string{}
	for _, e := range events {
		line := fmt.Sprintf("%s %s %s", e.Type, e.Resource.Resource, e.Name.Name)
		if e.Initial {
			line += ", initially"
		}
		all = append(all, line)
	}
	return all
}

// list expects an answer without an error, and returns the objects' names.
func list[T generic.Object](objects []T, err error) []string {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	all := []string{}
	for _, obj := range objects {
		all = append(all, obj.GetName())
	}
	return all
}

// withNamespace is list's counterpart with namespace/name.
func withNamespace[T generic.Object](objects []T, err error) []string {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	all := []string{}
	for _, obj := range objects {
		all = append(all, obj.GetNamespace()+"/"+obj.GetName())
	}
	return all
}

// watches counts the learner's watches of a resource that the server has answered.
func watches(resource string) int {
	n := 0
	for _, r := range api.Requests() {
		if r.Resource == resource && r.Verb == "watch" && r.Code == http.StatusOK {
			n++
		}
	}
	return n
}

// finished ends the spec when Sync has returned already.
func finished(done <-chan error) int {
	GinkgoHelper()
	select {
	case err := <-done:
		if err == nil {
			Fail("Sync has returned, and not every cache is full")
		}
		Fail("Sync returned early: " + err.Error())
	default:
	}
	return 0
}

// create makes an object of any kind in the namespace, with a label made-for=spec and those that are given as key, value, ….
func create(ctx context.Context, ns string, resource schema.GroupVersionResource, kind, name string, labels ...string) *unstructured.Unstructured {
	GinkgoHelper()
	obj := &unstructured.Unstructured{Object: map[string]any{}}
	obj.SetGroupVersionKind(resource.GroupVersion().WithKind(kind))
	obj.SetName(name)
	set := map[string]string{"made-for": "spec"}
	for pair := range slices.Chunk(labels, 2) {
		set[pair[0]] = pair[1]
	}
	obj.SetLabels(set)
	if kind == "PodTemplate" {
		obj.Object["template"] = map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": "nginx:1.27"}}}}
	}
	made, err := api.JudgeDynamic().Resource(resource).Namespace(ns).Create(ctx, obj, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make %s %s/%s for the spec", kind, ns, name)
	return made
}

func label(ctx context.Context, ns string, resource schema.GroupVersionResource, name, key, value string) {
	GinkgoHelper()
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, key, value)
	_, err := api.JudgeDynamic().Resource(resource).Namespace(ns).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "label %s %s/%s for the spec", resource.Resource, ns, name)
}

func remove(ctx context.Context, ns string, resource schema.GroupVersionResource, name string) {
	GinkgoHelper()
	err := api.JudgeDynamic().Resource(resource).Namespace(ns).Delete(ctx, name, metav1.DeleteOptions{})
	Expect(err).NotTo(HaveOccurred(), "delete %s %s/%s for the spec", resource.Resource, ns, name)
}

// missing lets the server know nothing of a resource, as when it is switched off.
func missing(resource string) {
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if r.Resource != resource {
			return nil
		}
		return &cluster.Answer{Status: &metav1.Status{
			Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource",
		}}
	})
}
