// Package clientconfig finds out which API server to talk to, as whom, and says hello to it.
package clientconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
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
	// kata:begin Let clientcmd's loading rules find and merge the files, then tell "nothing there" from "not usable".
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = options.Kubeconfig
	files, err := rules.Load()
	if err != nil {
		return nil, "", fmt.Errorf("load the kubeconfig: %w", err)
	}
	if options.Kubeconfig == "" && options.Context == "" && api.IsConfigEmpty(files) {
		return options.InCluster()
	}
	// Without this check, a context whose cluster is missing would look like no configuration at all.
	if err := clientcmd.ConfirmUsable(*files, options.Context); err != nil {
		return nil, "", fmt.Errorf("use the kubeconfig: %w", err)
	}
	loader := clientcmd.NewDefaultClientConfig(*files, &clientcmd.ConfigOverrides{CurrentContext: options.Context})
	config, err = loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("use the kubeconfig: %w", err)
	}
	namespace, _, err = loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("find the context's namespace: %w", err)
	}
	return config, namespace, nil
	// kata:end
}

// ForComponent returns a configuration for one component of a program that shares a configuration among several: with the
// limits QPS and Burst, and a user agent of the program's default (rest.DefaultKubernetesUserAgent), "/" and the component's
// name. The shared one stays as it is.
func ForComponent(shared *rest.Config, component string) *rest.Config {
	// kata:begin Change a copy.
	config := rest.CopyConfig(shared)
	config.QPS = QPS
	config.Burst = Burst
	return rest.AddUserAgent(config, component)
	// kata:end
}

// ServerVersion returns the API server's version, like v1.37.2.
func ServerVersion(ctx context.Context, config *rest.Config) (string, error) {
	// kata:begin Make a clientset, and ask its discovery client.
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("make a clientset: %w", err)
	}
	version, err := client.Discovery().ServerVersionWithContext(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for the server's version: %w", err)
	}
	return version.GitVersion, nil
	// kata:end
}

// ConfigMaps returns the names of a namespace's ConfigMaps, sorted.
func ConfigMaps(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	// kata:begin The first List.
	list, err := client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list configmaps in %s: %w", namespace, err)
	}
	names := make([]string, 0, len(list.Items))
	for _, item := range list.Items {
		names = append(names, item.Name)
	}
	slices.Sort(names)
	return names, nil
	// kata:end
}

// Value returns what a ConfigMap holds under a key. A ConfigMap that does not exist is an error that
// apierrors.IsNotFound recognises; a key that does not exist is ErrNoKey. An empty value is a value.
func Value(ctx context.Context, client kubernetes.Interface, namespace, name, key string) (string, error) {
	// kata:begin The first Get.
	configMap, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("get configmap %s/%s: %w", namespace, name, err)
	}
	value, ok := configMap.Data[key]
	if !ok {
		return "", fmt.Errorf("configmap %s/%s: %w: %s", namespace, name, ErrNoKey, key)
	}
	return value, nil
	// kata:end
}
