// Package credentialplugin logs people in to a cluster: a credential plugin, which client-go starts when it needs a token, and kubectl foo,
// which lets client-go start one. Begin with [ParseRequest] and [Request.Write], which are the protocol. [Cache] keeps a token from one
// process to the next, [Plugin] puts them together, and [NewFoo] is on the other side.
package credentialplugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientauthv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	clientauthv1beta1 "k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"
	clientexec "k8s.io/client-go/tools/auth/exec"
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
	// kata:begin Which package of client-go reads an ExecCredential of any version? It is in tools/auth. What does it say when there is no
	// | cluster?
	if info == "" {
		return nil, ErrNotAPlugin
	}
	var head struct {
		metav1.TypeMeta `json:",inline"`
		Spec            struct {
			Cluster *struct{} `json:"cluster"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(info), &head); err != nil {
		return nil, fmt.Errorf("read KUBERNETES_EXEC_INFO: %w", err)
	}
	known := head.APIVersion == clientauthv1.SchemeGroupVersion.String() || head.APIVersion == clientauthv1beta1.SchemeGroupVersion.String()
	if !known || head.Kind != "ExecCredential" {
		return nil, fmt.Errorf("read KUBERNETES_EXEC_INFO: it has the kind %q of %q, and not an ExecCredential of %s or %s",
			head.Kind, head.APIVersion, clientauthv1.SchemeGroupVersion, clientauthv1beta1.SchemeGroupVersion)
	}
	if head.Spec.Cluster == nil {
		return nil, ErrNoCluster
	}
	object, config, err := clientexec.LoadExecCredential([]byte(info))
	if err != nil {
		return nil, fmt.Errorf("read KUBERNETES_EXEC_INFO: %w", err)
	}
	r := &Request{APIVersion: head.APIVersion, Server: config.Host}
	switch credential := object.(type) {
	case *clientauthv1.ExecCredential:
		r.Interactive = credential.Spec.Interactive
	case *clientauthv1beta1.ExecCredential:
		r.Interactive = credential.Spec.Interactive
	}
	return r, nil
	// kata:end
}

// Write answers: an ExecCredential of the version that was asked for, with the token and, unless it is zero, the time when it expires. The
// answer is JSON, and out gets it in one piece. A token without a value is an error, and out gets nothing.
func (r *Request) Write(out io.Writer, t Token) error {
	// kata:begin Two versions have two types. Both need their TypeMeta.
	if t.Value == "" {
		return errors.New("a token without a value logs nobody in")
	}
	var expires *metav1.Time
	if !t.Expires.IsZero() {
		expires = &metav1.Time{Time: t.Expires}
	}
	kind := metav1.TypeMeta{APIVersion: r.APIVersion, Kind: "ExecCredential"}
	var answer runtime.Object
	switch r.APIVersion {
	case clientauthv1.SchemeGroupVersion.String():
		answer = &clientauthv1.ExecCredential{
			TypeMeta: kind,
			Spec:     clientauthv1.ExecCredentialSpec{Interactive: r.Interactive},
			Status:   &clientauthv1.ExecCredentialStatus{Token: t.Value, ExpirationTimestamp: expires},
		}
	case clientauthv1beta1.SchemeGroupVersion.String():
		answer = &clientauthv1beta1.ExecCredential{
			TypeMeta: kind,
			Spec:     clientauthv1beta1.ExecCredentialSpec{Interactive: r.Interactive},
			Status:   &clientauthv1beta1.ExecCredentialStatus{Token: t.Value, ExpirationTimestamp: expires},
		}
	default:
		return fmt.Errorf("no answer can be given in %q", r.APIVersion)
	}
	data, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("write the ExecCredential: %w", err)
	}
	if _, err := out.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write the ExecCredential: %w", err)
	}
	return nil
	// kata:end
}
