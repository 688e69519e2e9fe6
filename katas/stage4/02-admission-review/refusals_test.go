package admissionreview_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"

	admissionreview "github.com/kubekata/kubekata/katas/stage4/02-admission-review"

	"github.com/kubekata/kubekata/harness/admission"
)

var _ = Describe("The handler, without a verdict,", func() {
	DescribeTable("answers 500, and says why", func(ctx SpecContext, reviewer admissionreview.ReviewerFunc, why string) {
		verdict, err := admission.Try(ctx, admission.Validating(handler(reviewer)), review())
		Expect(verdict.Exchange.Code).To(Equal(http.StatusInternalServerError), "the code; %s", verdict.Exchange)
		Expect(verdict.Exchange.Body).To(ContainSubstring(why), "the text of the answer")
		Expect(err).To(MatchError(ContainSubstring("failed calling webhook")), "what the API server makes of it")
	},
		Entry("when the reviewer returns an error", always(nil, errors.New("the menu cannot be read")), "the menu cannot be read"),
		Entry("when the reviewer returns an error, and yes", always(yes, errors.New("the menu cannot be read")), "the menu cannot be read"),
		Entry("when the reviewer returns neither", always(nil, nil), ""),
		Entry("when the reviewer panics", func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			panic("the oven is on fire")
		}, "panic"),
	)

	It("says something when the reviewer returns neither verdict nor error", func(ctx SpecContext) {
		verdict, _ := admission.Try(ctx, admission.Validating(says(nil, nil)), review())
		Expect(strings.TrimSpace(verdict.Exchange.Body)).NotTo(BeEmpty(), "the text of the answer")
	})

	It("goes on with the next request", func(ctx SpecContext) {
		calls := 0
		h := handler(func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			if calls++; calls == 1 {
				panic("the oven is on fire")
			}
			return yes, nil
		})
		_, _ = admission.Try(ctx, admission.Validating(h), review())
		Expect(admission.Post(ctx, admission.Validating(h), review()).Allowed).To(BeTrue(), "allowed, after a panic in the request before")
	})
})

var _ = Describe("The reviewer's context", func() {
	// asked returns the context with which the learner's handler asks the reviewer.
	asked := func(request *http.Request) context.Context {
		GinkgoHelper()
		var got context.Context
		recorder := send(handler(func(ctx context.Context, _ *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			got = ctx
			return yes, ctx.Err()
		}), request)
		Expect(got).NotTo(BeNil(), "the reviewer was not asked; the answer is %d %s", recorder.Code, recorder.Body)
		return got
	}

	It("is the request's", func(ctx SpecContext) {
		type key struct{}
		got := asked(post(text(review())).WithContext(context.WithValue(ctx, key{}, "from the request")))
		Expect(got.Value(key{})).To(Equal("from the request"), "a value that the request's context has")
	})

	It("ends with the request", func(ctx SpecContext) {
		gone, leave := context.WithCancel(ctx)
		ended := make(chan error, 1)
		h := handler(func(ctx context.Context, _ *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			leave() // the API server hangs up
			select {
			case <-ctx.Done():
				ended <- ctx.Err()
			case <-time.After(5 * time.Second):
				ended <- errors.New("the context did not end within five seconds")
			}
			return yes, nil
		})
		send(h, post(text(review())).WithContext(gone))
		Expect(<-ended).To(MatchError(context.Canceled), "the context's end, when the API server hangs up")
	})

	It("has the deadline that the API server announces", func(ctx SpecContext) {
		request := post(text(review())).WithContext(ctx)
		request.URL.RawQuery = "timeout=7s"
		before := time.Now()
		deadline, ok := asked(request).Deadline()
		Expect(ok).To(BeTrue(), "there is a deadline, with ?timeout=7s")
		Expect(deadline).To(BeTemporally(">=", before.Add(7*time.Second)), "the deadline, with ?timeout=7s")
		Expect(deadline).To(BeTemporally("<=", time.Now().Add(7*time.Second)), "the deadline, with ?timeout=7s")
	})

	DescribeTable("has not ended", func(query string) {
		request := post(text(review()))
		request.URL.RawQuery = query
		var err error
		recorder := send(handler(func(ctx context.Context, _ *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			err = ctx.Err()
			return yes, nil
		}), request)
		Expect(recorder.Code).To(Equal(http.StatusOK), "the code, with ?%s; the text is %q", query, recorder.Body)
		Expect(err).NotTo(HaveOccurred(), "the context's end, with ?%s", query)
	},
		Entry("without a timeout", ""),
		Entry("with a timeout that cannot be understood", "timeout=soon"),
	)
})

