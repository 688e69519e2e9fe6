package finalizeroperator_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	finalizeroperator "github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/api"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/bucket"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/manager"
)

// theirs is another controller's finalizer.
const theirs = "billing.kubekata.dev/invoice"

var (
	define sync.Once
	scheme *runtime.Scheme
)

// world is one spec's: a namespace, a client of the API server for the judge, and a storage service.
type world struct {
	ns      string
	judge   client.WithWatch
	service *bucket.Service
	storage *bucket.Client
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := &world{ns: server.Namespace(ctx), service: bucket.NewService()}
	define.Do(func() {
		group := w.ns + ".kubekata.dev" // no other run has it
		s := runtime.NewScheme()
		Expect(api.AddToScheme(group)(s)).To(Succeed())
		server.Define(ctx, api.Definition(group))
		scheme = s
	})
	Expect(scheme).NotTo(BeNil(), "the definition of Buckets, which the first spec has to make")
	w.judge = manager.Client(server, scheme)
	listener := httptest.NewServer(w.service)
	transport := &http.Transport{}
	w.storage = bucket.NewClient(listener.URL, &http.Client{Transport: transport})
	DeferCleanup(func(ctx context.Context) {
		w.release(ctx)
		transport.CloseIdleConnections()
		listener.Close()
	})
	return w
}

// run runs the learner's controller.
func (w *world) run(ctx context.Context) (context.Context, *harness.Loop) {
	GinkgoHelper()
	return manager.Start(ctx, server, scheme, w.ns, func(mgr ctrl.Manager) error {
		return (&finalizeroperator.Reconciler{Storage: w.storage}).SetupWithManager(mgr)
	})
}

// make makes a Bucket on the API server: 10 objects in the region oslo, under its own name.
func (w *world) make(ctx context.Context, name string, change ...func(*api.Bucket)) *api.Bucket {
	GinkgoHelper()
	b := &api.Bucket{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name},
		Spec:       api.BucketSpec{Name: name, Region: "oslo", Quota: 10},
	}
	for _, f := range change {
		f(b)
	}
	Expect(w.judge.Create(ctx, b)).To(Succeed(), "make bucket %s/%s for the spec", w.ns, name)
	return b
}

// provisioned makes a Bucket and runs the learner's controller until it is ready.
func (w *world) provisioned(ctx context.Context, name string, change ...func(*api.Bucket)) (context.Context, *harness.Loop) {
	GinkgoHelper()
	w.make(ctx, name, change...)
	wait, loop := w.run(ctx)
	Eventually(w.ready(name)).WithContext(wait).Should(Equal("True Provisioned, generation 1"), "the condition Ready of bucket %s/%s", w.ns, name)
	return wait, loop
}

// get returns a Bucket as the server has it.
func (w *world) get(ctx context.Context, name string) *api.Bucket {
	GinkgoHelper()
	b := &api.Bucket{}
	Expect(w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, b)).To(Succeed(), "get bucket %s/%s", w.ns, name)
	return b
}

// patch changes a Bucket, as somebody else.
func (w *world) patch(ctx context.Context, name, change string) {
	GinkgoHelper()
	b := &api.Bucket{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
	Expect(w.judge.Patch(ctx, b, client.RawPatch(types.MergePatchType, []byte(change)))).To(Succeed(), "change bucket %s/%s for the spec", w.ns, name)
}

// delete asks the server to delete a Bucket.
func (w *world) delete(ctx context.Context, name string) {
	GinkgoHelper()
	b := &api.Bucket{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
	Expect(w.judge.Delete(ctx, b)).To(Succeed(), "delete bucket %s/%s for the spec", w.ns, name)
}

// release lets go what a controller has not.
func (w *world) release(ctx context.Context) {
	var list api.BucketList
	Expect(w.judge.List(ctx, &list, client.InNamespace(w.ns))).To(Succeed(), "list the buckets in %s", w.ns)
	for i := range list.Items {
		b := &list.Items[i]
		err := w.judge.Delete(ctx, b)
		Expect(client.IgnoreNotFound(err)).To(Succeed(), "remove bucket %s/%s after the spec", w.ns, b.Name)
		err = w.judge.Patch(ctx, b, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
		Expect(client.IgnoreNotFound(err)).To(Succeed(), "let bucket %s/%s go after the spec", w.ns, b.Name)
	}
}

// ready is for Eventually: a Bucket's condition Ready in a line, "none", or that the Bucket is gone.
func (w *world) ready(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		b := &api.Bucket{}
		err := w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, b)
		if apierrors.IsNotFound(err) {
			return "the bucket is gone", nil
		}
		if err != nil {
			return "", err
		}
		c := meta.FindStatusCondition(b.Status.Conditions, api.Ready)
		if c == nil {
			return "none", nil
		}
		return fmt.Sprintf("%s %s, generation %d", c.Status, c.Reason, c.ObservedGeneration), nil
	}
}

// message is for Eventually: what a Bucket's condition Ready says, or "".
func (w *world) message(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		b := &api.Bucket{}
		if err := w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, b); err != nil {
			return "", err
		}
		c := meta.FindStatusCondition(b.Status.Conditions, api.Ready)
		if c == nil {
			return "", nil
		}
		return c.Message, nil
	}
}

