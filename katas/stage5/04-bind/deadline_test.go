package bind_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes"

	bind "github.com/kubekata/kubekata/katas/stage5/04-bind"
)

// wire is a network on which the first Binding gets no answer. It keeps the deadlines of the requests.
type wire struct {
	next http.RoundTripper
	// silence is called with the request that gets no answer, which goes no further.
	silence func(*http.Request)

	mu        sync.Mutex
	deadlines []time.Time
	silent    bool
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	deadline, _ := r.Context().Deadline()
	w.mu.Lock()
	w.deadlines = append(w.deadlines, deadline)
	first := !w.silent && strings.HasSuffix(r.URL.Path, "/binding")
	w.silent = w.silent || first
	w.mu.Unlock()
	if first {
		w.silence(r)
		// As if the time were up: nobody waits for it.
		return nil, context.DeadlineExceeded
	}
	return w.next.RoundTrip(r)
}

// on makes a binder whose client uses the wire.
func (w *wire) on(book *book, timeout time.Duration) *bind.Binder {
	GinkgoHelper()
	config := api.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		w.next = next
		return w
	})
	client, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred(), "make a client")
	return &bind.Binder{Client: client, Ledger: book, Timeout: timeout}
}

var _ = Describe("Bind, with a time limit,", func() {
	It("gives each request its own Timeout, so that there is time to look after one that got no answer", func(ctx SpecContext) {
		p := create(ctx, api.Namespace(ctx), "web")
		w := &wire{silence: func(*http.Request) {}}
		start := time.Now()
		forever := context.WithoutCancel(ctx) // the spec's own deadline is nearer
		Expect(ask(forever, w.on(newBook(), time.Hour), p, "a")).NotTo(BeEmpty(), "the Error of the result, when there is no answer and the pod is not bound")
		end := time.Now()
		Expect(w.deadlines).To(HaveLen(2), "the requests to the API server: a Binding without an answer, and a look at the pod")
		for i, what := range []string{"the Binding", "the look at the pod"} {
			Expect(w.deadlines[i]).To(And(BeTemporally(">=", start.Add(time.Hour)), BeTemporally("<=", end.Add(time.Hour))),
				"the deadline of %s, with a Timeout of an hour, in a Bind from %s to %s", what, start, end)
		}
		Expect(w.deadlines[1]).To(BeTemporally(">", w.deadlines[0]), "the deadline of the look at the pod: when the Binding has used up its time, there has to be some left")
	})

	It("ends the first request when the scheduler hangs up, and finds out what is the case all the same", func(ctx SpecContext) {
		p, book := create(ctx, api.Namespace(ctx), "web"), newBook()
		hangingUp, hangUp := context.WithCancel(ctx)
		defer hangUp()
		var ended error
		w := &wire{silence: func(r *http.Request) {
			elsewhere(ctx, p, "b")
			hangUp()
			select {
			case <-r.Context().Done():
				ended = r.Context().Err()
			case <-time.After(bound / 5):
			}
		}}
		got := ask(hangingUp, w.on(book, patient), p, "a")
		Expect(ended).To(MatchError(context.Canceled), "the context of the first request, after the scheduler has hung up")
		Expect(got).To(Equal("bind: pod "+p.Namespace+"/web is on node b already"), "the Error of the result, which nobody waits for; the fuse depends on it")
		book.expectBack(p, "a")
	})

	It("does not bind for a scheduler that has hung up before", func(ctx SpecContext) {
		p := create(ctx, api.Namespace(ctx), "web")
		over, cancel := context.WithCancel(ctx)
		cancel()
		Expect(ask(over, newBinder(newBook()), p, "a")).To(HavePrefix("bind: pod "+p.Namespace+"/web to node a: "), "the Error of the result")
		expectOn(ctx, p, "")
	})
})
