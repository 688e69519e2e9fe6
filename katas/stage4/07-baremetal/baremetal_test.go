package baremetal_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	baremetal "github.com/kubekata/kubekata/katas/stage4/07-baremetal"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/serving"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestBaremetal(t *testing.T) { harness.RunSpecs(t, "Stage 4 · 07-baremetal") }

// bound is for what takes a moment. It is far more than that.
const bound = 10 * time.Second

// certificate is for the loopback address, which stands for the webhook's machine.
var certificate, bundle = func() (tls.Certificate, []byte) {
	certificate, bundle, err := serving.NewCertificate(net.IPv4(127, 0, 0, 1))
	if err != nil {
		panic(err)
	}
	return certificate, bundle
}()

var nestedString = unstructured.NestedString

// patient are timeouts that no spec waits for.
var patient = baremetal.Timeouts{Header: time.Minute, Request: time.Minute, Response: time.Minute, Idle: time.Minute, Grace: time.Minute}

// running is the learner's server. Its end sends what Serve has returned.
type running struct {
	address string
	stop    context.CancelFunc
	end     chan error
	// left is how many connections are open when Serve has returned: read it after its end.
	left int

	listener *listener
}

// serve runs the learner's server on an address; port 0 is any. It returns when the server answers.
func serve(address string, handler http.Handler, timeouts baremetal.Timeouts) *running {
	GinkgoHelper()
	inner, err := net.Listen("tcp", address)
	Expect(err).NotTo(HaveOccurred(), "listen on %s for the spec", address)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{address: inner.Addr().String(), stop: cancel, end: make(chan error, 1), listener: &listener{Listener: inner, open: map[net.Conn]bool{}}}
	server := &baremetal.Server{Certificate: certificate, Handler: handler, Timeouts: timeouts}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer GinkgoRecover()
		err := server.Serve(ctx, r.listener)
		r.left = r.listener.count()
		r.end <- err
		r.listener.kill() // so that nobody waits for what is no longer there
	}()
	DeferCleanup(func() {
		cancel()
		r.listener.kill()
		Eventually(done).WithTimeout(bound).Should(BeClosed(), "Serve returns when its listener is closed, and all connections are cut")
	})
	probe, err := tls.DialWithDialer(&net.Dialer{Timeout: bound}, "tcp", r.address, &tls.Config{RootCAs: roots()})
	if err == nil {
		_ = probe.Close()
		return r
	}
	select {
	case early := <-r.end:
		Fail(fmt.Sprintf("Serve returned early: %v", early))
	default:
		Fail(fmt.Sprintf("the server cannot be spoken to: %v", err))
	}
	return r
}

func roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	return pool
}

// ended is what Serve has returned, in time.
func (r *running) ended(ctx context.Context) error {
	GinkgoHelper()
	var err error
	Eventually(r.end).WithContext(ctx).WithTimeout(bound).Should(Receive(&err), "Serve returns")
	return err
}

// listener knows its connections, so that the machine can be switched off.
type listener struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[inner] = true
	return &conn{Conn: inner, listener: l}, nil
}

// count is how many connections nobody has closed on our side.
func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// kill closes the listener and cuts all connections, without a farewell.
func (l *listener) kill() {
	_ = l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Close()
	}
}

type conn struct {
	net.Conn
	listener *listener
}

func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c.Conn)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// client is one that trusts the bundle. Each change makes it another one.
func client(changes ...func(*http.Transport)) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots()}, ForceAttemptHTTP2: true}
	for _, change := range changes {
		change(transport)
	}
	DeferCleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// answer is what came back, or the error.
type answer struct {
	code  int
	proto string
	body  string
	err   error
}

// post sends a body.
func (r *running) post(ctx context.Context, c *http.Client, body io.Reader) answer {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+r.address+"/stamp", body)
	if err != nil {
		return answer{err: err}
	}
	response, err := c.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{code: response.StatusCode, proto: response.Proto, body: string(text), err: err}
}

// hello is a handler that says how much it has read.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "%d bytes, %v", n, err)
})
