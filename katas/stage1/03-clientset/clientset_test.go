package clientset_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clientset "github.com/kubekata/kubekata/katas/stage1/03-clientset"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestClientset(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 03-clientset") }

var _ = Describe("Create", func() {
	It("creates a Deployment with its image, replicas and labels", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := clientset.Create(ctx, api.Clientset(), ns, "web", "nginx:1.27", 3)
		Expect(err).NotTo(HaveOccurred())

		got := deployment(ctx, ns, "web")
		Expect(got.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)), "spec.replicas")
		Expect(got.Labels).To(HaveKeyWithValue("app", "web"), "labels of the Deployment")
		Expect(got.Spec.Selector.MatchLabels).To(Equal(map[string]string{"app": "web"}), "spec.selector.matchLabels")
		Expect(got.Spec.Template.Labels).To(HaveKeyWithValue("app", "web"), "labels of the pod template")
		Expect(images(got)).To(Equal(map[string]string{"web": "nginx:1.27"}), "containers and their images")
	})

	It("returns the object as the server stored it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got, err := clientset.Create(ctx, api.Clientset(), ns, "web", "nginx:1.27", 1)
		Expect(err).NotTo(HaveOccurred())

		Expect(got).NotTo(BeNil())
		stored := deployment(ctx, ns, "web")
		Expect(got.UID).To(Equal(stored.UID), "the UID, which only the server can know")
		Expect(got.Spec.Strategy.Type).To(Equal(appsv1.RollingUpdateDeploymentStrategyType), "a default that the server fills in")
	})

	It("reports a Deployment that is there already, and leaves it alone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		given(ctx, ns, "web")
		_, err := clientset.Create(ctx, api.Clientset(), ns, "web", "nginx:9.99", 1)
		Expect(err).To(Satisfy(apierrors.IsAlreadyExists), "want an error that apierrors.IsAlreadyExists recognises, got: %v", err)
		Expect(images(deployment(ctx, ns, "web"))).To(HaveKeyWithValue("app", "nginx:1.27"), "the image of the Deployment that was there")
	})
})

var _ = Describe("Image", func() {
	It("returns the image of the first container", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		given(ctx, ns, "web")
		image, ok, err := clientset.Image(ctx, api.Clientset(), ns, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(ok).To(BeTrue(), "ok, for a Deployment that exists")
		Expect(image).To(Equal("nginx:1.27"))
	})

	It("says false, without an error, when the Deployment does not exist", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		image, ok, err := clientset.Image(ctx, api.Clientset(), ns, "nowhere")
		Expect(err).NotTo(HaveOccurred(), "a Deployment that does not exist is no failure")
		Expect(ok).To(BeFalse(), "ok, for a Deployment that does not exist")
		Expect(image).To(BeEmpty())
	})

	It("reports every other failure", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		given(ctx, ns, "web")
		api.Intercept(answer("get", forbidden()))
		_, ok, err := clientset.Image(ctx, api.Clientset(), ns, "web")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", err)
		Expect(ok).To(BeFalse())
	})
})

