package admission

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes/scheme"
)

// Verdict is what comes of an answer that the API server accepts.
type Verdict struct {
	Allowed bool
	// Code, Reason and Message are those of the error that the client of a denied request gets: at least 400, and with
	// `admission webhook "…" denied the request: ` before the message. They are empty when it is allowed.
	Code    int32
	Reason  metav1.StatusReason
	Message string
	// Kubectl is what kubectl prints for the denial. (When it works off files, it puts `error when creating "pizza.yaml": ` and the
	// like before the message.)
	Kubectl string
	// Warnings are those that reach the client, in their order.
	Warnings []string
	// AuditAnnotations are those that reach the audit log, with the webhook's name and a slash before each key.
	AuditAnnotations map[string]string
	// Dropped has a sentence for each thing in the answer that gets lost without an error: the API server only logs it.
	Dropped []string
	// Object is the object as the webhook leaves it. It is nil when there is none (DELETE), and when the request is denied. What a patch puts
	// into a built-in kind and its Go type does not know, is not there.
	Object *unstructured.Unstructured
	// Changed says that the patch has changed something.
	Changed bool
	// Response is the answer itself.
	Response *admissionv1.AdmissionResponse
	// Exchange is the HTTP part of it.
	Exchange Exchange
}

// judge judges an answer that could be decoded. The error is the one that the client gets.
func (w Webhook) judge(request *admissionv1.AdmissionRequest, answer *admissionv1.AdmissionReview, verdict *Verdict) error {
	if err := w.verify(request, answer); err != nil {
		return w.notCalled("received invalid webhook response: %w", err)
	}
	response := answer.Response
	verdict.Response = response
	verdict.annotate(w.Name, response.AuditAnnotations)
	verdict.warn(response.Warnings)
	if !response.Allowed {
		verdict.deny(w.Name, response.Result.DeepCopy())
		return nil
	}
	verdict.Allowed = true
	return w.patch(request, response, verdict)
}

// verify is VerifyAdmissionResponse in apiserver's pkg/admission/plugin/webhook/request/admissionreview.go, for v1.
func (w Webhook) verify(request *admissionv1.AdmissionRequest, answer *admissionv1.AdmissionReview) error {
	response := answer.Response
	if response == nil {
		return errors.New("webhook response was absent")
	}
	if response.UID != request.UID {
		return fmt.Errorf("expected response.uid=%q, got %q", request.UID, response.UID)
	}
	if want := admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"); answer.GroupVersionKind() != want {
		return fmt.Errorf("expected webhook response of %v, got %v", want, answer.GroupVersionKind())
	}
	has, typed := len(response.Patch) > 0, response.PatchType != nil
	switch {
	case !w.Mutating && has:
		return errors.New("validating webhook may not return response.patch")
	case !w.Mutating && typed:
		return errors.New("validating webhook may not return response.patchType")
	case has && !typed:
		return errors.New("webhook returned response.patch but not response.patchType")
	case typed && !has:
		return errors.New("webhook returned response.patchType but not response.patch")
	case typed && *response.PatchType == "":
		return fmt.Errorf("webhook returned invalid response.patchType of %q", *response.PatchType)
	}
	return nil
}

// deny is ToStatusErr in apiserver's pkg/admission/plugin/webhook/errors/statuserror.go, and StandardErrorMessage in kubectl's pkg/cmd/util.
func (v *Verdict) deny(name string, result *metav1.Status) {
	if result == nil {
		result = &metav1.Status{}
	}
	v.Code, v.Reason = max(result.Code, http.StatusBadRequest), result.Reason
	v.Message = fmt.Sprintf("admission webhook %q denied the request", name)
	switch {
	case result.Message != "":
		v.Message += ": " + result.Message
	case result.Reason != "":
		v.Message += ": " + string(result.Reason)
	default:
		v.Message += " without explanation"
	}
	v.Kubectl = kubectl(v.Reason, v.Message, result.Details)
}

// kubectl is checkErr and StandardErrorMessage in kubectl's pkg/cmd/util/helpers.go.
func kubectl(reason metav1.StatusReason, message string, details *metav1.StatusDetails) string {
	switch {
	case reason == metav1.StatusReasonInvalid:
		return invalid(message, details)
	case reason == metav1.StatusReasonUnauthorized:
		return fmt.Sprintf("error: You must be logged in to the server (%s)", message)
	case reason != "":
		return fmt.Sprintf("Error from server (%s): %s", reason, message)
	}
	return "Error from server: " + message
}

// invalid shows the causes rather than the message, which is not what who writes a message expects.
func invalid(message string, details *metav1.StatusDetails) string {
	if details == nil {
		return "The request is invalid: " + message
	}
	text := "The request is invalid"
	if details.Kind != "" || details.Name != "" {
		text = fmt.Sprintf("The %s %q is invalid", details.Kind, details.Name)
	} else if len(details.Causes) == 0 {
		text += ": " + message
	}
	var causes []string
	for _, cause := range details.Causes {
		if line := cause.Field + ": " + cause.Message; !slices.Contains(causes, line) {
			causes = append(causes, line)
		}
	}
	switch len(causes) {
	case 0:
		return text
	case 1:
		return text + ": " + causes[0]
	}
	return text + ": \n* " + strings.Join(causes, "\n* ")
}

