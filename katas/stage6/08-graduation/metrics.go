package graduation

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what this copy of the operator has done.
type Metrics struct {
	// Rented is lines_rented_total: numbers that were fresh, and no answers about those that the Line had already.
	Rented prometheus.Counter
	// Released is lines_released_total: numbers that were given back.
	Released prometheus.Counter
}

// NewMetrics makes the metrics, and registers them in a registry. It is an error when they are there already: a second operator in one
// process would count into the first one's.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	// TODO(kata): Two counters, registered in this registry and no other.
	return nil, errors.New("NewMetrics is not implemented")
}
