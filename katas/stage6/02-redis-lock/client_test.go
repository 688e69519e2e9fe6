package redislock_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	kata "github.com/kubekata/kubekata/katas/stage6/02-redis-lock"
)

var _ = Describe("NewClient", func() {
	// connect returns the learner's client, which has a connection, and what stands between it and Redis.
	connect := func(ctx context.Context, renewDeadline time.Duration) (*redis.Client, *proxy) {
		GinkgoHelper()
		m, err := miniredis.Run()
		Expect(err).NotTo(HaveOccurred(), "start miniredis")
		DeferCleanup(m.Close)
		p := newProxy(m.Addr())
		c := kata.NewClient(p.addr, renewDeadline)
		DeferCleanup(c.Close)
		Expect(c.Ping(ctx).Err()).To(Succeed(), "PING, through the client that NewClient has returned")
		return c, p
	}
	// ask sends an INCR, and returns a channel that is closed when there is an answer or an error.
	ask := func(ctx context.Context, c *redis.Client, result *error) <-chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			*result = c.Incr(ctx, "n").Err()
		}()
		return done
	}

	It("heeds the deadline of a request", func(ctx SpecContext) {
		c, p := connect(ctx, time.Minute)
		p.silent.Store(true)
		brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		var err error
		Eventually(ask(brief, c, &err)).WithContext(ctx).WithTimeout(3*time.Second).Should(BeClosed(), "the end of a request with a deadline of 100 milliseconds, when Redis does not answer")
		Expect(err).To(HaveOccurred(), "what the request returns, which was not answered")
	})

	It("waits for an answer no longer than half of renewDeadline", func(ctx SpecContext) {
		c, p := connect(ctx, 400*time.Millisecond)
		p.silent.Store(true)
		var err error
		Eventually(ask(ctx, c, &err)).WithContext(ctx).WithTimeout(3*time.Second).Should(BeClosed(), "the end of a request, when Redis does not answer, and renewDeadline is 400 milliseconds")
		Expect(err).To(HaveOccurred(), "what the request returns, which was not answered")
	})

	It("waits for a connection no longer than half of renewDeadline", func() {
		c := kata.NewClient("127.0.0.1:1", 7*time.Second)
		DeferCleanup(c.Close)
		Expect(c.Options().DialTimeout).To(Equal(3500*time.Millisecond), "DialTimeout of the client, with a renewDeadline of seven seconds: there is no way to keep a connection on loopback waiting")
		Expect(c.Options().DialerRetries).To(Equal(1), "DialerRetries of the client: what go-redis calls retries here are tries")
	})

	It("tries nothing twice", func(ctx SpecContext) {
		c, p := connect(ctx, time.Minute)
		p.deaf.Store(true)
		Expect(c.Incr(ctx, "n").Err()).To(HaveOccurred(), "what a request returns, whose answer was lost with the connection")
		Expect(c.Get(ctx, "n").Int()).To(Equal(1), "how often the request has been done: with a lock, the second time would be a Conflict with the first")
	})
})

// proxy stands between a client and Redis.
type proxy struct {
	addr string
	// silent keeps everything to itself. deaf breaks the connection when Redis answers, once.
	silent, deaf atomic.Bool
}

// newProxy starts a proxy, which ends after the spec.
func newProxy(to string) *proxy {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred(), "start a proxy")
	p := &proxy{addr: l.Addr().String()}
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	keep := func(c ...net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c...)
	}
	DeferCleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			keep(client, server)
			all.Go(func() { p.relay(server, client, false) })
			all.Go(func() { p.relay(client, server, true) })
		}
	})
	return p
}

// relay hands on what comes from one side to the other, and closes both when one has ended.
func (p *proxy) relay(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		switch {
		case p.silent.Load():
		case answers && p.deaf.CompareAndSwap(true, false):
			return
		default:
			if _, err := to.Write(buffer[:n]); err != nil && err != io.EOF {
				return
			}
		}
	}
}
