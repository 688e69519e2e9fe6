package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Request is one request of the learner's clients.
type Request struct {
	// Verb is Kubernetes': get, list, watch, create, update, patch, delete, deletecollection; else the HTTP method.
	Verb string
	// Group is empty for the core group. Resource is the plural. Both are empty for a path that is no resource's.
	Group, Version, Resource, Subresource string
	Namespace, Name                       string
	Path                                  string
	Query                                 url.Values
	UserAgent                             string
	ContentType                           string
	// Body is what was sent.
	Body []byte
	// ResourceVersion is the one that an update carries.
	ResourceVersion string
	// Code is the answer's status, 0 when there was none.
	Code int
}

// Interceptor is called before each request of the learner's clients. It may change the world (another writer comes in
// between) and return nil, which lets the request go on, or return an answer, which the server never sees.
type Interceptor func(Request) *Answer

// Answer is an answer in the server's stead. One without Status and Body drops the connection instead.
type Answer struct {
	// Status is sent as the body, with its Code.
	Status *metav1.Status
	// Body is sent with the code 200 when there is no Status. Its Content-Type is application/json unless Header says
	// otherwise.
	Body []byte
	// Header is added, a Retry-After for instance.
	Header http.Header
}

// recorder keeps the requests of a spec.
type recorder struct {
	mu        sync.Mutex
	requests  []Request
	namespace string
	inter     Interceptor
	specs     int
}

func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.inter, r.namespace = nil, nil, ""
	r.specs++
}

func (r *recorder) setNamespace(ns string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.namespace = ns
}

func (r *recorder) intercept(i Interceptor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inter = i
}

func (r *recorder) list() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// wrap binds a transport to the running spec: what a loop that outlives its spec asks for is not the next spec's.
func (r *recorder) wrap(next http.RoundTripper) http.RoundTripper {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &recording{recorder: r, spec: r.specs, next: next}
}

type recording struct {
	recorder *recorder
	spec     int
	next     http.RoundTripper
}

// RoundTrip records the request and its answer's code.
func (t *recording) RoundTrip(req *http.Request) (*http.Response, error) {
	rec, err := parse(req)
	if err != nil {
		return nil, err
	}
	t.recorder.mu.Lock()
	inter := t.recorder.inter
	mine := t.spec == t.recorder.specs
	t.recorder.mu.Unlock()
	var resp *http.Response
	if answer := call(inter, mine, rec); answer != nil {
		resp, err = answer.response(req)
	} else {
		resp, err = t.next.RoundTrip(req)
	}
	if resp != nil {
		rec.Code = resp.StatusCode
	}
	t.recorder.mu.Lock()
	defer t.recorder.mu.Unlock()
	if t.spec == t.recorder.specs {
		t.recorder.requests = append(t.recorder.requests, rec)
	}
	return resp, err
}

func call(i Interceptor, mine bool, r Request) *Answer {
	if i == nil || !mine {
		return nil
	}
	return i(r)
}

func (a *Answer) response(req *http.Request) (*http.Response, error) {
	code, body := http.StatusOK, a.Body
	switch {
	case a.Status != nil:
		status := *a.Status
		status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		if status.Status == "" {
			status.Status = metav1.StatusFailure
		}
		var err error
		if body, err = json.Marshal(status); err != nil {
			return nil, err
		}
		code = int(status.Code)
	case body == nil:
		return nil, &url.Error{Op: req.Method, URL: req.URL.String(), Err: io.ErrUnexpectedEOF}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for k, v := range a.Header {
		header[k] = v
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), StatusCode: code,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}, nil
}

// versionPattern is what a version of the API looks like: v1, v2beta1.
var versionPattern = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?$`)

// parse reads a request as the API server's RequestInfo does: k8s.io/apiserver pkg/endpoints/request.
func parse(req *http.Request) (Request, error) {
	r := Request{Path: req.URL.Path, Query: req.URL.Query(), UserAgent: req.UserAgent(), ContentType: req.Header.Get("Content-Type")}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return r, err
		}
		if err := req.Body.Close(); err != nil {
			return r, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.Body = body
		var obj struct {
			Metadata struct{ ResourceVersion string }
		}
		if json.Unmarshal(body, &obj) == nil {
			r.ResourceVersion = obj.Metadata.ResourceVersion
		}
	}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 2 && parts[0] == "api":
		r.Version, parts = parts[1], parts[2:]
	case len(parts) >= 3 && parts[0] == "apis":
		r.Group, r.Version, parts = parts[1], parts[2], parts[3:]
	default:
		parts = nil
	}
	if !versionPattern.MatchString(r.Version) {
		r.Group, r.Version, parts = "", "", nil // /apis/v1/namespaces is no resource's path
	}
	if len(parts) >= 2 && parts[0] == "namespaces" {
		r.Namespace = parts[1]
		if len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
			parts = parts[2:]
		}
	}
	if len(parts) > 0 {
		r.Resource = parts[0]
	}
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Subresource = strings.Join(parts[2:], "/")
	}
	r.Verb = verb(req.Method, r)
	return r, nil
}

func verb(method string, r Request) string {
	watch := r.Query.Get("watch")
	switch {
	case r.Resource == "":
		return strings.ToLower(method)
	case method == http.MethodGet && (watch == "true" || watch == "1"):
		return "watch"
	case method == http.MethodGet && r.Name == "":
		return "list"
	case method == http.MethodPost:
		return "create"
	case method == http.MethodPut:
		return "update"
	case method == http.MethodDelete && r.Name == "":
		return "deletecollection"
	}
	return strings.ToLower(method)
}

// String is the request's line in a transcript: "update deployments/web (rv 812) → 409".
func (r Request) String() string {
	return r.line("")
}

func (r Request) line(home string) string {
	what := r.Path
	// A collection that does not exist was asked for by a wrong path, most likely: /apis/v1/pods.
	lost := r.Code == http.StatusNotFound && r.Name == ""
	if r.Resource != "" && !lost {
		what = r.Resource
		if r.Name != "" {
			what += "/" + r.Name
		}
		if r.Subresource != "" {
			what += "/" + r.Subresource
		}
	}
	if !lost && r.Namespace != "" && r.Namespace != home && r.Resource != "namespaces" {
		what += " in " + r.Namespace
	}
	query := url.Values{}
	for k, v := range r.Query {
		if k != "watch" && k != "timeout" && k != "timeoutSeconds" {
			query[k] = v
			if k == "continue" {
				query[k] = []string{"…"} // a token says nothing
			}
		}
	}
	if text, err := url.QueryUnescape(query.Encode()); err == nil && text != "" {
		what += "?" + text
	}
	if r.ResourceVersion != "" {
		what += " (rv " + r.ResourceVersion + ")"
	}
	code := "no answer"
	if r.Code != 0 {
		code = fmt.Sprintf("%d %s", r.Code, http.StatusText(r.Code))
	}
	return fmt.Sprintf("%-6s %s → %s", r.Verb, what, code)
}

// maxLines is how many requests a transcript shows at each end.
const maxLines = 20

func (r *recorder) transcript() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := make([]string, len(r.requests))
	for i, req := range r.requests {
		lines[i] = req.line(r.namespace)
	}
	if over := len(lines) - 2*maxLines; over > 0 {
		lines = slices.Concat(lines[:maxLines], []string{fmt.Sprintf("… %d more …", over)}, lines[len(lines)-maxLines:])
	}
	return strings.Join(lines, "\n")
}
