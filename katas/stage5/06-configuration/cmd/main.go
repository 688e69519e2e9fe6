// Command configuration runs the lab's kube-scheduler with the learner's scheduler.yaml, and the extender beside it, until Ctrl-C: make run KATA=configuration.
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
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/cert"

	"github.com/kubekata/kubekata/harness/ephemeral"
	"github.com/kubekata/kubekata/harness/loopback"
	configuration "github.com/kubekata/kubekata/katas/stage5/06-configuration"
	"github.com/kubekata/kubekata/katas/stage5/06-configuration/extender"
)

// service is the host of the extenders' urlPrefix, to which their certificate belongs.
const service = "extender.kubekata-scheduler.svc"

func main() {
	licences := flag.Int64("licences", 2, "how many licences there are")
	down := flag.Bool("down", false, "start the scheduler without the extender")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, *licences, *down); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, licences int64, down bool) (err error) {
	if err := configuration.OwnProfiles(configuration.Scheduler); err != nil {
		return fmt.Errorf("scheduler.yaml: %w", err)
	}
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	// As kube-scheduler's own client. With client-go's defaults, 5 a second, calls to bind wait until the scheduler gives them up.
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	// What a run before has left because it was killed goes first.
	if err := ephemeral.Sweep(); err != nil {
		return err
	}
	dir, done, err := ephemeral.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server closes it, too
	ca, err := issue(dir)
	if err != nil {
		return err
	}
	adapted, err := configuration.Local{Address: listener.Addr().String(), CAFile: ca, Kubeconfig: os.Getenv("KUBECONFIG")}.Adapt(configuration.Scheduler)
	if err != nil {
		return err
	}
	defer func() { // after Ctrl-C as well
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, remove(ctx, client))
	}()
	if err := furnish(ctx, client); err != nil {
		return err
	}
	if down {
		if err := listener.Close(); err != nil {
			return err
		}
	} else {
		end, err := serve(ctx, client, licences, listener, dir)
		if err != nil {
			return err
		}
		defer end()
	}
	return schedule(ctx, dir, adapted, listener.Addr().String())
}

// schedule runs kube-scheduler until ctx ends.
func schedule(ctx context.Context, dir string, adapted []byte, address string) error {
	p, err := startScheduler(dir, adapted)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.ready(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	fmt.Printf("kube-scheduler runs as process %d, the extenders are at https://%s\n", p.cmd.Process.Pid, address)
	fmt.Printf("its log  %s\n", tilde(p.log))
	fmt.Printf("try      make kubectl ARGS='apply -n %s -f katas/stage5/06-configuration/pods.yaml'\n", namespace)
	select {
	case <-ctx.Done():
		return nil
	case <-p.ended:
		return p.failure()
	}
}

// tilde shortens a path below the home folder.
func tilde(path string) string {
	home, err := os.UserHomeDir()
	if rest, ok := strings.CutPrefix(path, home+"/"); ok && err == nil {
		return "~/" + rest
	}
	return path
}

// issue writes a certificate for the Service into a folder, and returns the file of its CA.
func issue(dir string) (ca string, err error) {
	chain, key, err := cert.GenerateSelfSignedCertKey(service, nil, nil)
	if err != nil {
		return "", err
	}
	ca = filepath.Join(dir, "tls.crt") // the chain ends with the CA
	return ca, errors.Join(os.WriteFile(ca, chain, 0o600), os.WriteFile(filepath.Join(dir, "tls.key"), key, 0o600))
}

// serve answers for the extenders until end is called.
func serve(ctx context.Context, client kubernetes.Interface, licences int64, listener net.Listener, dir string) (end func(), err error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the scheduler ends before
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		cancel()
		return nil, err
	}
	e, wait, err := extender.Informed(ctx, client, licences, func(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) })
	if err != nil {
		cancel()
		return nil, err
	}
	server := &http.Server{Handler: e.Handler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return func() {
		_ = server.Close()
		cancel()
		wait()
	}, nil
}
