package cluster_test

import (
	"context"
	"net/http"
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/lab"
)

var api = cluster.API()

func TestCluster(t *testing.T) { harness.RunSpecs(t, "harness/cluster") }

var _ = Describe("Namespace", func() {
	It("is fresh, labelled with the run, and takes pods", func(ctx SpecContext) {
		first, second := api.Namespace(ctx), api.Namespace(ctx)
		Expect(first).NotTo(Equal(second))
		ns, err := api.Judge().CoreV1().Namespaces().Get(ctx, first, metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(ns.Labels).To(HaveKey(lab.RunLabel))
		_, err = api.Judge().CoreV1().Pods(first).Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "p"},
			Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
	})
})

var _ = Describe("Requests", func() {
	It("are the learner's clients', with verb, resource, name and code", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		maps := api.Clientset().CoreV1().ConfigMaps(ns)
		made, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = maps.Update(ctx, made, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = maps.List(ctx, metav1.ListOptions{LabelSelector: "x=y", Limit: 3})
		Expect(err).NotTo(HaveOccurred())
		watch, err := maps.Watch(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		watch.Stop()
		Expect(maps.Delete(ctx, "a", metav1.DeleteOptions{})).To(Succeed())
		Expect(maps.Delete(ctx, "a", metav1.DeleteOptions{})).NotTo(Succeed())
		_, err = api.Judge().CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())

		var lines []string
		for _, r := range api.Requests() {
			Expect(r.Namespace).To(Equal(ns))
			r.Namespace = ""
			lines = append(lines, r.String())
		}
		Expect(lines).To(Equal([]string{
			"create configmaps → 201 Created",
			"update configmaps/a (rv " + made.ResourceVersion + ") → 200 OK",
			"list   configmaps?labelSelector=x=y&limit=3 → 200 OK",
			"watch  configmaps → 200 OK",
			"delete configmaps/a → 200 OK",
			"delete configmaps/a → 404 Not Found",
		}))
	})

	It("begin anew with each spec", func() { Expect(api.Requests()).To(BeEmpty()) })

	It("know subresources and groups", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := api.Clientset().AppsV1().Deployments(ns).GetScale(ctx, "web", metav1.GetOptions{})
		Expect(err).To(Satisfy(apierrors.IsNotFound))
		r := api.Requests()[0]
		Expect([]string{r.Verb, r.Group, r.Resource, r.Name, r.Subresource}).To(Equal([]string{"get", "apps", "deployments", "web", "scale"}))
	})
})

var _ = Describe("A request for a path that does not exist", func() {
	DescribeTable("is shown with the path, which is what is wrong with it", func(ctx SpecContext, path, want string) {
		_, err := api.Clientset().Discovery().RESTClient().Get().AbsPath(path).DoRaw(ctx)
		Expect(err).To(Satisfy(apierrors.IsNotFound))
		Expect(api.Requests()[0].String()).To(Equal(want))
	},
		Entry("the core group below /apis", "/apis/v1/namespaces/default/pods/a", "get    /apis/v1/namespaces/default/pods/a → 404 Not Found"),
		Entry("a named group below /api", "/api/apps/v1/deployments", "get    /api/apps/v1/deployments → 404 Not Found"),
		Entry("a resource of another group", "/apis/apps/v1/namespaces/default/pods", "list   /apis/apps/v1/namespaces/default/pods → 404 Not Found"),
	)
})

var _ = Describe("Intercept", func() {
	It("answers in the server's stead, until the spec ends", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "get" {
				return &cluster.Answer{Status: &metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "no"}}
			}
			return nil
		})
		_, err := api.Clientset().CoreV1().ConfigMaps(ns).Get(ctx, "a", metav1.GetOptions{})
		Expect(err).To(Satisfy(apierrors.IsConflict))
		_, err = api.Judge().CoreV1().ConfigMaps(ns).Get(ctx, "a", metav1.GetOptions{})
		Expect(err).To(Satisfy(apierrors.IsNotFound), "the judge's requests are not intercepted")
	})

	It("answers with a body of the spec's", func(ctx SpecContext) {
		api.Intercept(func(cluster.Request) *cluster.Answer {
			return &cluster.Answer{Body: []byte(`{"gitVersion":"v9.9.9"}`)}
		})
		version, err := api.Clientset().Discovery().ServerVersionWithContext(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(version.GitVersion).To(Equal("v9.9.9"))
	})

	It("drops the connection", func(ctx SpecContext) {
		api.Intercept(func(cluster.Request) *cluster.Answer { return &cluster.Answer{} })
		_, err := api.Clientset().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		Expect(err).To(MatchError(ContainSubstring("unexpected EOF")))
	})

	It("leaves the next spec alone", func(ctx SpecContext) {
		_, err := api.Clientset().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
	})
})

var _ = Describe("Kubeconfig", func() {
	It("works, and is the user's alone", func(ctx SpecContext) {
		info, err := os.Stat(api.Kubeconfig())
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
		config, err := clientcmd.BuildConfigFromFlags("", api.Kubeconfig())
		Expect(err).NotTo(HaveOccurred())
		client, err := kubernetes.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		version, err := client.Discovery().ServerVersionWithContext(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(version.GitVersion).To(HavePrefix("v1."))
	})
})

var _ = Describe("A learner's client from the default rules", func() {
	It("finds no cluster", func() {
		_, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
		Expect(clientcmd.IsEmptyConfig(err)).To(BeTrue(), "got %v", err)
	})
})

var _ = Describe("Start", func() {
	It("runs a loop until the spec ends", func(ctx SpecContext) {
		ran := make(chan struct{})
		_, loop := harness.Start(ctx, "the loop", func(ctx context.Context) error {
			close(ran)
			<-ctx.Done()
			return nil
		})
		Eventually(ctx, ran).Should(BeClosed())
		Expect(loop.Err()).NotTo(HaveOccurred())
		Expect(loop.Stop()).To(Succeed())
		Eventually(ctx, loop.Done()).Should(BeClosed())
	})
})
