// Package byservice is the kata's: the manifests of a webhook behind a Service, and the two things that its program does before it serves: [Certificate] and
// [Trust]. Package labels is the webhook itself, and given; so is package pki.
package byservice

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"k8s.io/client-go/kubernetes"
)

// The names in the manifests.
const (
	Namespace = "labels-webhook"
	// Name is that of the Service, the Deployment, the ServiceAccount and the Role.
	Name   = "labels"
	Secret = "labels-tls"
	// Configuration is the name of both webhook configurations, of the ClusterRole and of its binding.
	Configuration = "labels.kubekata.dev"
)

// CAKey is the Secret's key with the bundle, beside corev1.TLSCertKey and corev1.TLSPrivateKeyKey.
const CAKey = "ca.crt"

// Certificate returns the certificate with which the server serves for a Service, and the bundle by which the API server knows it: the CA's certificate. Both are in
// the Secret of that name, under the keys tls.crt, tls.key and ca.crt.
//
//   - If pki.Usable says that what the Secret has will do, nothing is written.
//   - Otherwise Certificate makes a new one with pki.Issue, and stores it in the Secret; other keys in it stay. The certificate's names are SERVICE, SERVICE.NAMESPACE
//     and SERVICE.NAMESPACE.svc, the last of which is the one that the API server calls.
//   - Replicas start together, and all see that there is none. Whose write loses, takes what the other one has written: there is one certificate.
//   - The Secret is part of the manifests: if it is not there, that is an error for which apierrors.IsNotFound is true.
func Certificate(ctx context.Context, c kubernetes.Interface, namespace, service, secret string, now time.Time) (tls.Certificate, []byte, error) {
	// TODO(kata): Get, look, make, update; on a conflict once more.
	return *new(tls.Certificate), nil, errors.New("Certificate is not implemented")
}

// Trust writes the bundle into the clientConfig of each webhook of both configurations of a name, the mutating and the validating one. Everything else in them stays, whoever
// changes it at the same time. Nothing is written where the bundle is there already. A configuration that does not exist is no error: the manifests may be
// applied later, and the server calls Trust again and again.
func Trust(ctx context.Context, c kubernetes.Interface, name string, bundle []byte) error {
	// TODO(kata): For both: get, change what is another one, update; on a conflict once more.
	return errors.New("Trust is not implemented")
}

// TODO(kata): What the two loops have in common.
