package certs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"sync"
)

// Reloader gives a TLS server the pair that is in two files, and a new one as soon as it is there: its GetCertificate is for
// tls.Config.GetCertificate. The server does not restart, and no connection breaks.
type Reloader struct {
	certFile, keyFile string
	// kata:begin What it remembers.
	// kata:stub
	mu      sync.Mutex
	seen    Pair // the files' contents when current was made of them
	current *tls.Certificate
	// kata:end
}

// NewReloader returns a Reloader for the pair in the two files. It is an error when there is none: a server that cannot serve had better not
// begin.
func NewReloader(certFile, keyFile string) (*Reloader, error) {
	// kata:begin Load the pair.
	r := &Reloader{certFile: certFile, keyFile: keyFile}
	if err := r.load(); err != nil {
		return nil, err
	}
	return r, nil
	// kata:end
}

// GetCertificate returns the pair that is in the files when it is called, parsed. A handshake that begins after a pair has been
// written gets that pair.
//
// As long as there is no pair in the files, because somebody is in the middle of writing them, or has written nonsense, or has removed them,
// it returns the last one that it had: never an error and never nil. It is called by many connections at once.
func (r *Reloader) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	// kata:begin Look whether the files have changed; if they have and are a pair, take it.
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.load() // the last pair is better than none
	return r.current, nil
	// kata:end
}

// kata:begin The loading.
// kata:stub

// load makes current of what is in the files, and leaves it as it is when that is no pair. Two small files are read in some microseconds, in
// which a handshake has not got far; only what is new is parsed.
func (r *Reloader) load() error {
	cert, err := os.ReadFile(r.certFile)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(r.keyFile)
	if err != nil {
		return err
	}
	if r.current != nil && bytes.Equal(cert, r.seen.Cert) && bytes.Equal(key, r.seen.Key) {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("%s and %s are no pair: %w", r.certFile, r.keyFile, err)
	}
	r.seen, r.current = Pair{Cert: cert, Key: key}, &pair
	return nil
}

// kata:end
