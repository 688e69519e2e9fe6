package admission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/harness/loopback"
)

// Webhook is who is asked, as far as its configuration matters for the judgement of its answer.
type Webhook struct {
	// Name is the webhook's, which the API server puts before each message. The default is hook.kubekata.dev.
	Name string
	// Mutating says that the answer may have a patch.
	Mutating bool
	// Handler is called in the caller's goroutine: its panic is the caller's. Where there is none, URL is called, on this machine and with
	// TLS, and CABundle must vouch for it.
	Handler  http.Handler
	URL      string
	CABundle []byte
	// Timeout is timeoutSeconds: the default is ten seconds. The handler finds it in the URL (?timeout=10s) and in its context.
	Timeout time.Duration
}

// Validating is a webhook of a ValidatingWebhookConfiguration.
func Validating(handler http.Handler) Webhook { return Webhook{Handler: handler} }

// Mutating is a webhook of a MutatingWebhookConfiguration.
func Mutating(handler http.Handler) Webhook { return Webhook{Handler: handler, Mutating: true} }

// Exchange is what went over the wire.
type Exchange struct {
	// Code is the HTTP code of the answer, and 0 when there was none.
	Code   int
	Header http.Header
	Body   string
}

// String is the answer for a failure message.
func (e Exchange) String() string {
	if e.Code == 0 {
		return "there was no answer"
	}
	return fmt.Sprintf("the answer was %d %s, Content-Type %q:\n%s", e.Code, http.StatusText(e.Code), e.Header.Get("Content-Type"), strings.TrimSpace(e.Body))
}

// Post sends the review to the webhook, and judges the answer. An answer that the API server does not accept fails the spec: with a
// failurePolicy of Fail the user would read the text of that failure, with Ignore the webhook would not have been there. A denial is not a
// failure.
func Post(ctx context.Context, webhook Webhook, review *admissionv1.AdmissionReview) Verdict {
	ginkgo.GinkgoHelper()
	verdict, err := Try(ctx, webhook, review)
	if err != nil {
		ginkgo.Fail(fmt.Sprintf("the API server does not accept what the webhook answers, and says\n    %v\n%s", err, verdict.Exchange))
	}
	return verdict
}

// Try is Post for specs whose subject is the failure: the error is a *apierrors.StatusError, which the client would get. The verdict
// then has its Exchange and nothing else.
func Try(ctx context.Context, webhook Webhook, review *admissionv1.AdmissionReview) (Verdict, error) {
	if webhook.Name == "" {
		webhook.Name = "hook.kubekata.dev"
	}
	if webhook.Timeout == 0 {
		webhook.Timeout = 10 * time.Second
	}
	if review.Request == nil {
		return Verdict{}, errors.New("the review to be sent has no request")
	}
	verdict := Verdict{}
	response, err := webhook.call(ctx, review, &verdict.Exchange)
	if err != nil {
		// callHook in apiserver's pkg/admission/plugin/webhook/{validating,mutating}/dispatcher.go.
		return verdict, webhook.notCalled("failed to call webhook: %w", err)
	}
	if err := webhook.judge(review.Request, response, &verdict); err != nil {
		return Verdict{Exchange: verdict.Exchange}, err
	}
	return verdict, nil
}

// notCalled is ErrCallingWebhook (apiserver's pkg/util/webhook/error.go), as it reaches the client when the failurePolicy is Fail.
func (w Webhook) notCalled(format string, args ...any) error {
	return apierrors.NewInternalError(fmt.Errorf("failed calling webhook %q: %w", w.Name, fmt.Errorf(format, args...)))
}

// codec is the API server's for webhooks: NewClientManager in apiserver's pkg/util/webhook/client.go. It has no media type, and
// takes JSON for whatever the answer calls itself.
var codec = func() runtime.NegotiatedSerializer {
	hooks := runtime.NewScheme()
	utilruntime.Must(admissionv1beta1.AddToScheme(hooks))
	utilruntime.Must(admissionv1.AddToScheme(hooks))
	return serializer.NegotiatedSerializerWrapper(runtime.SerializerInfo{
		Serializer: serializer.NewCodecFactory(hooks).LegacyCodec(admissionv1beta1.SchemeGroupVersion, admissionv1.SchemeGroupVersion),
	})
}()

// call sends the review and decodes the answer, as callHook does, with one exception: it does not call again after a Retry-After.
func (w Webhook) call(ctx context.Context, review *admissionv1.AdmissionReview, exchange *Exchange) (*admissionv1.AdmissionReview, error) {
	config := &rest.Config{
		QPS: -1, ContentConfig: rest.ContentConfig{NegotiatedSerializer: codec, ContentType: runtime.ContentTypeJSON},
		WarningHandler: rest.NoWarnings{}, UserAgent: "kube-apiserver-admission",
	}
	if w.Handler != nil {
		config.Host, config.Transport = "https://hook.kubekata.test", inProcess{w.Handler}
	} else {
		if err := loopback.Check(w.URL); err != nil {
			return nil, err
		}
		u, err := url.Parse(w.URL)
		if err != nil {
			return nil, err
		}
		config.Host, config.APIPath, config.CAData = u.Scheme+"://"+u.Host, u.Path, w.CABundle
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return recording{next, exchange} })
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	answer := &admissionv1.AdmissionReview{}
	if err := client.Post().Body(review).Timeout(w.Timeout).MaxRetries(0).Do(ctx).Into(answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// inProcess calls a handler without a connection.
type inProcess struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	served := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.RequestURI(), r.Body)
	served.Header, served.ContentLength = r.Header.Clone(), r.ContentLength
	recorder := httptest.NewRecorder()
	t.handler.ServeHTTP(recorder, served)
	if err := r.Context().Err(); err != nil {
		return nil, err // nobody is there any more to read the answer
	}
	result := recorder.Result()
	if _, ok := result.Header["Content-Type"]; !ok && recorder.Body.Len() > 0 {
		result.Header.Set("Content-Type", http.DetectContentType(recorder.Body.Bytes())) // as net/http's server does
	}
	return result, nil
}

// recording keeps the answer.
type recording struct {
	next http.RoundTripper
	to   *Exchange
}

// RoundTrip implements [http.RoundTripper].
func (t recording) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	*t.to = Exchange{Code: response.StatusCode, Header: response.Header, Body: string(body)}
	response.Body = io.NopCloser(strings.NewReader(string(body)))
	return response, nil
}