// annotate is checkKeyFormat in apiserver's pkg/admission/attributes.go: an annotation of another form is logged, and lost.
func (v *Verdict) annotate(name string, annotations map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		full := name + "/" + key
		if strings.Count(full, "/") != 1 || len(validation.IsQualifiedName(full)) > 0 {
			v.Dropped = append(v.Dropped, fmt.Sprintf("the audit annotation %q: the webhook's name comes before it, and %q is no key", key, full))
			continue
		}
		if v.AuditAnnotations == nil {
			v.AuditAnnotations = map[string]string{}
		}
		v.AuditAnnotations[full] = annotations[key]
	}
}

// The limits of what all warnings of a request may have together, and of what one may have when they are over that.
const (
	allWarnings = 4 * 1024
	oneWarning  = 256
)

// warn is the recorder in apiserver's pkg/endpoints/filters/warning.go: it drops what is empty, what it has had, and what cannot be a header;
// with more than 4096 characters in all, it cuts each warning to 256, and drops those that come after 4096 again.
func (v *Verdict) warn(warnings []string) {
	seen, total := map[string]bool{}, 0
	var fit []string
	for _, text := range warnings {
		_, err := utilnet.NewWarningHeader(299, "", text)
		switch {
		case text == "":
			v.Dropped = append(v.Dropped, "a warning without a text")
		case seen[text]:
			v.Dropped = append(v.Dropped, fmt.Sprintf("the warning %q, the second time", text))
		case err != nil:
			v.Dropped = append(v.Dropped, fmt.Sprintf("the warning %q: %v", text, err))
		default:
			fit = append(fit, text)
			total += utf8.RuneCountInString(text)
		}
		seen[text] = true
	}
	if total <= allWarnings {
		v.Warnings = fit
		return
	}
	// The warning with which the limit is passed is still sent, and so are those before it; after that the sum counts.
	passed, sum := 0, 0
	for ; passed < len(fit) && sum <= allWarnings; passed++ {
		sum += utf8.RuneCountInString(fit[passed])
	}
	written := 0
	for i, text := range fit {
		if i >= passed && written >= allWarnings {
			v.Dropped = append(v.Dropped, fmt.Sprintf("the warning %q: all warnings together have more than %d characters", cut(text), allWarnings))
			continue
		}
		if short := cut(text); short != text {
			v.Dropped = append(v.Dropped, fmt.Sprintf("the end of the warning %q: all warnings together have more than %d characters", short, allWarnings))
			text = short
		}
		written += utf8.RuneCountInString(text)
		v.Warnings = append(v.Warnings, text)
	}
}

func cut(text string) string {
	if all := []rune(text); len(all) > oneWarning {
		return string(all[:oneWarning])
	}
	return text
}

// patch is callAttrMutatingHook in apiserver's pkg/admission/plugin/webhook/mutating/dispatcher.go.
func (w Webhook) patch(request *admissionv1.AdmissionRequest, response *admissionv1.AdmissionResponse, verdict *Verdict) error {
	var before *unstructured.Unstructured
	if len(request.Object.Raw) > 0 {
		var err error
		if before, err = decode(request.Object.Raw); err != nil {
			return fmt.Errorf("the object of the review to be sent: %w", err)
		}
	}
	verdict.Object = before
	if len(response.Patch) == 0 {
		return nil
	}
	patch, err := jsonpatch.DecodePatch(response.Patch)
	if err != nil {
		return w.notCalled("received undecodable patch in webhook response: %w", err)
	}
	if len(patch) == 0 {
		return nil
	}
	if before == nil {
		return apierrors.NewInternalError(fmt.Errorf("admission webhook %q attempted to modify the object, which is not supported for this operation", w.Name))
	}
	if *response.PatchType != admissionv1.PatchTypeJSONPatch {
		return w.notCalled("unsupported patch type %q", *response.PatchType)
	}
	patched, err := patch.Apply(request.Object.Raw)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("apply the patch %s: %w", response.Patch, err))
	}
	after, err := decode(patched)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("decode the object, after the patch %s: %w", response.Patch, err))
	}
	if after.GroupVersionKind() != before.GroupVersionKind() {
		return apierrors.NewInternalError(fmt.Errorf("after the patch %s the object is a %s, and not a %s", response.Patch, after.GroupVersionKind(), before.GroupVersionKind()))
	}
	verdict.Object, verdict.Changed = after, !equality.Semantic.DeepEqual(before.Object, after.Object)
	return nil
}

// decode reads an object as the API server does: a kind of Kubernetes' own into its Go type, all others as they are.
func decode(data []byte) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	if !scheme.Scheme.Recognizes(obj.GroupVersionKind()) {
		return obj, nil
	}
	serializer := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{})
	typed, _, err := serializer.Decode(data, nil, nil)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := serializer.Encode(typed, &out); err != nil {
		return nil, err
	}
	obj = &unstructured.Unstructured{}
	return obj, obj.UnmarshalJSON(out.Bytes())
}
