package environ_test

import (
	"os"
	"slices"
	"testing"

	"github.com/kubekata/kubekata/harness/environ"
)

func TestServersSeeAFewVariables(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Setenv("ETCD_LISTEN_METRICS_URLS", "http://0.0.0.0:9999")
	t.Setenv("KWOK_KUBE_AUTHORIZATION", "false")
	env := environ.Servers("KWOK_WORKDIR=/lab")
	if !slices.Contains(env, "HOME=/home/me") || !slices.Contains(env, "KWOK_WORKDIR=/lab") {
		t.Errorf("%q", env)
	}
	for _, entry := range env {
		if entry == "KWOK_KUBE_AUTHORIZATION=false" || entry == "ETCD_LISTEN_METRICS_URLS=http://0.0.0.0:9999" {
			t.Errorf("a server would see %s", entry)
		}
	}
}

func TestForget(t *testing.T) {
	forgotten := []string{"ETCD_NAME", "KWOK_RUNTIME", "KUBE_FEATURE_WatchListClient", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBECACHEDIR", "KUBERC"}
	kept := []string{"KUBECONFIG", "KUBEKATA_API"}
	for _, name := range append(forgotten, kept...) {
		t.Setenv(name, "x")
	}
	if err := environ.Forget(); err != nil {
		t.Fatal(err)
	}
	for _, name := range forgotten {
		if value, ok := os.LookupEnv(name); ok {
			t.Errorf("%s=%s is still there", name, value)
		}
	}
	if os.Getenv("KUBECONFIG") != os.DevNull || os.Getenv("KUBEKATA_API") != "x" {
		t.Errorf("KUBECONFIG=%s KUBEKATA_API=%s", os.Getenv("KUBECONFIG"), os.Getenv("KUBEKATA_API"))
	}
}
