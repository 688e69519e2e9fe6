package kubebuilderwebhook_test

import (
	"bytes"
	"encoding/json"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	mathv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/api/v1"
	webhookv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/internal/webhook/v1"
)

var _ = Describe("The API server", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	It("calls the webhooks with the certificate and the bundle that cert-manager makes", func(ctx SpecContext) {
		m := newCertManager(namespace, w.ns)
		w.openWith(ctx, m.served(), func(kind string) []byte { return m.injected(kind, namespace, w.ns, group, w.gv.Group) })
		w.make(ctx, "short", map[string]any{"first": number(42)})
		Expect(w.spec(ctx, "short")).To(HaveKeyWithValue("action", "add"), "the spec of calculate %s/short, which was made without an action", w.ns)
		err := w.judge.Create(ctx, w.calculate("impossible", map[string]any{"action": "div", "first": number(1), "second": number(0)}))
		Expect(fields(err)).To(Equal([]string{"Invalid spec.second"}), "what is wrong with 1 / 0")
	})

	It("has what is missing filled in", func(ctx SpecContext) {
		w.open(ctx)
		Expect(w.judge.Create(ctx, w.sample("short.yaml")[0])).To(Succeed(), "create what is in config/samples/short.yaml")
		Expect(w.spec(ctx, "short")).To(Equal(map[string]any{"action": "add", "first": number(42), "second": number(0)}), "the spec of calculate %s/short, of which only first was given", w.ns)
	})

	It("stores what is complete as it is", func(ctx SpecContext) {
		w.open(ctx)
		for _, u := range w.sample("valid.yaml") {
			want, err := json.Marshal(u.Object["spec"])
			Expect(err).NotTo(HaveOccurred())
			Expect(w.judge.Create(ctx, u)).To(Succeed(), "create %s of config/samples/valid.yaml", u.GetName())
			Expect(json.Marshal(w.spec(ctx, u.GetName()))).To(MatchJSON(want), "the spec of calculate %s/%s", w.ns, u.GetName())
		}
		Expect(w.heard.list()).To(BeEmpty(), "warnings about config/samples/valid.yaml")
	})

	It("refuses what is wrong, with all mistakes at once", func(ctx SpecContext) {
		w.open(ctx)
		wrong := map[string][]string{}
		for _, u := range w.sample("invalid.yaml") {
			wrong[u.GetName()] = fields(w.judge.Create(ctx, u))
		}
		Expect(wrong).To(Equal(map[string][]string{
			"impossible": {"Invalid spec.second"}, "power": {"NotSupported spec.action", "Required spec.second"},
		}), "what is wrong with the objects in config/samples/invalid.yaml")
	})

	It("keeps a field that is newer than this program, when something else is filled in", func(ctx SpecContext) {
		w.open(ctx)
		w.make(ctx, "noted", map[string]any{"first": number(42), "note": "of the next version"})
		Expect(w.spec(ctx, "noted")).To(Equal(map[string]any{"action": "add", "first": number(42), "second": number(0), "note": "of the next version"}), "the spec of calculate %s/noted", w.ns)
	})

	It("gives a warning to whoever divides with a remainder", func(ctx SpecContext) {
		w.open(ctx)
		w.make(ctx, "rest", map[string]any{"action": "div", "first": number(7), "second": number(2)})
		Expect(w.heard.list()).To(ConsistOf(ContainSubstring("remainder")), "warnings about 7 / 2")
	})

	It("answers dry runs as well", func(ctx SpecContext) {
		w.open(ctx)
		u := w.calculate("try", map[string]any{"first": number(1)})
		Expect(w.judge.Create(ctx, u, client.DryRunAll)).To(Succeed(), "create calculate %s/try, as a dry run", w.ns)
		Expect(u.Object["spec"]).To(HaveKeyWithValue("action", "add"), "the spec of what a dry run has made")
		err := w.judge.Create(ctx, w.calculate("try", map[string]any{"action": "div", "first": number(1), "second": number(0)}), client.DryRunAll)
		Expect(fields(err)).To(Equal([]string{"Invalid spec.second"}), "what is wrong with 1 / 0, as a dry run")
	})

	It("lets the numbers be changed, and not the action", func(ctx SpecContext) {
		w.open(ctx)
		w.make(ctx, "sum", map[string]any{"action": "add", "first": number(1), "second": number(1)})
		Expect(w.patch(ctx, "sum", `{"spec":{"second":0}}`)).To(Succeed(), "change spec.second of calculate %s/sum to 0", w.ns)
		Expect(fields(w.patch(ctx, "sum", `{"spec":{"action":"mul"}}`))).To(Equal([]string{"Invalid spec.action"}), "what is wrong with changing the action of calculate %s/sum", w.ns)
		Expect(w.spec(ctx, "sum")).To(Equal(map[string]any{"action": "add", "first": number(1), "second": number(0)}), "the spec of calculate %s/sum", w.ns)
	})

	It("lets a label be put on what was there before the webhooks", func(ctx SpecContext) {
		w.make(ctx, "plain", map[string]any{"first": number(1)})
		w.make(ctx, "impossible", map[string]any{"action": "div", "first": number(1), "second": number(0)})
		w.open(ctx)
		for _, name := range []string{"plain", "impossible"} {
			Expect(w.patch(ctx, name, `{"metadata":{"labels":{"marked":"yes"}}}`)).To(Succeed(), "put a label on calculate %s/%s, which is older than the webhooks", w.ns, name)
		}
		Expect(w.spec(ctx, "plain")).To(Equal(map[string]any{"action": "add", "first": number(1), "second": number(0)}), "the spec of calculate %s/plain, which is filled in with the first update", w.ns)
	})

	It("lets a finalizer be taken off what is being deleted, whatever is wrong with it", func(ctx SpecContext) {
		w.make(ctx, "impossible", map[string]any{"action": "div", "first": number(1), "second": number(0)}, finalized)
		w.make(ctx, "plain", map[string]any{"action": "pow", "first": number(1)}, finalized)
		w.open(ctx)
		for _, name := range []string{"impossible", "plain"} {
			Expect(w.judge.Delete(ctx, w.calculate(name, nil))).To(Succeed(), "delete calculate %s/%s", w.ns, name)
			Expect(w.patch(ctx, name, `{"spec":{"first":2},"metadata":{"finalizers":null}}`)).To(Succeed(), "take the finalizer off calculate %s/%s, which is being deleted", w.ns, name)
			u := w.calculate(name, nil)
			Expect(client.IgnoreNotFound(w.judge.Get(ctx, client.ObjectKeyFromObject(u), u))).To(Succeed())
			Expect(u.GetUID()).To(BeEmpty(), "the UID of calculate %s/%s, which is gone", w.ns, name)
		}
	})

	It("lets the controller write a status, without a question", func(ctx SpecContext) {
		w.make(ctx, "impossible", map[string]any{"action": "div", "first": number(1), "second": number(0)})
		w.open(ctx)
		err := w.judge.Status().Patch(ctx, w.calculate("impossible", nil), client.RawPatch(types.MergePatchType, []byte(`{"status":{"result":0}}`)))
		Expect(err).NotTo(HaveOccurred(), "write the status of calculate %s/impossible", w.ns)
	})

	It("does not delete what is protected, until it is not", func(ctx SpecContext) {
		w.open(ctx)
		w.make(ctx, "dear", map[string]any{"first": number(1)}, guarded)
		err := w.judge.Delete(ctx, w.calculate("dear", nil))
		Expect(code(err)).To(BeEquivalentTo(http.StatusForbidden), "delete calculate %s/dear, which is protected, is Forbidden, and it is: %v", w.ns, err)
		Expect(w.patch(ctx, "dear", `{"metadata":{"annotations":null}}`)).To(Succeed(), "take the protection off calculate %s/dear", w.ns)
		Expect(w.judge.Delete(ctx, w.calculate("dear", nil))).To(Succeed(), "delete calculate %s/dear, which is not protected any more", w.ns)
	})

	It("lets the namespace controller delete what is protected, or the namespace would never go", func(ctx SpecContext) {
		w.open(ctx)
		w.make(ctx, "dear", map[string]any{"first": number(1)}, guarded)
		Expect(w.client(webhookv1.NamespaceController).Delete(ctx, w.calculate("dear", nil))).To(Succeed(), "delete calculate %s/dear as %s", w.ns, webhookv1.NamespaceController)
	})

	It("may be told twice to delete the same", func(ctx SpecContext) {
		w.open(ctx)
		w.make(ctx, "late", map[string]any{"first": number(1)}, finalized)
		Expect(w.judge.Delete(ctx, w.calculate("late", nil))).To(Succeed(), "delete calculate %s/late", w.ns)
		Expect(w.patch(ctx, "late", `{"metadata":{"annotations":{"`+mathv1.ProtectedAnnotation+`":"true"}}}`)).To(Succeed(), "protect calculate %s/late, which is too late", w.ns)
		Expect(w.judge.Delete(ctx, w.calculate("late", nil))).To(Succeed(), "delete calculate %s/late, which is on its way out, again", w.ns)
		Expect(w.patch(ctx, "late", `{"metadata":{"finalizers":null}}`)).To(Succeed(), "take the finalizer off calculate %s/late", w.ns)
	})

	It("finds each webhook at the path that the markers say", func() {
		mux := http.NewServeMux()
		scheme := runtime.NewScheme()
		Expect(mathv1.AddToScheme(scheme)).To(Succeed())
		mgr, err := ctrl.NewManager(api.Config(), ctrl.Options{
			Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", WebhookMux: mux}),
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(webhookv1.SetupWebhookWithManager(mgr)).To(Succeed(), "SetupWebhookWithManager")
		for _, kind := range []string{mutating, validating} {
			path := ptr.Deref(hookOf(kind).ClientConfig.Service.Path, "")
			answer := post(mux, path)
			Expect(answer).NotTo(BeNil(), "what is at %s, the path of the webhook in the %s", path, kind)
			Expect(answer.Allowed).To(Equal(kind == mutating), "whether 1 / 0 is allowed by what is at %s, the path of the webhook in the %s", path, kind)
		}
	})
})

// code is that of an API server's answer.
func code(err error) int32 {
	if status, ok := err.(interface{ Status() metav1.Status }); ok {
		return status.Status().Code
	}
	return 0
}

// post asks what is at a path whether 1 may be divided by 0.
func post(handler http.Handler, path string) *admissionv1.AdmissionResponse {
	GinkgoHelper()
	raw, err := json.Marshal(calculation(mathv1.ActionDiv, 1, 0))
	Expect(err).NotTo(HaveOccurred())
	kind := mathv1.GroupVersion.WithKind("Calculate")
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Operation: admissionv1.Create, Kind: metav1.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind},
			Resource: metav1.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: "calculates"}, Namespace: "school", Name: "homework", Object: runtime.RawExtension{Raw: raw},
		},
	})
	Expect(err).NotTo(HaveOccurred())
	request, err := http.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	Expect(err).NotTo(HaveOccurred(), "a request to %s", path)
	request.Header.Set("Content-Type", "application/json")
	recorder := &answer{header: http.Header{}}
	handler.ServeHTTP(recorder, request)
	var review admissionv1.AdmissionReview
	if json.Unmarshal(recorder.body.Bytes(), &review) != nil {
		return nil
	}
	return review.Response
}

// answer is what a handler writes.
type answer struct {
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(int)             {}
