// Package loopback keeps the workbook on this machine: nothing in it speaks to an API server elsewhere.
package loopback

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
)

// AllowRemoteEnv names the one host that may be spoken to although it is not on loopback.
const AllowRemoteEnv = "KUBEKATA_ALLOW_REMOTE"

// Check refuses an API server that is not on this machine, unless KUBEKATA_ALLOW_REMOTE names its host. host is a
// rest.Config's: a URL, or host:port.
func Check(host string) error {
	name := host
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		name = u.Host
	}
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if ip := net.ParseIP(name); name == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	if allowed := os.Getenv(AllowRemoteEnv); allowed != "" && allowed == name {
		return nil
	}
	return fmt.Errorf("%s is not on this machine: the workbook only speaks to an API server on loopback (%s=%s would allow this one)", host, AllowRemoteEnv, name)
}
