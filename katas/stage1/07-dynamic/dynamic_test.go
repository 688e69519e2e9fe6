package dynamic_test

import (
	"context"
	"net/http"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	dynamic "github.com/kubekata/kubekata/katas/stage1/07-dynamic"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestDynamic(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 07-dynamic") }

var _ = Describe("Pods", func() {
	It("names the version and the plural, in the core group", func() {
		Expect(dynamic.Pods()).To(Equal(schema.GroupVersionResource{Version: "v1", Resource: "pods"}))
	})
})

var _ = Describe("NewPod", func() {
	It("says what it is", func() {
		pod := dynamic.NewPod(dynamic.Template{Name: "web", Image: "nginx:1.27"})
		Expect(pod).NotTo(BeNil())
		Expect(pod.GetAPIVersion()).To(Equal("v1"), "apiVersion")
		Expect(pod.GetKind()).To(Equal("Pod"), "kind")
		Expect(pod.GetName()).To(Equal("web"), "metadata.name")
	})

	DescribeTable("survives a DeepCopy", func(template dynamic.Template) {
		pod := dynamic.NewPod(template)
		Expect(pod).NotTo(BeNil())
		Expect(func() { pod.DeepCopy() }).NotTo(Panic(),
			"DeepCopy of the Pod: it holds a Go value that decoded JSON never holds (want int64, []any, map[string]any)")
	},
		Entry("with a port", dynamic.Template{Name: "web", Image: "nginx:1.27", Port: 80}),
		Entry("with args", dynamic.Template{Name: "web", Image: "nginx:1.27", Args: []string{"-q"}}),
		Entry("with labels", dynamic.Template{Name: "web", Image: "nginx:1.27", Labels: map[string]string{"app": "web"}}),
	)

	It("holds all that the template says", func() {
		pod := dynamic.NewPod(full())
		Expect(pod).NotTo(BeNil())
		Expect(pod.GetLabels()).To(Equal(map[string]string{"app": "web"}), "metadata.labels")
		Expect(pod.Object["spec"]).To(HaveKeyWithValue("containers", HaveExactElements(And(
			HaveKeyWithValue("name", "web"),
			HaveKeyWithValue("image", "nginx:1.27"),
			HaveKeyWithValue("args", Equal([]any{"-g", "daemon off;"})),
			HaveKeyWithValue("ports", HaveExactElements(HaveKeyWithValue("containerPort", int64(8080)))),
		))), "spec.containers")
	})

	It("leaves out what the template does not say", func() {
		pod := dynamic.NewPod(dynamic.Template{Name: "web", Image: "nginx:1.27"})
		Expect(pod).NotTo(BeNil())
		Expect(pod.Object["metadata"]).NotTo(HaveKey("labels"), "metadata")
		Expect(pod.Object["spec"]).To(HaveKeyWithValue("containers", HaveExactElements(
			And(HaveKey("name"), Not(HaveKey("args")), Not(HaveKey("ports"))))), "spec.containers")
	})

	It("holds nothing else", func() {
		pod := dynamic.NewPod(dynamic.Template{Name: "web", Image: "nginx:1.27", Port: 80, Labels: map[string]string{}, Args: []string{}})
		Expect(pod).NotTo(BeNil())
		Expect(pod.Object).To(Equal(map[string]any{
			"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web"},
			"spec": map[string]any{"containers": []any{map[string]any{
				"name": "web", "image": "nginx:1.27", "ports": []any{map[string]any{"containerPort": int64(80)}},
			}}},
		}), "the Pod of a template with a port, no labels and no args: defaults are the server's")
	})

	It("shares no memory with the template", func() {
		template := full()
		pod := dynamic.NewPod(template)
		Expect(pod).NotTo(BeNil())
		template.Labels["app"], template.Args[0] = "other", "-x"
		Expect(pod.GetLabels()).To(HaveKeyWithValue("app", "web"), "the label, after the caller changed the template's")
		containers, _, err := unstructured.NestedSlice(pod.Object, "spec", "containers")
		Expect(err).NotTo(HaveOccurred())
		Expect(containers).To(HaveExactElements(HaveKeyWithValue("args", HaveExactElements("-g", "daemon off;"))))
	})
})

var _ = Describe("CreatePod", func() {
	It("creates the Pod in the namespace", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := dynamic.CreatePod(ctx, api.Dynamic(), ns, given())
		Expect(err).NotTo(HaveOccurred())
		got, err := api.Judge().CoreV1().Pods(ns).Get(ctx, "web", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get pod %s/web", ns)
		Expect(got.Spec.Containers).To(HaveExactElements(HaveField("Image", "nginx:1.27"), HaveField("Image", "envoy:1")))
	})

	It("creates what NewPod has made", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := dynamic.CreatePod(ctx, api.Dynamic(), ns, dynamic.NewPod(full()))
		Expect(err).NotTo(HaveOccurred())
		got, err := api.Judge().CoreV1().Pods(ns).Get(ctx, "web", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get pod %s/web", ns)
		Expect(got.Spec.Containers).To(HaveExactElements(HaveField("Ports", HaveExactElements(HaveField("ContainerPort", BeEquivalentTo(8080))))))
	})

	It("returns the Pod as the server stored it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got, err := dynamic.CreatePod(ctx, api.Dynamic(), ns, given())
		Expect(err).NotTo(HaveOccurred())
		Expect(got).NotTo(BeNil())
		stored, err := api.Judge().CoreV1().Pods(ns).Get(ctx, "web", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get pod %s/web", ns)
		Expect(got.GetUID()).To(Equal(stored.UID), "the UID, which only the server can know")
	})

	It("leaves the caller's object as it is", func(ctx SpecContext) {
		pod := given()
		_, err := dynamic.CreatePod(ctx, api.Dynamic(), api.Namespace(ctx), pod)
		Expect(err).NotTo(HaveOccurred())
		Expect(pod).To(Equal(given()), "the caller's object, which may be the template of the next Pod")
	})

	It("reports a Pod that is there already", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "web")
		got, err := dynamic.CreatePod(ctx, api.Dynamic(), ns, given())
		Expect(err).To(Satisfy(apierrors.IsAlreadyExists), "want an error that apierrors.IsAlreadyExists recognises, got: %v", err)
		Expect(got).To(BeNil(), "an object together with an error")
	})

	It("passes on what the server has against the object", func(ctx SpecContext) {
		broken := given()
		broken.Object["spec"] = map[string]any{}
		_, err := dynamic.CreatePod(ctx, api.Dynamic(), api.Namespace(ctx), broken)
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
	})
})

