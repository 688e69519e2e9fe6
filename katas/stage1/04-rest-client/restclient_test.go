package restclient_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	restclient "github.com/kubekata/kubekata/katas/stage1/04-rest-client"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestRESTClient(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 04-rest-client") }

var (
	core = schema.GroupVersion{Version: "v1"}
	apps = schema.GroupVersion{Group: "apps", Version: "v1"}
)

var _ = Describe("New", func() {
	It("sends what is the core group's below /api", func(ctx SpecContext) {
		get(ctx, made(core), "namespaces", "default")
		Expect(lastPath()).To(Equal("/api/v1/namespaces/default"), "the path of the request")
	})

	It("sends what is a named group's below /apis", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		client := made(apps)
		_, _ = client.Get().Namespace(ns).Resource("deployments").DoRaw(ctx)
		Expect(lastPath()).To(Equal("/apis/apps/v1/namespaces/"+ns+"/deployments"), "the path of the request")
	})

	It("sends the version that it was given", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		// v2 is a version that only this group has.
		client := made(schema.GroupVersion{Group: "autoscaling", Version: "v2"})
		_, _ = client.Get().Namespace(ns).Resource("horizontalpodautoscalers").DoRaw(ctx)
		Expect(lastPath()).To(Equal("/apis/autoscaling/v2/namespaces/"+ns+"/horizontalpodautoscalers"), "the path of the request")
	})

	It("decodes the types of client-go's scheme", func(ctx SpecContext) {
		// Without a type to decode into: the codec has to know what a v1 Namespace is.
		got, err := made(core).Get().Resource("namespaces").Name("default").Do(ctx).Get()
		Expect(err).NotTo(HaveOccurred(), "decode the answer")
		Expect(got).To(BeAssignableToTypeOf(&corev1.Namespace{}))
	})

	It("leaves the caller's configuration as it is", func() {
		config := api.Config()
		_, err := restclient.New(config, apps)
		Expect(err).NotTo(HaveOccurred())
		Expect(config.GroupVersion).To(BeNil(), "GroupVersion of the caller's configuration: whoever uses it next would ask the wrong group")
		Expect(config.APIPath).To(BeEmpty(), "APIPath of the caller's configuration")
		Expect(config.NegotiatedSerializer).To(BeNil(), "NegotiatedSerializer of the caller's configuration")
		Expect(config.UserAgent).To(BeEmpty(), "UserAgent of the caller's configuration")
	})

	It("makes two clients of one configuration, each with its own group", func(ctx SpecContext) {
		config := api.Config()
		first, err := restclient.New(config, core)
		Expect(err).NotTo(HaveOccurred())
		_, err = restclient.New(config, apps)
		Expect(err).NotTo(HaveOccurred())
		get(ctx, first, "namespaces", "default")
		Expect(lastPath()).To(Equal("/api/v1/namespaces/default"), "the path that the first client asks, once there is a second one")
	})

	It("is not led astray by what the configuration was used for before", func(ctx SpecContext) {
		config := api.Config()
		config.APIPath, config.GroupVersion = "/apis", &schema.GroupVersion{Group: "batch", Version: "v1"}
		client, err := restclient.New(config, core)
		Expect(err).NotTo(HaveOccurred())
		get(ctx, client, "namespaces", "default")
		Expect(lastPath()).To(Equal("/api/v1/namespaces/default"))
		Expect(*config.GroupVersion).To(Equal(schema.GroupVersion{Group: "batch", Version: "v1"}), "GroupVersion of the caller's configuration")
	})

	It("says who it is", func(ctx SpecContext) {
		get(ctx, made(core), "namespaces", "default")
		Expect(last().UserAgent).To(Equal(rest.DefaultKubernetesUserAgent()),
			"the user agent: an administrator who looks for a noisy client in the audit log sees no more than this")
	})

	It("keeps the name that the configuration gives it", func(ctx SpecContext) {
		config := api.Config()
		config.UserAgent = "pizzeria/1.0"
		client, err := restclient.New(config, core)
		Expect(err).NotTo(HaveOccurred())
		get(ctx, client, "namespaces", "default")
		Expect(last().UserAgent).To(Equal("pizzeria/1.0"))
	})

	It("reports a configuration that it cannot use", func() {
		config := api.Config()
		config.Host = "http://[::1"
		client, err := restclient.New(config, apps)
		Expect(err).To(MatchError(And(ContainSubstring("apps/v1"), ContainSubstring("host must be a URL"))),
			"the error: which client could not be made, and why")
		Expect(client).To(BeNil())
	})
})

