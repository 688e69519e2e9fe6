package prioritize

import (
	"net/http"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Func answers a question of the scheduler's, as [Extender.Prioritize] does.
type Func func(extenderv1.ExtenderArgs) (extenderv1.HostPriorityList, error)

// NewHandler serves what kube-scheduler calls, for an extender with `prioritizeVerb: prioritize`:
//
//	POST /prioritize   an ExtenderArgs as JSON, which prioritize answers; the list is written as JSON, with application/json as Content-Type and the code 200
//
// The list is the whole answer: [{"Host": "a", "Score": 10}, …], with nothing around it, and there is no place in it for an error. When prioritize fails, the code is 500 and the
// body is the error's text, which is for people: the scheduler does not read it, says nothing unless it logs at level 5, and goes on without us. Therefore failed is called with the
// error, once for each question that prioritize has failed at, before the answer is written; it is not called for what is no question.
//
// What is no question is not shown to prioritize: a body of more than maxBody bytes has the code 413, one that is no JSON of an ExtenderArgs 400, another path 404,
// and another method 405, with the right one as Allow.
func NewHandler(prioritize Func, maxBody int64, failed func(error)) http.Handler {
	// TODO(kata): Route by method and path, read no more than maxBody, decode, ask, encode.
	panic("NewHandler is not implemented")
}
