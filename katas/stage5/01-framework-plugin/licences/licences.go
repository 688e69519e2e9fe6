// Package licences is a licence server, in memory. It implements the kata's Licences.
package licences

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Server has some licences for each of its products. The zero value has no product.
type Server struct {
	mu      sync.Mutex
	total   map[string]int
	holders map[string][]types.UID
	asked   int
	down    bool
}

// New returns a server that has so many licences for each product.
func New(total map[string]int) *Server {
	return &Server{total: total, holders: map[string][]types.UID{}}
}

// Free returns how many licences for a product are free, and whether the server knows it.
func (s *Server) Free(product string) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	total, known := s.total[product]
	return total - len(s.holders[product]), known
}

// Checkout takes a licence. A holder who has one gets no second. Without a free one, it is false.
func (s *Server) Checkout(product string, holder types.UID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return false, errors.New("the licence server is down")
	}
	if _, known := s.total[product]; !known {
		return false, fmt.Errorf("unknown product %q", product)
	}
	if slices.Contains(s.holders[product], holder) {
		return true, nil
	}
	if len(s.holders[product]) >= s.total[product] {
		return false, nil
	}
	s.holders[product] = append(s.holders[product], holder)
	return true, nil
}

// Return gives a holder's licence back.
func (s *Server) Return(product string, holder types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders[product] = slices.DeleteFunc(s.holders[product], func(h types.UID) bool { return h == holder })
}

// Holders returns who has a licence for a product, in the order in which they got it.
func (s *Server) Holders(product string) []types.UID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.holders[product])
}

// Asked returns how often somebody has asked what is free.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Break has every Checkout fail from now on.
func (s *Server) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
}
