package conversion_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	conversion "github.com/kubekata/kubekata/katas/stage3/04-conversion"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery"

	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/serving"
)

// bound is for what takes the API server some milliseconds.
const bound = 20 * time.Second

var (
	napoli = map[string]any{"street": "Via Roma 1", "postcode": "80100", "city": "Napoli"}
	known  = map[string]any{"address": "Via Roma 1, 80100 Napoli", "eta": "45m"}
)

var _ = Describe("On the API server", func() {
	It("a v1alpha1 Delivery is read as v1beta1", func(ctx SpecContext) {
		s, ns := served(ctx), api.Namespace(ctx)
		s.make(ctx, "v1alpha1", ns, "o-1", known)
		Expect(s.get(ctx, "v1beta1", ns, "o-1").Object["spec"]).To(same(map[string]any{"address": napoli, "etaMinutes": 45}), "the spec of delivery %s/o-1, as v1beta1", ns)
	})

	It("a v1beta1 Delivery is read as v1alpha1", func(ctx SpecContext) {
		s, ns := served(ctx), api.Namespace(ctx)
		s.make(ctx, "v1beta1", ns, "o-1", map[string]any{"address": napoli, "etaMinutes": int64(45), "instructions": []any{"ring twice"}})
		Expect(s.get(ctx, "v1alpha1", ns, "o-1").Object["spec"]).To(same(known), "the spec of delivery %s/o-1, as v1alpha1", ns)
	})

	It("what only one version can say outlives the other one's writers", func(ctx SpecContext) {
		s, ns := served(ctx), api.Namespace(ctx)
		s.make(ctx, "v1beta1", ns, "o-1", map[string]any{"address": napoli, "etaMinutes": int64(45), "instructions": []any{"ring twice"}})
		s.patch(ctx, "v1alpha1", ns, "o-1", `{"spec": {"eta": "in a while"}}`)
		Expect(s.get(ctx, "v1beta1", ns, "o-1").Object["spec"]).To(same(map[string]any{"address": napoli, "instructions": []any{"ring twice"}}),
			"the spec of delivery %s/o-1, as v1beta1, after somebody has written the ETA through v1alpha1", ns)
		s.patch(ctx, "v1beta1", ns, "o-1", `{"spec": {"address": {"street": "Via Roma 2"}}}`)
		Expect(s.get(ctx, "v1alpha1", ns, "o-1").Object["spec"]).To(same(map[string]any{"address": "Via Roma 2, 80100 Napoli", "eta": "in a while"}),
			"the spec of delivery %s/o-1, as v1alpha1, after somebody has written the street through v1beta1", ns)
	})

	It("a status that is written through v1alpha1 is read as v1beta1", func(ctx SpecContext) {
		s, ns := served(ctx), api.Namespace(ctx)
		s.make(ctx, "v1beta1", ns, "o-1", map[string]any{"address": napoli, "instructions": []any{"ring twice"}})
		s.patch(ctx, "v1alpha1", ns, "o-1", `{"status": {"phase": "Riding"}}`, "status")
		got := s.get(ctx, "v1beta1", ns, "o-1")
		Expect(got.Object["status"]).To(same(map[string]any{"phase": "Riding"}), "the status of delivery %s/o-1", ns)
		Expect(got.Object["spec"]).To(same(map[string]any{"address": napoli, "instructions": []any{"ring twice"}}), "the spec of delivery %s/o-1", ns)
	})

	It("a list has all Deliveries, each with its own contents, in both versions", func(ctx SpecContext) {
		s, ns := served(ctx), api.Namespace(ctx)
		want := map[string][]string{}
		for i := range 5 {
			name, street := fmt.Sprintf("o-%d", i), fmt.Sprintf("Via Roma %d", i)
			if i%2 == 0 {
				s.make(ctx, "v1alpha1", ns, name, map[string]any{"address": street + ", 80100 Napoli"})
			} else {
				s.make(ctx, "v1beta1", ns, name, map[string]any{"address": map[string]any{"street": street, "postcode": "80100", "city": "Napoli"}})
			}
			want["v1alpha1"] = append(want["v1alpha1"], name+" "+street+", 80100 Napoli")
			want["v1beta1"] = append(want["v1beta1"], name+" "+street)
		}
		for _, version := range []string{"v1alpha1", "v1beta1"} {
			list, err := s.deliveries(version, ns).List(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred(), "list the deliveries of %s, as %s", ns, version)
			var got []string
			for _, item := range list.Items {
				got = append(got, line(&item))
			}
			Expect(got).To(Equal(want[version]), "name and address of the deliveries of %s, as %s", ns, version)
		}
	})

	It("who watches sees all Deliveries, in both versions", func(ctx SpecContext) {
		s, ns := served(ctx), api.Namespace(ctx)
		seen := map[string]<-chan watch.Event{}
		for _, version := range []string{"v1alpha1", "v1beta1"} {
			w, err := s.deliveries(version, ns).Watch(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred(), "watch the deliveries of %s, as %s", ns, version)
			DeferCleanup(w.Stop)
			seen[version] = w.ResultChan()
		}
		s.make(ctx, "v1alpha1", ns, "o-1", known)
		s.make(ctx, "v1beta1", ns, "o-2", map[string]any{"address": napoli})
		for version, want := range map[string]string{"v1alpha1": "Via Roma 1, 80100 Napoli", "v1beta1": "Via Roma 1"} {
			for _, name := range []string{"o-1", "o-2"} {
				var event watch.Event
				Eventually(seen[version]).WithContext(ctx).Should(Receive(&event), "an event for delivery %s/%s, as %s", ns, name, version)
				Expect(event.Type).To(Equal(watch.Added), "the event: %s", text(event.Object))
				Expect(line(event.Object.(*unstructured.Unstructured))).To(Equal(name+" "+want), "name and address in the event, as %s", version)
			}
		}
	})

	It("a migrated Delivery is read without the webhook", func(ctx SpecContext) {
		s, ns := serve(ctx, storedAs("v1alpha1")), api.Namespace(ctx)
		s.make(ctx, "v1alpha1", ns, "o-1", known)
		s.make(ctx, "v1alpha1", ns, "o-2", map[string]any{"address": "the blue door"})
		store(ctx, s.definition(), ns)
		Expect(conversion.Migrate(ctx, learners(s.group, delivery.Kind), s.definition(), 10)).To(Succeed(), "migrate %s", s.definition())
		s.fail.Store(true)
		for _, name := range []string{"o-1", "o-2"} {
			_, err := s.deliveries("v1beta1", ns).Get(ctx, name, metav1.GetOptions{})
			Expect(err).NotTo(HaveOccurred(), "get delivery %s/%s as v1beta1, after the migration, and with the webhook out of order", ns, name)
		}
		s.fail.Store(false)
		Expect(s.get(ctx, "v1alpha1", ns, "o-2").Object["spec"]).To(same(map[string]any{"address": "the blue door"}), "the spec of delivery %s/o-2, as v1alpha1", ns)
		Expect(definition(ctx, s.definition()).Status.StoredVersions).To(Equal([]string{"v1beta1"}), "status.storedVersions of %s", s.definition())
	})
})

