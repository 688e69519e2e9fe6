package scale_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/katas/stage1/10-scale"
)

var api = cluster.API()

func TestScale(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 10-scale") }

var _ = Describe("ScaleDeployment", func() {
	It("makes the Deployment want more replicas", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		_, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		Expect(err).NotTo(HaveOccurred())
		Expect(deploymentReplicas(ctx, ns)).To(Equal(int32(5)), "spec.replicas of deployment %s/web", ns)
	})

	It("makes the Deployment want none, although none is running yet", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2) // paused: its status says 0 replicas
		_, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(deploymentReplicas(ctx, ns)).To(Equal(int32(0)), "spec.replicas of deployment %s/web", ns)
	})

	It("returns how many replicas there were to be before", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		before, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		Expect(err).NotTo(HaveOccurred())
		Expect(before).To(Equal(int32(2)), "the replicas before")
	})

	It("asks for the scale subresource alone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource == "deployments" && r.Subresource == "scale" {
				return nil
			}
			return refuse(metav1.StatusReasonForbidden, 403, `deployments.apps "web" is forbidden: a scaler's Role names deployments/scale, and not `+what(r))
		})
		_, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		Expect(err).NotTo(HaveOccurred(), "a scaler has no business with the Deployment's image, which is what the whole object would be")
	})

	It("leaves another Deployment of that name alone", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		deployment(ctx, other, "web", 2)
		_, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		Expect(err).NotTo(HaveOccurred())
		Expect(deploymentReplicas(ctx, other)).To(Equal(int32(2)), "spec.replicas of deployment %s/web, of which nobody spoke", other)
	})

	It("writes nothing when the number is right already", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 3)
		before, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 3)
		Expect(err).NotTo(HaveOccurred())
		Expect(before).To(Equal(int32(3)), "the replicas before")
		Expect(writes()).To(BeEmpty(), "writes, with nothing to change")
	})

	It("starts again when another scaler comes in between", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		once(func() { rescale(ctx, ns, 7) })
		before, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		Expect(err).NotTo(HaveOccurred(), "another scaler wrote between the reading and the writing: start again from the scale as it is now")
		Expect(deploymentReplicas(ctx, ns)).To(Equal(int32(5)), "spec.replicas of deployment %s/web", ns)
		Expect(before).To(Equal(int32(7)), "the replicas that the write replaced, which were the other scaler's")
	})

	It("gives up after a few attempts, with the conflict", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		refuseWrites(metav1.StatusReasonConflict, 409)
		before, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		Expect(err).To(Satisfy(apierrors.IsConflict), "want an error that apierrors.IsConflict recognises, got: %v", err)
		Expect(len(writes())).To(And(BeNumerically(">", 1), BeNumerically("<=", attempts)), "attempts")
		Expect(before).To(BeZero(), "the replicas before, together with an error")
	})

	It("refuses a negative number without asking the server", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		_, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", -1)
		Expect(err).To(MatchError(scale.ErrNegative))
		Expect(api.Requests()).To(BeEmpty(), "requests for a number that can be judged without any")
	})

	It("reports a Deployment that is not there", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "nowhere", 5)
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring("nowhere")), "which Deployment")
	})

	It("reports a write that the server refuses, and does not insist", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		refuseWrites(metav1.StatusReasonForbidden, 403)
		before, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		Expect(err).To(Satisfy(apierrors.IsForbidden), "want an error that apierrors.IsForbidden recognises, got: %v", err)
		Expect(writes()).To(HaveLen(1), "writes: a refusal that is no conflict will not be another one the next time")
		Expect(before).To(BeZero(), "the replicas before, together with an error")
	})
})

var _ = Describe("HasScale", func() {
	DescribeTable("says for a built-in resource", func(ctx SpecContext, resource string, want bool) {
		gvr := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource}
		got, err := scale.HasScale(ctx, api.Clientset().Discovery(), gvr)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(want), "whether %s have a scale", resource)
	},
		Entry("that deployments have a scale", "deployments", true),
		Entry("that statefulsets have a scale", "statefulsets", true),
		Entry("that daemonsets have none", "daemonsets", false),
		Entry("that a resource which is not there has none", "pizzas", false),
		Entry("that the end of a resource's name is no resource", "sets", false),
		Entry("that the beginning of a resource's name is no resource", "deploy", false),
	)

	It("knows the core group", func(ctx SpecContext) {
		client := api.Clientset().Discovery()
		got, err := scale.HasScale(ctx, client, schema.GroupVersionResource{Version: "v1", Resource: "replicationcontrollers"})
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(BeTrue(), "whether replicationcontrollers have a scale")
		got, err = scale.HasScale(ctx, client, schema.GroupVersionResource{Version: "v1", Resource: "pods"})
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(BeFalse(), "whether pods have a scale")
	})

	It("knows custom resources", func(ctx SpecContext) {
		gr := ovens(ctx)
		got, err := scale.HasScale(ctx, api.Clientset().Discovery(), gr.WithVersion("v1"))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(BeTrue(), "whether %s have a scale", gr)
	})

	It("asks in the version that it is given", func(ctx SpecContext) {
		gr := ovens(ctx)
		got, err := scale.HasScale(ctx, api.Clientset().Discovery(), gr.WithVersion("v1alpha1"))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(BeFalse(), "whether %s have a scale in v1alpha1, which declares none", gr)
	})

	It("reports a version that the server does not have", func(ctx SpecContext) {
		gvr := schema.GroupVersionResource{Group: "apps", Version: "v9", Resource: "deployments"}
		_, err := scale.HasScale(ctx, api.Clientset().Discovery(), gvr)
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
	})
})