var _ = Describe("ListPods", func() {
	It("returns the Pods of the namespace, and of no other", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		pods(ctx, mine, "a", "b")
		pods(ctx, other, "c")
		got, err := dynamic.ListPods(ctx, api.Dynamic(), mine, "", 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(Equal([]string{"a", "b"}))
	})

	It("returns the Pods of all namespaces when none is given", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		pods(ctx, mine, "all-"+mine)
		pods(ctx, other, "all-"+other)
		got, err := dynamic.ListPods(ctx, api.Dynamic(), "", "name in (all-"+mine+", all-"+other+")", 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(ConsistOf("all-"+mine, "all-"+other))
	})

	It("lets the server select by label", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a", "b")
		got, err := dynamic.ListPods(ctx, api.Dynamic(), ns, "name=a", 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(Equal([]string{"a"}))
		Expect(api.Requests()).To(HaveEach(HaveField("Query", HaveKey("labelSelector"))), "the query of the request")
	})

	It("returns the Pods of all pages", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a", "b", "c", "d", "e")
		got, err := dynamic.ListPods(ctx, api.Dynamic(), ns, "", 2)
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(Equal([]string{"a", "b", "c", "d", "e"}), "five Pods in pages of two")
	})

	It("selects by label on every page", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a", "b", "c", "d")
		got, err := dynamic.ListPods(ctx, api.Dynamic(), ns, "name in (a, c, d)", 1)
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(Equal([]string{"a", "c", "d"}), "three of four Pods, in pages of one")
	})

	It("asks for all at once when the page size is 0", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a", "b")
		_, err := dynamic.ListPods(ctx, api.Dynamic(), ns, "", 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(api.Requests()).To(HaveExactElements(HaveField("Query", Or(Not(HaveKey("limit")), HaveKeyWithValue("limit", []string{"0"})))), "the only request's limit")
	})

	It("asks for pages of the size that it is given", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a", "b", "c")
		_, err := dynamic.ListPods(ctx, api.Dynamic(), ns, "", 2)
		Expect(err).NotTo(HaveOccurred())
		Expect(api.Requests()).To(HaveEach(HaveField("Query", HaveKeyWithValue("limit", []string{"2"}))), "the limit of each request")
	})

	It("asks for the next page with the caller's context", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a", "b", "c")
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Query.Get("continue") != "" {
				cancel()
			}
			return nil
		})
		_, err := dynamic.ListPods(ending, api.Dynamic(), ns, "", 1)
		Expect(err).To(MatchError(context.Canceled), "the context ended when the second page was asked for")
	})

	It("returns no list when a later page fails", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a", "b", "c")
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Query.Get("continue") == "" {
				return nil
			}
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "no more pages today"}}
		})
		got, err := dynamic.ListPods(ctx, api.Dynamic(), ns, "", 2)
		Expect(err).To(Satisfy(apierrors.IsForbidden), "want an error that apierrors.IsForbidden recognises, got: %v", err)
		Expect(got).To(BeEmpty(), "half a list: whoever acts on it deletes what is on the other half")
	})
})

var _ = DescribeTable("A context that has ended ends", func(ctx SpecContext, call func(context.Context, string) error) {
	ns := api.Namespace(ctx)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	Expect(call(ended, ns)).To(MatchError(context.Canceled), "every request takes the caller's context")
},
	Entry("CreatePod", func(ctx context.Context, ns string) error {
		_, err := dynamic.CreatePod(ctx, api.Dynamic(), ns, given())
		return err
	}),
	Entry("ListPods", func(ctx context.Context, ns string) error {
		_, err := dynamic.ListPods(ctx, api.Dynamic(), ns, "", 0)
		return err
	}),
)

// What the judge uses, whatever the learner's Pods says.
var (
	podsResource  = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	createOptions = metav1.CreateOptions{}
)

func full() dynamic.Template {
	return dynamic.Template{
		Name: "web", Image: "nginx:1.27", Port: 8080,
		Labels: map[string]string{"app": "web"}, Args: []string{"-g", "daemon off;"},
	}
}

// given is a Pod of two containers as decoded JSON would hold it.
func given() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Pod",
		"metadata":   map[string]any{"name": "web"},
		"spec": map[string]any{
			"schedulerName": "nobody",
			"containers": []any{
				map[string]any{"name": "app", "image": "nginx:1.27", "args": []any{"-q"}},
				map[string]any{"name": "proxy", "image": "envoy:1"},
			},
		},
	}}
}

// pods makes pods that no scheduler takes, labelled with their names.
func pods(ctx context.Context, ns string, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		_, err := api.Judge().CoreV1().Pods(ns).Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}},
			Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make pod %s/%s for the spec", ns, name)
	}
}

func names(list []unstructured.Unstructured) []string {
	found := []string{}
	for _, p := range list {
		found = append(found, p.GetName())
	}
	return found
}