var _ = Describe("CreateDeployment", func() {
	It("creates the Deployment in the namespace", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := restclient.CreateDeployment(ctx, made(apps), ns, web())
		Expect(err).NotTo(HaveOccurred())
		got, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get deployment %s/web", ns)
		Expect(got.Spec.Template.Spec.Containers).To(HaveExactElements(HaveField("Image", "nginx:1.27")))
		Expect(got.Spec.Replicas).To(HaveValue(BeEquivalentTo(2)), "spec.replicas")
	})

	It("sends a body that names its apiVersion and kind", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := restclient.CreateDeployment(ctx, made(apps), ns, web())
		Expect(err).NotTo(HaveOccurred())
		var sent metav1.TypeMeta
		Expect(json.Unmarshal(last().Body, &sent)).To(Succeed(), "the body that was sent")
		Expect(sent).To(Equal(metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}),
			"a Go value does not know its kind: the codec does")
	})

	It("returns the object as the server stored it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got, err := restclient.CreateDeployment(ctx, made(apps), ns, web())
		Expect(err).NotTo(HaveOccurred())
		Expect(got).NotTo(BeNil())
		stored, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get deployment %s/web", ns)
		Expect(got.UID).To(Equal(stored.UID), "the UID, which only the server can know")
		Expect(got.Spec.Strategy.Type).To(Equal(appsv1.RollingUpdateDeploymentStrategyType), "a default that the server fills in")
	})

	It("leaves the caller's object as it is", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		mine := web()
		_, err := restclient.CreateDeployment(ctx, made(apps), ns, mine)
		Expect(err).NotTo(HaveOccurred())
		Expect(mine).To(Equal(web()), "the caller's Deployment, which may be created in another namespace next")
	})

	It("reports a Deployment that is there already", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := api.Judge().AppsV1().Deployments(ns).Create(ctx, web(), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make deployment %s/web for the spec", ns)
		got, err := restclient.CreateDeployment(ctx, made(apps), ns, web())
		Expect(err).To(Satisfy(apierrors.IsAlreadyExists), "want an error that apierrors.IsAlreadyExists recognises, got: %v", err)
		Expect(got).To(BeNil(), "an object together with an error")
	})

	It("passes on what the server has against the object", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		broken := web()
		broken.Spec.Template.Labels = map[string]string{"app": "other"}
		_, err := restclient.CreateDeployment(ctx, made(apps), ns, broken)
		Expect(err).To(Satisfy(apierrors.IsInvalid), "want an error that apierrors.IsInvalid recognises, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring("spec.template.metadata.labels")), "the field, which the server names")
	})
})

