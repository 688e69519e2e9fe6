package bind

import (
	"context"
	"net/http"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Func answers a question of the scheduler's, as [Binder.Bind] does.
type Func func(context.Context, extenderv1.ExtenderBindingArgs) *extenderv1.ExtenderBindingResult

// NewHandler serves what kube-scheduler calls, for an extender with `bindVerb: bind`:
//
//	POST /bind   an ExtenderBindingArgs as JSON, which bind answers; its answer is written as JSON, with application/json as Content-Type and the code 200
//
// bind gets the request's context, which ends when the scheduler hangs up. An answer with an Error is one like others: 200. Of an answer with another code the scheduler reads the code alone.
//
// What is no question is not shown to bind: a body of more than maxBody bytes has the code 413, one that is no JSON of an ExtenderBindingArgs 400, another path 404,
// and another method 405, with the right one as Allow. A bind that returns nil is answered for with 500: an empty answer would be a success.
func NewHandler(bind Func, maxBody int64) http.Handler {
	// TODO(kata): Route by method and path, read no more than maxBody, decode, ask, encode.
	panic("NewHandler is not implemented")
}