var _ = Describe("SetImage", func() {
	It("changes the named container and no other", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		settled(ctx, ns, "web")
		Expect(clientset.SetImage(ctx, api.Clientset(), ns, "web", "sidecar", "envoy:2")).To(Succeed())
		Expect(images(deployment(ctx, ns, "web"))).To(Equal(map[string]string{"app": "nginx:1.27", "sidecar": "envoy:2"}))
	})

	It("keeps what another writer changes in between", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		settled(ctx, ns, "web")
		api.Intercept(once(isWrite, func() { scale(ctx, ns, "web", 7) }))
		Expect(clientset.SetImage(ctx, api.Clientset(), ns, "web", "app", "nginx:1.28")).To(Succeed(),
			"another writer scaled the Deployment between Get and Update: start again from the object as it is now")

		got := deployment(ctx, ns, "web")
		Expect(images(got)).To(HaveKeyWithValue("app", "nginx:1.28"))
		Expect(got.Spec.Replicas).To(HaveValue(BeEquivalentTo(7)), "spec.replicas, which the other writer set")
	})

	It("reads the object as it is now, and not as a cache remembers it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		settled(ctx, ns, "web")
		Expect(clientset.SetImage(ctx, api.Clientset(), ns, "web", "app", "nginx:1.28")).To(Succeed())
		for _, r := range api.Requests() {
			Expect(r.Query).NotTo(HaveKey("resourceVersion"), "the query of %s: resourceVersion 0 is content with any state that the server has at hand", r)
		}
	})

	It("ends with its context, also between reading and writing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		settled(ctx, ns, "web")
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		api.Intercept(once(isWrite, cancel))
		err := clientset.SetImage(ending, api.Clientset(), ns, "web", "app", "nginx:1.28")
		Expect(err).To(MatchError(context.Canceled), "every request takes the caller's context, also the second")
	})

	It("gives up with the conflict when it never ends", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		settled(ctx, ns, "web")
		writes := 0
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if !isWrite(r) {
				return nil
			}
			if writes++; writes > 50 {
				return failure(http.StatusTeapot, "Teapot", "50 attempts and no end") // ends an endless loop
			}
			return failure(http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified")
		})
		err := clientset.SetImage(ctx, api.Clientset(), ns, "web", "app", "nginx:1.28")
		Expect(err).To(Satisfy(apierrors.IsConflict), "want the conflict, after a few attempts; got: %v", err)
		Expect(writes).To(BeNumerically(">", 1), "attempts to write before it gave up")
	})

	It("writes nothing when the image is right already", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		settled(ctx, ns, "web")
		Expect(clientset.SetImage(ctx, api.Clientset(), ns, "web", "app", "nginx:1.27")).To(Succeed())
		Expect(api.Requests()).NotTo(ContainElement(Satisfy(isWrite)), "requests that write")
	})

	It("reports a Deployment that does not exist as not found", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		err := clientset.SetImage(ctx, api.Clientset(), ns, "nowhere", "app", "nginx:1.28")
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
		Expect(api.Requests()).To(HaveLen(1), "requests: only a conflict is worth another attempt")
	})

	It("reports a container that does not exist", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		settled(ctx, ns, "web")
		err := clientset.SetImage(ctx, api.Clientset(), ns, "web", "nothing", "nginx:1.28")
		Expect(err).To(MatchError(clientset.ErrNoContainer))
		Expect(api.Requests()).To(HaveLen(1), "requests: only a conflict is worth another attempt")
		Expect(images(deployment(ctx, ns, "web"))).To(Equal(map[string]string{"app": "nginx:1.27", "sidecar": "envoy:1"}))
	})
})

var _ = Describe("Delete", func() {
	It("deletes the Deployment, and its dependants in the background", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		given(ctx, ns, "web")
		Expect(clientset.Delete(ctx, api.Clientset(), ns, "web")).To(Succeed())

		requests := api.Requests()
		i := slices.IndexFunc(requests, func(r cluster.Request) bool { return r.Verb == "delete" })
		Expect(i).To(BeNumerically(">=", 0), "a request that deletes")
		var options metav1.DeleteOptions
		Expect(json.Unmarshal(requests[i].Body, &options)).To(Succeed())
		Expect(options.PropagationPolicy).To(HaveValue(Equal(metav1.DeletePropagationBackground)),
			"the propagation policy: Orphan would leave the ReplicaSets and their pods running without an owner")
		_, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
		Expect(err).To(Satisfy(apierrors.IsNotFound), "the Deployment is still there")
	})

	It("is content when the Deployment does not exist", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		Expect(clientset.Delete(ctx, api.Clientset(), ns, "nowhere")).To(Succeed(), "what the caller wanted is already so")
	})

	It("reports every other failure", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		given(ctx, ns, "web")
		api.Intercept(answer("delete", forbidden()))
		err := clientset.Delete(ctx, api.Clientset(), ns, "web")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", err)
	})
})

