package certs

import (
	"errors"
	"time"
)

// The files in Ensure's directory. The last two are named as in a Secret of the type kubernetes.io/tls.
const (
	CACertFile, CAKeyFile = "ca.crt", "ca.key"
	CertFile, KeyFile     = "tls.crt", "tls.key"
)

// Due says whether it is time for a new certificate: when two thirds of its life are over, so that there is a third of it left in which a
// renewal may fail, and also when its life has not begun. cert is PEM, of which the first certificate counts; anything else is an error.
func Due(cert []byte, now time.Time) (bool, error) {
	// TODO(kata): Parse the first certificate, and compare.
	return false, errors.New("Due is not implemented")
}

// Ensure sees to it that the directory has a CA and a serving certificate for the service, both with their keys, in files as Write writes
// them, and returns the caBundle that vouches for it: the contents of ca.crt.
//
// A CA that cannot be used (there is none, its files are no pair, it is no CA) or is due gets a successor. The new CA comes first in
// ca.crt; those that were in it and have not expired stay in it behind the new one, since what they have signed is still being served, by us
// and perhaps by others. Those that have expired go when ca.crt is written the next time.
//
// The serving certificate gets a successor, signed by the first CA, when it cannot be used (none, no pair), is due, is not good for one of
// the service's names or IPs, or when no CA of the bundle vouches for it. A new CA alone is no reason: the bundle has to reach the API server
// before a certificate of the new CA does.
//
// When all is well Ensure writes nothing. A file that is there and cannot be read is an error, not a reason for a new one.
func Ensure(dir string, service Service, now time.Time) (caBundle []byte, err error) {
	// TODO(kata): See to the CA and the bundle first, then to the serving certificate.
	return nil, errors.New("Ensure is not implemented")
}

// TODO(kata): What Ensure needs besides.
