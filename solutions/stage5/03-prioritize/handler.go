package prioritize

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	// kata:begin Route by method and path, read no more than maxBody, decode, ask, encode.
	mux := http.NewServeMux()
	mux.HandleFunc("POST /prioritize", func(w http.ResponseWriter, r *http.Request) {
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
		list, err := prioritize(args)
		if err != nil {
			failed(err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list) // who has hung up reads no error
	})
	return mux
	// kata:end
}