// server is the API server, with a definition of Deliveries that calls the learner's handler.
type server struct {
	group string
	// fail lets the webhook be out of order.
	fail atomic.Bool
}

var theServer *server

// served returns the server that the specs share. The first one makes it.
func served(ctx context.Context) *server {
	GinkgoHelper()
	if theServer == nil {
		theServer = serve(ctx)
	}
	return theServer
}

// serve runs the learner's handler until the process ends, and makes a definition that has it called.
func serve(ctx context.Context, changes ...func(*unstructured.Unstructured)) *server {
	GinkgoHelper()
	s := &server{group: api.Namespace(ctx) + ".kubekata.dev"}
	hook, err := serving.Start("/convert", s.watched(conversion.NewHandler(s.group)))
	Expect(err).NotTo(HaveOccurred(), "serve the webhook for the spec")
	crd, err := delivery.Definition(s.group, hook.URL, hook.CABundle)
	Expect(err).NotTo(HaveOccurred())
	for _, change := range changes {
		change(crd)
	}
	api.Define(ctx, crd)
	return s
}

// storedAs changes the storage version of a definition that is not on the server yet. When the spec ends, objects may still be stored in it,
// and the server would call the webhook to delete them: it does without from then on.
func storedAs(version string) func(*unstructured.Unstructured) {
	return func(crd *unstructured.Unstructured) {
		GinkgoHelper()
		versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
		Expect(err).NotTo(HaveOccurred())
		for _, v := range versions {
			v := v.(map[string]any)
			v["storage"] = v["name"] == version
		}
		Expect(unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			without := []byte(`{"spec": {"conversion": {"strategy": "None", "webhook": null}}}`)
			_, err := api.JudgeDynamic().Resource(cluster.Definitions).Patch(ctx, crd.GetName(), types.MergePatchType, without, metav1.PatchOptions{})
			Expect(err).NotTo(HaveOccurred(), "let %s do without its webhook", crd.GetName())
		})
	}
}

// watched is the handler, unless it is out of order; a panic of the learner's is answered with its text.
func (s *server) watched(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.fail.Load() {
			http.Error(w, "the webhook is out of order", http.StatusServiceUnavailable)
			return
		}
		defer func() {
			if p := recover(); p != nil {
				http.Error(w, fmt.Sprintf("the handler panics: %v", p), http.StatusInternalServerError)
			}
		}()
		handler.ServeHTTP(w, r)
	})
}

func (s *server) definition() string { return "deliveries." + s.group }

func (s *server) deliveries(version, ns string) dynamic.ResourceInterface {
	resource := schema.GroupVersionResource{Group: s.group, Version: version, Resource: "deliveries"}
	return api.JudgeDynamic().Resource(resource).Namespace(ns)
}

func (s *server) make(ctx context.Context, version, ns, name string, spec map[string]any) {
	GinkgoHelper()
	apply(ctx, "deliveries", &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": s.group + "/" + version, "kind": delivery.Kind, "metadata": map[string]any{"name": name, "namespace": ns}, "spec": spec,
	}})
}

func (s *server) get(ctx context.Context, version, ns, name string) *unstructured.Unstructured {
	GinkgoHelper()
	got, err := s.deliveries(version, ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get delivery %s/%s as %s", ns, name, version)
	return got
}

func (s *server) patch(ctx context.Context, version, ns, name, patch string, subresource ...string) {
	GinkgoHelper()
	_, err := s.deliveries(version, ns).Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresource...)
	Expect(err).NotTo(HaveOccurred(), "patch delivery %s/%s as %s with %s", ns, name, version, patch)
}

// line is a Delivery's name and address, in whichever version it is.
func line(obj *unstructured.Unstructured) string {
	if street, ok, err := unstructured.NestedString(obj.Object, "spec", "address", "street"); ok && err == nil {
		return obj.GetName() + " " + street
	}
	address, _, _ := unstructured.NestedString(obj.Object, "spec", "address")
	return obj.GetName() + " " + address
}
