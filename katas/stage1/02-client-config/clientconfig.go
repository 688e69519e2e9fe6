// Package clientconfig finds out which API server to talk to, as whom, and says hello to it.
package clientconfig

import (
	"context"
	"errors"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// The limits that ForComponent sets: requests a second on average, and in a burst.
const (
	QPS   = 50
	Burst = 100
)

// ErrNoKey says that a ConfigMap has no such key.
var ErrNoKey = errors.New("no such key")

// Options says where to look for a configuration.
type Options struct {
	// Kubeconfig is the path that a --kubeconfig flag gave, or empty.
	Kubeconfig string
	// Context is the name of a context, or empty for the current one.
	Context string
	// InCluster returns the configuration and the namespace of the pod that the program runs in, or an error when it
	// runs in none.
	InCluster func() (*rest.Config, string, error)
}

// Load returns the configuration for a client, and the namespace to work in. It looks, in this order, at:
//
//  1. the file that Options.Kubeconfig names, and then at no other;
//  2. the files that the KUBECONFIG variable lists, merged;
//  3. ~/.kube/config;
//  4. Options.InCluster, only when none of these says anything.
//
// A file that is broken, a context that does not exist, an explicit file that is missing or empty: each is an error, and
// not a reason to look further; nor is there one when a context was named. A context without a namespace means "default".
func Load(options Options) (config *rest.Config, namespace string, err error) {
	// TODO(kata): Let clientcmd's loading rules find and merge the files, then tell "nothing there" from "not usable".
	return nil, "", errors.New("Load is not implemented")
}

// ForComponent returns a configuration for one component of a program that shares a configuration among several: with the
// limits QPS and Burst, and a user agent of the program's default (rest.DefaultKubernetesUserAgent), "/" and the component's
// name. The shared one stays as it is.
func ForComponent(shared *rest.Config, component string) *rest.Config {
	// TODO(kata): Change a copy.
	panic("ForComponent is not implemented")
}

// ServerVersion returns the API server's version, like v1.37.2.
func ServerVersion(ctx context.Context, config *rest.Config) (string, error) {
	// TODO(kata): Make a clientset, and ask its discovery client.
	return "", errors.New("ServerVersion is not implemented")
}

// ConfigMaps returns the names of a namespace's ConfigMaps, sorted.
func ConfigMaps(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	// TODO(kata): The first List.
	return nil, errors.New("ConfigMaps is not implemented")
}

// Value returns what a ConfigMap holds under a key. A ConfigMap that does not exist is an error that
// apierrors.IsNotFound recognises; a key that does not exist is ErrNoKey. An empty value is a value.
func Value(ctx context.Context, client kubernetes.Interface, namespace, name, key string) (string, error) {
	// TODO(kata): The first Get.
	return "", errors.New("Value is not implemented")
}
