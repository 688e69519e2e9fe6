package patch_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/katas/stage1/11-patch"
)

var api = cluster.API()

func TestPatch(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 11-patch") }

// shift is a key with a slash in it, as most keys have.
const shift = "kubekata.dev/shift"

var _ = Describe("SwapAnnotation", func() {
	It("sets the annotation to its new value", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, map[string]string{"shift": "early"})
		Expect(patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", "shift", "early", "late")).To(Succeed())
		Expect(deployment(ctx, ns).Annotations).To(HaveKeyWithValue("shift", "late"), "annotations of deployment %s/web", ns)
	})

	It("knows its way to a key with a slash", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, map[string]string{shift: "early"})
		Expect(patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, "early", "late")).To(Succeed(),
			"in a JSON pointer a slash begins the next step; in a key it is written ~1")
		Expect(deployment(ctx, ns).Annotations).To(HaveKeyWithValue(shift, "late"), "annotations of deployment %s/web", ns)
	})

	It("takes values as they are, quotes and line breaks and all", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		from, to := "{\"shift\": \"early\"}\n", "a \"late\" shift\n\\o/"
		web(ctx, ns, map[string]string{shift: from})
		Expect(patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, from, to)).To(Succeed())
		Expect(deployment(ctx, ns).Annotations).To(HaveKeyWithValue(shift, to), "annotations of deployment %s/web", ns)
	})

	It("leaves the other annotations alone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, map[string]string{shift: "early", "kubekata.dev/oven": "stone"})
		Expect(patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, "early", "late")).To(Succeed())
		Expect(deployment(ctx, ns).Annotations).To(HaveKeyWithValue("kubekata.dev/oven", "stone"), "annotations of deployment %s/web", ns)
	})

	It("changes nothing when somebody else was there first", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, map[string]string{shift: "early"})
		before(func() { annotate(ctx, ns, shift, "night") })
		err := patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, "early", "late")
		Expect(deployment(ctx, ns).Annotations).To(HaveKeyWithValue(shift, "night"),
			"annotations of deployment %s/web: somebody set night just before the patch arrived, and the patch was to replace early", ns)
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
	})

	It("changes nothing when another value stands there", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, map[string]string{shift: "night"})
		err := patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, "early", "late")
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
		Expect(deployment(ctx, ns).Annotations).To(HaveKeyWithValue(shift, "night"), "annotations of deployment %s/web", ns)
	})

	It("does not begin an annotation that is not there", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, map[string]string{"kubekata.dev/oven": "stone"})
		err := patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, "early", "late")
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
		Expect(deployment(ctx, ns).Annotations).NotTo(HaveKey(shift), "annotations of deployment %s/web", ns)
	})

	It("sends one JSON Patch", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		web(ctx, ns, map[string]string{shift: "early"})
		Expect(patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, "early", "late")).To(Succeed())
		expectOne("application/json-patch+json")
	})

	It("reports a Deployment that is not there", func(ctx SpecContext) {
		err := patch.SwapAnnotation(ctx, api.Clientset(), api.Namespace(ctx), "nowhere", shift, "early", "late")
		expectNotFound(err)
	})
})

var _ = Describe("SetData", func() {
	It("adds keys and changes keys", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu(ctx, ns, map[string]string{"margherita": "8"})
		Expect(patch.SetData(ctx, api.Clientset(), ns, "menu", map[string]*string{"margherita": new("9"), "funghi": new("10")})).To(Succeed())
		Expect(data(ctx, ns)).To(Equal(map[string]string{"margherita": "9", "funghi": "10"}), "data of configmap %s/menu", ns)
	})

	It("removes keys whose value is nil", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu(ctx, ns, map[string]string{"margherita": "8", "hawaii": "9"})
		Expect(patch.SetData(ctx, api.Clientset(), ns, "menu", map[string]*string{"hawaii": nil, "tonno": nil})).To(Succeed())
		Expect(data(ctx, ns)).To(Equal(map[string]string{"margherita": "8"}), "data of configmap %s/menu", ns)
	})

	It("sets a key to the empty text, which is a value too", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu(ctx, ns, map[string]string{"margherita": "8"})
		Expect(patch.SetData(ctx, api.Clientset(), ns, "menu", map[string]*string{"margherita": new("")})).To(Succeed())
		Expect(data(ctx, ns)).To(Equal(map[string]string{"margherita": ""}), "data of configmap %s/menu", ns)
	})

	It("leaves what somebody else has written alone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu(ctx, ns, map[string]string{"margherita": "8"})
		before(func() { putData(ctx, ns, "funghi", "10") })
		Expect(patch.SetData(ctx, api.Clientset(), ns, "menu", map[string]*string{"margherita": new("9")})).To(Succeed())
		Expect(data(ctx, ns)).To(Equal(map[string]string{"margherita": "9", "funghi": "10"}),
			"data of configmap %s/menu, to which somebody added funghi just before the patch arrived", ns)
	})

	DescribeTable("changes nothing when there is nothing to set", func(ctx SpecContext, nothing map[string]*string) {
		ns := api.Namespace(ctx)
		menu(ctx, ns, map[string]string{"margherita": "8"})
		Expect(patch.SetData(ctx, api.Clientset(), ns, "menu", nothing)).To(Succeed())
		Expect(data(ctx, ns)).To(Equal(map[string]string{"margherita": "8"}), "data of configmap %s/menu", ns)
	},
		Entry("but an empty map", map[string]*string{}),
		Entry("but a nil map", nil),
	)

	It("sends one JSON merge patch", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu(ctx, ns, map[string]string{"margherita": "8"})
		Expect(patch.SetData(ctx, api.Clientset(), ns, "menu", map[string]*string{"margherita": new("9")})).To(Succeed())
		expectOne("application/merge-patch+json")
	})

	It("reports a ConfigMap that is not there", func(ctx SpecContext) {
		err := patch.SetData(ctx, api.Clientset(), api.Namespace(ctx), "nowhere", map[string]*string{"margherita": new("9")})
		expectNotFound(err)
	})
})

