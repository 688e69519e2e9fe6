package kubebuilderwebhook_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/crash"
	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/manager"
	"github.com/kubekata/kubekata/harness/serving"
	mathv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/api/v1"
	webhookv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/internal/webhook/v1"
)

// definition is that of Calculates, with a group that is the suite's own.
var definition struct {
	once sync.Once
	gv   schema.GroupVersion
}

// define gives the server the definition, once. It has a field more than the Go type: it is newer.
func define(ctx context.Context) schema.GroupVersion {
	GinkgoHelper()
	definition.once.Do(func() {
		crd := objects(crdFile)[0]
		own := api.Namespace(ctx) + ".kubekata.dev"
		crd.SetName("calculates." + own)
		Expect(unstructured.SetNestedField(crd.Object, own, "spec", "group")).To(Succeed())
		versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
		Expect(err).NotTo(HaveOccurred())
		Expect(unstructured.SetNestedField(versions[0].(map[string]any), "string", "schema", "openAPIV3Schema", "properties", "spec", "properties", "note", "type")).To(Succeed())
		Expect(unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")).To(Succeed())
		definition.gv = api.Define(ctx, crd).GroupVersion()
	})
	Expect(definition.gv.Group).NotTo(BeEmpty(), "the definition of Calculates, which the first spec has to make")
	return definition.gv
}

// world is a spec's namespace, and a client that knows Calculates under the suite's own group.
type world struct {
	ns     string
	gv     schema.GroupVersion
	scheme *runtime.Scheme
	judge  client.WithWatch
	heard  *warnings
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := &world{gv: define(ctx), ns: api.Namespace(ctx), scheme: runtime.NewScheme(), heard: &warnings{}}
	w.scheme.AddKnownTypes(w.gv, &mathv1.Calculate{}, &mathv1.CalculateList{})
	metav1.AddToGroupVersion(w.scheme, w.gv)
	w.judge = w.client("")
	DeferCleanup(w.release)
	return w
}

// release takes the finalizers off what a red spec has left. The API server takes a moment until it asks nobody any more.
func (w *world) release(ctx context.Context) {
	var list mathv1.CalculateList
	Expect(w.judge.List(ctx, &list, client.InNamespace(w.ns))).To(Succeed())
	for _, c := range list.Items {
		if len(c.Finalizers) > 0 {
			Eventually(func() error { return client.IgnoreNotFound(w.patch(ctx, c.Name, `{"metadata":{"finalizers":null}}`)) }).
				WithContext(ctx).WithTimeout(10*time.Second).Should(Succeed(), "take the finalizers off calculate %s/%s, after the spec", w.ns, c.Name)
		}
	}
}

// client is one of somebody's with all rights, who hears the server's warnings.
func (w *world) client(user string) client.WithWatch {
	GinkgoHelper()
	config := api.JudgeConfig()
	config.WarningHandler = w.heard
	if user != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: w.scheme})
	Expect(err).NotTo(HaveOccurred(), "make a client for the spec")
	return c
}

// warnings are those that a client hears.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (h *warnings) HandleWarningHeader(_ int, _ string, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.texts = append(h.texts, text)
}

// list returns what has been heard since it was called last.
func (h *warnings) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	texts := h.texts
	h.texts = nil
	return texts
}

// names are what to replace in the project's files, so that they are this spec's own.
func (w *world) names() []string {
	return []string{configuration, w.ns + "." + configuration, namespace, w.ns, group, w.gv.Group, strings.ReplaceAll(group, ".", "-"), strings.ReplaceAll(w.gv.Group, ".", "-")}
}

// ownAuthority makes what the webhook's server shows, and what the API server trusts, without cert-manager.
func (w *world) ownAuthority() *pair {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the spec's"}, DNSNames: []string{service().Name + "." + w.ns + ".svc"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	return sign(template, template, key, key, nil)
}

// open has the API server ask the learner's webhooks about the Calculates of this namespace, and returns when it does.
func (w *world) open(ctx context.Context) {
	GinkgoHelper()
	own := w.ownAuthority()
	w.openWith(ctx, own, func(string) []byte { return own.bundle })
}

