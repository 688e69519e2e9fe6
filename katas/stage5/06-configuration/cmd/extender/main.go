// Command extender is the program of the image kubekata.dev/extender: both extenders, for the cluster in whose pod it runs. Build it statically:
//
//	CGO_ENABLED=0 go build -o extender ./katas/stage5/06-configuration/cmd/extender
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/katas/stage5/06-configuration/extender"
)

func main() {
	listen := flag.String("listen", ":8443", "the address to listen on")
	certificate := flag.String("tls-cert-file", "", "the certificate, and those that it rests on")
	key := flag.String("tls-private-key-file", "", "its key")
	licences := flag.Int64("licences", 2, "how many licences there are")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *certificate, *key, *licences); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, certificate, key string, licences int64) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	// As kube-scheduler's own client. With client-go's defaults, 5 a second, calls to bind wait until the scheduler gives them up.
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e, wait, err := extender.Informed(ctx, client, licences, log.Printf)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: listen, Handler: e.Handler(), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServeTLS(certificate, key) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		grace, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		err = server.Shutdown(grace)
	}
	cancel()
	wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
