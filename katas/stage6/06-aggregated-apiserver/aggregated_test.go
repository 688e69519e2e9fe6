package aggregated_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/pki"
	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/till"
)

var _ = harness.NoLeaks()

// The lab passes requests on: its API server has the flags for it.
var api = cluster.Lab()

func TestAggregated(t *testing.T) { harness.RunSpecs(t, "Stage 6 · 06-aggregated-apiserver") }

const (
	// bound is for what takes a moment. It is far more than that.
	bound = 20 * time.Second
	poll  = 20 * time.Millisecond

	// group is that of specs without an API server.
	group = "till.example.com"
	base  = "/apis/" + group + "/v1"
	ada   = base + "/namespaces/osteria/tabs/ada"
	tabs  = base + "/namespaces/osteria/tabs"

	asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"
)

var (
	opened = time.Date(2026, time.May, 4, 20, 0, 0, 0, time.UTC)
	now    = opened.Add(5 * time.Minute)
)

// nestedString is nestedField for strings.
func nestedString(object map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(object, path...)
	return s
}

// must is for what a spec needs and the learner has no part in.
func must[T any](value T, err error) T {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred(), "what the spec needs for itself")
	return value
}

// restaurant is the learner's handler, with gates that the spec controls.
type restaurant struct {
	handler http.Handler
	till    *till.Till

	// user is who asks; unknown and forbidden are what the gates say, nil is yes. asked is what the second gate was asked.
	user               *authenticationv1.UserInfo
	unknown, forbidden error
	asked              []authorizationv1.SubjectAccessReviewSpec
	askedFor           []*authenticationv1.UserInfo
	gates              []string
}

// open makes a handler; everybody gets in, and the till is empty.
func open() *restaurant {
	GinkgoHelper()
	r := &restaurant{till: till.New(group, func() time.Time { return opened }), user: &authenticationv1.UserInfo{Username: "nonna"}}
	r.handler = aggregated.NewHandler(aggregated.Options{
		Group: group, Till: r.till, Now: func() time.Time { return now },
		Authenticate: func(*http.Request) (*authenticationv1.UserInfo, error) {
			r.gates = append(r.gates, "authenticate")
			return r.user, r.unknown
		},
		Authorize: func(_ context.Context, user *authenticationv1.UserInfo, ask authorizationv1.SubjectAccessReviewSpec) error {
			r.gates = append(r.gates, "authorize")
			r.asked, r.askedFor = append(r.asked, ask), append(r.askedFor, user)
			return r.forbidden
		},
	})
	return r
}

// tab puts one into the till.
func (r *restaurant) tab(namespace, name, guest string, cents int64, labels map[string]string) till.Tab {
	GinkgoHelper()
	return must(r.till.Create(till.Tab{
		TypeMeta:   metav1.TypeMeta{Kind: "Tab", APIVersion: group + "/v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       till.TabSpec{Guest: guest, Cents: cents},
	}, false))
}

// names are those of the tabs in the till.
func (r *restaurant) names() []string {
	all, _ := r.till.List("")
	names := []string{}
	for _, tab := range all {
		names = append(names, tab.Namespace+"/"+tab.Name)
	}
	return names
}

// answer is what came back.
type answer struct {
	request string
	code    int
	header  http.Header
	text    string
	object  map[string]any
}

// do asks the handler. headers are names and values.
func (r *restaurant) do(ctx context.Context, method, path, body string, headers ...string) answer {
	GinkgoHelper()
	var reader io.Reader
	if body != "" {
		reader = bytes.NewReader([]byte(body))
	}
	request := httptest.NewRequestWithContext(ctx, method, path, reader)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, request)
	return read(method+" "+path, w.Code, w.Header(), w.Body.Bytes())
}

func read(request string, code int, header http.Header, body []byte) answer {
	a := answer{request: request, code: code, header: header, text: string(body)}
	_ = json.Unmarshal(body, &a.object)
	return a
}