// openWith does so with a certificate, and the bundle for each of the two configurations. The Service leads to this process: it is of the type ExternalName.
func (w *world) openWith(ctx context.Context, shown *pair, bundle func(kind string) []byte) {
	GinkgoHelper()
	defaulter()
	validator()
	m, v := mutatingConfiguration(w.names()...), validatingConfiguration(w.names()...)
	for kind, c := range map[string]admissionregistrationv1.WebhookClientConfig{mutating: m.Webhooks[0].ClientConfig, validating: v.Webhooks[0].ClientConfig} {
		Expect(c.Service).NotTo(BeNil(), "clientConfig.service of the webhook in the %s", kind)
		name := c.Service.Name + "." + c.Service.Namespace + ".svc"
		Expect(trust(bundle(kind), shown, name)).To(Succeed(), "the API server calls the webhook in the %s as %s", kind, name)
	}
	_, err := api.Judge().CoreV1().Services(w.ns).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: service().Name}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make service %s/%s for the spec", w.ns, service().Name)

	mux := http.NewServeMux()
	port, err := loopback.FreePort()
	Expect(err).NotTo(HaveOccurred(), "look for a free port")
	canaries := map[string]*atomic.Int64{mutating: {}, validating: {}}
	for kind, asked := range canaries {
		mux.Handle(canaryPath(kind), serving.NewHandler(serving.ReviewerFunc(func(_ context.Context, _ *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			asked.Add(1)
			return &admissionv1.AdmissionResponse{Allowed: true}, nil
		})))
	}
	wait := w.serve(ctx, mux, port, shown)

	w.install(ctx, m, func(canary admissionregistrationv1.ValidatingWebhook) {
		hook := &m.Webhooks[0]
		w.point(&hook.ClientConfig, mux, port, bundle(mutating))
		hook.NamespaceSelector, hook.TimeoutSeconds = canary.NamespaceSelector, canary.TimeoutSeconds
		w.point(&canary.ClientConfig, mux, port, bundle(mutating))
		m.Webhooks = append(m.Webhooks, admissionregistrationv1.MutatingWebhook{
			Name: canary.Name, ClientConfig: canary.ClientConfig, Rules: canary.Rules, NamespaceSelector: canary.NamespaceSelector, SideEffects: canary.SideEffects,
			TimeoutSeconds: canary.TimeoutSeconds, AdmissionReviewVersions: canary.AdmissionReviewVersions,
		})
	})
	w.install(ctx, v, func(canary admissionregistrationv1.ValidatingWebhook) {
		hook := &v.Webhooks[0]
		w.point(&hook.ClientConfig, mux, port, bundle(validating))
		hook.NamespaceSelector, hook.TimeoutSeconds = canary.NamespaceSelector, canary.TimeoutSeconds
		w.point(&canary.ClientConfig, mux, port, bundle(validating))
		v.Webhooks = append(v.Webhooks, canary)
	})
	Eventually(func(ctx context.Context) (string, error) {
		_, err := api.Judge().CoreV1().ConfigMaps(w.ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "canary"}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if canaries[mutating].Load() == 0 || canaries[validating].Load() == 0 {
			return fmt.Sprintf("not yet (%v)", err), nil
		}
		return "", err
	}).WithContext(wait).WithTimeout(20*time.Second).WithPolling(20*time.Millisecond).Should(BeEmpty(), "the API server asks the server behind the service %s/%s", w.ns, service().Name)
}

// serve runs a manager with the learner's webhooks, and returns a context that ends when it does.
func (w *world) serve(ctx context.Context, mux *http.ServeMux, port int, shown *pair) context.Context {
	GinkgoHelper()
	broken, giveUp := context.WithCancel(ctx)
	DeferCleanup(giveUp)
	started := make(chan struct{})
	wait, _ := harness.Start(broken, "the manager", func(ctx context.Context) error {
		mgr, err := ctrl.NewManager(api.Config(), ctrl.Options{
			Scheme: w.scheme, Logger: manager.Logger(giveUp), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", GracefulShutdownTimeout: ptr.To(4 * time.Second),
			WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, WebhookMux: mux, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
				c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &shown.tls, nil }
			}}}),
		})
		if err != nil {
			return fmt.Errorf("make a manager: %w", err)
		}
		if err := webhookv1.SetupWebhookWithManager(mgr); err != nil {
			return err
		}
		close(started)
		return mgr.Start(ctx)
	})
	wait = crash.Guard(wait)
	Eventually(started).WithContext(wait).Should(BeClosed(), "SetupWebhookWithManager")
	return wait
}

