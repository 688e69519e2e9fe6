package baremetal

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OptIn is the label of namespaces whose Pods are stamped; its value is "true".
const OptIn = "baremetal.kubekata.dev/stamp"

// Configuration returns a MutatingWebhookConfiguration, with a name, that has the API server call a webhook at an address when a Pod is created in a namespace that has the label OptIn.
// The webhook's own name is the configuration's, which must be a domain of three parts at least: the API server checks that.
//
// There is a URL, and no service. The API server waits two seconds for the webhook, calls it for dry runs too, since it has no side effects, calls it again when another
// webhook has changed the Pod, and does what failure says when there is no answer.
//
// An address is an error that the API server would not accept, or that it could not call: it must be https, with a host, and without a user, a query or a
// fragment. So is a bundle in which there is no certificate.
func Configuration(name, address string, bundle []byte, failure admissionregistrationv1.FailurePolicyType) (*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	// kata:begin url.Parse, x509.CertPool, and then fill the fields in. Which of them have defaults that you do not want?
	if err := check(address); err != nil {
		return nil, fmt.Errorf("the address %q: %w", address, err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		return nil, errors.New("the bundle has no certificate in PEM")
	}
	return &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name:                    name,
			ClientConfig:            admissionregistrationv1.WebhookClientConfig{URL: &address, CABundle: bundle},
			FailurePolicy:           &failure,
			SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
			ReinvocationPolicy:      new(admissionregistrationv1.IfNeededReinvocationPolicy),
			TimeoutSeconds:          new(int32(2)),
			AdmissionReviewVersions: []string{"v1"},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{OptIn: "true"}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule: admissionregistrationv1.Rule{
					APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"},
					Scope: new(admissionregistrationv1.NamespacedScope),
				},
			}},
		}},
	}, nil
	// kata:end
}

// kata:begin What Configuration needs.
// kata:stub

// check has the API server's rules for the address of a webhook (ValidateWebhookURL in apiserver's pkg/util/webhook).
func check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return err
	case u.Scheme != "https":
		return errors.New("it must be https: the API server calls no webhook without TLS")
	case u.Hostname() == "":
		return errors.New("it has no host")
	case u.User != nil:
		return errors.New("it has a user, and must not")
	case u.RawQuery != "" || u.ForceQuery:
		return errors.New("it has a query, and must not")
	case u.Fragment != "":
		return errors.New("it has a fragment, and must not")
	}
	return nil
}

// kata:end
