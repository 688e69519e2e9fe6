// Package baremetal is the kata's: a webhook on a machine of its own, outside of the cluster, that stamps Pods. Begin with [Stamp]; [Server] serves it so that
// it can stand on a network, and [Configuration] tells the API server where.
package baremetal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// MaxBody is how much of a request is read, in bytes. An object may have 3 MiB, which is the API server's own limit for a request, and the
// review of an update has two objects.
const MaxBody = 7 << 20

// Timeouts bound what a client may cost. Whoever makes them sets all of them: one that is zero is none.
type Timeouts struct {
	// Header is how long a request's header may take, and so may the TLS handshake before the first; Request is the whole request with its body.
	Header, Request time.Duration
	// Response is from the end of the header to the end of the answer.
	Response time.Duration
	// Idle is how long a connection may be kept without a request.
	Idle time.Duration
	// Grace is how long requests that are being answered have, when the server is to stop.
	Grace time.Duration
}

// DefaultTimeouts go with a webhook that the API server waits ten seconds for.
var DefaultTimeouts = Timeouts{Header: 5 * time.Second, Request: 10 * time.Second, Response: 15 * time.Second, Idle: 90 * time.Second, Grace: 10 * time.Second}

// Server serves a handler over TLS.
type Server struct {
	Certificate tls.Certificate
	Handler     http.Handler
	Timeouts    Timeouts
}

// Serve serves what comes to the listener, until ctx ends, and closes it in any case. It speaks TLS 1.2 and newer and nothing else, HTTP/1.1 and HTTP/2. The handler
// reads no more than MaxBody of a body: what comes after that is an *http.MaxBytesError.
//
// When ctx ends, no new connections are accepted, and the requests that are being answered have Grace to be done; their contexts do not end before it has. If they are done, Serve returns nil. Otherwise
// their connections are cut, and it returns an error that is context.DeadlineExceeded. If the listener fails, Serve returns its error, also when it was closed. No goroutine of
// the server's own goes on afterwards, and no connection is open.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	// kata:begin An http.Server with all its timeouts, a tls.Config, http.MaxBytesHandler. ServeTLS blocks: who waits for ctx meanwhile, and who waits for Shutdown?
	server := &http.Server{
		Handler:           http.MaxBytesHandler(s.Handler, MaxBody),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{s.Certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: s.Timeouts.Header,
		ReadTimeout:       s.Timeouts.Request,
		WriteTimeout:      s.Timeouts.Response,
		IdleTimeout:       s.Timeouts.Idle,
		ErrorLog:          log.New(io.Discard, "", 0), // each scanner that comes by would be a line
	}
	defer server.Close()
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Timeouts.Grace)
	defer cancel()
	err := server.Shutdown(grace)
	if err != nil {
		err = errors.Join(fmt.Errorf("stop serving on %s: %w", listener.Addr(), err), server.Close())
	}
	<-failed // http.ErrServerClosed
	return err
	// kata:end
}
