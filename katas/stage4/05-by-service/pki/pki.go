// Package pki is given: it makes a certificate authority and a server's certificate, and says whether one will do. Kata certs is about how.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Validity is how long a certificate is good for, and Renewal how long before its end it does not do any more.
const (
	Validity = 90 * 24 * time.Hour
	Renewal  = 30 * 24 * time.Hour
)

// Issue makes a new authority, and a certificate by it for a server of these names: PEM, all three. The authority's key is forgotten.
func Issue(names []string, now time.Time) (cert, key, ca []byte, err error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	authority := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "the webhook's CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(Validity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return nil, nil, nil, err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	server := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "the webhook"}, DNSNames: names, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(Validity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return nil, nil, nil, err
	}
	return block("CERTIFICATE", serverDER), block("PRIVATE KEY", keyDER), block("CERTIFICATE", authorityDER), nil
}

func serial() *big.Int { return big.NewInt(time.Now().UnixNano()) }

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Usable says why a certificate will not do, or nil: it must fit its key, be signed by the authority, have all the names, and be good for at least Renewal.
func Usable(cert, key, ca []byte, names []string, now time.Time) error {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("there is no authority")
	}
	for _, name := range names {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now}); err != nil {
			return err
		}
	}
	if left := pair.Leaf.NotAfter.Sub(now); left < Renewal {
		return fmt.Errorf("it is good for only %v more", left)
	}
	return nil
}
