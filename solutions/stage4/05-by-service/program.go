// Package byservice is the kata's: the manifests of a webhook behind a Service, and the two things that its program does before it serves: [Certificate] and
// [Trust]. Package labels is the webhook itself, and given; so is package pki.
package byservice

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/kubekata/kubekata/katas/stage4/05-by-service/pki"
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
	// kata:begin Get, look, make, update; on a conflict once more.
	names := []string{service, service + "." + namespace, service + "." + namespace + ".svc"}
	secrets := c.CoreV1().Secrets(namespace)
	var stored *corev1.Secret
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := secrets.Get(ctx, secret, metav1.GetOptions{})
		if err != nil {
			return err
		}
		stored = found
		if pki.Usable(found.Data[corev1.TLSCertKey], found.Data[corev1.TLSPrivateKeyKey], found.Data[CAKey], names, now) == nil {
			return nil
		}
		cert, key, ca, err := pki.Issue(names, now)
		if err != nil {
			return err
		}
		data := maps.Clone(found.Data)
		if data == nil {
			data = map[string][]byte{}
		}
		data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey], data[CAKey] = cert, key, ca
		found.Data = data
		stored, err = secrets.Update(ctx, found, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("certificate in secret %s/%s: %w", namespace, secret, err)
	}
	pair, err := tls.X509KeyPair(stored.Data[corev1.TLSCertKey], stored.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("certificate in secret %s/%s: %w", namespace, secret, err)
	}
	return pair, stored.Data[CAKey], nil
	// kata:end
}

// Trust writes the bundle into the clientConfig of each webhook of both configurations of a name, the mutating and the validating one. Everything else in them stays, whoever
// changes it at the same time. Nothing is written where the bundle is there already. A configuration that does not exist is no error: the manifests may be
// applied later, and the server calls Trust again and again.
func Trust(ctx context.Context, c kubernetes.Interface, name string, bundle []byte) error {
	// kata:begin For both: get, change what is another one, update; on a conflict once more.
	mutating, validating := c.AdmissionregistrationV1().MutatingWebhookConfigurations(), c.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := mutating.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		changed := false
		for i := range found.Webhooks {
			changed = trust(&found.Webhooks[i].ClientConfig, bundle) || changed
		}
		if changed {
			_, err = mutating.Update(ctx, found, metav1.UpdateOptions{})
		}
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("trust in mutating webhook configuration %s: %w", name, err)
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := validating.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		changed := false
		for i := range found.Webhooks {
			changed = trust(&found.Webhooks[i].ClientConfig, bundle) || changed
		}
		if changed {
			_, err = validating.Update(ctx, found, metav1.UpdateOptions{})
		}
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("trust in validating webhook configuration %s: %w", name, err)
	}
	return nil
	// kata:end
}

// kata:begin What the two loops have in common.
// kata:stub

// trust gives a webhook the bundle, and says whether it had another one.
func trust(config *admissionregistrationv1.WebhookClientConfig, bundle []byte) bool {
	if string(config.CABundle) == string(bundle) {
		return false
	}
	config.CABundle = bundle
	return true
}

// kata:end
