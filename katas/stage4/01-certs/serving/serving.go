// Package serving runs a webhook where the API server can call it: with TLS, on a port of 127.0.0.1. It takes its certificate from whoever
// calls Start, at each handshake. It is given.
package serving

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Server serves one handler until Close.
type Server struct {
	// URL is for a webhook's clientConfig, and Port is its port.
	URL  string
	Port int32

	server *http.Server
	done   chan struct{}
}

// Start serves the handler. The caller closes the server.
func Start(handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (*Server, error) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL: "https://" + listener.Addr().String(), Port: int32(listener.Addr().(*net.TCPAddr).Port), done: make(chan struct{}),
		server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)},
	}
	// Each request is a handshake, so that a new certificate is seen at once. A server in a cluster keeps its connections, and a new
	// certificate waits for the next one.
	s.server.SetKeepAlivesEnabled(false)
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener)
	}()
	return s, nil
}

// Close ends all connections, and returns when the server has.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}
