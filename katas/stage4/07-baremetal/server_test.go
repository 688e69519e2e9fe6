package baremetal_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	baremetal "github.com/kubekata/kubekata/katas/stage4/07-baremetal"
)

const anyPort = "127.0.0.1:0"

var _ = Describe("The server", func() {
	It("answers over TLS, with its certificate", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		got := s.post(ctx, client(), strings.NewReader("ciao"))
		Expect(got.err).NotTo(HaveOccurred(), "a request of a client that trusts the certificate")
		Expect(got.body).To(Equal("4 bytes, <nil>"), "the answer")
	})

	It("speaks HTTP/2", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		got := s.post(ctx, client(), nil)
		Expect(got.err).NotTo(HaveOccurred(), "a request of a client that trusts the certificate")
		Expect(got.proto).To(Equal("HTTP/2.0"), "the protocol, with a client that speaks HTTP/2")
	})

	It("speaks HTTP/1.1", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		got := s.post(ctx, client(http1), nil)
		Expect(got.err).NotTo(HaveOccurred(), "a request of a client that trusts the certificate")
		Expect(got.proto).To(Equal("HTTP/1.1"), "the protocol, with a client that speaks nothing newer")
	})

	It("speaks TLS 1.2", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		got := s.post(ctx, client(upTo(tls.VersionTLS12)), nil)
		Expect(got.err).NotTo(HaveOccurred(), "a request of a client with TLS 1.2")
	})

	It("speaks TLS 1.3", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		got := s.post(ctx, client(func(t *http.Transport) { t.TLSClientConfig.MinVersion = tls.VersionTLS13 }), nil)
		Expect(got.err).NotTo(HaveOccurred(), "a request of a client that speaks nothing older than TLS 1.3")
	})

	It("answers while others have connected and say nothing", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		for range 3 {
			silent, err := net.Dial("tcp", s.address)
			Expect(err).NotTo(HaveOccurred(), "connect without a word")
			DeferCleanup(silent.Close)
		}
		bounded, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		got := s.post(bounded, client(), nil)
		Expect(got.err).NotTo(HaveOccurred(), "a request, while three connections wait for their TLS handshake")
	})

	It("speaks no TLS that is older", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		got := s.post(ctx, client(upTo(tls.VersionTLS11)), nil)
		Expect(got.err).To(MatchError(ContainSubstring("protocol version not supported")), "a request of a client with TLS 1.1; the answer is %q", got.body)
	})

	It("says nothing without TLS", func(ctx SpecContext) {
		var asked atomic.Bool
		s := serve(anyPort, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }), patient)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address, nil)
		Expect(err).NotTo(HaveOccurred())
		response, err := client().Do(request)
		if err == nil {
			Expect(response.Body.Close()).To(Succeed())
			Expect(response.StatusCode).To(Equal(http.StatusBadRequest), "the answer to a request without TLS")
		}
		Expect(asked.Load()).To(BeFalse(), "whether the handler has been asked without TLS")
		got := s.post(ctx, client(), nil)
		Expect(got.err).NotTo(HaveOccurred(), "a request with TLS")
	})

	for name, length := range map[string]func(io.Reader) io.Reader{
		"that says how large it is": func(r io.Reader) io.Reader { return r },
		"that does not say so":      func(r io.Reader) io.Reader { return io.MultiReader(r) },
	} {
		It("reads no more than MaxBody of a body "+name, func(ctx SpecContext) {
			s := serve(anyPort, hello, patient)
			got := s.post(ctx, client(), length(bytes.NewReader(make([]byte, baremetal.MaxBody))))
			Expect(got.err).NotTo(HaveOccurred(), "a request with a body of MaxBody")
			Expect(got.body).To(Equal(fmt.Sprintf("%d bytes, <nil>", baremetal.MaxBody)), "what the handler has read of a body of MaxBody")
			got = s.post(ctx, client(), length(bytes.NewReader(make([]byte, baremetal.MaxBody+1))))
			if got.err == nil { // the server may have hung up already
				Expect(got.body).To(ContainSubstring("request body too large"), "what the handler has read of a body that is larger")
			}
		})
	}

	It("gives the handler an error that says how much it is to read", func(ctx SpecContext) {
		read := make(chan error, 1)
		s := serve(anyPort, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
		}), patient)
		s.post(ctx, client(), bytes.NewReader(make([]byte, baremetal.MaxBody+1)))
		var err error
		Eventually(read).WithContext(ctx).WithTimeout(bound).Should(Receive(&err), "the handler is asked")
		tooLarge, ok := errors.AsType[*http.MaxBytesError](err)
		Expect(ok).To(BeTrue(), "the error at the end of the body is an *http.MaxBytesError: %v", err)
		Expect(tooLarge.Limit).To(Equal(int64(baremetal.MaxBody)), "the limit in it")
	})
})

