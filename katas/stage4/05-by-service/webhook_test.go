package byservice_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	byservice "github.com/kubekata/kubekata/katas/stage4/05-by-service"
	kata "github.com/kubekata/kubekata/katas/stage4/05-by-service/labels"
)

const sec = time.Second

// site is a spec's: the server behind its Service, and a namespace whose people have opted in.
type site struct {
	ns, kitchen string

	mu     sync.Mutex
	asked  map[string]int
	broken map[string]bool
}

// ServeHTTP is the server: the given one, which counts, and fails when it is told to.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	broken := s.broken[r.URL.Path]
	s.mu.Unlock()
	if broken {
		http.Error(w, "the server has a bad day", http.StatusInternalServerError)
		return
	}
	if r.URL.Path == "/canary/mutate" || r.URL.Path == "/canary/validate" {
		r.URL.Path = "/mutate" // it allows
	}
	kata.Handler().ServeHTTP(w, r)
}

func (s *site) calls(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

func (s *site) fail(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[path] = true
}

// open installs the manifests under the spec's names, starts the server as the program does, and waits until the API server asks it. The Service leads to this
// process: it is of the type ExternalName, and the port is ours.
func open(ctx context.Context) *site {
	GinkgoHelper()
	s := &site{ns: api.Namespace(ctx), asked: map[string]int{}, broken: map[string]bool{}}
	s.kitchen = s.ns + "-kitchen"
	key := s.ns + "." + optIn

	// Whom the webhooks would be asked about on a server that is not ours alone.
	for name, selector := range map[string]*metav1.LabelSelector{"mutating": mutating().NamespaceSelector, "validating": validating().NamespaceSelector} {
		Expect(matches(selector, labels.Set{corev1.LabelMetadataName: "somebodys"})).To(BeFalse(), "the %s webhook is asked about a namespace that has not opted in with the label %s=enabled", name, optIn)
		Expect(matches(selector, labels.Set{corev1.LabelMetadataName: "somebodys", optIn: "disabled"})).To(BeFalse(), "the %s webhook is asked about a namespace with the label %s=disabled", name, optIn)
	}

	kitchen := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.kitchen, Labels: map[string]string{key: "enabled"}}}
	api.Own(kitchen)
	_, err := api.Judge().CoreV1().Namespaces().Create(ctx, kitchen, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make namespace %s for the spec", s.kitchen)
	DeferCleanup(func(ctx context.Context) {
		Expect(api.Judge().CoreV1().Namespaces().Delete(ctx, s.kitchen, metav1.DeleteOptions{})).To(Succeed())
	})
	// Somebody has let the server's own namespace opt in, too.
	s.patch(ctx, "", s.ns, `{"metadata":{"labels":{"`+key+`":"enabled"}}}`)

	var server []*unstructured.Unstructured
	for _, object := range objects(s.ns, "manifests", "server.yaml") {
		if object.GetKind() != "Service" && object.GetKind() != "Deployment" {
			server = append(server, object)
		}
	}
	apply(ctx, server)
	_, err = api.Judge().CoreV1().Services(s.ns).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: byservice.Name}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make service %s/%s for the spec", s.ns, byservice.Name)

	pair, bundle, err := byservice.Certificate(ctx, api.Clientset(), s.ns, byservice.Name, byservice.Secret, time.Now())
	Expect(err).NotTo(HaveOccurred(), "Certificate")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	hook := &http.Server{Handler: s, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, ReadHeaderTimeout: 10 * sec, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan error, 1)
	go func() { done <- hook.ServeTLS(listener, "", "") }()
	DeferCleanup(func() {
		Expect(hook.Close()).To(Succeed())
		Expect(<-done).To(MatchError(http.ErrServerClosed))
	})

	configurations := objects(s.ns, "manifests", "webhooks.yaml")
	for _, object := range configurations {
		s.atPort(object, int64(listener.Addr().(*net.TCPAddr).Port))
	}
	apply(ctx, configurations)
	Expect(byservice.Trust(ctx, api.Clientset(), s.ns+"."+byservice.Configuration, bundle)).To(Succeed(), "Trust")
	Eventually(func(ctx context.Context) (bool, error) {
		probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "canary"}}
		_, err := api.Judge().CoreV1().ConfigMaps(s.kitchen).Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return s.calls("/canary/mutate") > 0 && s.calls("/canary/validate") > 0, err
	}).WithContext(ctx).WithTimeout(20*sec).WithPolling(20*time.Millisecond).Should(BeTrue(), "the API server asks the server behind service %s/%s, over TLS, by the name %s.%s.svc", s.ns, byservice.Name, byservice.Name, s.ns)
	return s
}

