package exchange

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Op is what a call is for.
type Op string

// The calls that there are.
const (
	OpRent    Op = "rent"
	OpDivert  Op = "divert"
	OpRelease Op = "release"
)

// Call is one that has come in.
type Call struct {
	Op        Op
	Reference string
	// Caller is the client's name.
	Caller string
	// Began and Ended are places in the order of all beginnings and ends; Ended is 0 while the call is being answered.
	Began, Ended int
	// At is when it came.
	At time.Time
	// Status is the answer's, and 0 when the caller did not get one.
	Status int
}

// Service is a telephone exchange in memory. It is an http.Handler, and its other methods stand for the rest of the world.
type Service struct {
	mux *http.ServeMux

	mu      sync.Mutex
	clock   int
	rented  int
	numbers map[string]Number
	calls   []*Call
	faults  []*fault
	before  func(context.Context, Call)
	after   func(Call)
}

type fault struct {
	op     Op
	times  int
	status int
	busy   time.Duration
	lost   bool
}

// NewService returns an exchange that has rented nothing.
func NewService() *Service {
	s := &Service{mux: http.NewServeMux(), numbers: map[string]Number{}}
	s.mux.HandleFunc("POST /numbers", func(w http.ResponseWriter, r *http.Request) {
		if n, ok := body(w, r); ok {
			s.serve(w, r, OpRent, n.Reference, func() (int, any) { return s.rent(n) })
		}
	})
	s.mux.HandleFunc("PUT /numbers/{reference}/divert", func(w http.ResponseWriter, r *http.Request) {
		if n, ok := body(w, r); ok {
			reference := r.PathValue("reference")
			s.serve(w, r, OpDivert, reference, func() (int, any) { return s.divert(reference, n.Divert) })
		}
	})
	s.mux.HandleFunc("DELETE /numbers/{reference}", func(w http.ResponseWriter, r *http.Request) {
		reference := r.PathValue("reference")
		s.serve(w, r, OpRelease, reference, func() (int, any) { return s.release(reference) })
	})
	return s
}

func body(w http.ResponseWriter, r *http.Request) (n Number, ok bool) {
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		http.Error(w, "want a number in JSON", http.StatusBadRequest)
		return n, false
	}
	return n, true
}

// ServeHTTP answers a call.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// serve does a call, unless its caller is gone or it is a bad day, and answers it.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, op Op, reference string, do func() (int, any)) {
	call, before := s.begin(r, op, reference)
	if before != nil {
		before(r.Context(), *call)
	}
	status, answer, busy := s.answer(r.Context(), call, do)
	s.mu.Lock()
	after, done := s.after, *call
	s.mu.Unlock()
	if after != nil && status != 0 {
		after(done)
	}
	s.end(call)
	if status == 0 {
		panic(http.ErrAbortHandler) // closes the connection
	}
	if busy > 0 {
		w.Header().Set("X-Busy-Seconds", strconv.FormatFloat(busy.Seconds(), 'f', -1, 64))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Service) begin(r *http.Request, op Op, reference string) (*Call, func(context.Context, Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	call := &Call{Op: op, Reference: reference, Caller: r.Header.Get(callerHeader), Began: s.clock, At: time.Now()}
	s.calls = append(s.calls, call)
	return call, s.before
}

func (s *Service) answer(ctx context.Context, call *Call, do func() (int, any)) (status int, answer any, busy time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil { // nobody waits for it any more
		return 0, nil, 0
	}
	f := s.fault(call.Op)
	switch {
	case f != nil && f.busy > 0:
		status, busy = http.StatusTooManyRequests, f.busy
	case f != nil && f.status != 0:
		status, answer = f.status, "the exchange has a bad day"
	default:
		status, answer = do()
	}
	if f != nil && f.lost {
		status = 0
	}
	call.Status = status
	return status, answer, busy
}

func (s *Service) end(call *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	call.Ended = s.clock
}

// fault takes the call's bad day from the list, if there is one.
func (s *Service) fault(op Op) *fault {
	for i, f := range s.faults {
		if f.op != op {
			continue
		}
		if f.times--; f.times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f
	}
	return nil
}

func (s *Service) rent(want Number) (int, any) {
	if n, ok := s.numbers[want.Reference]; ok {
		return http.StatusOK, n
	}
	if want.Reference == "" || len(want.Area) < 3 {
		return http.StatusBadRequest, "want an area and a reference"
	}
	s.rented++
	n := Number{Number: fmt.Sprintf("+49%s%07d", want.Area[1:], s.rented), Area: want.Area, Reference: want.Reference}
	s.numbers[want.Reference] = n
	return http.StatusCreated, n
}

func (s *Service) divert(reference, to string) (int, any) {
	n, ok := s.numbers[reference]
	if !ok {
		return http.StatusNotFound, "no such reference"
	}
	n.Divert = to
	s.numbers[reference] = n
	return http.StatusOK, n
}

func (s *Service) release(reference string) (int, any) {
	n, ok := s.numbers[reference]
	if !ok {
		return http.StatusNotFound, "no such reference"
	}
	delete(s.numbers, reference)
	return http.StatusOK, n
}

// Numbers returns what is rented, by number.
func (s *Service) Numbers() []Number {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.numbers), func(a, b Number) int { return cmp.Compare(a.Number, b.Number) })
}

// Rented counts the numbers that were ever rented: what is paid for.
func (s *Service) Rented() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rented
}

// Calls returns the calls so far, in the order in which they began.
func (s *Service) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := make([]Call, len(s.calls))
	for i, c := range s.calls {
		calls[i] = *c
	}
	return calls
}

// Lose takes a number away behind its customer's back.
func (s *Service) Lose(reference string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.numbers, reference)
}

// Fail lets the next calls of a kind, times of them, fail with a status, and do nothing.
func (s *Service) Fail(op Op, times, status int) { s.bad(&fault{op: op, times: times, status: status}) }

// Busy lets the next call of a kind be told to come back later. It does nothing.
func (s *Service) Busy(op Op, after time.Duration) { s.bad(&fault{op: op, times: 1, busy: after}) }

// LoseAnswers lets the next calls of a kind, times of them, do what they are asked for, and then closes the connection.
func (s *Service) LoseAnswers(op Op, times int) { s.bad(&fault{op: op, times: times, lost: true}) }

func (s *Service) bad(f *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Before lets a function look at each call before anything is done; ctx ends when the caller has gone. A call whose caller has gone does nothing.
func (s *Service) Before(look func(ctx context.Context, call Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = look
}

// After lets a function look at each call that was done, before its caller gets the answer.
func (s *Service) After(look func(Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = look
}
