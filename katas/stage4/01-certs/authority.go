// Package certs is the kata's: a CA, the certificate with which a webhook serves, their files, their renewal, and a server that takes a
// new one without a restart. Start with [NewCA].
package certs

import (
	"errors"
	"net"
	"time"
)

const (
	// CALife and ServingLife are how long the two certificates are valid.
	CALife      = 10 * 365 * 24 * time.Hour
	ServingLife = 90 * 24 * time.Hour
	// Skew is by how much the clock of whoever verifies a certificate may be behind ours.
	Skew = 5 * time.Minute
)

// Pair is a certificate and its private key, both as PEM: a block CERTIFICATE, and one that [tls.X509KeyPair] takes. Where Cert has several
// certificates, the key is the first one's.
type Pair struct {
	Cert, Key []byte
}

// Service is whom a webhook's certificate is for.
type Service struct {
	Name, Namespace string
	// IPs are addresses by which it is called as well, if any.
	IPs []net.IP
}

// NewCA makes a certificate authority with a key of its own, which signs itself. It may sign certificates, and says so both in its basic
// constraints and in its key usage. It is valid from now minus Skew until now plus CALife.
//
// Its Cert is what a webhook's clientConfig.caBundle wants.
func NewCA(now time.Time) (Pair, error) {
	// TODO(kata): Make a key, a template that may sign, and let it sign itself.
	return Pair{}, errors.New("NewCA is not implemented")
}

// NewServing makes the certificate with which a webhook serves, with a key of its own, signed by the CA.
//
// It is valid for the service's names as the API server and others in the cluster call it (hook, hook.napoli, hook.napoli.svc;
// hook.napoli.svc.cluster.local is welcome), for the service's IPs, and for no other name. All of them are subject alternative names, an IP
// as an IP. It is good for a server, and cannot sign other certificates. Its serial number is unlike all others of its CA, the CA's own
// included, however many are made at the same time. It is valid from now minus Skew until now plus ServingLife, or until its CA ends, if
// that is earlier.
//
// It is an error when the CA's pair is none, when its certificate is no CA's, and when that CA has expired now.
func NewServing(ca Pair, service Service, now time.Time) (Pair, error) {
	// TODO(kata): Read the CA, refuse one that cannot vouch for anything, make a key and a template with the names, and sign it.
	return Pair{}, errors.New("NewServing is not implemented")
}

// TODO(kata): What the two have in common.
