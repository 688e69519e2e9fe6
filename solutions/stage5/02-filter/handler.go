package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Func answers a question of the scheduler's, as [Extender.Predicate] does.
type Func func(extenderv1.ExtenderArgs) *extenderv1.ExtenderFilterResult

// NewHandler serves what kube-scheduler calls, for an extender with `filterVerb: filter`:
//
//	POST /filter   an ExtenderArgs as JSON, which the filter answers; its answer is written as JSON, with application/json as Content-Type and the code 200
//	GET /healthz   the code 200, and "ok", without a question to the filter
//
// An answer with an Error is one like others: 200. The scheduler reads nothing of an answer with another code.
//
// What is no question is not shown to the filter: a body of more than maxBody bytes has the code 413, one that is no JSON of an ExtenderArgs 400, another path 404,
// and another method 405, with the right one as Allow. A filter that returns nil is answered for with 500.
func NewHandler(filter Func, maxBody int64) http.Handler {
	// kata:begin Route by method and path, read no more than maxBody, decode, ask, encode.
	mux := http.NewServeMux()
	mux.HandleFunc("POST /filter", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		var args extenderv1.ExtenderArgs
		if err == nil {
			err = json.Unmarshal(body, &args)
		}
		if err != nil {
			http.Error(w, fmt.Sprintf("the body is no ExtenderArgs: %v", err), http.StatusBadRequest)
			return
		}
		result := filter(args)
		if result == nil {
			http.Error(w, "the filter has no answer", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(result) // who has hung up reads no error
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	return mux
	// kata:end
}
