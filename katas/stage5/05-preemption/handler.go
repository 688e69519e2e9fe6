package preemption

import (
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
	// TODO(kata): Route by method and path, read no more than maxBody, decode, ask, encode.
	panic("NewHandler is not implemented")
}
