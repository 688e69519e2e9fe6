package scheduler

import (
	"bytes"
	"fmt"

	configv1 "k8s.io/kube-scheduler/config/v1"
	"sigs.k8s.io/yaml"
)

// apiVersion and kind of the only configuration that is left.
const (
	apiVersion = "kubescheduler.config.k8s.io/v1"
	kind       = "KubeSchedulerConfiguration"
)

// fill sets what the harness decides: the API server, and that no leader is elected. All else stays as it is, so that what is wrong with it is
// the scheduler's to say; so does a text that is no YAML, or no map.
func fill(config []byte, kubeconfig string) []byte {
	var fields map[string]any
	if err := yaml.Unmarshal(config, &fields); err != nil || fields == nil {
		return config
	}
	set := func(key, field string, value any) {
		part, ok := fields[key].(map[string]any)
		if !ok {
			if fields[key] != nil {
				return // it is something else, which the scheduler refuses
			}
			part = map[string]any{}
		}
		part[field] = value
		fields[key] = part
	}
	set("clientConnection", "kubeconfig", kubeconfig)
	set("leaderElection", "leaderElect", false)
	filled, err := yaml.Marshal(fields)
	if err != nil {
		return config
	}
	return filled
}

// Encode writes a configuration as YAML, with its apiVersion and kind.
func Encode(config *configv1.KubeSchedulerConfiguration) ([]byte, error) {
	config = config.DeepCopy()
	config.APIVersion, config.Kind = apiVersion, kind
	data, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode the scheduler's configuration: %w", err)
	}
	return bytes.TrimSpace(data), nil
}
