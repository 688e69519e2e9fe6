// Command aggregated-apiserver serves the learner's API behind the lab's API server until Ctrl-C: make run KATA=aggregated-apiserver.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"
	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/pki"
	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/till"
)

const (
	group     = "till.kubekata.dev"
	namespace = "osteria" // of the Service, and of the first tabs
	service   = "till"
)

func main() {
	address := flag.String("listen", "127.0.0.1:0", "the address to listen on, which must be on this machine's loopback")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 400 // a question for each request that we get: client-go's own limit is five a second
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	handler, err := newHandler(ctx, c)
	if err != nil {
		return err
	}
	ca, err := pki.NewAuthority("till-ca")
	if err != nil {
		return err
	}
	certificate, err := ca.Server(service + "." + namespace + ".svc")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := loopback.Check(listener.Addr().String()); err != nil {
		return err
	}
	object, err := aggregated.APIService(group, namespace, service, int32(listener.Addr().(*net.TCPAddr).Port), ca.Bundle)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: tell(handler), TLSConfig: aggregated.TLSConfig(certificate), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }()
	s, err := newSite(config, object)
	if err != nil {
		return err
	}
	defer func() { // after Ctrl-C as well; what a kill -9 leaves, the next run takes over
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		// First nobody asks us, then we are gone: an APIService without a server keeps every namespace from being deleted.
		err = errors.Join(err, s.remove(ctx), server.Shutdown(ctx))
	}()
	if err := s.install(ctx); err != nil {
		return err
	}
	fmt.Printf("process %d serves %s/v1 at %s, as %s.%s.svc\n", os.Getpid(), group, listener.Addr(), service, namespace)
	fmt.Printf("try   make kubectl ARGS='get tabs -n %s'\n", namespace)
	fmt.Printf("      make kubectl ARGS='get tb -A --as=ada'\n")
	fmt.Printf("      make kubectl ARGS='delete tab ada -n %s'\n", namespace)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return nil
	}
}

// newHandler makes the server of the learner's parts, with two tabs in its till.
func newHandler(ctx context.Context, c kubernetes.Interface) (http.Handler, error) {
	published, err := c.CoreV1().ConfigMaps(aggregated.AuthenticationNamespace).Get(ctx, aggregated.AuthenticationConfigMap, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	proxy, err := aggregated.ParseRequestHeader(published)
	if err != nil {
		return nil, fmt.Errorf("configmap %s/%s: %w", aggregated.AuthenticationNamespace, aggregated.AuthenticationConfigMap, err)
	}
	tabs := till.New(group, time.Now)
	for name, cents := range map[string]int64{"ada": 1205, "bob": 99} {
		tab := till.Tab{TypeMeta: metav1.TypeMeta{Kind: aggregated.Kind, APIVersion: group + "/" + aggregated.Version}}
		tab.Namespace, tab.Name = namespace, name
		tab.Spec = till.TabSpec{Guest: strings.ToUpper(name[:1]) + name[1:], Cents: cents}
		if _, err := tabs.Create(tab, false); err != nil {
			return nil, err
		}
	}
	return aggregated.NewHandler(aggregated.Options{
		Group: group, Till: tabs, Now: time.Now, Authenticate: proxy.Authenticate,
		Authorize: func(ctx context.Context, user *authenticationv1.UserInfo, ask authorizationv1.SubjectAccessReviewSpec) error {
			return aggregated.Authorize(ctx, c, user, ask)
		},
	}), nil
}

// tell shows what is asked about tabs. The API server's own questions, about discovery, are many.
func tell(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answer{ResponseWriter: w, code: http.StatusOK}
		handler.ServeHTTP(answer, r)
		if strings.Contains(r.URL.Path, "/"+aggregated.Resource) {
			fmt.Printf("%s %s for %s: %d %s\n", r.Method, r.URL.RequestURI(), r.Header.Get("X-Remote-User"), answer.code, http.StatusText(answer.code))
		}
	})
}

// answer keeps its code.
type answer struct {
	http.ResponseWriter
	code int
}

func (a *answer) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}
