package preemption

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Func answers a question of the scheduler's, as [Extender.ProcessPreemption] does. It returns nil when it has no answer.
type Func func(extenderv1.ExtenderPreemptionArgs) *extenderv1.ExtenderPreemptionResult

// NewHandler serves what kube-scheduler calls, for an extender with `preemptVerb: preempt`:
//
//	POST /preempt  an ExtenderPreemptionArgs as JSON, which process answers; its answer is written as JSON, with application/json as Content-Type and the code 200
//	GET /healthz   the code 200, and "ok", without a question to process
//
// Where process returns nil, the code is 500: an ExtenderPreemptionResult has no field for an error, and the scheduler takes each code but 200 for one.
//
// What is no question is not shown to process: a body of more than maxBody bytes has the code 413, one that is no JSON of an ExtenderPreemptionArgs 400, another path
// 404, and another method 405, with the right one as Allow.
func NewHandler(process Func, maxBody int64) http.Handler {
	// kata:begin Route by method and path, read no more than maxBody, decode, ask, encode.
	mux := http.NewServeMux()
	mux.HandleFunc("POST /preempt", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		var args extenderv1.ExtenderPreemptionArgs
		if err == nil {
			err = json.Unmarshal(body, &args)
		}
		if err != nil {
			http.Error(w, fmt.Sprintf("the body is no ExtenderPreemptionArgs: %v", err), http.StatusBadRequest)
			return
		}
		result := process(args)
		if result == nil {
			http.Error(w, "there is no answer to this question", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(result) // who has hung up reads no error
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	return mux
	// kata:end
}