// atPort sends the calls of a configuration to our port, and adds a webhook that tells when it is in force: a canary, for ConfigMaps.
func (s *site) atPort(configuration *unstructured.Unstructured, port int64) {
	GinkgoHelper()
	hooks, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	Expect(err).NotTo(HaveOccurred())
	for _, hook := range hooks {
		Expect(unstructured.SetNestedField(hook.(map[string]any), port, "clientConfig", "service", "port")).To(Succeed())
		// A busy machine may be slow; the manifest's own figure has a spec of its own.
		Expect(unstructured.SetNestedField(hook.(map[string]any), int64(20), "timeoutSeconds")).To(Succeed())
	}
	path := "/canary/validate"
	if configuration.GetKind() == "MutatingWebhookConfiguration" {
		path = "/canary/mutate"
	}
	canary := map[string]any{
		"name":         "canary.kubekata.dev",
		"clientConfig": map[string]any{"service": map[string]any{"namespace": s.ns, "name": byservice.Name, "path": path, "port": port}},
		"rules": []any{map[string]any{
			"operations": []any{"CREATE"}, "apiGroups": []any{""}, "apiVersions": []any{"v1"}, "resources": []any{"configmaps"},
		}},
		"namespaceSelector": map[string]any{"matchLabels": map[string]any{corev1.LabelMetadataName: s.kitchen}},
		"failurePolicy":     "Ignore", "sideEffects": "None", "timeoutSeconds": int64(20), "admissionReviewVersions": []any{"v1"},
	}
	Expect(unstructured.SetNestedSlice(configuration.Object, append(hooks, canary), "webhooks")).To(Succeed())
}

// sample creates what a file of samples has, and returns it as it was stored.
func (s *site) sample(ctx context.Context, file string) (*unstructured.Unstructured, error) {
	GinkgoHelper()
	list := objects(s.ns, "samples", file)
	Expect(list).To(HaveLen(1), "samples/%s", file)
	return resource(list[0]).Create(ctx, list[0], metav1.CreateOptions{})
}