var _ = Describe("SetEnv", func() {
	var ns string
	BeforeEach(func(ctx SpecContext) {
		ns = api.Namespace(ctx)
		web(ctx, ns, nil) // web has OVEN=stone and SHIFT=early, and the sidecar log has LEVEL from a ConfigMap
	})

	It("adds a variable to the container, and keeps the others", func(ctx SpecContext) {
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "DOUGH", new("sour"))).To(Succeed())
		Expect(environment(ctx, ns, "web")).To(Equal(map[string]string{"OVEN": "stone", "SHIFT": "early", "DOUGH": "sour"}),
			"variables of container web of deployment %s/web", ns)
	})

	It("changes a variable, and keeps the others", func(ctx SpecContext) {
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "SHIFT", new("late"))).To(Succeed())
		Expect(environment(ctx, ns, "web")).To(Equal(map[string]string{"OVEN": "stone", "SHIFT": "late"}),
			"variables of container web of deployment %s/web", ns)
	})

	It("sets a variable to the empty text, which is a value too", func(ctx SpecContext) {
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "SHIFT", new(""))).To(Succeed())
		Expect(environment(ctx, ns, "web")).To(HaveKeyWithValue("SHIFT", ""), "variables of container web of deployment %s/web", ns)
	})

	It("removes a variable, and keeps the others", func(ctx SpecContext) {
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "SHIFT", nil)).To(Succeed())
		Expect(environment(ctx, ns, "web")).To(Equal(map[string]string{"OVEN": "stone"}), "variables of container web of deployment %s/web", ns)
	})

	It("is content when the variable that it removes is not there", func(ctx SpecContext) {
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "DOUGH", nil)).To(Succeed())
		Expect(environment(ctx, ns, "web")).To(Equal(map[string]string{"OVEN": "stone", "SHIFT": "early"}),
			"variables of container web of deployment %s/web", ns)
	})

	It("keeps the other containers", func(ctx SpecContext) {
		was := deployment(ctx, ns).Spec.Template.Spec.Containers[1]
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "SHIFT", new("late"))).To(Succeed())
		Expect(deployment(ctx, ns).Spec.Template.Spec.Containers).To(HaveExactElements(HaveField("Name", "web"), Equal(was)),
			"containers of deployment %s/web", ns)
	})

	It("keeps the rest of the container", func(ctx SpecContext) {
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "SHIFT", new("late"))).To(Succeed())
		Expect(deployment(ctx, ns).Spec.Template.Spec.Containers[0].Image).To(Equal("nginx:1.27"), "image of container web of deployment %s/web", ns)
	})

	It("gives a value to a variable that took it from elsewhere", func(ctx SpecContext) {
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "log", "LEVEL", new("debug"))).To(Succeed(),
			"a variable may have a value or a valueFrom: what is merged in does not take out what is there")
		Expect(deployment(ctx, ns).Spec.Template.Spec.Containers[1].Env).To(Equal([]corev1.EnvVar{{Name: "LEVEL", Value: "debug"}}),
			"variables of container log of deployment %s/web", ns)
	})

	It("reports a container that is not there", func(ctx SpecContext) {
		err := patch.SetEnv(ctx, api.Clientset(), ns, "web", "nowhere", "SHIFT", new("late"))
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
		Expect(deployment(ctx, ns).Spec.Template.Spec.Containers).To(HaveLen(2), "containers of deployment %s/web", ns)
	})

	It("sends one strategic merge patch", func(ctx SpecContext) {
		Expect(patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "SHIFT", new("late"))).To(Succeed())
		expectOne("application/strategic-merge-patch+json")
	})

	It("reports a Deployment that is not there", func(ctx SpecContext) {
		expectNotFound(patch.SetEnv(ctx, api.Clientset(), ns, "nowhere", "web", "SHIFT", new("late")))
	})
})

