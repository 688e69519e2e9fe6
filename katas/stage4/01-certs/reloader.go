package certs

import (
	"crypto/tls"
	"errors"
)

// Reloader gives a TLS server the pair that is in two files, and a new one as soon as it is there: its GetCertificate is for
// tls.Config.GetCertificate. The server does not restart, and no connection breaks.
type Reloader struct {
	certFile, keyFile string
	// TODO(kata): What it remembers.
}

// NewReloader returns a Reloader for the pair in the two files. It is an error when there is none: a server that cannot serve had better not
// begin.
func NewReloader(certFile, keyFile string) (*Reloader, error) {
	// TODO(kata): Load the pair.
	return nil, errors.New("NewReloader is not implemented")
}

// GetCertificate returns the pair that is in the files when it is called, parsed. A handshake that begins after a pair has been
// written gets that pair.
//
// As long as there is no pair in the files, because somebody is in the middle of writing them, or has written nonsense, or has removed them,
// it returns the last one that it had: never an error and never nil. It is called by many connections at once.
func (r *Reloader) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	// TODO(kata): Look whether the files have changed; if they have and are a pair, take it.
	return nil, errors.New("Reloader.GetCertificate is not implemented")
}

// TODO(kata): The loading.
