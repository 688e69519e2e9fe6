package scale_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubekata/kubekata/katas/stage1/10-scale"
)

var deployments = schema.GroupResource{Group: "apps", Resource: "deployments"}

var _ = Describe("New", func() {
	It("serves the resources of a named group", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		got, err := made().Scales(ns).Get(ctx, deployments, "web", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get the scale of deployment %s/web", ns)
		Expect(got.Spec.Replicas).To(Equal(int32(2)), "spec.replicas of the scale")
	})

	It("serves the resources of the core group", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		controller(ctx, ns, "web")
		got, err := made().Scales(ns).Get(ctx, schema.GroupResource{Resource: "replicationcontrollers"}, "web", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get the scale of replicationcontroller %s/web: the core group lives below /api", ns)
		Expect(got.Name).To(Equal("web"))
	})

	It("serves custom resources, and writes them too", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		scales := made()
		got, err := scales.Scales(ns).Get(ctx, gr, "stone", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get the scale of %s %s/stone", gr, ns)
		got.Spec.Replicas = 4
		_, err = scales.Scales(ns).Update(ctx, gr, got, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "update the scale of %s %s/stone", gr, ns)
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(4)), "spec.replicas of %s %s/stone", gr, ns)
	})

	It("leaves the caller's configuration as it is", func() {
		config := api.Config()
		_, err := scale.New(config)
		Expect(err).NotTo(HaveOccurred())
		Expect(config.GroupVersion).To(BeNil(), "GroupVersion of the caller's configuration")
		Expect(config.NegotiatedSerializer).To(BeNil(), "NegotiatedSerializer of the caller's configuration: whoever uses it next would decode scales and nothing else")
		Expect(config.UserAgent).To(BeEmpty(), "UserAgent of the caller's configuration")
	})

	It("reports a configuration that it cannot use", func() {
		config := api.Config()
		config.Host = "http://[::1"
		scales, err := scale.New(config)
		Expect(err).To(MatchError(ContainSubstring("host must be a URL")))
		Expect(scales).To(BeNil(), "a client together with an error")
	})
})

var _ = Describe("Scale", func() {
	It("makes a Deployment want that many replicas", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		deployment(ctx, ns, "web", 2)
		before, err := scale.Scale(ctx, made(), deployments, ns, "web", 5)
		Expect(err).NotTo(HaveOccurred())
		Expect(deploymentReplicas(ctx, ns)).To(Equal(int32(5)), "spec.replicas of deployment %s/web", ns)
		Expect(before).To(Equal(int32(2)), "the replicas before")
	})

	It("makes a custom resource want that many replicas", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		before, err := scale.Scale(ctx, made(), gr, ns, "stone", 5)
		Expect(err).NotTo(HaveOccurred())
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(5)), "spec.replicas of %s %s/stone", gr, ns)
		Expect(before).To(Equal(int32(2)), "the replicas before")
	})

	It("goes by what is wanted, and not by what is running", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, map[string]any{"replicas": int64(5)}) // the old ones have not stopped yet
		before, err := scale.Scale(ctx, made(), gr, ns, "stone", 5)
		Expect(err).NotTo(HaveOccurred())
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(5)), "spec.replicas of %s %s/stone, whose status.replicas was 5 all along", gr, ns)
		Expect(before).To(Equal(int32(2)), "the replicas that were wanted before")
	})

	It("makes a custom resource want none", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		_, err := scale.Scale(ctx, made(), gr, ns, "stone", 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(0)), "spec.replicas of %s %s/stone", gr, ns)
	})

	It("writes nothing when the number is right already", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 3, nil)
		before, err := scale.Scale(ctx, made(), gr, ns, "stone", 3)
		Expect(err).NotTo(HaveOccurred())
		Expect(before).To(Equal(int32(3)), "the replicas before")
		Expect(writes()).To(BeEmpty(), "writes, with nothing to change")
	})

	It("starts again when another scaler comes in between", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		once(func() { setOven(ctx, gr, ns, 7) })
		before, err := scale.Scale(ctx, made(), gr, ns, "stone", 5)
		Expect(err).NotTo(HaveOccurred(), "another scaler wrote between the reading and the writing: start again from the scale as it is now")
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(5)), "spec.replicas of %s %s/stone", gr, ns)
		Expect(before).To(Equal(int32(7)), "the replicas that the write replaced, which were the other scaler's")
	})

	It("gives up after a few attempts, with the conflict", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		refuseWrites(metav1.StatusReasonConflict, 409)
		before, err := scale.Scale(ctx, made(), gr, ns, "stone", 5)
		Expect(err).To(Satisfy(apierrors.IsConflict), "want an error that apierrors.IsConflict recognises, got: %v", err)
		Expect(len(writes())).To(And(BeNumerically(">", 1), BeNumerically("<=", attempts)), "attempts")
		Expect(before).To(BeZero(), "the replicas before, together with an error")
	})

	It("refuses a negative number without asking the server", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := scale.Scale(ctx, made(), deployments, ns, "web", -1)
		Expect(err).To(MatchError(scale.ErrNegative))
		Expect(writes()).To(BeEmpty(), "writes of a number that can be judged without any")
		Expect(scaleRequests()).To(BeEmpty(), "requests for the scale")
	})

	It("reports a resource that is not there", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := scale.Scale(ctx, made(), deployments, ns, "nowhere", 5)
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring("nowhere")), "which one")
	})

	It("reports a resource that has no scale", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := scale.Scale(ctx, made(), schema.GroupResource{Group: "apps", Resource: "daemonsets"}, ns, "web", 5)
		Expect(err).To(Satisfy(apierrors.IsNotFound), "the server's answer for daemonsets/web/scale is a 404, got: %v", err)
	})

	It("reports a write that the server refuses, and does not insist", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		refuseWrites(metav1.StatusReasonForbidden, 403)
		before, err := scale.Scale(ctx, made(), gr, ns, "stone", 5)
		Expect(err).To(Satisfy(apierrors.IsForbidden), "want an error that apierrors.IsForbidden recognises, got: %v", err)
		Expect(writes()).To(HaveLen(1), "writes: a refusal that is no conflict will not be another one the next time")
		Expect(before).To(BeZero(), "the replicas before, together with an error")
	})
})

