package graduation_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
)

var errCut = errors.New("the wire is cut")

// wire is what is between a copy of the operator and a server. A copy whose wires are both cut is as good as killed: nothing that it does is seen any more.
type wire struct {
	mu sync.Mutex
	// all ends when the wire is cut, and now, which is a child of it, when what goes through it is broken off.
	all, now context.Context
	cut      context.CancelFunc
	off      context.CancelFunc
	// done is called when a request that changes something was done, before its answer goes back, and may cut.
	done func()
	// paths are those of all requests.
	paths []string
}

func newWire() *wire {
	w := &wire{}
	w.all, w.cut = context.WithCancel(context.Background())
	w.now, w.off = context.WithCancel(w.all)
	return w
}

// breakOff ends what goes through the wire now, watches above all. What comes later goes through.
func (w *wire) breakOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off()
	w.now, w.off = context.WithCancel(w.all)
}

func (w *wire) onDone(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = do
}

// asked counts the requests for a path that ends with a text.
func (w *wire) asked(end string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, path := range w.paths {
		if strings.HasSuffix(path, end) {
			n++
		}
	}
	return n
}

// wrap lets a transport's requests go through the wire.
func (w *wire) wrap(transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		w.mu.Lock()
		now, done := w.now, w.done
		w.paths = append(w.paths, r.URL.Path)
		w.mu.Unlock()
		if now.Err() != nil {
			return nil, errCut
		}
		ctx, cancel := context.WithCancel(r.Context())
		context.AfterFunc(now, cancel) // the answer's body is read later
		response, err := transport.RoundTrip(r.WithContext(ctx))
		if err == nil && done != nil && r.Method != http.MethodGet {
			done()
			if now.Err() != nil {
				response.Body.Close()
				return nil, errCut
			}
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
