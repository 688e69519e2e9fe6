package loopback_test

import (
	"testing"

	"github.com/kubekata/kubekata/harness/loopback"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, host, allow string
		ok                bool
	}{
		{"IPv4", "https://127.0.0.1:6443", "", true},
		{"all of 127/8", "127.8.9.1:6443", "", true},
		{"IPv6", "https://[::1]:6443", "", true},
		{"localhost", "https://localhost:6443/", "", true},
		{"a name", "https://prod.example.com:6443", "", false},
		{"a name that begins like localhost", "https://localhost.example.com", "", false},
		{"a private address", "https://10.0.0.1:6443", "", false},
		{"the host that is allowed", "https://prod.example.com:6443", "prod.example.com", true},
		{"another than the one that is allowed", "https://prod2.example.com:6443", "prod.example.com", false},
		{"nothing", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(loopback.AllowRemoteEnv, c.allow)
			if err := loopback.Check(c.host); (err == nil) != c.ok {
				t.Errorf("%s: %v", c.host, err)
			}
		})
	}
}
