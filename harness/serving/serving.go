// Package serving runs the webhooks of katas where the API server can call them: with TLS on a port of 127.0.0.1, and a certificate that is made in
// memory and dies with the process. Nothing of it is written to a disk. [Start] serves any handler; [NewHandler] is one for katas that are about
// reviewers and not about HTTP. In a cluster one would have a Service, and cert-manager; kata certs of stage 4 is about better certificates.
package serving

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// Server serves one handler until Close.
type Server struct {
	// URL is where, and CABundle the certificate, as PEM: both go into a webhook's clientConfig.
	URL      string
	CABundle []byte

	server *http.Server
	done   chan struct{}
}

// Start serves the handler, which gets all requests; the path is that of the URL, and begins with a slash. The caller closes the server.
func Start(path string, handler http.Handler) (*Server, error) {
	certificate, bundle, err := NewCertificate(net.IPv4(127, 0, 0, 1))
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	})
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL: "https://" + listener.Addr().String() + path, CABundle: bundle, done: make(chan struct{}),
		// The API server's connections come and go; what the handler has to say, it says in its answers.
		server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)},
	}
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

// NewCertificate makes a certificate for some addresses that vouches for itself, for a day. The bundle is it as PEM.
func NewCertificate(addresses ...net.IP) (certificate tls.Certificate, bundle []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "kubekata's webhook"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, IPAddresses: addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	bundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, bundle, nil
}
