package cliruntime_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var _ = Describe("look TYPE", func() {
	It("lists the namespace of -n, and no other", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		secrets(ctx, other, "c")
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/a\nsecret/b\n"), "stdout of look secrets -n %s -o name", ns)
	})

	It("lists the kubeconfig's namespace when there is no -n", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		secrets(ctx, ns, "a")
		secrets(ctx, other, "b")
		got := look{kubeconfig: kubeconfigFor(ns)}.run(ctx, "secrets", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/a\n"), "stdout; the current context of the kubeconfig has the namespace %s", ns)
	})

	It("takes -n rather than the kubeconfig's namespace", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		secrets(ctx, ns, "a")
		secrets(ctx, other, "b")
		got := look{kubeconfig: kubeconfigFor(other)}.run(ctx, "secrets", "-n", ns, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/a\n"), "stdout; the kubeconfig says %s, the flag %s", other, ns)
	})

	It("lists all namespaces with -A, whatever -n says", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		secrets(ctx, ns, "a")
		secrets(ctx, other, "b")
		got := look{}.run(ctx, "secrets", "-A", "-n", ns, "-l", "of in ("+ns+","+other+")", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred(), "-A makes -n meaningless, not wrong")
		Expect(lines(got.out)).To(ConsistOf("secret/a", "secret/b"))
	})

	It("has the server select with -l", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		got := look{}.run(ctx, "secrets", "-n", ns, "-l", "name=b", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/b\n"))
		Expect(asked()).To(HaveExactElements(ContainSubstring("labelSelector=name=b")), "requests for objects")
	})

	It("asks for a list in pages of 500", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{}.run(ctx, "secrets", "-n", ns)
		Expect(got.err).NotTo(HaveOccurred())
		Expect(asked()).To(HaveExactElements(ContainSubstring("limit=500 ")), "requests for objects")
	})

	It("lists several types, a shortcut among them, one after the other", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a")
		lease(ctx, ns, "b")
		got := look{}.run(ctx, "secrets,cm,leases", "-n", ns, "-l", "of="+ns, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/a\nlease.coordination.k8s.io/b\n"))
	})

	It("shows the types that it may see when another is forbidden", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		lease(ctx, ns, "b")
		forbid("secrets")
		got := look{}.run(ctx, "secrets,leases", "-n", ns, "-o", "name")
		Expect(got.out).To(Equal("lease.coordination.k8s.io/b\n"), "stdout: what could be read")
		Expect(got.err).To(Satisfy(apierrors.IsForbidden),
			"want an error that apierrors.IsForbidden recognises (errors.As does not see through an Aggregate), got: %v", got.err)
	})

	It("prints nothing, and not that nothing was found, when it may see nothing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		forbid("secrets")
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", "json")
		Expect(got.err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", got.err)
		Expect(got.out).To(BeEmpty(), "stdout: an empty List would say that there is nothing")
		Expect(got.errOut).To(ContainSubstring("you may not"), "stderr")
		Expect(got.errOut).NotTo(ContainSubstring("No resources found"), "stderr")
	})

	It("reports a type that the server does not have", func(ctx SpecContext) {
		got := look{}.run(ctx, "gizmos", "-o", "json")
		Expect(got.err).To(MatchError(ContainSubstring(`the server doesn't have a resource type "gizmos"`)))
		Expect(got.out).To(BeEmpty(), "stdout")
	})

	It("reports a context that the kubeconfig does not have", func(ctx SpecContext) {
		got := look{}.run(ctx, "secrets", "--context", "nowhere")
		Expect(got.err).To(MatchError(ContainSubstring("context was not found for specified context: nowhere")))
		Expect(api.Requests()).To(BeEmpty(), "requests")
		Expect(got.out).To(BeEmpty(), "stdout")
	})

	It("wants a type or a file", func(ctx SpecContext) {
		got := look{}.run(ctx)
		Expect(got.err).To(MatchError(ContainSubstring("You must provide one or more resources by argument or filename")))
		Expect(asked()).To(BeEmpty(), "requests for objects")
	})
})

var _ = Describe("look TYPE NAME", func() {
	It("gets one object by its name", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		got := look{}.run(ctx, "secret/b", "-n", ns, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/b\n"))
		Expect(asked()).To(HaveExactElements(HavePrefix("get    secrets/b ")), "requests for objects: one get, and no list to search in")
	})

	It("shows the others when one does not exist", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		got := look{}.run(ctx, "secret", "a", "nowhere", "b", "-n", ns, "-o", "name")
		Expect(got.out).To(Equal("secret/a\nsecret/b\n"), "stdout: those that exist")
		Expect(got.err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", got.err)
		Expect(got.err).To(MatchError(ContainSubstring(`"nowhere"`)), "the name that does not exist")
	})

	It("says on stderr what does not exist, a line each", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{}.run(ctx, "secret/nowhere", "lease/never", "-n", ns, "-o", "json")
		Expect(got.err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", got.err)
		Expect(lines(got.errOut)).To(ConsistOf(
			ContainSubstring(`secrets "nowhere" not found`), ContainSubstring(`leases.coordination.k8s.io "never" not found`)), "stderr")
		Expect(got.out).To(BeEmpty(), "stdout")
	})
})
