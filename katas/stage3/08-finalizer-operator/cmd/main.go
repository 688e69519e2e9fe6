// Command finalizer-operator runs the operator on the lab, against a storage service that is part of the program, and lets a deletion
// get stuck: make run KATA=finalizer-operator.
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
	"syscall"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/api"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/bucket"
)

func main() {
	namespace := flag.String("n", "default", "the namespace")
	group := flag.String("group", "buckets.kubekata.dev", "the Bucket's API group")
	serve := flag.Bool("serve", false, "run the operator until Ctrl-C, and do nothing else: the buckets are yours, with make kubectl")
	flag.Parse()
	ctrl.SetLogger(logr.Discard()) // what goes wrong is in the status and in the events
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *group, *namespace, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, group, namespace string, serve bool) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // nobody but us is on this server
	s, err := newStage(config, group, namespace)
	if err != nil {
		return err
	}
	end, err := s.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := s.install(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.clean(ctx)) }()
	if serve {
		fmt.Printf("the operator runs; the service is at %s; try: make kubectl ARGS='get buckets.%s -w'\n", s.url, group)
		return s.operator(ctx)
	}
	return s.play(ctx)
}

// stage is where it happens.
type stage struct {
	config    *rest.Config
	scheme    *runtime.Scheme
	client    client.Client
	group     string
	namespace string
	service   *bucket.Service
	url       string
	begun     time.Time
}

func newStage(config *rest.Config, group, namespace string) (*stage, error) {
	s := &stage{config: config, scheme: runtime.NewScheme(), group: group, namespace: namespace, service: bucket.NewService(), begun: time.Now()}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, api.AddToScheme(group)} {
		if err := add(s.scheme); err != nil {
			return nil, err
		}
	}
	var err error
	s.client, err = client.New(config, client.Options{Scheme: s.scheme})
	return s, err
}

// open starts the storage service, on loopback.
func (s *stage) open() (end func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + listener.Addr().String()
	server := &http.Server{Handler: s.service, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return func() error {
		err := server.Close()
		if serveErr := <-done; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
		return err
	}, nil
}

// install makes the definition, unless it is there, and waits until the server serves it.
func (s *stage) install(ctx context.Context) error {
	if err := s.client.Create(ctx, api.Definition(s.group)); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return s.poll(ctx, func(ctx context.Context) (bool, error) {
		err := s.client.List(ctx, &api.BucketList{}, client.InNamespace(s.namespace))
		return err == nil, nil
	})
}

// clean removes what is left, the definition at last. It works after Ctrl-C as well.
func (s *stage) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var list api.BucketList
	if err := s.client.List(ctx, &list); err != nil {
		return err
	}
	for i := range list.Items {
		b := &list.Items[i]
		if err := client.IgnoreNotFound(s.client.Delete(ctx, b)); err != nil {
			return err
		}
		// The service ends with the program, and nobody would ever take the finalizer off. Do not do this at work.
		if err := client.IgnoreNotFound(s.client.Patch(ctx, b, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))); err != nil {
			return err
		}
	}
	return s.client.Delete(ctx, api.Definition(s.group))
}

func (s *stage) key() client.ObjectKey { return client.ObjectKey{Namespace: s.namespace, Name: "ada"} }

func (s *stage) bucket() *api.Bucket {
	return &api.Bucket{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "ada"},
		Spec:       api.BucketSpec{Name: "ada", Region: "oslo", Quota: 10},
	}
}

func (s *stage) say(format string, args ...any) {
	fmt.Printf("%5d ms  %s\n", time.Since(s.begun).Milliseconds(), fmt.Sprintf(format, args...))
}
