package cliruntime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	cliruntime "github.com/kubekata/kubekata/katas/stage1/13-cli-runtime"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestCLIRuntime(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 13-cli-runtime") }

// look is one call of the command.
type look struct {
	// kubeconfig is a path; the server's own when it is empty.
	kubeconfig string
	stdin      string
	// stdout is where Out goes instead.
	stdout io.Writer
}

// outcome is what came of it.
type outcome struct {
	out, errOut string
	err         error
}

// run builds the command and executes it.
func (l look) run(ctx context.Context, args ...string) outcome {
	GinkgoHelper()
	return l.command(args...)(ctx)
}

// command builds the command as a main function would, with a recorded connection and a discovery cache of its own, and returns
// what executes it.
func (l look) command(args ...string) func(context.Context) outcome {
	GinkgoHelper()
	config := genericclioptions.NewConfigFlags(true).WithWrapConfigFn(func(c *rest.Config) *rest.Config {
		c.Wrap(api.Config().WrapTransport)
		return c
	})
	config.CacheDir = new(GinkgoT().TempDir())
	config.KubeConfig = new(api.Kubeconfig())
	if l.kubeconfig != "" {
		config.KubeConfig = new(l.kubeconfig)
	}
	streams, in, out, errOut := genericiooptions.NewTestIOStreams()
	in.WriteString(l.stdin)
	if l.stdout != nil {
		streams.Out = l.stdout
	}
	cmd := cliruntime.New(config, streams)
	cmd.SetArgs(append([]string{}, args...))
	return func(ctx context.Context) outcome {
		err := cmd.ExecuteContext(ctx)
		return outcome{out.String(), errOut.String(), err}
	}
}

// failing is a disk that is full.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// kubeconfigFor returns a kubeconfig for the server whose current context has a namespace.
func kubeconfigFor(namespace string) string {
	GinkgoHelper()
	config, err := clientcmd.LoadFromFile(api.Kubeconfig())
	Expect(err).NotTo(HaveOccurred(), "read the server's kubeconfig")
	config.Contexts[config.CurrentContext].Namespace = namespace
	path := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*config, path)).To(Succeed())
	return path
}

// write writes a file in a folder of its own and returns its path.
func write(name, content string) string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), name)
	Expect(os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
	Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	return path
}

// secrets makes some; each holds its name under key, and has the labels name and of, its namespace.
func secrets(ctx context.Context, ns string, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		_, err := api.Judge().CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name, "of": ns}},
			Data:       map[string][]byte{"key": []byte(name)},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make secret %s/%s for the spec", ns, name)
	}
}

func lease(ctx context.Context, ns, name string) {
	GinkgoHelper()
	_, err := api.Judge().CoordinationV1().Leases(ns).Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name, "of": ns}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make lease %s/%s for the spec", ns, name)
}

// forbid answers what is asked about a resource with 403 Forbidden.
func forbid(resource string) {
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if r.Resource != resource {
			return nil
		}
		return &cluster.Answer{Status: &metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: "you may not"}}
	})
}

// asked returns the requests for objects, as a transcript has them: discovery is not among them.
func asked() []string {
	found := []string{}
	for _, r := range api.Requests() {
		if r.Resource != "" {
			found = append(found, r.String())
		}
	}
	return found
}

// parse reads the whole of an output as one document of JSON or YAML.
func parse(out string) map[string]any {
	GinkgoHelper()
	documents := bytes.Count([]byte("\n"+out), []byte("\n---"))
	Expect(documents).To(BeNumerically("<=", 1), "documents on stdout:\n%s", out)
	converted, err := yaml.YAMLToJSON([]byte(out))
	Expect(err).NotTo(HaveOccurred(), "stdout is not one document of JSON or YAML:\n%s", out)
	var document map[string]any
	Expect(json.Unmarshal(converted, &document)).To(Succeed(), "stdout is not one object:\n%s", out)
	return document
}

// names returns the names of a List's items.
func names(out string) []string {
	GinkgoHelper()
	items, ok := parse(out)["items"].([]any)
	Expect(ok).To(BeTrue(), "stdout is not a List:\n%s", out)
	var found []string
	for _, item := range items {
		found = append(found, item.(map[string]any)["metadata"].(map[string]any)["name"].(string))
	}
	return found
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