// get asks for a path.
func (r *restaurant) get(ctx context.Context, path string, headers ...string) answer {
	GinkgoHelper()
	return r.do(ctx, http.MethodGet, path, "", headers...)
}

// post creates a tab in namespace osteria.
func (r *restaurant) post(ctx context.Context, tab string, headers ...string) answer {
	GinkgoHelper()
	if len(headers) == 0 {
		headers = []string{"Content-Type", "application/json"}
	}
	return r.do(ctx, http.MethodPost, tabs, tab, headers...)
}

// tabOf is a Tab in JSON. Each change makes it another one.
func tabOf(name string, changes ...func(map[string]any)) string {
	tab := map[string]any{
		"apiVersion": group + "/v1", "kind": "Tab",
		"metadata": map[string]any{"name": name}, "spec": map[string]any{"guest": "Ada", "cents": 1205},
	}
	for _, change := range changes {
		change(tab)
	}
	return string(must(json.Marshal(tab)))
}

// set changes a field of a Tab.
func set(value any, path ...string) func(map[string]any) {
	return func(tab map[string]any) {
		for _, step := range path[:len(path)-1] {
			tab = tab[step].(map[string]any)
		}
		tab[path[len(path)-1]] = value
	}
}

// expectKind checks an answer that is no refusal.
func (a answer) expectKind(code int, apiVersion, kind string) {
	GinkgoHelper()
	Expect(a.code).To(Equal(code), "the code of the answer to %s, which is\n%s", a.request, a.text)
	Expect(a.header.Get("Content-Type")).To(HavePrefix("application/json"), "the Content-Type of the answer to %s", a.request)
	Expect(a.object).To(And(HaveKeyWithValue("kind", kind), HaveKeyWithValue("apiVersion", apiVersion)), "the answer to %s, which is\n%s", a.request, a.text)
}

// expectRefusal checks that an answer is a Status.
func (a answer) expectRefusal(code int, reason metav1.StatusReason) metav1.Status {
	GinkgoHelper()
	a.expectKind(code, "v1", "Status")
	status := metav1.Status{}
	Expect(json.Unmarshal([]byte(a.text), &status)).To(Succeed(), "read the answer to %s as a Status:\n%s", a.request, a.text)
	Expect(status.Status).To(Equal(metav1.StatusFailure), "status in the answer to %s", a.request)
	Expect(status.Reason).To(Equal(reason), "reason in the answer to %s, whose message is %q", a.request, status.Message)
	Expect(status.Code).To(BeEquivalentTo(code), "code in the answer to %s", a.request)
	return status
}

// items are the names in a list.
func (a answer) items() []string {
	GinkgoHelper()
	list, ok := a.object["items"].([]any)
	Expect(ok).To(BeTrue(), "items in the answer to %s is a list, and not null:\n%s", a.request, a.text)
	names := []string{}
	for _, item := range list {
		names = append(names, nestedString(item.(map[string]any), "metadata", "namespace")+"/"+nestedString(item.(map[string]any), "metadata", "name"))
	}
	return names
}

// connection is how the other end of one has shown itself, with the certificate and the chain behind it.
func connection(certificate tls.Certificate) *tls.ConnectionState {
	GinkgoHelper()
	state := &tls.ConnectionState{}
	for _, der := range certificate.Certificate {
		state.PeerCertificates = append(state.PeerCertificates, parse(der))
	}
	return state
}

// authority makes one for a spec.
func authority(name string) *pki.Authority {
	GinkgoHelper()
	return must(pki.NewAuthority(name))
}

// copyOf is a map with changes.
func copyOf(original map[string]string, changes ...string) map[string]string {
	changed := maps.Clone(original)
	for i := 0; i < len(changes); i += 2 {
		changed[changes[i]] = changes[i+1]
	}
	return changed
}

// quoted is for failure messages.
func quoted(err error) string { return fmt.Sprintf("%q", fmt.Sprint(err)) }