var _ = Describe("ListPods", func() {
	It("returns the pods of the namespace, and of no other", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		pods(ctx, mine, "a", "b")
		pods(ctx, other, "c")
		got, err := restclient.ListPods(ctx, made(core), mine, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(ConsistOf("a", "b"))
	})

	It("returns the pods of all namespaces when none is given", func(ctx SpecContext) {
		mine, other := api.Namespace(ctx), api.Namespace(ctx)
		pods(ctx, mine, "all-"+mine)
		pods(ctx, other, "all-"+other)
		got, err := restclient.ListPods(ctx, made(core), "", metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(names(got)).To(ContainElements("all-"+mine, "all-"+other))
	})

	It("returns a list without pods where there are none", func(ctx SpecContext) {
		got, err := restclient.ListPods(ctx, made(core), api.Namespace(ctx), metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(got).NotTo(BeNil(), "no pods are a list, too")
		Expect(got.Items).To(BeEmpty())
		Expect(got.ResourceVersion).NotTo(BeEmpty(), "the list's resourceVersion, from which a watch would begin")
	})

	DescribeTable("lets the server select",
		func(ctx SpecContext, options metav1.ListOptions, want ...string) {
			ns := api.Namespace(ctx)
			pods(ctx, ns, "a", "b")
			got, err := restclient.ListPods(ctx, made(core), ns, options)
			Expect(err).NotTo(HaveOccurred())
			Expect(names(got)).To(ConsistOf(want))
		},
		Entry("by label", metav1.ListOptions{LabelSelector: "name=a"}, "a"),
		Entry("by field", metav1.ListOptions{FieldSelector: "metadata.name!=a"}, "b"),
	)

	It("makes one request for one page, and says where the next begins", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a", "b", "c")
		client := made(core)
		first, err := restclient.ListPods(ctx, client, ns, metav1.ListOptions{Limit: 2})
		Expect(err).NotTo(HaveOccurred())
		Expect(names(first)).To(Equal([]string{"a", "b"}), "the first page of two")
		Expect(api.Requests()).To(HaveLen(1), "requests for one page")
		second, err := restclient.ListPods(ctx, client, ns, metav1.ListOptions{Limit: 2, Continue: first.Continue})
		Expect(err).NotTo(HaveOccurred())
		Expect(names(second)).To(Equal([]string{"c"}), "the second page, asked for with the token of the first")
	})

	It("passes every option on", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := restclient.ListPods(ctx, made(core), ns, metav1.ListOptions{ResourceVersion: "0", ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan})
		Expect(err).NotTo(HaveOccurred())
		Expect(last().Query.Encode()).To(Equal("resourceVersion=0&resourceVersionMatch=NotOlderThan"), "the query of the request")
	})

	It("reports what the server refuses", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got, err := restclient.ListPods(ctx, made(core), ns, metav1.ListOptions{FieldSelector: "spec.pizza=margherita"})
		Expect(err).To(Satisfy(apierrors.IsBadRequest), "pods cannot be selected by spec.pizza, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring("spec.pizza")), "the server's own message")
		Expect(got).To(BeNil(), "a list together with an error")
	})
})

