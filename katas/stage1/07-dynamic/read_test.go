package dynamic_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	dynamic "github.com/kubekata/kubekata/katas/stage1/07-dynamic"
)

var _ = Describe("Summarize", func() {
	It("reads name, phase, images and restarts", func() {
		Expect(dynamic.Summarize(running())).To(Equal(
			dynamic.Row{Name: "web", Phase: "Running", Images: []string{"nginx:1.27", "envoy:1"}, Restarts: 5}))
	})

	It("reads a Pod that the API server sends", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		created, err := api.JudgeDynamic().Resource(podsResource).Namespace(ns).Create(ctx, given(), createOptions)
		Expect(err).NotTo(HaveOccurred(), "make pod %s/web for the spec", ns)
		Expect(dynamic.Summarize(created)).To(Equal(
			dynamic.Row{Name: "web", Phase: "Pending", Images: []string{"nginx:1.27", "envoy:1"}}))
	})

	When("nobody has looked at the Pod yet", func() {
		It("reports the phase Unknown, and no restarts", func() {
			row, err := dynamic.Summarize(given())
			Expect(err).NotTo(HaveOccurred(), "a Pod without a status is a Pod")
			Expect(row).To(Equal(dynamic.Row{Name: "web", Phase: "Unknown", Images: []string{"nginx:1.27", "envoy:1"}}))
		})

		It("counts a status without a restartCount as none", func() {
			pod := running()
			Expect(unstructured.SetNestedSlice(pod.Object, []any{map[string]any{"name": "app"}, map[string]any{"restartCount": int64(2)}},
				"status", "containerStatuses")).To(Succeed())
			row, err := dynamic.Summarize(pod)
			Expect(err).NotTo(HaveOccurred())
			Expect(row.Restarts).To(BeEquivalentTo(2), "restarts")
		})
	})

	It("reports a Pod without containers", func() {
		pod := running()
		unstructured.RemoveNestedField(pod.Object, "spec", "containers")
		row, err := dynamic.Summarize(pod)
		Expect(err).To(MatchError(dynamic.ErrMissing), "spec.containers is not found: every Pod has it, so that this is none")
		Expect(row).To(BeZero(), "a row together with an error")
	})

	It("reports a container without an image", func() {
		pod := running()
		delete(containers(pod)[1].(map[string]any), "image")
		row, err := dynamic.Summarize(pod)
		Expect(err).To(MatchError(dynamic.ErrMissing), "the second container's image is not found")
		Expect(row).To(BeZero(), "a row together with an error")
	})

	DescribeTable("reports a value of another type", func(names string, breakIt func(pod map[string]any)) {
		pod := running()
		breakIt(pod.Object)
		row, err := dynamic.Summarize(pod)
		Expect(err).To(MatchError(ContainSubstring(names)), "an error that names the field")
		Expect(row).To(BeZero(), "a row together with an error")
	},
		Entry("of the phase", "phase", func(pod map[string]any) { pod["status"].(map[string]any)["phase"] = int64(1) }),
		Entry("of the status", "status", func(pod map[string]any) { pod["status"] = "Running" }),
		Entry("of the spec", "spec", func(pod map[string]any) { pod["spec"] = "nginx" }),
		Entry("of the containers", "containers", func(pod map[string]any) { pod["spec"].(map[string]any)["containers"] = "nginx" }),
		Entry("of a container", "containers", func(pod map[string]any) {
			pod["spec"].(map[string]any)["containers"].([]any)[1] = "envoy"
		}),
		Entry("of an image", "image", func(pod map[string]any) {
			pod["spec"].(map[string]any)["containers"].([]any)[1].(map[string]any)["image"] = int64(1)
		}),
		Entry("of the container statuses", "containerStatuses", func(pod map[string]any) {
			pod["status"].(map[string]any)["containerStatuses"] = "two"
		}),
		Entry("of a container status", "containerStatuses", func(pod map[string]any) {
			pod["status"].(map[string]any)["containerStatuses"].([]any)[1] = "one"
		}),
		Entry("of a restart count that is a fraction", "restartCount", func(pod map[string]any) {
			pod["status"].(map[string]any)["containerStatuses"].([]any)[1].(map[string]any)["restartCount"] = 2.5
		}),
		Entry("of a restart count", "restartCount", func(pod map[string]any) {
			pod["status"].(map[string]any)["containerStatuses"].([]any)[1].(map[string]any)["restartCount"] = "often"
		}),
	)

	It("changes nothing in the Pod", func() {
		pod := given()
		_, err := dynamic.Summarize(pod)
		Expect(err).NotTo(HaveOccurred())
		Expect(pod).To(Equal(given()), "the Pod, which may be a cache's")
	})
})