var _ = Describe("ListPods", func() {
	var ns string

	BeforeEach(func(ctx SpecContext) {
		ns = api.Namespace(ctx)
		for i := range 5 {
			givenPod(ctx, ns, fmt.Sprintf("web-%d", i), "web", corev1.RestartPolicyAlways)
		}
		givenPod(ctx, ns, "web-job", "web", corev1.RestartPolicyNever)
		givenPod(ctx, ns, "db-job", "db", corev1.RestartPolicyNever)
	})

	It("selects by label", func(ctx SpecContext) {
		pods, err := clientset.ListPods(ctx, api.Clientset(), ns, "app=db", "", 100)
		Expect(err).NotTo(HaveOccurred())
		Expect(names(pods)).To(ConsistOf("db-job"))
	})

	It("selects by field", func(ctx SpecContext) {
		pods, err := clientset.ListPods(ctx, api.Clientset(), ns, "", "spec.restartPolicy=Never", 100)
		Expect(err).NotTo(HaveOccurred())
		Expect(names(pods)).To(ConsistOf("web-job", "db-job"))
	})

	It("returns the pods of all pages", func(ctx SpecContext) {
		pods, err := clientset.ListPods(ctx, api.Clientset(), ns, "app=web", "spec.restartPolicy=Always", 2)
		Expect(err).NotTo(HaveOccurred())
		Expect(names(pods)).To(ConsistOf("web-0", "web-1", "web-2", "web-3", "web-4"))
	})

	It("stops at the last page, also when that is full", func(ctx SpecContext) {
		lists := 0
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if lists++; r.Verb == "list" && lists > 10 {
				return failure(http.StatusTeapot, "Teapot", "10 pages of a list that has 3") // ends an endless loop
			}
			return nil
		})
		pods, err := clientset.ListPods(ctx, api.Clientset(), ns, "app=web", "", 2)
		Expect(err).NotTo(HaveOccurred(), "six pods in pages of two: the third page is the last, and as full as the others")
		Expect(names(pods)).To(ConsistOf("web-0", "web-1", "web-2", "web-3", "web-4", "web-job"))
	})

	It("asks the server for pages of the given size, and for the selection on each", func(ctx SpecContext) {
		_, err := clientset.ListPods(ctx, api.Clientset(), ns, "app=web", "spec.restartPolicy=Always", 2)
		Expect(err).NotTo(HaveOccurred())
		lists := slices.DeleteFunc(api.Requests(), func(r cluster.Request) bool { return r.Verb != "list" })
		Expect(lists).To(HaveLen(3), "five pods in pages of two are three requests")
		for i, r := range lists {
			Expect(r.Query.Get("limit")).To(Equal("2"), "limit of request %d", i+1)
			Expect(r.Query.Get("labelSelector")).To(Equal("app=web"), "labelSelector of request %d", i+1)
			Expect(r.Query.Get("fieldSelector")).To(Equal("spec.restartPolicy=Always"), "fieldSelector of request %d", i+1)
		}
	})

	It("returns an error and no pods when a later page fails", func(ctx SpecContext) {
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "list" && r.Query.Get("continue") != "" {
				return forbidden()
			}
			return nil
		})
		pods, err := clientset.ListPods(ctx, api.Clientset(), ns, "app=web", "", 2)
		Expect(err).To(Satisfy(apierrors.IsForbidden), "the second page was refused with 403 Forbidden, got: %v", err)
		Expect(pods).To(BeEmpty(), "half a list passes for a whole one")
	})
})

