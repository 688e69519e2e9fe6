package baremetal_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	baremetal "github.com/kubekata/kubekata/katas/stage4/07-baremetal"

	"github.com/kubekata/kubekata/harness/admission"
	"github.com/kubekata/kubekata/harness/serving"
)

// pod is one that nobody schedules.
func pod(annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "oven", Namespace: "napoli", Annotations: annotations},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "oven", Image: "oven:1"}}},
	}
}

var _ = Describe("Stamp", func() {
	ask := func(ctx context.Context, object, old runtime.Object, options ...admission.Option) admission.Verdict {
		GinkgoHelper()
		got := admission.Post(ctx, admission.Mutating(serving.NewHandler(serving.ReviewerFunc(baremetal.Stamp("seven")))), admission.Review(object, old, options...))
		Expect(got.Allowed).To(BeTrue(), "whether it is allowed; %s", got.Message)
		return got
	}

	DescribeTable("gives a Pod its annotation", func(ctx SpecContext, has, want map[string]string) {
		got := ask(ctx, pod(has), nil).Object
		Expect(got.GetAnnotations()).To(Equal(want), "the annotations, which were %v", has)
		spec, _, _ := nestedString(got.Object, "spec", "schedulerName")
		Expect(spec).To(Equal("nobody"), "the rest of the Pod")
	},
		Entry("when there are none", nil, map[string]string{baremetal.StampAnnotation: "seven"}),
		Entry("when there are others", map[string]string{"note": "hot", "a/b": ""}, map[string]string{baremetal.StampAnnotation: "seven", "note": "hot", "a/b": ""}),
		Entry("when the map is there, and empty", map[string]string{}, map[string]string{baremetal.StampAnnotation: "seven"}),
	)

	DescribeTable("leaves a Pod alone that has it", func(ctx SpecContext, value string) {
		got := ask(ctx, pod(map[string]string{baremetal.StampAnnotation: value}), nil)
		Expect(string(got.Response.Patch)).To(BeEmpty(), "the patch for a Pod whose annotation is %q", value)
	},
		Entry("of its own", "seven"), Entry("of another webhook", "eight"), Entry("and is empty", ""),
	)

	It("changes nothing that is not created", func(ctx SpecContext) {
		Expect(ask(ctx, pod(nil), pod(nil)).Changed).To(BeFalse(), "whether an update is changed")
		Expect(ask(ctx, nil, pod(nil)).Changed).To(BeFalse(), "whether a deletion is changed")
		Expect(ask(ctx, pod(nil), nil, admission.SubResource("binding")).Changed).To(BeFalse(), "whether a binding is changed")
	})

	It("has no answer about what it cannot read", func(ctx SpecContext) {
		request := admission.Review(pod(nil), nil).Request
		request.Object.Raw = []byte(`{"metadata": {"annotations": "many"}}`)
		response, err := baremetal.Stamp("seven")(ctx, request)
		Expect(err).To(MatchError(ContainSubstring("annotations")), "the error has the decoder's own in it; the answer is %v", response)
	})

	It("writes any name", func(ctx SpecContext) {
		got := admission.Post(ctx, admission.Mutating(serving.NewHandler(serving.ReviewerFunc(baremetal.Stamp(`se"v\en~/`)))), admission.Review(pod(nil), nil))
		Expect(got.Object.GetAnnotations()).To(Equal(map[string]string{baremetal.StampAnnotation: `se"v\en~/`}), "the annotations")
	})
})
