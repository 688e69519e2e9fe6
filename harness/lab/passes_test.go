package lab

import (
	"errors"
	"testing"
)

func TestPasses(t *testing.T) {
	for text, want := range map[string]bool{
		"etcd died at the start\n  listen tcp 127.0.0.1:32763: bind: address already in use":                                                            true,
		"kube-controller-manager died at the start\n  Error building controller context: failed to wait for apiserver being healthy: timed out waiting": true,
		"kube-apiserver died at the start\n  unknown flag: --colour":                                                                                    false,
		"the lab was not ready within 1m30s":                                                                                                            false,
	} {
		if got := passes(errors.New(text)); got != want {
			t.Errorf("passes(%q) = %t, want %t", text, got, want)
		}
	}
}