var _ = Describe("Adjust", func() {
	DescribeTable("adds to what is wanted", func(ctx SpecContext, by, want int) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 3, map[string]any{"replicas": int64(8)})
		after, err := scale.Adjust(ctx, made(), gr, ns, "stone", int32(by))
		Expect(err).NotTo(HaveOccurred())
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(want)), "spec.replicas of %s %s/stone, which were 3, adjusted by %+d", gr, ns, by)
		Expect(after).To(Equal(int32(want)), "the replicas after")
	},
		Entry("more", 2, 5),
		Entry("fewer", -2, 1),
		Entry("all that there are, away", -3, 0),
	)

	It("writes nothing when there is nothing to add", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 3, nil)
		after, err := scale.Adjust(ctx, made(), gr, ns, "stone", 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(after).To(Equal(int32(3)), "the replicas after")
		Expect(writes()).To(BeEmpty(), "writes, with nothing to change")
	})

	It("counts what another scaler adds in between", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		once(func() { setOven(ctx, gr, ns, 7) })
		after, err := scale.Adjust(ctx, made(), gr, ns, "stone", 1)
		Expect(err).NotTo(HaveOccurred())
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(8)), "spec.replicas of %s %s/stone: another scaler made it 7, and we add 1", gr, ns)
		Expect(after).To(Equal(int32(8)), "the replicas after")
	})

	It("refuses to go below zero, and writes nothing", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		after, err := scale.Adjust(ctx, made(), gr, ns, "stone", -3)
		Expect(err).To(MatchError(scale.ErrNegative))
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(2)), "spec.replicas of %s %s/stone", gr, ns)
		Expect(writes()).To(BeEmpty(), "writes")
		Expect(after).To(BeZero(), "the replicas after, together with an error")
	})

	It("refuses to take away from none, and asks once", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 0, nil)
		_, err := scale.Adjust(ctx, made(), gr, ns, "stone", -1)
		Expect(err).To(MatchError(scale.ErrNegative), "the server must not be left to find out")
		Expect(scaleRequests()).To(HaveLen(1), "requests for the scale: zero will not be more the next time")
	})

	It("refuses to go below zero when another scaler was there first", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 3, nil)
		once(func() { setOven(ctx, gr, ns, 1) })
		_, err := scale.Adjust(ctx, made(), gr, ns, "stone", -2)
		Expect(err).To(MatchError(scale.ErrNegative), "3 were enough to take 2 away; the 1 that another scaler left is not")
		Expect(ovenReplicas(ctx, gr, ns)).To(Equal(int64(1)), "spec.replicas of %s %s/stone", gr, ns)
	})

	It("gives up after a few attempts, with the conflict", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		refuseWrites(metav1.StatusReasonConflict, 409)
		after, err := scale.Adjust(ctx, made(), gr, ns, "stone", 1)
		Expect(err).To(Satisfy(apierrors.IsConflict), "want an error that apierrors.IsConflict recognises, got: %v", err)
		Expect(len(writes())).To(And(BeNumerically(">", 1), BeNumerically("<=", attempts)), "attempts")
		Expect(after).To(BeZero(), "the replicas after, together with an error")
	})

	It("reports a resource that is not there", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := scale.Adjust(ctx, made(), deployments, ns, "nowhere", 1)
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
	})

	It("reports a write that the server refuses", func(ctx SpecContext) {
		ns, gr := api.Namespace(ctx), ovens(ctx)
		oven(ctx, gr, ns, 2, nil)
		refuseWrites(metav1.StatusReasonForbidden, 403)
		after, err := scale.Adjust(ctx, made(), gr, ns, "stone", 1)
		Expect(err).To(Satisfy(apierrors.IsForbidden), "want an error that apierrors.IsForbidden recognises, got: %v", err)
		Expect(writes()).To(HaveLen(1), "writes: a refusal that is no conflict will not be another one the next time")
		Expect(after).To(BeZero(), "the replicas after, together with an error")
	})
})
