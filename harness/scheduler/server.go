package scheduler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"

	"github.com/kubekata/kubekata/harness/report"
)

// server is where the suite's scheduler finds the extenders of all its specs: one address of a test process, which knows from the pod whom to ask.
type server struct {
	url  string
	http *http.Server
	err  error // of listening

	mu     sync.Mutex
	worlds map[string]*World // by namespace
}

func serve() *server {
	s := &server{worlds: map[string]*World{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.err = fmt.Errorf("listen for the scheduler's calls: %w", err)
		return s
	}
	s.url = "http://" + listener.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.http.SetKeepAlivesEnabled(false) // a connection that idles is a goroutine
	go func() { _ = s.http.Serve(listener) }()
	return s
}

func (s *server) close() {
	if s.http != nil {
		_ = s.http.Close() // the scheduler has ended
	}
}

func (s *server) add(w *World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worlds[w.Namespace] = w
}

func (s *server) remove(w *World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.worlds, w.Namespace)
}

// question is what every request has, under one name or the other.
type question struct {
	Pod struct {
		Metadata struct {
			Namespace, Name string
		}
	}
	PodNamespace, PodName string
}

func (q question) namespace() string {
	if q.PodNamespace != "" {
		return q.PodNamespace
	}
	return q.Pod.Metadata.Namespace
}

func (q question) name() string {
	if q.PodName != "" {
		return q.PodName
	}
	return q.Pod.Metadata.Name
}

// ServeHTTP implements [http.Handler].
func (s *server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	w := s.worlds[q.namespace()]
	if w != nil {
		w.calls.Add(1) // under the lock: who has removed the world waits for all calls
	}
	s.mu.Unlock()
	if w == nil {
		http.Error(rw, "the spec is over", http.StatusServiceUnavailable)
		return
	}
	defer w.calls.Done()
	if strings.TrimPrefix(r.URL.Path, "/") == probeVerb {
		w.probed(rw, body)
		return
	}
	exchange := w.ask(r, q, body)
	for name, values := range exchange.Header {
		rw.Header()[name] = values
	}
	rw.WriteHeader(exchange.Code)
	_, _ = io.WriteString(rw, exchange.Body)
}

// ask calls the learner's handler, and keeps what was said. A panic fails the spec, and ends its waits.
func (w *World) ask(r *http.Request, q question, body []byte) (exchange Exchange) {
	exchange = Exchange{Method: r.Method, Path: r.URL.Path, Pod: q.name(), Request: string(body), Code: http.StatusInternalServerError}
	defer func() {
		p := recover()
		if p != nil {
			exchange.Body = fmt.Sprintf("there is no answer: the handler has panicked: %v", p)
		}
		w.mu.Lock()
		w.exchanges = append(w.exchanges, exchange)
		w.mu.Unlock()
		if p == nil {
			return
		}
		defer w.giveUp(fmt.Errorf("the handler has panicked"))
		defer ginkgo.GinkgoRecover()
		var where strings.Builder
		for _, frame := range report.Frames(string(debug.Stack())) {
			if !strings.Contains(frame, "_test.go:") {
				where.WriteString("\n  at " + frame)
			}
		}
		ginkgo.Fail(fmt.Sprintf("a panic in the handler, when the scheduler asks %s for pod %s: %v%s", r.URL.Path, q.name(), p, where.String()), learners())
	}()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	exchange.read(answer)
	return exchange
}

// learners says how far above its caller the learner's code is, which a panic leaves on the stack; 0 when it is not there.
func learners() int {
	for skip := 1; ; skip++ {
		_, file, _, ok := runtime.Caller(skip)
		if !ok {
			return 0
		}
		if rel := report.Relative(file); strings.HasPrefix(rel, "katas/") && !strings.HasSuffix(rel, "_test.go") {
			return skip - 1
		}
	}
}