var _ = Describe("Raw", func() {
	It("returns the body as the server sent it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a")
		got, err := restclient.Raw(ctx, made(core), ns, "pods", "a", runtime.ContentTypeJSON)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Code).To(Equal(http.StatusOK))
		Expect(got.ContentType).To(Equal("application/json"))
		var body metav1.PartialObjectMetadata
		Expect(json.Unmarshal(got.Body, &body)).To(Succeed(), "the body: %s", got.Body)
		Expect(body.Name).To(Equal("a"))
		Expect(body.Kind).To(Equal("Pod"), "the kind, which is there on the wire, and gone from a decoded corev1.Pod")
	})

	It("asks for the form that the caller wants: a table", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a")
		accept := "application/json;as=Table;v=v1;g=meta.k8s.io"
		got, err := restclient.Raw(ctx, made(core), ns, "pods", "a", accept)
		Expect(err).NotTo(HaveOccurred())
		var table metav1.Table
		Expect(json.Unmarshal(got.Body, &table)).To(Succeed(), "the body: %s", got.Body)
		Expect(table.Kind).To(Equal("Table"), "the kind of the answer: this is how kubectl get gets its columns")
		Expect(table.ColumnDefinitions).To(ContainElement(HaveField("Name", "Restarts")))
	})

	It("asks for the form that the caller wants: protobuf", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		pods(ctx, ns, "a")
		got, err := restclient.Raw(ctx, made(core), ns, "pods", "a", runtime.ContentTypeProtobuf)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.ContentType).To(Equal("application/vnd.kubernetes.protobuf"))
		Expect(string(got.Body)).To(HavePrefix("k8s\x00"), "the magic number of Kubernetes' protobuf")
	})

	It("asks for any resource of the client's group", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := api.Judge().AppsV1().Deployments(ns).Create(ctx, web(), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make deployment %s/web for the spec", ns)
		got, err := restclient.Raw(ctx, made(apps), ns, "deployments", "web", runtime.ContentTypeJSON)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(got.Body)).To(ContainSubstring(`"kind":"Deployment"`))
	})

	It("returns a refusal together with the answer that holds it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got, err := restclient.Raw(ctx, made(core), ns, "pods", "nowhere", runtime.ContentTypeJSON)
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
		Expect(got.Code).To(Equal(http.StatusNotFound))
		var status metav1.Status
		Expect(json.Unmarshal(got.Body, &status)).To(Succeed(), "the body: %s", got.Body)
		Expect(status.Reason).To(Equal(metav1.StatusReasonNotFound), "the Status that is the body of a refusal")
	})

	It("gives the server's own words for a refusal", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := restclient.Raw(ctx, made(core), ns, "pods", "nowhere", runtime.ContentTypeJSON)
		Expect(err).To(MatchError(ContainSubstring(`pods "nowhere" not found`)),
			"the message of the Status in the body; an error that is made from the code 404 alone cannot know it")
	})

	It("reports a connection that breaks", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		api.Intercept(func(cluster.Request) *cluster.Answer { return &cluster.Answer{} })
		got, err := restclient.Raw(ctx, made(core), ns, "pods", "a", runtime.ContentTypeJSON)
		Expect(err).To(MatchError(ContainSubstring("unexpected EOF")))
		Expect(got.Body).To(BeEmpty())
	})
})

var _ = DescribeTable("A context that has ended ends", func(ctx SpecContext, call func(context.Context, string) error) {
	ns := api.Namespace(ctx)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	Expect(call(ended, ns)).To(MatchError(context.Canceled), "every request takes the caller's context")
},
	Entry("CreateDeployment", func(ctx context.Context, ns string) error {
		_, err := restclient.CreateDeployment(ctx, made(apps), ns, web())
		return err
	}),
	Entry("ListPods", func(ctx context.Context, ns string) error {
		_, err := restclient.ListPods(ctx, made(core), ns, metav1.ListOptions{})
		return err
	}),
	Entry("Raw", func(ctx context.Context, ns string) error {
		_, err := restclient.Raw(ctx, made(core), ns, "pods", "a", runtime.ContentTypeJSON)
		return err
	}),
)

// made returns the learner's client.
func made(gv schema.GroupVersion) rest.Interface {
	GinkgoHelper()
	client, err := restclient.New(api.Config(), gv)
	Expect(err).NotTo(HaveOccurred(), "New for %q", gv)
	Expect(client).NotTo(BeNil(), "the client that New returns for %q", gv)
	return client
}

// get asks for an object. Whether there is an answer does not matter: the specs judge the request.
func get(ctx context.Context, client rest.Interface, resource, name string) {
	_, _ = client.Get().Resource(resource).Name(name).DoRaw(ctx)
}

// last returns the last request that the learner's client made.
func last() cluster.Request {
	GinkgoHelper()
	requests := api.Requests()
	Expect(requests).NotTo(BeEmpty(), "requests")
	return requests[len(requests)-1]
}

func lastPath() string {
	GinkgoHelper()
	return last().Path
}

// web is a paused Deployment, which no controller acts on.
func web() *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)),
			Paused:   true,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:1.27"}}},
			},
		},
	}
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

func names(list *corev1.PodList) []string {
	GinkgoHelper()
	Expect(list).NotTo(BeNil(), "the list")
	found := []string{}
	for _, p := range list.Items {
		found = append(found, p.Name)
	}
	return found
}
