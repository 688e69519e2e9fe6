package baremetal

import (
	"errors"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
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
	// TODO(kata): url.Parse, x509.CertPool, and then fill the fields in. Which of them have defaults that you do not want?
	return nil, errors.New("Configuration is not implemented")
}

// TODO(kata): What Configuration needs.