// pod creates a pod as a dry run.
func (s *site) pod(ctx context.Context, client kubernetes.Interface, ns string, labels map[string]string) (*corev1.Pod, error) {
	return client.CoreV1().Pods(ns).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "probe", Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "sleep", Image: "sleep:1"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

func (s *site) patch(ctx context.Context, kind, name, change string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Namespaces().Patch(ctx, name, types.MergePatchType, []byte(change), metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "change %s %s for the spec", kind, name)
}

var named = map[string]string{kata.NameLabel: "sleep"}

var _ = Describe("Behind the Service", func() {
	It("a Deployment with its labels is created, and gets the one that it has not", func(ctx SpecContext) {
		s := open(ctx)
		got, err := s.sample(ctx, "sleep-with-labels.yaml")
		Expect(err).NotTo(HaveOccurred(), "create samples/sleep-with-labels.yaml")
		Expect(got.GetLabels()).To(HaveKeyWithValue(kata.PartOf, s.kitchen), "the labels of deployment %s", got.GetName())
	})

	It("a Deployment without labels is refused, and its author reads why", func(ctx SpecContext) {
		s := open(ctx)
		_, err := s.sample(ctx, "sleep-without-labels.yaml")
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "create samples/sleep-without-labels.yaml is Forbidden, and it is: %v", err)
		Expect(err).To(MatchError(ContainSubstring("the label "+kata.NameLabel+" is missing")), "what the author reads")
	})

	It("a pod with its labels is created, and gets the one that it has not; another one is refused", func(ctx SpecContext) {
		s := open(ctx)
		got, err := s.sample(ctx, "pod-valid.yaml")
		Expect(err).NotTo(HaveOccurred(), "create samples/pod-valid.yaml")
		Expect(got.GetLabels()).To(HaveKeyWithValue(kata.PartOf, s.kitchen), "the labels of pod %s", got.GetName())
		_, err = s.sample(ctx, "pod-invalid.yaml")
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "create samples/pod-invalid.yaml is Forbidden, and it is: %v", err)
	})

	It("a label cannot be taken away later, from a pod or a Deployment", func(ctx SpecContext) {
		s := open(ctx)
		for _, file := range []string{"pod-valid.yaml", "sleep-with-labels.yaml"} {
			got, err := s.sample(ctx, file)
			Expect(err).NotTo(HaveOccurred(), "create samples/%s", file)
			_, err = resource(got).Patch(ctx, got.GetName(), types.MergePatchType, []byte(`{"metadata":{"labels":{"`+kata.NameLabel+`":null}}}`), metav1.PatchOptions{})
			Expect(apierrors.IsForbidden(err)).To(BeTrue(), "take the label from what samples/%s has made is Forbidden, and it is: %v", file, err)
		}
	})

	It("nobody gets around the limit of replicas by scaling", func(ctx SpecContext) {
		s := open(ctx)
		got, err := s.sample(ctx, "sleep-with-labels.yaml")
		Expect(err).NotTo(HaveOccurred(), "create samples/sleep-with-labels.yaml")
		deployments := api.Judge().AppsV1().Deployments(s.kitchen)
		_, err = deployments.UpdateScale(ctx, got.GetName(), &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: got.GetName(), Namespace: s.kitchen}, Spec: autoscalingv1.ScaleSpec{Replicas: 50}}, metav1.UpdateOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "kubectl scale --replicas=50 of deployment %s is Forbidden, and it is: %v", got.GetName(), err)
		_, err = deployments.Patch(ctx, got.GetName(), types.MergePatchType, []byte(`{"spec":{"replicas":50}}`), metav1.PatchOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "a patch of deployment %s to 50 replicas is Forbidden, and it is: %v", got.GetName(), err)
		_, err = deployments.UpdateScale(ctx, got.GetName(), &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: got.GetName(), Namespace: s.kitchen}, Spec: autoscalingv1.ScaleSpec{Replicas: 5}}, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "kubectl scale --replicas=5 of deployment %s", got.GetName())
	})

	It("a dry run is answered as well", func(ctx SpecContext) {
		s := open(ctx)
		got, err := s.pod(ctx, api.Judge(), s.kitchen, named)
		Expect(err).NotTo(HaveOccurred(), "create a pod with its labels, as a dry run")
		Expect(got.Labels).To(HaveKeyWithValue(kata.PartOf, s.kitchen), "the labels of the pod")
		_, err = s.pod(ctx, api.Judge(), s.kitchen, nil)
		Expect(err).To(MatchError(ContainSubstring(kata.NameLabel+" is missing")), "create a pod without labels, as a dry run")
	})

	It("the server's own namespace is let alone, even where somebody has let it opt in: nothing keeps it from starting", func(ctx SpecContext) {
		s := open(ctx)
		s.fail("/mutate")
		s.fail("/validate")
		got, err := s.pod(ctx, api.Judge(), s.ns, nil)
		Expect(err).NotTo(HaveOccurred(), "create a pod in namespace %s, the server's own, while the server is broken", s.ns)
		Expect(got.Labels).NotTo(HaveKey(kata.PartOf), "the labels of the pod")
		Expect(s.calls("/mutate")+s.calls("/validate")).To(BeZero(), "calls of the server about its own namespace")
	})

	It("an object may opt out of being labelled, and not of being judged", func(ctx SpecContext) {
		s := open(ctx)
		skip := s.ns + "." + optIn
		got, err := s.pod(ctx, api.Judge(), s.kitchen, map[string]string{kata.NameLabel: "sleep", skip: "skip"})
		Expect(err).NotTo(HaveOccurred(), "create a pod with the label %s=skip", optIn)
		Expect(got.Labels).NotTo(HaveKey(kata.PartOf), "the labels of the pod that has the label %s=skip", optIn)
		_, err = s.pod(ctx, api.Judge(), s.kitchen, map[string]string{skip: "skip"})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "create a pod with the label %s=skip and without its name is Forbidden: whoever writes the object must not choose whether it is judged. It is: %v", optIn, err)
	})

	It("a node is not kept from its work", func(ctx SpecContext) {
		s := open(ctx)
		config := api.JudgeConfig()
		config.Impersonate = rest.ImpersonationConfig{UserName: "system:node:oven", Groups: []string{"system:nodes", "system:masters"}}
		node, err := kubernetes.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		got, err := s.pod(ctx, node, s.kitchen, nil)
		Expect(err).NotTo(HaveOccurred(), "create a pod without labels, as a node")
		Expect(got.Labels).NotTo(HaveKey(kata.PartOf), "the labels of the pod that a node has made")
		_, err = s.pod(ctx, api.Judge(), s.kitchen, nil)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "create a pod without labels, as somebody else, is Forbidden, and it is: %v", err)
	})

	It("a controller's pods are judged as anybody's", func(ctx SpecContext) {
		s := open(ctx)
		config := api.JudgeConfig()
		config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:kube-system:replicaset-controller", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:masters"}}
		controller, err := kubernetes.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		_, err = s.pod(ctx, controller, s.kitchen, nil)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "create a pod without labels, as the controller of ReplicaSets, is Forbidden: nearly all pods come from it. It is: %v", err)
	})

	It("who has a node's name and is not of the nodes' group, is judged", func(ctx SpecContext) {
		s := open(ctx)
		config := api.JudgeConfig()
		config.Impersonate = rest.ImpersonationConfig{UserName: "system:node:somebody", Groups: []string{"system:masters"}}
		somebody, err := kubernetes.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		_, err = s.pod(ctx, somebody, s.kitchen, nil)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "create a pod without labels is Forbidden, and it is: %v", err)
	})

	It("pods are created without the label when the labelling fails: it is a convenience", func(ctx SpecContext) {
		s := open(ctx)
		s.fail("/mutate")
		got, err := s.pod(ctx, api.Judge(), s.kitchen, named)
		Expect(err).NotTo(HaveOccurred(), "create a pod with its labels, while /mutate fails")
		Expect(got.Labels).NotTo(HaveKey(kata.PartOf), "the labels of the pod")
	})

	It("nothing is created when the judging fails: it is a rule", func(ctx SpecContext) {
		s := open(ctx)
		s.fail("/validate")
		_, err := s.pod(ctx, api.Judge(), s.kitchen, named)
		Expect(err).To(MatchError(ContainSubstring("failed calling webhook")), "create a pod with its labels, while /validate fails")
	})

	It("nobody is asked about what is none of its business", func(ctx SpecContext) {
		s := open(ctx)
		_, err := api.Judge().CoreV1().ConfigMaps(s.kitchen).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "menu"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create a configmap")
		other := api.Namespace(ctx)
		_, err = s.pod(ctx, api.Judge(), other, nil)
		Expect(err).NotTo(HaveOccurred(), "create a pod without labels in namespace %s, which has not opted in", other)
		got, err := s.sample(ctx, "pod-valid.yaml")
		Expect(err).NotTo(HaveOccurred(), "create samples/pod-valid.yaml")
		before := s.calls("/mutate") + s.calls("/validate")
		Expect(before).To(Equal(2), "calls of the server: one of each, about pod %s/%s", s.kitchen, got.GetName())
	})

	It("the manifests can be applied again, and the certificate stays", func(ctx SpecContext) {
		s := open(ctx)
		before := stored(ctx, s.ns)
		Expect(before).To(HaveKey(corev1.TLSCertKey), "secret %s/%s", s.ns, byservice.Secret)
		apply(ctx, objects(s.ns, "manifests", "server.yaml")[2:3])
		Expect(stored(ctx, s.ns)).To(Equal(before), "secret %s/%s, after manifests/server.yaml was applied again", s.ns, byservice.Secret)
	})
})
