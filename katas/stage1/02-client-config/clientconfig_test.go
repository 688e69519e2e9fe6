package clientconfig_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	clientconfig "github.com/kubekata/kubekata/katas/stage1/02-client-config"

	"github.com/kubekata/kubekata/harness"
)

func TestClientConfig(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 02-client-config") }

var errNotInPod = errors.New("this program does not run in a pod")

var _ = Describe("Load", func() {
	var dir string        // an empty folder, which is also the home
	var inClusterUsed int // how often the in-cluster configuration was asked for

	// inPod answers as if the program ran in a pod of the namespace payments.
	inPod := func() (*rest.Config, string, error) {
		inClusterUsed++
		return &rest.Config{Host: "https://in-cluster:443"}, "payments", nil
	}

	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		inClusterUsed = 0
		setenv("KUBECONFIG", "")
		setenv("HOME", dir)
		// client-go works the home out once, when the program starts.
		before := clientcmd.RecommendedHomeFile
		clientcmd.RecommendedHomeFile = filepath.Join(dir, ".kube", "config")
		DeferCleanup(func() { clientcmd.RecommendedHomeFile = before })
	})

	When("a path is given", func() {
		It("reads that file and no other", func() {
			setenv("KUBECONFIG", write(dir, "env", kubeconfig("env", "")))
			options := clientconfig.Options{Kubeconfig: write(dir, "flag", kubeconfig("flag", "")), InCluster: inPod}
			Expect(server(options)).To(Equal("https://flag:6443"))
		})

		It("reports a file that does not exist", func() {
			write(filepath.Join(dir, ".kube"), "config", kubeconfig("home", ""))
			missing := filepath.Join(dir, "typo")
			_, _, err := clientconfig.Load(clientconfig.Options{Kubeconfig: missing, InCluster: inPod})
			Expect(err).To(MatchError(os.ErrNotExist), "want an error that errors.Is takes for os.ErrNotExist")
			Expect(inClusterUsed).To(BeZero(), "a mistyped path led into the cluster")
		})

		It("does not look further when the file is empty", func() {
			empty := write(dir, "empty", "")
			_, _, err := clientconfig.Load(clientconfig.Options{Kubeconfig: empty, InCluster: inPod})
			Expect(err).To(Or(Satisfy(clientcmdEmpty), MatchError(ContainSubstring(empty))),
				"the file that the user named says nothing: want clientcmd's error for an empty configuration, or one that names the file")
			Expect(inClusterUsed).To(BeZero(), "an empty file led into the cluster")
		})
	})

	When("KUBECONFIG lists files", func() {
		It("merges them: a context of one with the cluster of another", func() {
			contexts := write(dir, "contexts", `{current-context: dev, contexts: [{name: dev, context: {cluster: far, user: me}}]}`)
			clusters := write(dir, "clusters", `{clusters: [{name: far, cluster: {server: "https://far:6443"}}], users: [{name: me, user: {token: secret}}]}`)
			setenv("KUBECONFIG", list(contexts, clusters))
			config, _, err := clientconfig.Load(clientconfig.Options{InCluster: inPod})
			Expect(err).NotTo(HaveOccurred())
			Expect(config.Host).To(Equal("https://far:6443"), "the server, which the second file names")
			Expect(config.BearerToken).To(Equal("secret"), "the token, which the second file holds")
		})

		It("lets the first file win", func() {
			setenv("KUBECONFIG", list(write(dir, "a", kubeconfig("first", "")), write(dir, "b", kubeconfig("second", ""))))
			Expect(server(clientconfig.Options{InCluster: inPod})).To(Equal("https://first:6443"))
		})

		It("passes over files that do not exist", func() {
			setenv("KUBECONFIG", list(filepath.Join(dir, "gone"), write(dir, "b", kubeconfig("second", ""))))
			Expect(server(clientconfig.Options{InCluster: inPod})).To(Equal("https://second:6443"))
		})

		It("does not look into the home", func() {
			write(filepath.Join(dir, ".kube"), "config", kubeconfig("home", ""))
			setenv("KUBECONFIG", write(dir, "env", kubeconfig("env", "")))
			Expect(server(clientconfig.Options{InCluster: inPod})).To(Equal("https://env:6443"))
		})
	})

	When("nothing is given", func() {
		It("reads ~/.kube/config", func() {
			write(filepath.Join(dir, ".kube"), "config", kubeconfig("home", ""))
			Expect(server(clientconfig.Options{InCluster: inPod})).To(Equal("https://home:6443"))
			Expect(inClusterUsed).To(BeZero(), "how often the in-cluster configuration was asked for")
		})

		It("takes the pod's configuration and namespace when there is no kubeconfig", func() {
			config, namespace, err := clientconfig.Load(clientconfig.Options{InCluster: inPod})
			Expect(err).NotTo(HaveOccurred())
			Expect(config.Host).To(Equal("https://in-cluster:443"))
			Expect(namespace).To(Equal("payments"), "the namespace of the pod")
		})

		It("reports why when there is neither a kubeconfig nor a pod", func() {
			notInPod := func() (*rest.Config, string, error) { return nil, "", errNotInPod }
			_, _, err := clientconfig.Load(clientconfig.Options{InCluster: notInPod})
			Expect(err).To(MatchError(errNotInPod))
		})

		It("reports a file of KUBECONFIG that is broken, and stays out of the cluster", func() {
			broken := write(dir, "broken", "clusters: [{name: x, cluster: {server: https://x")
			setenv("KUBECONFIG", list(filepath.Join(dir, "gone"), broken))
			_, _, err := clientconfig.Load(clientconfig.Options{InCluster: inPod})
			Expect(err).To(MatchError(ContainSubstring(broken)), "the error names the file")
			Expect(inClusterUsed).To(BeZero(), "a broken file led into the cluster")
		})

		It("reports a kubeconfig that is broken, and stays out of the cluster", func() {
			broken := write(filepath.Join(dir, ".kube"), "config", "clusters: [{name: x, cluster: {server: https://x")
			_, _, err := clientconfig.Load(clientconfig.Options{InCluster: inPod})
			Expect(err).To(MatchError(ContainSubstring(broken)), "the error names the file")
			Expect(inClusterUsed).To(BeZero(), "a broken file led into the cluster")
		})

		It("reports a kubeconfig whose context names no cluster, and stays out of the cluster", func() {
			write(filepath.Join(dir, ".kube"), "config", `{current-context: dev, contexts: [{name: dev, context: {cluster: gone, user: me}}], users: [{name: me, user: {}}]}`)
			_, _, err := clientconfig.Load(clientconfig.Options{InCluster: inPod})
			Expect(inClusterUsed).To(BeZero(), "a context without its cluster led into the cluster: IsEmptyConfig takes it for no configuration")
			Expect(err).To(MatchError(ContainSubstring("gone")), "the error names the cluster that is missing")
		})

		It("reports a kubeconfig without a current context, and stays out of the cluster", func() {
			write(filepath.Join(dir, ".kube"), "config", strings.Replace(kubeconfig("home", ""), "current-context: home,", "", 1))
			_, _, err := clientconfig.Load(clientconfig.Options{InCluster: inPod})
			Expect(inClusterUsed).To(BeZero(), "a kubeconfig without a current context led into the cluster")
			Expect(err).To(MatchError(ContainSubstring("context")), "the error says that no context is chosen; clientcmd.ConfirmUsable does")
		})
	})

	When("a context is named", func() {
		It("takes that one instead of the current", func() {
			setenv("KUBECONFIG", list(write(dir, "a", kubeconfig("first", "")), write(dir, "b", kubeconfig("second", ""))))
			Expect(server(clientconfig.Options{Context: "second", InCluster: inPod})).To(Equal("https://second:6443"))
		})

		It("reports one that does not exist, and stays out of the cluster", func() {
			setenv("KUBECONFIG", write(dir, "a", kubeconfig("first", "")))
			_, _, err := clientconfig.Load(clientconfig.Options{Context: "prod", InCluster: inPod})
			Expect(err).To(MatchError(ContainSubstring("prod")), "the error names the context that is missing")
			Expect(inClusterUsed).To(BeZero(), "a context that does not exist led into the cluster")
		})
	})

	It("stays out of the cluster when a context is named and there is no kubeconfig", func() {
		_, _, err := clientconfig.Load(clientconfig.Options{Context: "prod", InCluster: inPod})
		Expect(inClusterUsed).To(BeZero(), "the user asked for the context prod, and got the pod's own cluster")
		Expect(err).To(Or(Satisfy(clientcmdEmpty), MatchError(ContainSubstring("prod"))), "want clientcmd's error for an empty configuration, or one that names the context")
	})

	It("returns the namespace of the context", func() {
		setenv("KUBECONFIG", list(write(dir, "a", kubeconfig("first", "blue")), write(dir, "b", kubeconfig("second", "green"))))
		_, namespace, err := clientconfig.Load(clientconfig.Options{Context: "second", InCluster: inPod})
		Expect(err).NotTo(HaveOccurred())
		Expect(namespace).To(Equal("green"))
	})

	It("returns the namespace default when the context names none", func() {
		setenv("KUBECONFIG", write(dir, "a", kubeconfig("first", "")))
		_, namespace, err := clientconfig.Load(clientconfig.Options{InCluster: inPod})
		Expect(err).NotTo(HaveOccurred())
		Expect(namespace).To(Equal("default"))
	})
})