var _ = Describe("WithImage", func() {
	It("returns a Pod whose container has the image", func() {
		got, err := dynamic.WithImage(running(), "proxy", "envoy:2")
		Expect(err).NotTo(HaveOccurred())
		Expect(got).NotTo(BeNil())
		Expect(containers(got)[1]).To(HaveKeyWithValue("image", "envoy:2"), "the container that was asked for")
	})

	It("leaves everything else as it was", func() {
		got, err := dynamic.WithImage(running(), "app", "nginx:1.28")
		Expect(err).NotTo(HaveOccurred())
		want := running()
		containers(want)[0].(map[string]any)["image"] = "nginx:1.28"
		Expect(got).To(Equal(want), "the Pod, apart from one image")
	})

	It("leaves the Pod that it was given as it is, at every depth", func() {
		pod := running()
		got, err := dynamic.WithImage(pod, "app", "nginx:1.28")
		Expect(err).NotTo(HaveOccurred())
		Expect(pod).To(Equal(running()), "the caller's Pod: all others who read it from the same cache would see the change")
		got.SetLabels(map[string]string{"mine": "true"})
		containers(got)[0].(map[string]any)["args"].([]any)[0] = "-v"
		Expect(pod).To(Equal(running()), "the caller's Pod, after the copy was changed")
	})

	It("gives an image to a container that has none", func() {
		pod := running()
		delete(containers(pod)[1].(map[string]any), "image")
		got, err := dynamic.WithImage(pod, "proxy", "envoy:2")
		Expect(err).NotTo(HaveOccurred())
		Expect(containers(got)[1]).To(HaveKeyWithValue("image", "envoy:2"))
	})

	It("reports a container that is not there", func() {
		got, err := dynamic.WithImage(running(), "sidecar", "envoy:2")
		Expect(err).To(MatchError(dynamic.ErrNoContainer))
		Expect(err).To(MatchError(ContainSubstring("sidecar")), "the container's name")
		Expect(got).To(BeNil(), "a Pod together with an error")
	})

	It("reports a Pod without containers", func() {
		pod := running()
		unstructured.RemoveNestedField(pod.Object, "spec", "containers")
		got, err := dynamic.WithImage(pod, "app", "nginx:1.28")
		Expect(err).To(MatchError(dynamic.ErrMissing))
		Expect(got).To(BeNil(), "a Pod together with an error")
	})

	DescribeTable("reports a value of another type", func(names string, spec any) {
		pod := running()
		pod.Object["spec"] = spec
		got, err := dynamic.WithImage(pod, "app", "nginx:1.28")
		Expect(err).To(MatchError(ContainSubstring(names)), "an error that names the field")
		Expect(err).NotTo(MatchError(dynamic.ErrNoContainer), "there is something, and it is no container")
		Expect(err).NotTo(MatchError(dynamic.ErrMissing), "there is something, and it is no container")
		Expect(got).To(BeNil(), "a Pod together with an error")
	},
		Entry("of the spec", "spec", "nginx"),
		Entry("of the containers", "containers", map[string]any{"containers": "nginx"}),
		Entry("of a container", "containers", map[string]any{"containers": []any{"nginx", map[string]any{"name": "app"}}}),
		Entry("of a container's name", "name", map[string]any{"containers": []any{map[string]any{"name": int64(1)}, map[string]any{"name": "app"}}}),
	)
})

// running is given with a status and labels.
func running() *unstructured.Unstructured {
	pod := given()
	pod.SetLabels(map[string]string{"app": "web"})
	pod.Object["status"] = map[string]any{
		"phase": "Running",
		"containerStatuses": []any{
			map[string]any{"name": "app", "restartCount": int64(2)},
			map[string]any{"name": "proxy", "restartCount": int64(3)},
		},
	}
	return pod
}

// containers returns the Pod's own spec.containers, and no copy.
func containers(pod *unstructured.Unstructured) []any {
	GinkgoHelper()
	value, found, err := unstructured.NestedFieldNoCopy(pod.Object, "spec", "containers")
	Expect(err).NotTo(HaveOccurred())
	Expect(found).To(BeTrue(), "spec.containers is there")
	return value.([]any)
}
