package extender

import (
	"context"
	"encoding/json"
	"net/http"
)

// maxBody is enough for the nodes of a large cluster.
const maxBody = 64 << 20

// Handler serves both extenders.
func (e *Extender) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /licences/filter", answer(e, e.filterLicences))
	mux.HandleFunc("POST /licences/bind", answer(e, e.bindLicensed))
	mux.HandleFunc("POST /licences/preempt", answer(e, e.preemptLicences))
	mux.HandleFunc("POST /prices/filter", answer(e, e.filterPrices))
	mux.HandleFunc("POST /prices/prioritize", answer(e, e.prioritizePrices))
	mux.HandleFunc("POST /prices/bind", answer(e, e.bind))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			e.log("%s %s: 404, there is no such route", r.Method, r.URL.Path)
		}
		mux.ServeHTTP(w, r)
	})
}

func (e *Extender) log(format string, args ...any) {
	if e.Log != nil {
		e.Log(format, args...)
	}
}

// answer decodes a question and encodes what verb says to it. An error of verb's is the caller's mistake.
func answer[Args, Result any](e *Extender, verb func(context.Context, Args) (*Result, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var args Args
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&args); err != nil {
			e.log("%s %s: 400, %v", r.Method, r.URL.Path, err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		result, err := verb(r.Context(), args)
		if err != nil {
			e.log("%s %s: 400, %v", r.Method, r.URL.Path, err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, err := json.Marshal(result)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		e.log("%s %s: %s", r.Method, r.URL.Path, summary(args, result, body))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // the scheduler has gone, or it has not
	}
}