var _ = Describe("The server hangs up", func() {
	// short is a timeout that a spec waits for.
	const short = 100 * time.Millisecond

	DescribeTable("on a client", func(ctx SpecContext, change func(*baremetal.Timeouts), said string) {
		timeouts := patient
		change(&timeouts)
		s := serve(anyPort, hello, timeouts)
		c, err := tls.DialWithDialer(&net.Dialer{Timeout: bound}, "tcp", s.address, client().Transport.(*http.Transport).TLSClientConfig)
		Expect(err).NotTo(HaveOccurred(), "connect to the server")
		DeferCleanup(c.Close)
		_, err = io.WriteString(c, said)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.SetReadDeadline(time.Now().Add(bound))).To(Succeed())
		_, err = io.Copy(io.Discard, c)
		Expect(errors.Is(err, os.ErrDeadlineExceeded)).To(BeFalse(), "whether the server has not hung up within %v", bound)
	},
		Entry("that does not finish its header", func(t *baremetal.Timeouts) { t.Header = short }, "POST / HTTP/1.1\r\nHost: a\r\n"),
		Entry("that does not finish its body", func(t *baremetal.Timeouts) { t.Request = short }, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nciao"),
		Entry("that has no more requests", func(t *baremetal.Timeouts) { t.Idle = short }, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	)

	It("on a client that does not begin to speak TLS", func(ctx SpecContext) {
		timeouts := patient
		timeouts.Header = short
		s := serve(anyPort, hello, timeouts)
		c, err := net.Dial("tcp", s.address)
		Expect(err).NotTo(HaveOccurred(), "connect to the server")
		DeferCleanup(c.Close)
		Expect(c.SetReadDeadline(time.Now().Add(bound))).To(Succeed())
		_, err = io.Copy(io.Discard, c)
		Expect(errors.Is(err, os.ErrDeadlineExceeded)).To(BeFalse(), "whether the server has not hung up within %v", bound)
	})

	It("on a client that does not take its answer", func(ctx SpecContext) {
		timeouts := patient
		timeouts.Response = short
		wrote := make(chan error, 1)
		s := serve(anyPort, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := io.Copy(w, endless{})
			wrote <- err
		}), timeouts)
		c, err := tls.DialWithDialer(&net.Dialer{Timeout: bound}, "tcp", s.address, client().Transport.(*http.Transport).TLSClientConfig)
		Expect(err).NotTo(HaveOccurred(), "connect to the server")
		DeferCleanup(c.Close)
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		Expect(err).NotTo(HaveOccurred())
		Eventually(wrote).WithContext(ctx).WithTimeout(bound).Should(Receive(HaveOccurred()), "the handler's answer ends with an error")
	})
})

