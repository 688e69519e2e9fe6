package bucket

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Op is what a call asks for.
type Op string

// The three calls of the service.
const (
	OpCreate   Op = "create"
	OpSetQuota Op = "set quota of"
	OpDelete   Op = "delete"
)

// Call is one that the service has got.
type Call struct {
	Op    Op
	Name  string
	Owner string
	Force bool
	// Status is the answer's; 0 when the answer was lost.
	Status int
}

// Service is a storage service in memory. It is an http.Handler, and its other methods stand for the rest of the world: other
// customers, what people put into buckets, and bad days.
type Service struct {
	mux *http.ServeMux

	mu      sync.Mutex
	buckets map[string]Bucket
	calls   []Call
	faults  []*fault
	before  func(Call)
	number  int
}

// fault is a bad day for one kind of call.
type fault struct {
	op     Op
	times  int // negative: until it is mended
	reason string
	lost   bool
}

// NewService returns a service without a bucket.
func NewService() *Service {
	s := &Service{mux: http.NewServeMux(), buckets: map[string]Bucket{}}
	s.mux.HandleFunc("POST /buckets", func(w http.ResponseWriter, r *http.Request) {
		var b Bucket
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || b.Name == "" || b.Owner == "" {
			http.Error(w, "want a bucket with a name and an owner", http.StatusBadRequest)
			return
		}
		s.serve(w, Call{Op: OpCreate, Name: b.Name, Owner: b.Owner}, func() (int, any) { return s.create(b) })
	})
	s.mux.HandleFunc("PUT /buckets/{name}/quota", func(w http.ResponseWriter, r *http.Request) {
		var b Bucket
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
			http.Error(w, "want a quota and an owner", http.StatusBadRequest)
			return
		}
		name := r.PathValue("name")
		s.serve(w, Call{Op: OpSetQuota, Name: name, Owner: b.Owner}, func() (int, any) { return s.setQuota(name, b.Owner, b.Quota) })
	})
	s.mux.HandleFunc("DELETE /buckets/{name}", func(w http.ResponseWriter, r *http.Request) {
		name, owner, force := r.PathValue("name"), r.FormValue("owner"), r.FormValue("force") == "true"
		s.serve(w, Call{Op: OpDelete, Name: name, Owner: owner, Force: force}, func() (int, any) { return s.remove(name, owner, force) })
	})
	return s
}

// ServeHTTP answers a call.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// serve does a call, unless today is a bad day for it, and answers it.
func (s *Service) serve(w http.ResponseWriter, call Call, do func() (int, any)) {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		before(call)
	}

	s.mu.Lock()
	s.number++
	bad := s.fault(call.Op)
	var answer any
	if bad != nil && !bad.lost {
		call.Status, answer = http.StatusServiceUnavailable, failure{Code: "Unavailable", Message: bad.reason}
	} else {
		call.Status, answer = do()
	}
	if f, ok := answer.(failure); ok {
		f.Request = s.number
		answer = f
	}
	status := call.Status
	if bad != nil && bad.lost {
		call.Status = 0
	}
	s.calls = append(s.calls, call)
	s.mu.Unlock()

	if call.Status == 0 {
		panic(http.ErrAbortHandler) // closes the connection
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
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

func (s *Service) create(want Bucket) (int, any) {
	b, ok := s.buckets[want.Name]
	switch {
	case ok && b.Owner != want.Owner:
		return http.StatusConflict, failure{Code: "NameTaken"}
	case ok:
		return http.StatusOK, b
	}
	want.Objects = 0
	s.buckets[want.Name] = want
	return http.StatusCreated, want
}

func (s *Service) setQuota(name, owner string, quota int64) (int, any) {
	b, ok := s.buckets[name]
	if !ok || b.Owner != owner {
		return http.StatusNotFound, failure{Code: "NoSuchBucket"}
	}
	b.Quota = quota
	s.buckets[name] = b
	return http.StatusOK, b
}

func (s *Service) remove(name, owner string, force bool) (int, any) {
	b, ok := s.buckets[name]
	switch {
	case !ok || b.Owner != owner:
		return http.StatusNotFound, failure{Code: "NoSuchBucket"}
	case b.Objects > 0 && !force:
		return http.StatusConflict, failure{Code: "BucketNotEmpty"}
	}
	delete(s.buckets, name)
	return http.StatusOK, b
}

// Buckets returns all buckets, by name.
func (s *Service) Buckets() []Bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.buckets), func(a, b Bucket) int { return cmp.Compare(a.Name, b.Name) })
}

// Calls returns the calls that were answered or lost, in their order.
func (s *Service) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Keep puts a bucket into the service, as its owner.
func (s *Service) Keep(b Bucket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[b.Name] = b
}

// Lose takes a bucket from the service behind its owner's back.
func (s *Service) Lose(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.buckets, name)
}

// Fill lets a bucket have a number of objects in it.
func (s *Service) Fill(name string, objects int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.buckets[name]; ok {
		b.Objects = objects
		s.buckets[name] = b
	}
}

// Fail lets the next calls of a kind fail, times of them, and do nothing; a negative number of times, all until Mend.
func (s *Service) Fail(op Op, times int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{op: op, times: times, reason: reason})
}

// LoseAnswers lets the next calls of a kind, times of them, do what they are asked for, and then closes the connection.
func (s *Service) LoseAnswers(op Op, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{op: op, times: times, lost: true})
}

// Mend ends all bad days.
func (s *Service) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Before lets a function look at each call before anything is done. It may do whatever it likes, and take as long.
func (s *Service) Before(look func(Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = look
}
