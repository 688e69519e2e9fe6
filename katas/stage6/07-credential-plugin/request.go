// Package credentialplugin logs people in to a cluster: a credential plugin, which client-go starts when it needs a token, and kubectl foo,
// which lets client-go start one. Begin with [ParseRequest] and [Request.Write], which are the protocol. [Cache] keeps a token from one
// process to the next, [Plugin] puts them together, and [NewFoo] is on the other side.
package credentialplugin

import (
	"errors"
	"io"
	"time"
)

// ErrNotAPlugin is ParseRequest's when nobody has asked for anything: somebody has started the plugin by hand.
var ErrNotAPlugin = errors.New("KUBERNETES_EXEC_INFO is empty: kubectl starts this program, as a kubeconfig says in users[].user.exec")

// ErrNoCluster is ParseRequest's when the request does not say for which cluster the token is.
var ErrNoCluster = errors.New("the request names no cluster: set provideClusterInfo: true in users[].user.exec")

// Request is what client-go wants to know.
type Request struct {
	// APIVersion is the one in which it wants its answer.
	APIVersion string
	// Server is the URL of the API server that the token is for.
	Server string
	// Interactive says that there is somebody at the terminal who can be asked for a password. If not, nothing may be read from standard
	// input.
	Interactive bool
}

// Token logs somebody in.
type Token struct {
	Value string
	// Expires is when it stops doing that. A zero time is never, or nobody knows.
	Expires time.Time
}

// ParseRequest reads what client-go has put into the environment variable KUBERNETES_EXEC_INFO: an ExecCredential of
// client.authentication.k8s.io/v1 or v1beta1, in JSON.
//
// An empty info is ErrNotAPlugin. A request without a cluster is ErrNoCluster: the same user's token must not go to another cluster. What is no
// ExecCredential, or one of a version that we do not speak, is an error that quotes apiVersion and kind.
func ParseRequest(info string) (*Request, error) {
	// TODO(kata): Which package of client-go reads an ExecCredential of any version? It is in tools/auth. What does it say when there is no
	// cluster?
	return nil, errors.New("ParseRequest is not implemented")
}

// Write answers: an ExecCredential of the version that was asked for, with the token and, unless it is zero, the time when it expires. The
// answer is JSON, and out gets it in one piece. A token without a value is an error, and out gets nothing.
func (r *Request) Write(out io.Writer, t Token) error {
	// TODO(kata): Two versions have two types. Both need their TypeMeta.
	return errors.New("Request.Write is not implemented")
}
