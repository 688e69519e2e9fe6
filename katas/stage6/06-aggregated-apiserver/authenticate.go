// Package aggregated is the kata's: an API server of our own, behind the one that everybody talks to. [NewHandler] is the server; what it needs comes first: who asks
// ([RequestHeader]), whether they may ([Authorize]), and how one answers ([Refuse], [Negotiate], [Table]). [APIService] puts it into the cluster. Package till is the storage, and given.
package aggregated

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
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
	// TODO(kata): A pool, and five lists.
	return nil, errors.New("ParseRequestHeader is not implemented")
}

// TLSConfig is the server's: TLS 1.2 and newer. Clients are asked for a certificate. Whoever has none, or one that Authenticate will refuse, gets through the handshake all the same:
// a refusal is a Status, and the kubelet that asks for our health has no certificate.
func TLSConfig(certificate tls.Certificate) *tls.Config {
	// TODO(kata): tls.ClientAuthType has five values.
	panic("TLSConfig is not implemented")
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
	// TODO(kata): First the certificate, then the headers. What did the handshake verify?
	return nil, errors.New("RequestHeader.Authenticate is not implemented")
}

// TODO(kata): What Authenticate needs.
