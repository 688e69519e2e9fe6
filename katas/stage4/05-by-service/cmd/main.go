// Command by-service is the webhook's program. On the lab it installs the learner's manifests, stands in for the pods, and serves until Ctrl-C: make run KATA=by-service. In a
// cluster it is what the Deployment runs.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/harness/loopback"
	byservice "github.com/kubekata/kubekata/katas/stage4/05-by-service"
	"github.com/kubekata/kubekata/katas/stage4/05-by-service/labels"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the address to listen on; on this machine it must be on loopback")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen string) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	if inCluster() {
		return serve(ctx, c, listener)
	}
	if err := loopback.Check(listener.Addr().String()); err != nil {
		return err
	}
	return onLab(ctx, config, c, listener)
}

func inCluster() bool {
	return os.Getenv("KUBECONFIG") == "" && os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

// onLab installs the manifests as far as the lab can use them, serves, and takes everything away in the end.
func onLab(ctx context.Context, config *rest.Config, c kubernetes.Interface, listener net.Listener) (err error) {
	s, err := newSite(config, int64(listener.Addr().(*net.TCPAddr).Port))
	if err != nil {
		return err
	}
	defer func() { // after Ctrl-C as well; what a kill -9 leaves, the next run takes over
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, s.remove(ctx))
	}()
	if err := s.install(ctx); err != nil {
		return err
	}
	fmt.Printf("process %d stands in for the pods of %s.%s.svc, at %s\n", os.Getpid(), byservice.Name, byservice.Namespace, listener.Addr())
	fmt.Println("try   make kubectl ARGS='apply -f katas/stage4/05-by-service/samples/sleep-without-labels.yaml'")
	return serve(ctx, c, listener)
}

// serve is the program: the certificate, the configurations' trust in it again and again, and the server.
func serve(ctx context.Context, c kubernetes.Interface, listener net.Listener) error {
	certificate, bundle, err := byservice.Certificate(ctx, c, byservice.Namespace, byservice.Name, byservice.Secret, time.Now())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler: labels.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	served, trusted := make(chan error, 1), make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }()
	go func() { trusted <- trust(ctx, c, bundle) }()
	select {
	case err = <-served:
		cancel()
		return errors.Join(err, <-trusted)
	case err = <-trusted: // ctx has ended, or there is no trust
		cancel()
	}
	bounded, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	err = errors.Join(err, server.Shutdown(bounded))
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// trust writes the bundle into the configurations until ctx ends, which is no error: they may be applied at any time.
func trust(ctx context.Context, c kubernetes.Interface, bundle []byte) error {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		if err := byservice.Trust(ctx, c, byservice.Configuration, bundle); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
