package configuration

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"sigs.k8s.io/yaml"
)

// Local is what is different on this machine, where no Service and no Secret is. What is empty stays as it is in the file.
type Local struct {
	// Address is where the extenders listen. Their certificate is still that of the urlPrefix's host.
	Address string
	// CAFile takes the place of each caFile.
	CAFile string
	// SchedulerName takes the place of each profile's.
	SchedulerName string
	// Kubeconfig is how the API server is reached; nobody else elects a leader then.
	Kubeconfig string
}

// ErrEverybodys says that a scheduler with this configuration would schedule pods that another one schedules.
var ErrEverybodys = errors.New("no profile with a schedulerName of its own: it would schedule everybody's pods")

// OwnProfiles returns [ErrEverybodys] for a configuration without profiles, and for one with a profile that is the default scheduler's.
func OwnProfiles(configuration []byte) error {
	var fields map[string]any
	if err := yaml.Unmarshal(configuration, &fields); err != nil {
		return fmt.Errorf("read the scheduler's configuration: %w", err)
	}
	profiles := items(fields["profiles"])
	for _, profile := range profiles {
		if name, _ := profile["schedulerName"].(string); name == "" || name == "default-scheduler" {
			return ErrEverybodys
		}
	}
	if len(profiles) == 0 {
		return ErrEverybodys
	}
	return nil
}

// Adapt returns a KubeSchedulerConfiguration for this machine. What it does not have is not added, and what is wrong with it stays.
func (l Local) Adapt(configuration []byte) ([]byte, error) {
	var fields map[string]any
	if err := yaml.Unmarshal(configuration, &fields); err != nil {
		return nil, fmt.Errorf("read the scheduler's configuration: %w", err)
	}
	if l.Kubeconfig != "" {
		fields["clientConnection"] = map[string]any{"kubeconfig": l.Kubeconfig}
		fields["leaderElection"] = map[string]any{"leaderElect": false}
	}
	for _, profile := range items(fields["profiles"]) {
		if l.SchedulerName != "" {
			profile["schedulerName"] = l.SchedulerName
		}
	}
	for _, extender := range items(fields["extenders"]) {
		l.extender(extender)
	}
	return yaml.Marshal(fields)
}

func (l Local) extender(fields map[string]any) {
	tls, _ := fields["tlsConfig"].(map[string]any)
	if l.CAFile != "" && tls["caFile"] != nil {
		tls["caFile"] = l.CAFile
	}
	prefix, _ := fields["urlPrefix"].(string)
	u, err := url.Parse(prefix)
	if err != nil || l.Address == "" {
		return
	}
	if tls != nil && tls["serverName"] == nil {
		tls["serverName"] = u.Host
		if host, _, err := net.SplitHostPort(u.Host); err == nil {
			tls["serverName"] = host
		}
	}
	u.Host = l.Address
	fields["urlPrefix"] = u.String()
}

// items are those of a list that are maps.
func items(list any) []map[string]any {
	var found []map[string]any
	all, _ := list.([]any)
	for _, item := range all {
		if m, ok := item.(map[string]any); ok {
			found = append(found, m)
		}
	}
	return found
}
