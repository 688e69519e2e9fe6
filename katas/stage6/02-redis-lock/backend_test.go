package redislock_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	"k8s.io/apimachinery/pkg/util/rand"

	kata "github.com/kubekata/kubekata/katas/stage6/02-redis-lock"

	"github.com/kubekata/kubekata/harness/ephemeral"
)

// addrEnv names a Redis on this machine, on which the specs run as well.
const addrEnv = "REDIS_ADDR"

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// backend is something that speaks Redis' protocol.
type backend struct {
	name string
	// start returns its address, and a function that moves its clock; nil means that the keys' expiry is moved instead.
	start func(ctx context.Context) (addr string, forward func(time.Duration))
}

// backends returns miniredis, and the real one if there is one. Go's test cache does not see a redis-server come or go: the next change of the code
// does it, or REDIS_ADDR.
func backends() []backend {
	all := []backend{{"miniredis", func(context.Context) (string, func(time.Duration)) {
		GinkgoHelper()
		m, err := miniredis.Run()
		Expect(err).NotTo(HaveOccurred(), "start miniredis")
		DeferCleanup(m.Close)
		return m.Addr(), m.FastForward
	}}}
	if addr := os.Getenv(addrEnv); addr != "" {
		return append(all, backend{"the Redis of " + addrEnv, func(context.Context) (string, func(time.Duration)) { return addr, nil }})
	}
	if path, err := exec.LookPath("redis-server"); err == nil {
		return append(all, backend{"redis-server", func(ctx context.Context) (string, func(time.Duration)) {
			GinkgoHelper()
			if own == nil {
				own, err = startServer(ctx, path)
				Expect(err).NotTo(HaveOccurred(), "start %s", path)
			}
			return own.addr, nil
		}})
	}
	return all
}

// own is the redis-server of this suite, nil as long as no spec has asked for it.
var own *redisServer

type redisServer struct {
	addr string
	cmd  *exec.Cmd
	done func() error
}

// startServer starts a redis-server on loopback, which keeps nothing. Its folder stands on its command line: if this process dies, it is ended
// by the next one.
func startServer(ctx context.Context, path string) (*redisServer, error) {
	dir, done, err := ephemeral.New()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, done())
	}
	addr, port := l.Addr().String(), l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no",
		"--dir", dir, "--logfile", filepath.Join(dir, "redis.log"), "--pidfile", filepath.Join(dir, "redis.pid"))
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, done())
	}
	s := &redisServer{addr: addr, cmd: cmd, done: done}
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer client.Close()
	for until := time.Now().Add(5 * time.Second); ; {
		err := client.Ping(ctx).Err()
		if err == nil {
			return s, nil
		}
		if time.Now().After(until) {
			return nil, errors.Join(fmt.Errorf("it does not answer at %s: %w", addr, err), s.stop())
		}
	}
}

func (s *redisServer) stop() error {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	return s.done()
}

// world is what a spec has of a backend: a namespace of its own.
type world struct {
	backend backend
	addr    string
	ns      string
	clock   func(time.Duration)
	judge   *redis.Client
}

func (w *world) begin(ctx context.Context) {
	GinkgoHelper()
	w.addr, w.clock = w.backend.start(ctx)
	w.ns = "ns-" + rand.String(10)
	w.judge = w.client()
	DeferCleanup(func(ctx SpecContext) {
		for _, key := range w.keys(ctx) {
			Expect(w.judge.Del(ctx, key).Err()).To(Succeed(), "remove the key %s of this spec", key)
		}
	})
}

// client returns a client that is not the learner's. It ends after the spec.
func (w *world) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: w.addr, MaxRetries: -1, PoolSize: 2})
	DeferCleanup(c.Close)
	return c
}

// lock returns the learner's lock invoices.
func (w *world) lock(id string) *kata.Lock {
	GinkgoHelper()
	return w.named(id, "invoices")
}

func (w *world) named(id, name string) *kata.Lock {
	GinkgoHelper()
	return &kata.Lock{Client: w.client(), Namespace: w.ns, Name: name, ID: id}
}

// hooked returns the learner's lock, whose commands go through a hook from now on.
func (w *world) hooked(ctx context.Context, id, name string, h *hook) *kata.Lock {
	GinkgoHelper()
	c := w.client()
	Expect(c.Ping(ctx).Err()).To(Succeed(), "connect to %s", w.backend.name)
	c.AddHook(h)
	return &kata.Lock{Client: c, Namespace: w.ns, Name: name, ID: id}
}

// keys returns the names of the keys of this spec's locks.
func (w *world) keys(ctx context.Context) []string {
	GinkgoHelper()
	var keys []string
	for i := w.judge.Scan(ctx, 0, "lock:{"+w.ns+"/*", 1000).Iterator(); i.Next(ctx); {
		keys = append(keys, i.Val())
	}
	return keys
}

// forward lets time pass for the keys of this spec's locks.
func (w *world) forward(ctx context.Context, d time.Duration) {
	GinkgoHelper()
	if w.clock != nil {
		w.clock(d)
		return
	}
	for _, key := range w.keys(ctx) {
		left, err := w.judge.PTTL(ctx, key).Result()
		Expect(err).NotTo(HaveOccurred(), "when %s expires", key)
		if left > 0 { // it does expire
			Expect(w.judge.PExpire(ctx, key, left-d).Err()).To(Succeed(), "let %s expire sooner", key)
		}
	}
}

// hook stands between a lock and Redis. n counts the commands, from 1; a pipeline is one.
type hook struct {
	n atomic.Int32
	// before is called before a command is sent, and after when it was answered. An error of either is what the lock gets.
	before, after func(n int) error
}

// DialHook implements [redis.Hook].
func (h *hook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := h.around(func() error { return next(ctx, cmd) })
		if err != nil {
			cmd.SetErr(err)
		}
		return err
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := h.around(func() error { return next(ctx, cmds) })
		for _, cmd := range cmds {
			if err != nil && cmd.Err() == nil {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

func (h *hook) around(next func() error) error {
	n := int(h.n.Add(1))
	if h.before != nil {
		if err := h.before(n); err != nil {
			return err
		}
	}
	err := next()
	if h.after != nil {
		if lost := h.after(n); lost != nil {
			return lost
		}
	}
	return err
}
