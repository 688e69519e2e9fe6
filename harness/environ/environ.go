// Package environ keeps the caller's environment out of servers and specs. etcd takes each of its flags from a variable
// as well (ETCD_LISTEN_METRICS_URLS opens a port to the network), kwokctl each of its options
// (KWOK_KUBE_AUTHORIZATION=false turns RBAC off), and client-go its feature gates: what a learner has exported for another
// project must change nothing here.
package environ

import (
	"os"
	"strings"
)

// servers names what a server gets to see of the caller's environment.
var servers = []string{"HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"}

// Servers returns the environment of a server of ours, or of a program that starts some: a few harmless variables of the
// caller, and extra, which are NAME=value.
func Servers(extra ...string) []string {
	var env []string
	for _, name := range servers {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, extra...)
}

// prefixes of the variables that the servers, client-go and kubectl read.
var prefixes = []string{"ETCD_", "KWOK_", "KUBE_", "KUBECTL_", "KUBERNETES_"}

// Forget removes from this process, for good, what leads to a cluster or changes how a server or a client behaves.
// KUBECONFIG points at nothing afterwards: a rest.Config from the default rules finds an empty kubeconfig, and the process
// seems to run outside of any pod.
func Forget() error {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range prefixes {
			if strings.HasPrefix(name, prefix) {
				if err := os.Unsetenv(name); err != nil {
					return err
				}
			}
		}
	}
	for _, name := range []string{"KUBECACHEDIR", "KUBERC"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return os.Setenv("KUBECONFIG", os.DevNull)
}