var _ = DescribeTable("HasScale reports a server that does not say", func(ctx SpecContext, reason metav1.StatusReason, code int32) {
	api.Intercept(func(cluster.Request) *cluster.Answer { return refuse(reason, code, "not today") })
	got, err := scale.HasScale(ctx, api.Clientset().Discovery(), deployments.WithVersion("v1"))
	Expect(err).To(WithTransform(apierrors.ReasonForError, Equal(reason)), "the server said %d %s, got: %v", code, reason, err)
	Expect(got).To(BeFalse(), "an answer together with an error")
},
	Entry("because it may not", metav1.StatusReasonForbidden, int32(403)),
	Entry("because it cannot", metav1.StatusReasonInternalError, int32(500)),
)

var _ = Describe("Pods", func() {
	It("returns the pods that the Deployment's selector selects", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		deployment(ctx, ns, "web", 0) // its selector is an expression: app in (web, www)
		pod(ctx, ns, "a", "web")
		pod(ctx, ns, "b", "www")
		pod(ctx, ns, "c", "db")
		pod(ctx, ns, "e", "web")
		pod(ctx, other, "d", "web")
		got, err := scale.Pods(ctx, api.Clientset(), made(), deployments, ns, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(ConsistOf("a", "b", "e"))
	})

	It("returns the pods of a custom resource", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, map[string]any{"replicas": int64(2), "selector": "app=oven"})
		pod(ctx, ns, "a", "oven")
		pod(ctx, ns, "b", "web")
		got, err := scale.Pods(ctx, api.Clientset(), made(), gr, ns, "stone")
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(ConsistOf("a"))
	})

	It("returns none when the selector selects none", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 0)
		pod(ctx, ns, "c", "db")
		got, err := scale.Pods(ctx, api.Clientset(), made(), deployments, ns, "web")
		Expect(err).NotTo(HaveOccurred(), "no pods yet is no failure")
		Expect(got).To(BeEmpty())
	})

	It("refuses to guess when the scale has no selector", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		pod(ctx, ns, "a", "web")
		got, err := scale.Pods(ctx, api.Clientset(), made(), gr, ns, "stone")
		Expect(err).To(MatchError(scale.ErrNoSelector), "an empty selector selects every pod of the namespace")
		Expect(got).To(BeEmpty(), "names together with an error")
	})

	It("reports a resource that is not there", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := scale.Pods(ctx, api.Clientset(), made(), deployments, ns, "nowhere")
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
	})

	It("reports pods that it may not list", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 0)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Resource != "pods" {
				return nil
			}
			return refuse(metav1.StatusReasonForbidden, 403, "pods is forbidden")
		})
		got, err := scale.Pods(ctx, api.Clientset(), made(), deployments, ns, "web")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "want an error that apierrors.IsForbidden recognises, got: %v", err)
		Expect(got).To(BeEmpty(), "names together with an error")
	})
})

var _ = DescribeTable("A context that has ended ends", func(ctx SpecContext, call func(context.Context, string) error) {
	ns := api.Namespace(ctx)
	deployment(ctx, ns, "web", 2)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	Expect(call(ended, ns)).To(MatchError(context.Canceled), "every request takes the caller's context")
},
	Entry("ScaleDeployment", func(ctx context.Context, ns string) error {
		_, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		return err
	}),
	Entry("Scale", func(ctx context.Context, ns string) error {
		_, err := scale.Scale(ctx, made(), deployments, ns, "web", 5)
		return err
	}),
	Entry("Adjust", func(ctx context.Context, ns string) error {
		_, err := scale.Adjust(ctx, made(), deployments, ns, "web", 1)
		return err
	}),
	Entry("HasScale", func(ctx context.Context, _ string) error {
		_, err := scale.HasScale(ctx, api.Clientset().Discovery(), deployments.WithVersion("v1"))
		return err
	}),
	Entry("Pods", func(ctx context.Context, ns string) error {
		_, err := scale.Pods(ctx, api.Clientset(), made(), deployments, ns, "web")
		return err
	}),
)

var _ = DescribeTable("A context that ends between two requests ends", func(ctx SpecContext, call func(context.Context, string) error) {
	ns := api.Namespace(ctx)
	deployment(ctx, ns, "web", 2)
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if isWrite(r) || r.Resource == "pods" {
			cancel()
		}
		return nil
	})
	Expect(call(ending, ns)).To(MatchError(context.Canceled), "every request takes the caller's context, also the second")
},
	Entry("ScaleDeployment", func(ctx context.Context, ns string) error {
		_, err := scale.ScaleDeployment(ctx, api.Clientset(), ns, "web", 5)
		return err
	}),
	Entry("Scale", func(ctx context.Context, ns string) error {
		_, err := scale.Scale(ctx, made(), deployments, ns, "web", 5)
		return err
	}),
	Entry("Adjust", func(ctx context.Context, ns string) error {
		_, err := scale.Adjust(ctx, made(), deployments, ns, "web", 1)
		return err
	}),
	Entry("Pods", func(ctx context.Context, ns string) error {
		_, err := scale.Pods(ctx, api.Clientset(), made(), deployments, ns, "web")
		return err
	}),
)