var _ = Describe("Debug", func() {
	var ns string
	BeforeEach(func(ctx SpecContext) {
		ns = api.Namespace(ctx)
		pod(ctx, ns) // web, with the container web
	})

	It("adds an ephemeral container that looks at another", func(ctx SpecContext) {
		Expect(patch.Debug(ctx, api.Clientset(), ns, "web", "look", "busybox:1.37", "web")).To(Succeed())
		got := ephemeral(ctx, ns)
		Expect(got).To(HaveLen(1), "ephemeral containers of pod %s/web", ns)
		Expect(got[0].Name).To(Equal("look"))
		Expect(got[0].Image).To(Equal("busybox:1.37"), "its image")
		Expect(got[0].TargetContainerName).To(Equal("web"), "the container whose processes it sees")
	})

	It("keeps the ephemeral containers that are there", func(ctx SpecContext) {
		Expect(patch.Debug(ctx, api.Clientset(), ns, "web", "look", "busybox:1.37", "web")).To(Succeed())
		Expect(patch.Debug(ctx, api.Clientset(), ns, "web", "again", "busybox:1.37", "web")).To(Succeed(),
			"an ephemeral container cannot be taken away: the server refuses a list without it")
		Expect(ephemeral(ctx, ns)).To(ConsistOf(HaveField("Name", "look"), HaveField("Name", "again")), "ephemeral containers of pod %s/web", ns)
	})

	It("sends one strategic merge patch, to the subresource", func(ctx SpecContext) {
		Expect(patch.Debug(ctx, api.Clientset(), ns, "web", "look", "busybox:1.37", "web")).To(Succeed())
		expectOne("application/strategic-merge-patch+json")
		Expect(api.Requests()[0].Subresource).To(Equal("ephemeralcontainers"), "the subresource")
	})

	It("reports a target that is not there", func(ctx SpecContext) {
		err := patch.Debug(ctx, api.Clientset(), ns, "web", "look", "busybox:1.37", "nowhere")
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
	})

	It("reports a name that another container has", func(ctx SpecContext) {
		Expect(patch.Debug(ctx, api.Clientset(), ns, "web", "look", "busybox:1.37", "web")).To(Succeed())
		err := patch.Debug(ctx, api.Clientset(), ns, "web", "look", "alpine:3.22", "web")
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
		Expect(ephemeral(ctx, ns)).To(HaveExactElements(HaveField("Image", "busybox:1.37")), "ephemeral containers of pod %s/web", ns)
	})

	It("reports a pod that is not there", func(ctx SpecContext) {
		expectNotFound(patch.Debug(ctx, api.Clientset(), ns, "nowhere", "look", "busybox:1.37", "web"))
	})
})

var _ = DescribeTable("A context that has ended ends", func(ctx SpecContext, call func(context.Context, string) error) {
	ns := api.Namespace(ctx)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	Expect(call(ended, ns)).To(MatchError(context.Canceled), "every request takes the caller's context")
},
	Entry("SwapAnnotation", func(ctx context.Context, ns string) error {
		return patch.SwapAnnotation(ctx, api.Clientset(), ns, "web", shift, "early", "late")
	}),
	Entry("SetData", func(ctx context.Context, ns string) error {
		return patch.SetData(ctx, api.Clientset(), ns, "menu", map[string]*string{"margherita": new("9")})
	}),
	Entry("AddTopping", func(ctx context.Context, ns string) error {
		return patch.AddTopping(ctx, api.Dynamic(), pizzas.WithResource("pizzas"), ns, "hawaii", "ham")
	}),
	Entry("SetEnv", func(ctx context.Context, ns string) error {
		return patch.SetEnv(ctx, api.Clientset(), ns, "web", "web", "SHIFT", new("late"))
	}),
	Entry("Debug", func(ctx context.Context, ns string) error {
		return patch.Debug(ctx, api.Clientset(), ns, "web", "look", "busybox:1.37", "web")
	}),
	Entry("Apply", func(ctx context.Context, ns string) error {
		_, err := patch.Apply(ctx, api.Clientset(), ns, "web", "nginx:1.27", nil, false)
		return err
	}),
)
