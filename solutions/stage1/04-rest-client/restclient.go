// Package restclient speaks to the API server with client-go's RESTClient: the layer below the typed clientset, where the
// URL, the codec and the headers are ours to choose.
package restclient

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// New returns a client for one version of one API group: its requests go to /api/v1 for the core group, and to
// /apis/<group>/<version> for any other. The client encodes and decodes the types of client-go's scheme, and calls itself
// what client-go programs call themselves unless the configuration has a UserAgent. The caller's configuration stays as it
// is, whatever group, version or path it was last used for.
func New(config *rest.Config, gv schema.GroupVersion) (rest.Interface, error) {
	// kata:begin Copy the configuration, complete the copy, and make a RESTClient of it.
	own := rest.CopyConfig(config)
	own.GroupVersion = &gv
	own.APIPath = "/apis"
	if gv.Group == "" {
		own.APIPath = "/api"
	}
	own.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	if own.UserAgent == "" {
		own.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	client, err := rest.RESTClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", gv, err)
	}
	return client, nil
	// kata:end
}

// CreateDeployment creates a Deployment in the namespace through a client for apps/v1, and returns the object as the
// server stored it. The caller's object stays as it is. Errors are the server's: apierrors.IsAlreadyExists and its like
// recognise them.
func CreateDeployment(ctx context.Context, client rest.Interface, namespace string, deployment *appsv1.Deployment) (*appsv1.Deployment, error) {
	// kata:begin POST the object to the namespace's deployments, and decode the answer into a new one.
	created := &appsv1.Deployment{}
	err := client.Post().
		Namespace(namespace).
		Resource("deployments").
		Body(deployment).
		Do(ctx).
		Into(created)
	if err != nil {
		return nil, fmt.Errorf("create deployment %s/%s: %w", namespace, deployment.Name, err)
	}
	return created, nil
	// kata:end
}

// ListPods lists pods through a client for the core group's v1, with whatever the options say: selectors, a page's size,
// the token of the next page. It makes one request. An empty namespace means all namespaces.
func ListPods(ctx context.Context, client rest.Interface, namespace string, options metav1.ListOptions) (*corev1.PodList, error) {
	// kata:begin GET the pods. The options become the request's query: which codec does that?
	pods := &corev1.PodList{}
	err := client.Get().
		Namespace(namespace).
		Resource("pods").
		VersionedParams(&options, scheme.ParameterCodec).
		Do(ctx).
		Into(pods)
	if err != nil {
		return nil, fmt.Errorf("list pods in %q: %w", namespace, err)
	}
	return pods, nil
	// kata:end
}

// Response is an answer as it came over the wire.
type Response struct {
	// Code is the HTTP status code.
	Code int
	// ContentType is the header of that name.
	ContentType string
	// Body is what the server sent, undecoded.
	Body []byte
}

// Raw asks for one object of a resource ("pods") in the form that accept names, a value of HTTP's Accept header, and
// returns the answer as it came. When the server refuses, the answer is returned too, together with the error that the
// server's Status in it describes: its own message, which the apierrors functions recognise.
func Raw(ctx context.Context, client rest.Interface, namespace, resource, name, accept string) (Response, error) {
	// kata:begin GET the object with the Accept header, and take the raw body, the code and the content type.
	// | Where does the Result keep the error that the server has described?
	result := client.Get().
		Namespace(namespace).
		Resource(resource).
		Name(name).
		SetHeader("Accept", accept).
		Do(ctx)
	var response Response
	result.StatusCode(&response.Code).ContentType(&response.ContentType)
	response.Body, _ = result.Raw() // its error is made from the code alone
	if err := result.Error(); err != nil {
		return response, fmt.Errorf("get %s %s/%s: %w", resource, namespace, name, err)
	}
	return response, nil
	// kata:end
}