var _ = Describe("ForComponent", func() {
	It("sets the limits", func() {
		config := clientconfig.ForComponent(&rest.Config{Host: "https://x"}, "gc")
		Expect(config.QPS).To(BeEquivalentTo(50), "QPS: client-go's own 5 make a busy program wait without a word")
		Expect(config.Burst).To(Equal(100), "Burst")
		Expect(config.Host).To(Equal("https://x"), "the rest stays")
	})

	It("names the component in the user agent, after the program", func() {
		config := clientconfig.ForComponent(&rest.Config{}, "gc")
		Expect(config.UserAgent).To(Equal(rest.DefaultKubernetesUserAgent()+"/gc"), "what the server's audit log shows")
	})

	It("leaves the shared configuration as it is", func() {
		shared := &rest.Config{Host: "https://x", UserAgent: "mine", QPS: 7}
		first := clientconfig.ForComponent(shared, "gc")
		second := clientconfig.ForComponent(shared, "sync")
		Expect(shared.UserAgent).To(Equal("mine"), "user agent of the shared configuration")
		Expect(shared.QPS).To(BeEquivalentTo(7), "QPS of the shared configuration")
		Expect(first.UserAgent).To(Equal(rest.DefaultKubernetesUserAgent()+"/gc"), "user agent of the first component, after the second was made")
		Expect(second.UserAgent).To(Equal(rest.DefaultKubernetesUserAgent()+"/sync"), "user agent of the second component: the program's default, and its own name")
	})
})