// point sends the calls of a webhook to our port, and has them verified with a bundle. The project's path, if it does not go with the group, is what it is.
func (w *world) point(c *admissionregistrationv1.WebhookClientConfig, mux *http.ServeMux, port int, bundle []byte) {
	c.Service.Port, c.CABundle = ptr.To(int32(port)), bundle
	path := ptr.Deref(c.Service.Path, "/")
	for _, candidate := range []string{path, strings.ReplaceAll(path, strings.ReplaceAll(w.gv.Group, ".", "-"), strings.ReplaceAll(group, ".", "-"))} {
		request, err := http.NewRequest(http.MethodPost, "https://localhost"+candidate, nil)
		if err != nil {
			continue
		}
		if _, pattern := mux.Handler(request); pattern != "" {
			c.Service.Path = &candidate
			return
		}
	}
}

// install creates a configuration, to which a canary has been added that says when it is in force.
func (w *world) install(ctx context.Context, object client.Object, add func(canary admissionregistrationv1.ValidatingWebhook)) {
	GinkgoHelper()
	kind := object.GetObjectKind().GroupVersionKind().Kind
	add(admissionregistrationv1.ValidatingWebhook{
		Name: "canary.kubekata.dev",
		ClientConfig: admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Namespace: w.ns, Name: service().Name, Path: ptr.To(canaryPath(kind))},
		},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
		}},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.ns}},
		SideEffects:       ptr.To(admissionregistrationv1.SideEffectClassNone), TimeoutSeconds: ptr.To[int32](20), AdmissionReviewVersions: []string{"v1"},
	})
	object.SetName(w.ns + "." + configuration)
	api.Own(object)
	data, err := json.Marshal(object)
	Expect(err).NotTo(HaveOccurred())
	u := &unstructured.Unstructured{}
	Expect(json.Unmarshal(data, &u.Object)).To(Succeed())
	Expect(w.judge.Create(ctx, u)).To(Succeed(), "create the %s of %s, for the spec", kind, manifestsFile)
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(w.judge.Delete(ctx, u))).To(Succeed()) })
}

// canaryPath is where a configuration's canary sits.
func canaryPath(kind string) string { return "/canary-" + strings.ToLower(kind) }

// calculate is a Calculate as YAML would have it, with a name and a spec.
func (w *world) calculate(name string, spec map[string]any, change ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(w.gv.WithKind("Calculate"))
	u.SetNamespace(w.ns)
	u.SetName(name)
	for _, f := range change {
		f(u)
	}
	return u
}

// make creates one, for the spec.
func (w *world) make(ctx context.Context, name string, spec map[string]any, change ...func(*unstructured.Unstructured)) {
	GinkgoHelper()
	Expect(w.judge.Create(ctx, w.calculate(name, spec, change...))).To(Succeed(), "create calculate %s/%s, %v", w.ns, name, spec)
}

// patch changes one, as a merge patch.
func (w *world) patch(ctx context.Context, name, change string) error {
	return w.judge.Patch(ctx, w.calculate(name, nil), client.RawPatch(types.MergePatchType, []byte(change)))
}

func (w *world) spec(ctx context.Context, name string) map[string]any {
	GinkgoHelper()
	u := w.calculate(name, nil)
	Expect(w.judge.Get(ctx, client.ObjectKeyFromObject(u), u)).To(Succeed(), "get calculate %s/%s", w.ns, name)
	spec, _, err := unstructured.NestedMap(u.Object, "spec")
	Expect(err).NotTo(HaveOccurred())
	return spec
}

// sample is a file of config/samples, in this spec's namespace and group.
func (w *world) sample(file string) []*unstructured.Unstructured {
	GinkgoHelper()
	list := objects("config/samples/"+file, group, w.gv.Group)
	for _, u := range list {
		u.SetNamespace(w.ns)
	}
	return list
}

func finalized(u *unstructured.Unstructured) { u.SetFinalizers([]string{"school.kubekata.dev/mark"}) }

func guarded(u *unstructured.Unstructured) {
	u.SetAnnotations(map[string]string{mathv1.ProtectedAnnotation: "true"})
}

// number is a JSON number.
func number(n int64) any { return n }
