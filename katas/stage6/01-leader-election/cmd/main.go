// Command leader-election sends invoices, in one of as many terminals as you like: make run KATA=leader-election ARGS='-id=1'.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/kubekata/kubekata/harness/loopback"
	kata "github.com/kubekata/kubekata/katas/stage6/01-leader-election"
)

// name is the Lease's, and that of the ConfigMap with the number of the last invoice.
const name = "invoices"

func main() {
	id := flag.String("id", "1", "the name of this candidate")
	namespace := flag.String("n", "default", "the namespace")
	same := flag.Bool("same-identity", false, "take the name for an identity as it is, to see what happens when two have the same")
	var timing kata.Timing
	flag.DurationVar(&timing.LeaseDuration, "lease", 5*time.Second, "LeaseDuration")
	flag.DurationVar(&timing.RenewDeadline, "deadline", 3*time.Second, "RenewDeadline")
	flag.DurationVar(&timing.RetryPeriod, "retry", 500*time.Millisecond, "RetryPeriod")
	flag.Parse()
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	identity := *id
	if !*same {
		identity = kata.Identity(*id)
	}
	say("I am %s, process %d", identity, os.Getpid())
	if err := run(ctx, *namespace, identity, timing); err != nil {
		say("error: %v", err)
		os.Exit(1)
	}
	say("the lease is given back")
}

func run(ctx context.Context, namespace, identity string, timing kata.Timing) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	lock, err := kata.NewLock(config, namespace, name, identity, timing.RenewDeadline)
	if err != nil {
		return err
	}
	book := book{client.CoreV1().ConfigMaps(namespace)}
	candidate := &kata.Candidate{
		Lock:   lock,
		Timing: timing,
		Work: func(ctx context.Context) error {
			say("I lead")
			defer func() { say("I have stopped: %v", context.Cause(ctx)) }()
			return kata.Repeat(ctx, clock.RealClock{}, time.Second, book.send)
		},
		NewLeader: func(leader string) { say("the leader is %s", leader) },
	}
	return candidate.Run(ctx)
}

// book knows how many invoices were sent.
type book struct {
	configMaps corev1client.ConfigMapInterface
}

// send takes the next number, and sends an invoice.
func (b book) send(ctx context.Context) error {
	cm, err := b.configMaps.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		cm, err = b.configMaps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	}
	if err != nil {
		return unless(ctx, err)
	}
	last, _ := strconv.Atoi(cm.Data["last"]) // there is none yet
	cm.Data = map[string]string{"last": strconv.Itoa(last + 1)}
	if _, err := b.configMaps.Update(ctx, cm, metav1.UpdateOptions{}); err != nil {
		return unless(ctx, err)
	}
	say("invoice %d is sent", last+1)
	return nil
}

// unless says of an error that it is the end of the context, if it is; of another, and goes on: there will be a next time.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Canceled
	}
	say("no invoice: %v", err)
	return nil
}

func say(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format("15:04:05.00"), fmt.Sprintf(format, args...))
}
