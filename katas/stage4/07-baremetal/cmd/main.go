// Command baremetal serves the learner's webhook to the lab until Ctrl-C: make run KATA=baremetal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/serving"
	baremetal "github.com/kubekata/kubekata/katas/stage4/07-baremetal"
)

const (
	name      = "stamp.kubekata.dev"
	namespace = "baremetal"
)

func main() {
	address := flag.String("listen", "127.0.0.1:0", "the address to listen on, which must be on this machine's loopback")
	failure := flag.String("failure", "Fail", "the failurePolicy: Fail or Ignore")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, admissionregistrationv1.FailurePolicyType(*failure)); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string, failure admissionregistrationv1.FailurePolicyType) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	c, err := kubernetes.NewForConfig(config)
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
	certificate, bundle, err := serving.NewCertificate(listener.Addr().(*net.TCPAddr).IP)
	if err != nil {
		return err
	}
	url := fmt.Sprintf("https://%s/stamp", listener.Addr())
	configuration, err := baremetal.Configuration(name, url, bundle, failure)
	if err != nil {
		return err
	}
	if err := install(ctx, c, configuration); err != nil {
		return err
	}
	defer func() { // after Ctrl-C as well; not after kill -9, as on any machine
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err,
			c.AdmissionregistrationV1().MutatingWebhookConfigurations().Delete(ctx, name, metav1.DeleteOptions{}),
			c.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}))
	}()
	fmt.Printf("process %d answers at %s, failurePolicy %s\n", os.Getpid(), url, failure)
	fmt.Printf("try   make kubectl ARGS='run oven --image=oven:1 -n %s -o yaml'\n", namespace)
	server := &baremetal.Server{Certificate: certificate, Handler: serving.NewHandler(tell(baremetal.Stamp("the-machine-under-the-stairs"))), Timeouts: baremetal.DefaultTimeouts}
	return server.Serve(ctx, listener)
}

// tell shows what is asked.
func tell(review serving.ReviewerFunc) serving.ReviewerFunc {
	return func(ctx context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
		response, err := review(ctx, request)
		if err == nil && response != nil {
			fmt.Printf("%s %s %s/%s: %s\n", request.Operation, request.Kind.Kind, request.Namespace, request.Name, response.Patch)
		}
		return response, err
	}
}

// install makes the namespace and the configuration, or takes over those that a process before has left.
func install(ctx context.Context, c kubernetes.Interface, configuration *admissionregistrationv1.MutatingWebhookConfiguration) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{baremetal.OptIn: "true"}}}
	if _, err := c.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	configurations := c.AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err := configurations.Create(ctx, configuration, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	before, err := configurations.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	configuration.ResourceVersion = before.ResourceVersion
	_, err = configurations.Update(ctx, configuration, metav1.UpdateOptions{})
	return err
}
