package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	// kata:begin Parse the first certificate, and compare.
	block, _ := pem.Decode(cert)
	if block == nil || block.Type != "CERTIFICATE" {
		return false, errors.New("there is no certificate in the PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false, fmt.Errorf("read a certificate: %w", err)
	}
	due := c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) * 2 / 3)
	return now.Before(c.NotBefore) || !now.Before(due), nil
	// kata:end
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
	// kata:begin See to the CA and the bundle first, then to the serving certificate.
	ca, err := ensureCA(filepath.Join(dir, CACertFile), filepath.Join(dir, CAKeyFile), now)
	if err != nil {
		return nil, fmt.Errorf("ensure a CA: %w", err)
	}
	certFile, keyFile := filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile)
	serving, err := read(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("ensure a serving certificate: %w", err)
	}
	if usable(serving, ca.Cert, service, now) {
		return ca.Cert, nil
	}
	if serving, err = NewServing(ca, service, now); err != nil {
		return nil, fmt.Errorf("ensure a serving certificate: %w", err)
	}
	if err := Write(certFile, keyFile, serving); err != nil {
		return nil, fmt.Errorf("ensure a serving certificate: %w", err)
	}
	return ca.Cert, nil
	// kata:end
}

// kata:begin What Ensure needs besides.
// kata:stub

// ensureCA returns the newest CA; its Cert has all that are still valid.
func ensureCA(certFile, keyFile string, now time.Time) (Pair, error) {
	ca, err := read(certFile, keyFile)
	if err != nil {
		return Pair{}, err
	}
	pair, err := tls.X509KeyPair(ca.Cert, ca.Key)
	if err == nil && pair.Leaf.IsCA {
		if due, err := Due(ca.Cert, now); err == nil && !due {
			return ca, nil
		}
	}
	successor, err := NewCA(now)
	if err != nil {
		return Pair{}, err
	}
	for _, old := range authorities(ca.Cert) {
		if now.Before(old.NotAfter) {
			successor.Cert = append(successor.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: old.Raw})...)
		}
	}
	return successor, Write(certFile, keyFile, successor)
}

// authorities are the CAs in a bundle; what else is in it is left out.
func authorities(bundle []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && c.IsCA {
			all = append(all, c)
		}
	}
	return all
}

// usable says whether the API server would take the serving certificate, and for a while yet.
func usable(serving Pair, bundle []byte, service Service, now time.Time) bool {
	pair, err := tls.X509KeyPair(serving.Cert, serving.Key)
	if err != nil {
		return false
	}
	if due, err := Due(serving.Cert, now); err != nil || due {
		return false
	}
	names := dnsNames(service)
	for _, ip := range service.IPs {
		names = append(names, ip.String())
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	for _, name := range names {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			return false
		}
	}
	return true
}

// read returns what there is: a file that is not there is empty.
func read(certFile, keyFile string) (Pair, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Pair{}, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Pair{}, err
	}
	return Pair{Cert: cert, Key: key}, nil
}

// kata:end
