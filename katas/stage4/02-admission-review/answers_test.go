package admissionreview_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	admissionreview "github.com/kubekata/kubekata/katas/stage4/02-admission-review"

	"github.com/kubekata/kubekata/harness/admission"
)

var (
	yes         = &admissionv1.AdmissionResponse{Allowed: true}
	configMaps  = schema.GroupResource{Resource: "configmaps"}
	errTopping  = errors.New("no pineapple")
	errConflict = apierrors.NewConflict(configMaps, "hawaii", errTopping)
)

var _ = Describe("The handler", func() {
	It("asks the reviewer about the request that was sent", func(ctx SpecContext) {
		var got *admissionv1.AdmissionRequest
		h := handler(func(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			got = request
			return yes, nil
		})
		sent := admission.Review(pizza("hawaii", map[string]string{"topping": "ham"}), pizza("hawaii", nil), admission.DryRun(), admission.By("bob", "cooks"))
		admission.Post(ctx, admission.Validating(h), sent)
		Expect(got).NotTo(BeNil(), "what the reviewer was asked")
		Expect(text(got)).To(MatchJSON(text(sent.Request)), "the request that the reviewer was asked about, and the one that was sent")
	})

	It("answers yes when the reviewer does", func(ctx SpecContext) {
		verdict := admission.Post(ctx, admission.Validating(says(yes, nil)), review())
		Expect(verdict.Allowed).To(BeTrue(), "allowed; %s", verdict.Exchange)
	})

	It("answers no when the reviewer does, with the reviewer's status", func(ctx SpecContext) {
		no := &admissionv1.AdmissionResponse{Result: &metav1.Status{Code: 422, Reason: "Invalid", Message: "no pineapple"}}
		verdict := admission.Post(ctx, admission.Validating(says(no, nil)), review())
		Expect(verdict.Allowed).To(BeFalse(), "allowed; %s", verdict.Exchange)
		Expect(verdict.Kubectl).To(Equal(`The request is invalid: admission webhook "hook.kubekata.dev" denied the request: no pineapple`), "what kubectl prints")
		Expect(verdict.Code).To(BeEquivalentTo(422), "the code that the client gets")
	})

	DescribeTable("answers an AdmissionReview with 200 and application/json", func(ctx SpecContext, response *admissionv1.AdmissionResponse) {
		verdict := admission.Post(ctx, admission.Validating(says(response, nil)), review())
		Expect(verdict.Exchange.Code).To(Equal(http.StatusOK), "the code; %s", verdict.Exchange)
		Expect(verdict.Exchange.Header.Get("Content-Type")).To(HavePrefix("application/json"), "the Content-Type; %s", verdict.Exchange)
	},
		Entry("for yes", yes),
		Entry("for no", &admissionv1.AdmissionResponse{Result: &metav1.Status{Code: 403, Message: "no pineapple"}}),
	)

	DescribeTable("answers with the UID of the request", func(ctx SpecContext, uid types.UID) {
		verdict := admission.Post(ctx, admission.Validating(says(&admissionv1.AdmissionResponse{UID: uid, Allowed: true}, nil)), review())
		Expect(verdict.Allowed).To(BeTrue(), "allowed; %s", verdict.Exchange)
	},
		Entry("when the reviewer has set none", types.UID("")),
		Entry("when the reviewer has set another one", types.UID("12345")),
	)

	It("passes a patch on", func(ctx SpecContext) {
		patch := &admissionv1.AdmissionResponse{
			Allowed: true, PatchType: new(admissionv1.PatchTypeJSONPatch),
			Patch: []byte(`[{"op": "replace", "path": "/metadata/labels/topping", "value": "ham"}]`),
		}
		verdict := admission.Post(ctx, admission.Mutating(says(patch, nil)), review())
		Expect(verdict.Object.GetLabels()).To(Equal(map[string]string{"topping": "ham"}), "the labels after the patch; %s", verdict.Exchange)
	})

	It("passes warnings and audit annotations on", func(ctx SpecContext) {
		with := &admissionv1.AdmissionResponse{Allowed: true, Warnings: []string{"are you sure?", "really?"}, AuditAnnotations: map[string]string{"topping": "pineapple"}}
		verdict := admission.Post(ctx, admission.Validating(says(with, nil)), review())
		Expect(verdict.Warnings).To(Equal([]string{"are you sure?", "really?"}), "the warnings that the client gets")
		Expect(verdict.AuditAnnotations).To(Equal(map[string]string{"hook.kubekata.dev/topping": "pineapple"}), "the annotations in the audit log")
	})

	It("leaves the reviewer's verdict as it is", func(ctx SpecContext) {
		same := &admissionv1.AdmissionResponse{Allowed: true, UID: "nobody"}
		h := says(same, nil)
		for range 2 {
			admission.Post(ctx, admission.Validating(h), review())
		}
		Expect(same).To(Equal(&admissionv1.AdmissionResponse{Allowed: true, UID: "nobody"}), "a verdict that the reviewer returns again and again")
	})

	It("ignores what it does not know in a review", func(ctx SpecContext) {
		data, err := json.Marshal(review())
		Expect(err).NotTo(HaveOccurred())
		var sent map[string]any
		Expect(json.Unmarshal(data, &sent)).To(Succeed())
		sent["novelty"] = map[string]any{"since": "1.40"}
		sent["request"].(map[string]any)["novelty"] = true
		recorder := send(says(yes, nil), post(text(sent)))
		Expect(recorder.Code).To(Equal(http.StatusOK), "the code of the answer to a review with fields of a later version:\n%s", recorder.Body)
	})
})

var _ = Describe("Denied", func() {
	DescribeTable("makes a denial, of which kubectl prints", func(ctx SpecContext, err error, code int, want string) {
		no := admissionreview.Denied(err)
		Expect(no).NotTo(BeNil(), "what Denied returns")
		Expect(no.Allowed).To(BeFalse(), "allowed")
		verdict := admission.Post(ctx, admission.Validating(says(no, nil)), review())
		Expect(verdict.Kubectl).To(Equal(want), "what kubectl prints")
		Expect(verdict.Code).To(BeEquivalentTo(code), "the code that the client gets")
	},
		Entry("Forbidden, for just an error", errTopping, 403, `Error from server (Forbidden): admission webhook "hook.kubekata.dev" denied the request: no pineapple`),
		Entry("the reason of an error of Kubernetes'", errConflict, 409,
			`Error from server (Conflict): admission webhook "hook.kubekata.dev" denied the request: Operation cannot be fulfilled on configmaps "hawaii": no pineapple`),
		Entry("the reason of an error of Kubernetes' that is wrapped, and the whole text", fmt.Errorf("look at the menu: %w", errConflict), 409,
			`Error from server (Conflict): admission webhook "hook.kubekata.dev" denied the request: look at the menu: Operation cannot be fulfilled on configmaps "hawaii": no pineapple`),
		Entry("the causes of an invalid object", apierrors.NewInvalid(schema.GroupKind{Kind: "ConfigMap"}, "hawaii", field.ErrorList{
			field.Invalid(field.NewPath("metadata", "labels").Key("topping"), "pineapple", "not here"),
		}), 422, `The ConfigMap "hawaii" is invalid: metadata.labels[topping]: Invalid value: "pineapple": not here`),
	)

	It("leaves the error as it is", func() {
		status := errConflict.Status()
		before := *status.DeepCopy()
		no := admissionreview.Denied(fmt.Errorf("look at the menu: %w", errConflict))
		no.Result.Details.Name = "margherita"
		Expect(errConflict.Status()).To(Equal(before), "the status of the error, after somebody has changed the denial")
	})
})