// complains waits until a Bucket's condition Ready is False, and its message and a Warning event of the same reason have the error's
// text, which is a regular expression.
func (w *world) complains(wait context.Context, name, reason string, generation int64, text string) {
	GinkgoHelper()
	Eventually(w.ready(name)).WithContext(wait).Should(Equal(fmt.Sprintf("False %s, generation %d", reason, generation)), "the condition Ready of bucket %s/%s", w.ns, name)
	Eventually(w.message(name)).WithContext(wait).Should(MatchRegexp(text), "the message of the condition Ready of bucket %s/%s, which has the error's text", w.ns, name)
	Eventually(w.warnings(name)).WithContext(wait).Should(ContainElement(MatchRegexp("^"+reason+": .*"+text)), "Warning events about bucket %s/%s, with the condition's reason and the error's text", w.ns, name)
}

// finalizers is for Eventually: a Bucket's finalizers in a line, or that the Bucket is gone.
func (w *world) finalizers(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		b := &api.Bucket{}
		err := w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, b)
		if apierrors.IsNotFound(err) {
			return "the bucket is gone", nil
		}
		if err != nil {
			return "", err
		}
		return strings.Join(slices.Sorted(slices.Values(b.Finalizers)), " "), nil
	}
}

// warnings is for Eventually: reason and text of the Warning events about a Bucket.
func (w *world) warnings(name string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		list, err := server.Judge().EventsV1().Events(w.ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		lines := []string{}
		for _, e := range list.Items {
			if e.Type == "Warning" && e.Regarding.Kind == "Bucket" && e.Regarding.Name == name {
				lines = append(lines, e.Reason+": "+e.Note)
			}
		}
		return lines, nil
	}
}

// stored is for Eventually: what the service has, a line for each bucket.
func (w *world) stored() []string {
	lines := []string{}
	for _, b := range w.service.Buckets() {
		lines = append(lines, fmt.Sprintf("%s in %s for %d", b.Name, b.Region, b.Quota))
	}
	return lines
}

// calls counts those that the service has got.
func (w *world) calls(op bucket.Op, name string) func() int {
	return func() int {
		n := 0
		for _, c := range w.service.Calls() {
			if c.Op == op && c.Name == name {
				n++
			}
		}
		return n
	}
}

// look notes the finalizers that a Bucket has on the API server whenever the service is asked to do something.
func (w *world) look(ctx context.Context, op bucket.Op, name string) func() []string {
	var mu sync.Mutex
	var seen []string
	w.service.Before(func(call bucket.Call) {
		if call.Op != op || call.Name != name {
			return
		}
		line, err := w.finalizers(name)(ctx)
		if err != nil {
			line = err.Error()
		}
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, line)
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// writes says whether a request is the learner's and changes a Bucket, or its status.
func writes(r cluster.Request) bool {
	return r.Resource == "buckets" && (r.Verb == "update" || r.Verb == "patch")
}

// once calls a function when the first request matches, before the server gets it.
func once(match func(cluster.Request) bool, do func()) {
	var first sync.Once
	server.Intercept(func(r cluster.Request) *cluster.Answer {
		if match(r) {
			first.Do(func() {
				defer GinkgoRecover()
				do()
			})
		}
		return nil
	})
}

// refuse lets the API server refuse the learner's next writes to Buckets, or to a subresource of theirs: times of them, or with a
// negative number all, until let is called.
func refuse(times int, subresource string) (let func()) {
	var left atomic.Int64
	left.Store(int64(times))
	server.Intercept(func(r cluster.Request) *cluster.Answer {
		if !writes(r) || r.Subresource != subresource || left.Load() == 0 {
			return nil
		}
		left.Add(-1)
		return &cluster.Answer{Status: &broken}
	})
	return func() { left.Store(0) }
}

var broken = metav1.Status{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "the server is having a bad day"}