var _ = DescribeTable("A context that has ended ends", func(ctx SpecContext, call func(context.Context, string) error) {
	ns := api.Namespace(ctx)
	given(ctx, ns, "web")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	Expect(call(ended, ns)).To(MatchError(context.Canceled), "every request takes the caller's context")
},
	Entry("Create", func(ctx context.Context, ns string) error {
		_, err := clientset.Create(ctx, api.Clientset(), ns, "new", "nginx:1.27", 1)
		return err
	}),
	Entry("Image", func(ctx context.Context, ns string) error {
		_, _, err := clientset.Image(ctx, api.Clientset(), ns, "web")
		return err
	}),
	Entry("SetImage", func(ctx context.Context, ns string) error {
		return clientset.SetImage(ctx, api.Clientset(), ns, "web", "app", "nginx:1.28")
	}),
	Entry("Delete", func(ctx context.Context, ns string) error {
		return clientset.Delete(ctx, api.Clientset(), ns, "web")
	}),
	Entry("ListPods", func(ctx context.Context, ns string) error {
		_, err := clientset.ListPods(ctx, api.Clientset(), ns, "", "", 2)
		return err
	}),
)

// deployment returns the Deployment as the server has it.
func deployment(ctx context.Context, ns, name string) *appsv1.Deployment {
	GinkgoHelper()
	d, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get deployment %s/%s", ns, name)
	return d
}

// given makes a Deployment with the containers app and sidecar.
func given(ctx context.Context, ns, name string) {
	GinkgoHelper()
	labels := map[string]string{"app": name}
	_, err := api.Judge().AppsV1().Deployments(ns).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			// Paused, so that the lab's controller leaves it alone once it has said so in the status.
			Paused: true,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}, {Name: "sidecar", Image: "envoy:1"}}},
			},
		},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make deployment %s/%s for the spec", ns, name)
}

// settled makes the same Deployment, and returns when no controller will write to it any more.
func settled(ctx context.Context, ns, name string) {
	GinkgoHelper()
	given(ctx, ns, name)
	if api.HasControllers() {
		Eventually(func(ctx context.Context) appsv1.DeploymentStatus {
			return deployment(ctx, ns, name).Status
		}).WithContext(ctx).Should(And(
			HaveField("ObservedGeneration", BeEquivalentTo(1)),
			HaveField("Conditions", ContainElement(HaveField("Reason", "DeploymentPaused"))),
		), "the Deployment controller's status of %s/%s", ns, name)
	}
}

// givenPod makes a pod that no scheduler takes.
func givenPod(ctx context.Context, ns, name, app string, restart corev1.RestartPolicy) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Pods(ns).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": app}},
		Spec: corev1.PodSpec{
			SchedulerName: "nobody",
			RestartPolicy: restart,
			Containers:    []corev1.Container{{Name: "app", Image: "nginx:1.27"}},
		},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pod %s/%s for the spec", ns, name)
}

// scale is the other writer.
func scale(ctx context.Context, ns, name string, replicas int32) {
	GinkgoHelper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := api.Judge().AppsV1().Deployments(ns).Patch(ctx, name, "application/merge-patch+json", patch, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "scale deployment %s/%s for the spec", ns, name)
}

func images(d *appsv1.Deployment) map[string]string {
	found := map[string]string{}
	for _, c := range d.Spec.Template.Spec.Containers {
		found[c.Name] = c.Image
	}
	return found
}

func names(pods []corev1.Pod) []string {
	found := []string{}
	for _, p := range pods {
		found = append(found, p.Name)
	}
	return found
}

func isWrite(r cluster.Request) bool { return r.Verb == "update" || r.Verb == "patch" }

// once calls do before the first request that matches.
func once(matches func(cluster.Request) bool, do func()) cluster.Interceptor {
	done := false
	return func(r cluster.Request) *cluster.Answer {
		if matches(r) && !done {
			done = true
			do()
		}
		return nil
	}
}

// answer answers every request of a verb.
func answer(verb string, a *cluster.Answer) cluster.Interceptor {
	return func(r cluster.Request) *cluster.Answer {
		if r.Verb == verb {
			return a
		}
		return nil
	}
}

func forbidden() *cluster.Answer {
	return failure(http.StatusForbidden, metav1.StatusReasonForbidden, "you may not")
}

func failure(code int32, reason metav1.StatusReason, message string) *cluster.Answer {
	return &cluster.Answer{Status: &metav1.Status{Code: code, Reason: reason, Message: message}}
}