var _ = Describe("Talking to the server", func() {
	var api *fakeServer
	var config *rest.Config

	BeforeEach(func() {
		api = startServer()
		config = &rest.Config{Host: api.URL, BearerToken: "secret", UserAgent: "kata"}
	})

	client := func() kubernetes.Interface {
		GinkgoHelper()
		c, err := kubernetes.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		return c
	}

	It("asks for the server's version, as the user of the configuration", func(ctx SpecContext) {
		Expect(clientconfig.ServerVersion(ctx, config)).To(Equal("v1.37.2"))
		Expect(api.requests).To(Equal([]string{"GET /version"}), "requests")
		Expect(api.tokens).To(Equal([]string{"Bearer secret"}), "the Authorization header")
	})

	It("reports a server that refuses", func(ctx SpecContext) {
		api.refuse = true
		_, err := clientconfig.ServerVersion(ctx, config)
		Expect(err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", err)
	})

	It("lists the ConfigMaps of the namespace by name", func(ctx SpecContext) {
		Expect(clientconfig.ConfigMaps(ctx, client(), "shop")).To(Equal([]string{"apples", "pears"}))
		Expect(api.requests).To(Equal([]string{"GET /api/v1/namespaces/shop/configmaps"}), "requests")
	})

	It("reports a list that fails", func(ctx SpecContext) {
		api.refuse = true
		names, err := clientconfig.ConfigMaps(ctx, client(), "shop")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", err)
		Expect(names).To(BeEmpty())
	})

	It("gets a value", func(ctx SpecContext) {
		Expect(clientconfig.Value(ctx, client(), "shop", "pears", "colour")).To(Equal("green"))
		Expect(api.requests).To(Equal([]string{"GET /api/v1/namespaces/shop/configmaps/pears"}), "requests")
	})

	It("gets an empty value", func(ctx SpecContext) {
		Expect(clientconfig.Value(ctx, client(), "shop", "pears", "empty")).To(BeEmpty())
	})

	It("reports a key that does not exist", func(ctx SpecContext) {
		_, err := clientconfig.Value(ctx, client(), "shop", "pears", "taste")
		Expect(err).To(MatchError(clientconfig.ErrNoKey))
	})

	It("reports a ConfigMap that does not exist as not found", func(ctx SpecContext) {
		_, err := clientconfig.Value(ctx, client(), "shop", "plums", "colour")
		Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
	})
})

var _ = DescribeTable("A context that has ended ends", func(ctx SpecContext, call func(context.Context, *rest.Config, kubernetes.Interface) error) {
	config := &rest.Config{Host: startServer().URL}
	client, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	ended, cancel := context.WithCancel(ctx)
	cancel()
	Expect(call(ended, config, client)).To(MatchError(context.Canceled), "every request takes the caller's context")
},
	Entry("ServerVersion", func(ctx context.Context, config *rest.Config, _ kubernetes.Interface) error {
		_, err := clientconfig.ServerVersion(ctx, config)
		return err
	}),
	Entry("ConfigMaps", func(ctx context.Context, _ *rest.Config, client kubernetes.Interface) error {
		_, err := clientconfig.ConfigMaps(ctx, client, "shop")
		return err
	}),
	Entry("Value", func(ctx context.Context, _ *rest.Config, client kubernetes.Interface) error {
		_, err := clientconfig.Value(ctx, client, "shop", "pears", "colour")
		return err
	}),
)

// server returns the server that Load finds.
func server(options clientconfig.Options) string {
	GinkgoHelper()
	config, _, err := clientconfig.Load(options)
	Expect(err).NotTo(HaveOccurred())
	Expect(config).NotTo(BeNil())
	return config.Host
}

// clientcmdEmpty reports whether an error, or one that it wraps, is clientcmd's for an empty configuration.
func clientcmdEmpty(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if clientcmd.IsEmptyConfig(err) {
			return true
		}
	}
	return false
}

