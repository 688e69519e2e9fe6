package serving_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/kubekata/kubekata/harness/serving"
)

const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"7"}}`

func reviewer(response *admissionv1.AdmissionResponse, err error) serving.ReviewerFunc {
	return func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
		return response, err
	}
}

func TestNewHandler(t *testing.T) {
	shared := &admissionv1.AdmissionResponse{Allowed: true}
	for _, c := range []struct {
		name     string
		reviewer serving.ReviewerFunc
		body     string
		code     int
		want     string
	}{
		{"a verdict", reviewer(shared, nil), review, http.StatusOK, `"response":{"uid":"7","allowed":true}`},
		{"an error", reviewer(nil, errors.New("the menu cannot be read")), review, http.StatusInternalServerError, "the menu cannot be read"},
		{"nothing", reviewer(nil, nil), review, http.StatusInternalServerError, "neither an answer nor an error"},
		{"a panic", func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
			panic("oh")
		}, review, http.StatusInternalServerError, "oh"},
		{"no JSON", reviewer(shared, nil), "pizza", http.StatusBadRequest, "no AdmissionReview"},
		{"no request", reviewer(shared, nil), "{}", http.StatusBadRequest, "no AdmissionReview"},
		{"too much", reviewer(shared, nil), strings.Repeat(" ", 7<<20) + review, http.StatusRequestEntityTooLarge, "too large"},
	} {
		w := httptest.NewRecorder()
		serving.NewHandler(c.reviewer).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/review", strings.NewReader(c.body)))
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %q, want %d with %q", c.name, w.Code, w.Body, c.code, c.want)
		}
	}
	if shared.UID != "" {
		t.Errorf("the handler has written the UID %q into the reviewer's response", shared.UID)
	}
}

func TestStart(t *testing.T) {
	s, err := serving.Start("/convert", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CABundle)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get(s.URL)
	if err != nil {
		t.Fatalf("a client that trusts the bundle: %v", err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "/convert" || response.ProtoMajor != 2 {
		t.Errorf("%q by %s (%v), want the path by HTTP/2", body, response.Proto, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if response, err := (&http.Client{Transport: transport}).Get(s.URL); err == nil {
		_ = response.Body.Close()
		t.Error("the server answers after Close")
	}
}