var _ = Describe("Requests", func() {
	It("do not wait for each other", func(ctx SpecContext) {
		const n = 4
		var arrived atomic.Int32
		all := make(chan struct{})
		h := handler(func(ctx context.Context, _ *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			if arrived.Add(1) == n {
				close(all)
			}
			select {
			case <-all:
				return yes, nil
			case <-ctx.Done():
				return nil, errors.New("waited in vain for the other requests")
			}
		})
		errs := make(chan error, n)
		for range n {
			go func() {
				defer GinkgoRecover()
				err := errors.New("the handler has panicked")
				defer func() { errs <- err }()
				_, err = admission.Try(ctx, admission.Webhook{Handler: h, Timeout: 5 * time.Second}, review())
			}()
		}
		for range n {
			Expect(<-errs).To(Succeed(), "one of %d requests, which the reviewer answers when all of them have arrived", n)
		}
	})
})

var _ = Describe("What is no question", func() {
	DescribeTable("is refused", func(change func(*http.Request), code int) {
		request := post(text(review()))
		change(request)
		recorder := send(unheard(), request)
		Expect(recorder.Code).To(Equal(code), "the code; the text is %q", recorder.Body)
		Expect(strings.TrimSpace(recorder.Body.String())).NotTo(BeEmpty(), "the text of the answer")
	},
		Entry("with 405, when it comes with GET", func(r *http.Request) { r.Method = http.MethodGet }, 405),
		Entry("with 405, when it comes with PUT", func(r *http.Request) { r.Method = http.MethodPut }, 405),
		Entry("with 415, when it is YAML", func(r *http.Request) { r.Header.Set("Content-Type", "application/yaml") }, 415),
		Entry("with 415, when it does not say what it is", func(r *http.Request) { r.Header.Del("Content-Type") }, 415),
		Entry("with 400, when it is empty", body(""), 400),
		Entry("with 400, when it is no JSON", body("a pizza, please"), 400),
		Entry("with 400, when it is JSON, and no object", body(`"AdmissionReview"`), 400),
		Entry("with 400, when it is an object without apiVersion and kind", body(`{"request": {"uid": "1"}}`), 400),
		Entry("with 400, when it is of another kind", body(`{"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": {"uid": "1"}}`), 400),
		Entry("with 400, when it is something else of the same version", body(`{"apiVersion": "admission.k8s.io/v1", "kind": "Review", "request": {"uid": "1"}}`), 400),
		Entry("with 400, when it is of v1beta1", body(`{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "1"}}`), 400),
		Entry("with 400, when it has no request", body(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}`), 400),
		Entry("with 400, when its request is null", body(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": null}`), 400),
		Entry("with 400, when its request has no UID", body(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}`), 400),
		Entry("with 400, when it cannot be read to its end", func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"apiVersion": `), broken{}))
		}, 400),
	)

	It("is told which method there is", func() {
		request := post(text(review()))
		request.Method = http.MethodDelete
		Expect(send(unheard(), request).Header().Get("Allow")).To(Equal(http.MethodPost), "the header Allow of the answer to DELETE")
	})

	It("is refused with 413 when it is larger than MaxBody, and is not read to its end", func() {
		endless := &spaces{left: 4 * admissionreview.MaxBody}
		request := post("")
		request.Body, request.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(text(review())), endless)), -1
		recorder := send(unheard(), request)
		Expect(recorder.Code).To(Equal(http.StatusRequestEntityTooLarge), "the code; the text is %q", recorder.Body)
		Expect(endless.read).To(BeNumerically("<", admissionreview.MaxBody+1<<20), "how much was read of a body that is four times as large as it may be")
	})

	It("is not what is exactly as large as MaxBody", func() {
		question := text(review())
		recorder := send(says(yes, nil), post(question+strings.Repeat(" ", admissionreview.MaxBody-len(question))))
		Expect(recorder.Code).To(Equal(http.StatusOK), "the code; the text is %q", recorder.Body)
	})

	It("is not what says its charset", func() {
		request := post(text(review()))
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
		recorder := send(says(yes, nil), request)
		Expect(recorder.Code).To(Equal(http.StatusOK), "the code; the text is %q", recorder.Body)
	})
})

func post(body string) *http.Request {
	request := httptest.NewRequest(http.MethodPost, "/review", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	return request
}

func body(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

// broken is a connection that breaks.
type broken struct{}

// Read implements [io.Reader].
func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// spaces is a long text of blanks.
type spaces struct{ left, read int }

// Read implements [io.Reader].
func (s *spaces) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), s.left)
	for i := range n {
		p[i] = ' '
	}
	s.left, s.read = s.left-n, s.read+n
	return n, nil
}