// kubeconfig has one context, cluster and user, all of that name; the server is https://<name>:6443.
func kubeconfig(name, namespace string) string {
	text := `{
  current-context: NAME,
  contexts: [{name: NAME, context: {cluster: NAME, user: NAME, namespace: "NAMESPACE"}}],
  clusters: [{name: NAME, cluster: {server: "https://NAME:6443"}}],
  users: [{name: NAME, user: {token: token-of-NAME}}]}`
	return strings.ReplaceAll(strings.ReplaceAll(text, "NAMESPACE", namespace), "NAME", name)
}

func write(dir, name, text string) string {
	GinkgoHelper()
	Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	path := filepath.Join(dir, name)
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return path
}

func list(paths ...string) string { return strings.Join(paths, string(filepath.ListSeparator)) }

func setenv(name, value string) {
	GinkgoHelper()
	before, was := os.LookupEnv(name)
	Expect(os.Setenv(name, value)).To(Succeed())
	DeferCleanup(func() {
		if was {
			Expect(os.Setenv(name, before)).To(Succeed())
		} else {
			Expect(os.Unsetenv(name)).To(Succeed())
		}
	})
}

// fakeServer answers a few requests as the API server does.
type fakeServer struct {
	*httptest.Server
	refuse   bool
	requests []string
	tokens   []string
}

func startServer() *fakeServer {
	s := &fakeServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	DeferCleanup(s.Close)
	return s
}

func (s *fakeServer) answer(w http.ResponseWriter, r *http.Request) {
	defer GinkgoRecover()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	s.tokens = append(s.tokens, r.Header.Get("Authorization"))
	w.Header().Set("Content-Type", "application/json")
	configMap := func(name string, data map[string]string) corev1.ConfigMap {
		return corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"}, Data: data,
		}
	}
	pears := configMap("pears", map[string]string{"colour": "green", "empty": ""})
	var body any
	switch {
	case s.refuse:
		w.WriteHeader(http.StatusForbidden)
		body = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden, Message: "you may not"}
	case r.URL.Path == "/version":
		body = map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.2"}
	case r.URL.Path == "/api/v1/namespaces/shop/configmaps":
		body = corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}, Items: []corev1.ConfigMap{pears, configMap("apples", nil)}}
	case r.URL.Path == "/api/v1/namespaces/shop/configmaps/pears":
		body = pears
	default:
		w.WriteHeader(http.StatusNotFound)
		body = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: 404, Reason: metav1.StatusReasonNotFound, Message: r.URL.Path + " not found"}
	}
	Expect(json.NewEncoder(w).Encode(body)).To(Succeed())
}
