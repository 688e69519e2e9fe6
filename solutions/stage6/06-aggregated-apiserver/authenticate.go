// Package aggregated is the kata's: an API server of our own, behind the one that everybody talks to. [NewHandler] is the server; what it needs comes first: who asks
// ([RequestHeader]), whether they may ([Authorize]), and how one answers ([Refuse], [Negotiate], [Table]). [APIService] puts it into the cluster. Package till is the storage, and given.
package aggregated

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The ConfigMap in which the API server says how it shows whom it speaks for.
const (
	AuthenticationNamespace = "kube-system"
	AuthenticationConfigMap = "extension-apiserver-authentication"
)

// The groups, one of which everybody is in.
const (
	Authenticated   = "system:authenticated"
	Unauthenticated = "system:unauthenticated"
	Anonymous       = "system:anonymous" // a user, and in the second of them
)

// RequestHeader is what we know of the front proxy: the API server, when it passes a request on. Its flags are called --requestheader-….
type RequestHeader struct {
	// Roots are the authorities of its client certificate; AllowedNames are the common names that the certificate may have, and all of them when there are none.
	Roots        *x509.CertPool
	AllowedNames []string
	// Users, UIDs and Groups are the names of headers; ExtraPrefixes are how those begin that have the rest.
	Users, UIDs, Groups, ExtraPrefixes []string
}

// ParseRequestHeader reads the ConfigMap kube-system/extension-apiserver-authentication. Its keys are those of the flags: requestheader-client-ca-file, a bundle in PEM; and
// requestheader-allowed-names, -username-headers, -uid-headers, -group-headers and -extra-headers-prefix, each a list of strings in JSON.
//
// An API server that passes no requests on leaves these keys out. So that is an error: without a bundle with a certificate, and without a header for the user, nobody could be known.
// A key that cannot be read is an error that names the key. The other keys may be missing. client-ca-file is another thing: whoever has a certificate of that authority is a user, and
// no proxy.
func ParseRequestHeader(config *corev1.ConfigMap) (*RequestHeader, error) {
	// kata:begin A pool, and five lists.
	h := &RequestHeader{Roots: x509.NewCertPool()}
	if !h.Roots.AppendCertsFromPEM([]byte(config.Data["requestheader-client-ca-file"])) {
		return nil, errors.New("requestheader-client-ca-file has no certificate: the API server passes no requests on")
	}
	for key, list := range map[string]*[]string{
		"requestheader-allowed-names": &h.AllowedNames, "requestheader-username-headers": &h.Users, "requestheader-uid-headers": &h.UIDs,
		"requestheader-group-headers": &h.Groups, "requestheader-extra-headers-prefix": &h.ExtraPrefixes,
	} {
		value, ok := config.Data[key]
		if !ok {
			continue
		}
		if err := json.Unmarshal([]byte(value), list); err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
	}
	if len(h.Users) == 0 {
		return nil, errors.New("requestheader-username-headers has no header")
	}
	return h, nil
	// kata:end
}

// TLSConfig is the server's: TLS 1.2 and newer. Clients are asked for a certificate. Whoever has none, or one that Authenticate will refuse, gets through the handshake all the same:
// a refusal is a Status, and the kubelet that asks for our health has no certificate.
func TLSConfig(certificate tls.Certificate) *tls.Config {
	// kata:begin tls.ClientAuthType has five values.
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	// kata:end
}

// Authenticate returns whom the front proxy speaks for. Everything else is an error for which apierrors.IsUnauthorized is true: a header is worth nothing unless the connection has a
// client certificate that
//   - the Roots vouch for, directly or by the intermediates that the client has sent along,
//   - is for clients, and good today,
//   - has one of the AllowedNames, if there are any.
//
// The user is what the first of the Users' headers has that is there and not empty; without one, nobody is known. The uid is the same with UIDs, and may be missing. The groups are
// all values of all of the Groups' headers. An extra is a header whose name begins with one of the prefixes, in any case; its key is the rest of the name in small letters, and then
// percent-decoded: as it is, if it cannot be decoded.
//
// Who is known is in the group system:authenticated, which is added if it is missing, but not for system:anonymous, and not for somebody in system:unauthenticated. (The API server
// itself asks for our discovery as system:kube-aggregator, without a group.)
func (h *RequestHeader) Authenticate(r *http.Request) (*authenticationv1.UserInfo, error) {
	// kata:begin First the certificate, then the headers. What did the handshake verify?
	if err := h.verify(r.TLS); err != nil {
		return nil, apierrors.NewUnauthorized(err.Error())
	}
	user := &authenticationv1.UserInfo{Username: first(r.Header, h.Users), UID: first(r.Header, h.UIDs), Extra: h.extra(r.Header)}
	if user.Username == "" {
		return nil, apierrors.NewUnauthorized("the front proxy does not say whom it speaks for")
	}
	for _, name := range h.Groups {
		user.Groups = append(user.Groups, r.Header.Values(name)...)
	}
	if user.Username != Anonymous && !slices.Contains(user.Groups, Authenticated) && !slices.Contains(user.Groups, Unauthenticated) {
		user.Groups = append(user.Groups, Authenticated)
	}
	return user, nil
	// kata:end
}

// kata:begin What Authenticate needs.
// kata:stub

// verify says why the other end of a connection is not the front proxy, or nil.
func (h *RequestHeader) verify(state *tls.ConnectionState) error {
	if state == nil || len(state.PeerCertificates) == 0 {
		return errors.New("the client has no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	leaf := state.PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: h.Roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return fmt.Errorf("the client's certificate: %w", err)
	}
	if len(h.AllowedNames) > 0 && !slices.Contains(h.AllowedNames, leaf.Subject.CommonName) {
		return fmt.Errorf("%q is not a front proxy", leaf.Subject.CommonName)
	}
	return nil
}

// first returns the first value that is there.
func first(header http.Header, names []string) string {
	for _, name := range names {
		if value := header.Get(name); value != "" {
			return value
		}
	}
	return ""
}

func (h *RequestHeader) extra(header http.Header) map[string]authenticationv1.ExtraValue {
	extra := map[string]authenticationv1.ExtraValue{}
	for _, prefix := range h.ExtraPrefixes {
		for name, values := range header {
			if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
				continue
			}
			key := strings.ToLower(name[len(prefix):])
			if decoded, err := url.PathUnescape(key); err == nil {
				key = decoded
			}
			extra[key] = append(extra[key], values...)
		}
	}
	return extra
}

// kata:end
