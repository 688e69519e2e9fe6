// Package pki is given: authorities, and certificates by them, in memory. Kata certs of stage 4 is about how.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Authority signs certificates. Bundle is its own, as PEM.
type Authority struct {
	Bundle []byte

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	chain       [][]byte
}

// NewAuthority makes one that vouches for itself, for a day.
func NewAuthority(name string) (*Authority, error) { return newAuthority(name, nil) }

// Intermediate makes an authority that this one vouches for. The certificates that it issues come with its own.
func (a *Authority) Intermediate(name string) (*Authority, error) { return newAuthority(name, a) }

func newAuthority(name string, parent *Authority) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{key: key}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signer, signerKey := template, key
	if parent != nil {
		signer, signerKey = parent.certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, key.Public(), signerKey)
	if err != nil {
		return nil, fmt.Errorf("make the authority %s: %w", name, err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	if parent != nil {
		a.chain = append([][]byte{der}, parent.chain...)
	}
	a.Bundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a, nil
}

// Server issues a certificate for a server that has these names.
func (a *Authority) Server(names ...string) (tls.Certificate, error) {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, time.Now().Add(24*time.Hour))
}

// Client issues a certificate for a client of that name.
func (a *Authority) Client(name string) (tls.Certificate, error) {
	return a.ClientUntil(name, time.Now().Add(24*time.Hour))
}

// ClientUntil is Client with an end, which may have been an hour ago.
func (a *Authority) ClientUntil(name string, end time.Time) (tls.Certificate, error) {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, end)
}

func (a *Authority) issue(template *x509.Certificate, end time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = serial(), time.Now().Add(-2*time.Hour), end
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue a certificate for %s: %w", template.Subject.CommonName, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: append([][]byte{der}, a.chain...), PrivateKey: key, Leaf: leaf}, nil
}

func serial() *big.Int { return big.NewInt(time.Now().UnixNano()) }
