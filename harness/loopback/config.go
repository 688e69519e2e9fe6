package loopback

import (
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config reads one kubeconfig and nothing else, neither KUBECONFIG nor ~/.kube/config. A server that [Check] refuses is an error.
func Config(kubeconfig string) (*rest.Config, error) {
	config, err := load(kubeconfig)
	if err != nil {
		return nil, err
	}
	return config, Check(config.Host)
}

// ProgramConfig is the configuration of a kata's program. make run sets KUBECONFIG to the lab's; whatever else it may name, the
// program stays on this machine.
func ProgramConfig() (*rest.Config, error) {
	config, err := load(os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, fmt.Errorf("%w (start it with make run)", err)
	}
	return config, Check(config.Host)
}

func load(kubeconfig string) (*rest.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
}
