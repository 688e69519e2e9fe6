// Command credential-plugin is both sides at once: kubectl foo, which says who we are, and the plugin that client-go starts for it, which is
// this program again. Try it with make run KATA=credential-plugin, and with ARGS='-n kube-system'.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"

	"github.com/kubekata/kubekata/harness/loopback"
	kata "github.com/kubekata/kubekata/katas/stage6/07-credential-plugin"
)

const (
	// cacheEnv is the folder of the plugin's cache. Only a process that is to be the plugin has it.
	cacheEnv  = "CREDENTIAL_PLUGIN_CACHE"
	namespace = "default"
	name      = "nonna" // of the service account that stands for the user
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := demonstrate
	if os.Getenv(cacheEnv) != "" {
		run = plugin
	}
	if err := run(ctx); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// plugin answers client-go.
func plugin(ctx context.Context) error {
	p := &kata.Plugin{
		User:  name,
		Cache: &kata.Cache{Dir: os.Getenv(cacheEnv), Clock: clock.RealClock{}},
		Login: login,
		Log:   os.Stderr,
	}
	return p.Run(ctx, os.Getenv("KUBERNETES_EXEC_INFO"), os.Stdout)
}

// login asks for a token of ten minutes, which is the shortest that the API server hands out. An organisation's own desk for tokens would ask
// for a password here, or open a browser.
func login(ctx context.Context, user string, r *kata.Request) (kata.Token, error) {
	client, err := admin()
	if err != nil {
		return kata.Token{}, err
	}
	review, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, user, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(600))},
	}, metav1.CreateOptions{})
	if err != nil {
		return kata.Token{}, err
	}
	t := kata.Token{Value: review.Status.Token, Expires: review.Status.ExpirationTimestamp.Time}
	fmt.Fprintf(os.Stderr, "[plugin %d] logged %s in to %s, until %s\n", os.Getpid(), user, r.Server, t.Expires.Format(time.TimeOnly))
	return t, nil
}

// demonstrate runs kubectl foo twice with a kubeconfig whose user has a plugin, and removes what it has made.
func demonstrate(ctx context.Context) error {
	client, err := admin()
	if err != nil {
		return err
	}
	accounts := client.CoreV1().ServiceAccounts(namespace)
	_, err = accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err == nil {
		defer func() { _ = accounts.Delete(context.WithoutCancel(ctx), name, metav1.DeleteOptions{}) }()
	} else if !apierrors.IsAlreadyExists(err) {
		return err
	}
	dir, err := os.MkdirTemp("", "credential-plugin-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()

	for n, title := range []string{"the first time", "again"} {
		fmt.Printf("%s:\n", title)
		path, err := kubeconfig(dir, n)
		if err != nil {
			return err
		}
		if err := foo(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// foo is what the main function of kubectl-foo would be, but for the place of the kubeconfig.
func foo(ctx context.Context, path string) error {
	var remote error
	config := genericclioptions.NewConfigFlags(true).WithWrapConfigFn(func(c *rest.Config) *rest.Config {
		if remote = loopback.Check(c.Host); remote != nil {
			c.Host = "https://127.0.0.1:1" // nothing is asked of a server elsewhere
		}
		return c
	})
	config.KubeConfig = &path
	err := kata.NewFoo(config, genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}).ExecuteContext(ctx)
	if remote != nil {
		return remote
	}
	return err
}

// kubeconfig writes the lab's with another user, for whom client-go starts this program. The number makes it another one to client-go.
func kubeconfig(dir string, number int) (string, error) {
	config, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	config.Contexts[config.CurrentContext].AuthInfo = name
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{name: {Exec: &clientcmdapi.ExecConfig{
		APIVersion:         "client.authentication.k8s.io/v1",
		Command:            self,
		Env:                []clientcmdapi.ExecEnvVar{{Name: cacheEnv, Value: filepath.Join(dir, "tokens")}, {Name: "NUMBER", Value: fmt.Sprint(number)}},
		ProvideClusterInfo: true,
		InteractiveMode:    clientcmdapi.IfAvailableExecInteractiveMode,
	}}}
	path := filepath.Join(dir, fmt.Sprint("kubeconfig-", number))
	return path, clientcmd.WriteToFile(*config, path)
}

func admin() (*kubernetes.Clientset, error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}
