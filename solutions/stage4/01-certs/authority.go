// Package certs is the kata's: a CA, the certificate with which a webhook serves, their files, their renewal, and a server that takes a
// new one without a restart. Start with [NewCA].
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
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
	// kata:begin Make a key, a template that may sign, and let it sign itself.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make a CA's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "kubekata webhook CA"},
		NotBefore: now.Add(-Skew), NotAfter: now.Add(CALife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	return sign(template, template, key, key)
	// kata:end
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
	// kata:begin Read the CA, refuse one that cannot vouch for anything, make a key and a template with the names, and sign it.
	pair, err := tls.X509KeyPair(ca.Cert, ca.Key)
	if err != nil {
		return Pair{}, fmt.Errorf("read the CA: %w", err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	switch {
	case !ok:
		return Pair{}, fmt.Errorf("the CA's key is a %T, which cannot sign", pair.PrivateKey)
	case !pair.Leaf.IsCA:
		return Pair{}, errors.New("the certificate that is to sign is no CA's")
	case now.After(pair.Leaf.NotAfter):
		return Pair{}, fmt.Errorf("the CA has expired at %s", pair.Leaf.NotAfter)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make a serving key: %w", err)
	}
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: service.Name}, // for people; X.509 has room for 64 characters here
		DNSNames: dnsNames(service), IPAddresses: service.IPs,
		NotBefore: now.Add(-Skew), NotAfter: now.Add(ServingLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if template.NotAfter.After(pair.Leaf.NotAfter) {
		template.NotAfter = pair.Leaf.NotAfter
	}
	return sign(template, pair.Leaf, key, signer)
	// kata:end
}

// kata:begin What the two have in common.
// kata:stub

// sign lets the parent sign the template for the key. Without a serial number in the template, x509 takes 20 random bytes.
func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (Pair, error) {
	cert, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, fmt.Errorf("sign the certificate of %q: %w", template.Subject.CommonName, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode the key of %q: %w", template.Subject.CommonName, err)
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}, nil
}

func dnsNames(service Service) []string {
	name := service.Name + "." + service.Namespace
	return []string{service.Name, name, name + ".svc", name + ".svc.cluster.local"}
}

// kata:end