var _ = Describe("When its context ends, the server", func() {
	// busy is a server with a request that is being answered until the gate opens, and the channel for what comes of it.
	busy := func(ctx context.Context, timeouts baremetal.Timeouts, c *http.Client) (s *running, open func(), got chan answer) {
		GinkgoHelper()
		asked, gate := make(chan struct{}), make(chan struct{})
		s = serve(anyPort, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(asked)
			select {
			case <-gate:
			case <-r.Context().Done():
				_, _ = io.WriteString(w, "given up: the context of the request has ended")
				return
			}
			_, _ = io.WriteString(w, "here you are")
		}), timeouts)
		got = make(chan answer, 1)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			got <- s.post(context.WithoutCancel(ctx), c, nil)
		}()
		once := new(atomic.Bool)
		open = func() {
			if once.CompareAndSwap(false, true) {
				close(gate)
			}
		}
		DeferCleanup(func() {
			open()
			Eventually(gone).WithTimeout(bound).Should(BeClosed())
		})
		Eventually(asked).WithContext(ctx).WithTimeout(bound).Should(BeClosed(), "the handler is asked")
		return s, open, got
	}

	It("returns nil when there is nothing to do", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		Expect(s.post(ctx, client(), nil).err).NotTo(HaveOccurred())
		s.stop()
		Expect(s.ended(ctx)).To(Succeed(), "what Serve returns")
	})

	for name, change := range map[string]func(*http.Transport){"HTTP/1.1": http1, "HTTP/2": func(*http.Transport) {}} {
		It("answers what it was asked before, over "+name, func(ctx SpecContext) {
			s, open, got := busy(ctx, patient, client(change))
			s.stop()
			Eventually(func() error {
				c, err := net.Dial("tcp", s.address)
				if err == nil {
					_ = c.Close()
				}
				return err
			}).WithContext(ctx).WithTimeout(bound).Should(HaveOccurred(), "connect to the server, which is to stop: it takes no new connections")
			Consistently(s.end).WithContext(ctx).WithTimeout(200*time.Millisecond).ShouldNot(Receive(), "Serve returns before the request is answered")
			open()
			var came answer
			Eventually(got).WithContext(ctx).WithTimeout(bound).Should(Receive(&came))
			Expect(came.err).NotTo(HaveOccurred(), "the request that came before")
			Expect(came.body).To(Equal("here you are"), "the answer")
			Expect(s.ended(ctx)).To(Succeed(), "what Serve returns")
		})
	}

	It("waits for no longer than Grace", func(ctx SpecContext) {
		timeouts := patient
		timeouts.Grace = 100 * time.Millisecond
		s, _, got := busy(ctx, timeouts, client(http1))
		s.stop()
		Expect(s.ended(ctx)).To(MatchError(context.DeadlineExceeded), "what Serve returns when a request is not done in time")
		var came answer
		Eventually(got).WithContext(ctx).WithTimeout(bound).Should(Receive(&came), "the connection of that request is cut")
		Expect(came.err).To(HaveOccurred(), "the request whose connection is cut; the answer is %q", came.body)
	})

	It("ends when it had ended before", func(ctx SpecContext) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		inner, err := net.Listen("tcp", anyPort)
		Expect(err).NotTo(HaveOccurred())
		Expect((&baremetal.Server{Certificate: certificate, Handler: hello, Timeouts: patient}).Serve(ended, inner)).To(Succeed(), "what Serve returns")
		_, err = inner.Accept()
		Expect(err).To(MatchError(net.ErrClosed), "the listener is closed")
	})
})

var _ = Describe("When its listener fails, the server", func() {
	It("returns its error", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		Expect(s.post(ctx, client(), nil).err).NotTo(HaveOccurred())
		Expect(s.listener.Close()).To(Succeed())
		Expect(s.ended(ctx)).To(MatchError(net.ErrClosed), "what Serve returns")
	})

	It("leaves no connection open", func(ctx SpecContext) {
		s := serve(anyPort, hello, patient)
		Expect(s.post(ctx, client(http1), nil).err).NotTo(HaveOccurred()) // the client keeps its connection
		Expect(s.listener.Close()).To(Succeed())
		Expect(s.ended(ctx)).To(MatchError(net.ErrClosed), "what Serve returns")
		Expect(s.left).To(BeZero(), "the connections that are open when Serve has returned")
	})
})

func http1(t *http.Transport) { t.ForceAttemptHTTP2 = false }

func upTo(version uint16) func(*http.Transport) {
	return func(t *http.Transport) {
		t.TLSClientConfig.MinVersion, t.TLSClientConfig.MaxVersion = tls.VersionTLS10, version
	}
}

// endless can be read for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
