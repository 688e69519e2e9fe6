// Command redis-lock sends invoices, in one of as many terminals as you like, under a lock in Redis. One terminal has the Redis, unless you have one
// already: make run KATA=redis-lock ARGS=-serve. In the others: make run KATA=redis-lock ARGS='-id=1'.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	election "k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"

	"github.com/kubekata/kubekata/harness/loopback"
	kata "github.com/kubekata/kubekata/katas/stage6/02-redis-lock"
)

// name is the lock's, and that of the ConfigMap with the number of the last invoice.
const name = "redis-invoices"

// times are the election's. As they are, a leader is quiet three and a half seconds after its last renewal, a second and a half before the others begin.
type times struct{ lease, deadline, retry time.Duration }

func main() {
	id := flag.String("id", "1", "the name of this candidate")
	namespace := flag.String("n", "default", "the namespace")
	addr := flag.String("redis", "127.0.0.1:6399", "the address of a Redis on this machine")
	serve := flag.Bool("serve", false, "be the Redis, and nothing else")
	var timing times
	flag.DurationVar(&timing.lease, "lease", 5*time.Second, "LeaseDuration")
	flag.DurationVar(&timing.deadline, "deadline", 3*time.Second, "RenewDeadline")
	flag.DurationVar(&timing.retry, "retry", 500*time.Millisecond, "RetryPeriod")
	flag.Parse()
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	err := loopback.Check(*addr)
	switch {
	case err != nil:
	case *serve:
		err = server(ctx, *addr)
	default:
		err = candidate(ctx, *addr, *namespace, *id+"_"+string(uuid.NewUUID()), timing)
	}
	if err != nil {
		say("error: %v", err)
		os.Exit(1)
	}
}

// server is a miniredis, whose keys expire by the clock on the wall.
func server(ctx context.Context, addr string) error {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	if err := m.StartAddr(addr); err != nil {
		return err
	}
	defer m.Close()
	say("a Redis listens at %s, process %d", m.Addr(), os.Getpid())
	<-ctx.Done()
	return nil
}

// candidate stands for election until it has led, or ctx ends.
func candidate(ctx context.Context, addr, namespace, identity string, timing times) error {
	say("I am %s, process %d", identity, os.Getpid())
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	redis := kata.NewClient(addr, timing.deadline)
	defer redis.Close()
	lock := &kata.Lock{Client: redis, Namespace: namespace, Name: name, ID: identity}
	if err := redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("%w (start a Redis with make run KATA=redis-lock ARGS=-serve)", err)
	}

	worked := make(chan error, 1)
	worked <- nil
	elector, err := election.NewLeaderElector(election.LeaderElectionConfig{
		Lock: lock, LeaseDuration: timing.lease, RenewDeadline: timing.deadline, RetryPeriod: timing.retry, ReleaseOnCancel: true,
		Callbacks: election.LeaderCallbacks{
			OnStartedLeading: func(term context.Context) {
				<-worked
				worked <- work(term, kata.Fence{ConfigMaps: client.CoreV1().ConfigMaps(namespace), Name: name, Token: lock.Token()})
			},
			OnStoppedLeading: func() {},
			OnNewLeader: func(leader string) {
				if leader != "" {
					say("the leader is %s", leader)
				}
			},
		},
	})
	if err != nil {
		return err
	}
	elector.Run(ctx)
	if ctx.Err() == nil {
		return errors.Join(errors.New("the lock is lost"), <-worked)
	}
	return <-worked
}

// work sends an invoice each second, until the term is over. The lock may be given back, or taken, while a step is done: the fence knows.
func work(term context.Context, fence kata.Fence) error {
	say("I lead, with the token %d", fence.Token)
	defer say("I have stopped")
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for term.Err() == nil {
		var last int
		err := fence.Write(term, func(data map[string]string) {
			last, _ = strconv.Atoi(data["last"]) // there is none yet
			data["last"] = strconv.Itoa(last + 1)
		})
		switch {
		case errors.Is(err, kata.ErrStale):
			return err
		case err == nil:
			say("invoice %d is sent", last+1)
		case term.Err() == nil:
			say("no invoice: %v", err)
		}
		select {
		case <-term.Done():
		case <-ticker.C:
		}
	}
	return nil
}

func say(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format("15:04:05.00"), fmt.Sprintf(format, args...))
}
