// Command pod-operator runs the operator for PodSets on the lab, and lets things happen to one: make run KATA=pod-operator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kubekata/kubekata/harness/loopback"
	podoperator "github.com/kubekata/kubekata/katas/stage3/06-pod-operator"
	"github.com/kubekata/kubekata/katas/stage3/06-pod-operator/podset"
)

func main() {
	namespace := flag.String("n", "default", "the namespace")
	group := flag.String("group", "sets.kubekata.dev", "the PodSet's API group")
	serve := flag.Bool("serve", false, "run the operator until Ctrl-C, and do nothing else: the podsets are yours, with make kubectl")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *group, *namespace, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, group, namespace string, serve bool) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // nobody but us is on this server
	s, err := newStage(config, group, namespace)
	if err != nil {
		return err
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	if serve {
		fmt.Printf("the operator runs; try: make kubectl ARGS='get podsets.%s,pods -w'\n", group)
		return s.operator(ctx)
	}
	defer s.clean(ctx)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		defer cancel() // without the operator nothing happens any more
		done <- s.operator(ctx)
	}()
	err = s.play(ctx)
	cancel()
	return errors.Join(<-done, err)
}

// stage is where it happens.
type stage struct {
	config    *rest.Config
	scheme    *runtime.Scheme
	client    client.Client
	group     string
	namespace string
	begun     time.Time
	// shown is the line that was shown last.
	shown string
}

func newStage(config *rest.Config, group, namespace string) (*stage, error) {
	ctrl.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	if err := clientscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := podset.AddToScheme(scheme, group); err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	return &stage{config: config, scheme: scheme, client: c, group: group, namespace: namespace, begun: time.Now()}, nil
}

// operator runs the learner's operator until ctx ends.
func (s *stage) operator(ctx context.Context) error {
	mgr, err := ctrl.NewManager(s.config, ctrl.Options{
		Scheme:  s.scheme,
		Cache:   cache.Options{DefaultNamespaces: map[string]cache.Config{s.namespace: {}}},
		Metrics: metricsserver.Options{BindAddress: "0"},
		Logger:  logr.New(complaints{}),
	})
	if err != nil {
		return err
	}
	if err := new(podoperator.Reconciler).SetupWithManager(mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func (s *stage) say(format string, args ...any) {
	fmt.Printf("%5d ms  %s\n", time.Since(s.begun).Milliseconds(), fmt.Sprintf(format, args...))
}

// install makes the definition, unless it is there, and waits until the server serves it.
func (s *stage) install(ctx context.Context) error {
	if err := s.client.Create(ctx, podset.Definition(s.group)); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		return s.client.List(ctx, &podset.PodSetList{}, client.InNamespace(s.namespace)) == nil, nil
	})
}

// clean removes what play has made; the garbage collector is not waited for. It works after Ctrl-C as well.
func (s *stage) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := errors.Join(
		client.IgnoreNotFound(s.client.Delete(ctx, podset.Definition(s.group))),
		s.client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(s.namespace), client.MatchingLabels{podset.NameLabel: "web"}),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
}

// play lets things happen to a PodSet.
func (s *stage) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s.say("a podset with 2 pods of web:1")
	set := &podset.PodSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}, Spec: podset.Spec{
		Replicas: 2, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}}},
	}}
	if err := s.client.Create(ctx, set); err != nil {
		return err
	}
	if err := s.ready(ctx, set); err != nil {
		return err
	}
	s.say("somebody wants web:2")
	if err := s.want(ctx, set, `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:2"}]}}}}`); err != nil {
		return err
	}
	if err := s.ready(ctx, set); err != nil {
		return err
	}
	s.say("pod %s fails", set.PodNames()[0])
	if err := s.fail(ctx, set.PodNames()[0]); err != nil {
		return err
	}
	if err := s.ready(ctx, set); err != nil {
		return err
	}
	s.say("somebody wants 1 pod")
	if err := s.want(ctx, set, `{"spec":{"replicas":1}}`); err != nil {
		return err
	}
	return s.ready(ctx, set)
}

func (s *stage) want(ctx context.Context, set *podset.PodSet, change string) error {
	return s.client.Patch(ctx, set, client.RawPatch("application/merge-patch+json", []byte(change)))
}

// fail lets a pod fail, and waits until it is gone.
func (s *stage) fail(ctx context.Context, name string) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	err := s.client.Status().Patch(ctx, pod, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"phase":"Failed"}}`)))
	if err != nil {
		return err
	}
	failed := pod.UID
	return wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := s.client.Get(ctx, client.ObjectKeyFromObject(pod), pod)
		return apierrors.IsNotFound(err) || pod.UID != failed, client.IgnoreNotFound(err)
	})
}

// ready shows the PodSet and its pods whenever they change, until it is ready.
func (s *stage) ready(ctx context.Context, set *podset.PodSet) error {
	return wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if err := s.client.Get(ctx, client.ObjectKeyFromObject(set), set); err != nil {
			return false, err
		}
		pods := &corev1.PodList{}
		if err := s.client.List(ctx, pods, client.InNamespace(s.namespace)); err != nil {
			return false, err
		}
		var texts []string
		for i := range pods.Items {
			if pod := &pods.Items[i]; metav1.IsControlledBy(pod, set) {
				texts = append(texts, describe(pod))
			}
		}
		line := fmt.Sprintf("%-11s  %s", set.Status.Phase, strings.Join(texts, "  "))
		if line != s.shown {
			s.shown = line
			s.say("  %s", line)
		}
		return set.Status.Phase == podset.Ready && set.Status.ObservedGeneration == set.Generation && len(texts) == int(set.Spec.Replicas), nil
	})
}

func describe(pod *corev1.Pod) string {
	state := string(pod.Status.Phase)
	if pod.DeletionTimestamp != nil {
		state = "Terminating"
	}
	return fmt.Sprintf("%s(%s %s)", pod.Name, pod.Spec.Containers[0].Image, state)
}

// complaints is a logger for what the manager logs as an error: a Reconcile that is not implemented, for instance.
type complaints struct{}

var _ logr.LogSink = complaints{}

func (complaints) Init(logr.RuntimeInfo)            {}
func (complaints) Enabled(int) bool                 { return false } // errors are always logged
func (complaints) Info(int, string, ...any)         {}
func (c complaints) WithValues(...any) logr.LogSink { return c }
func (c complaints) WithName(string) logr.LogSink   { return c }

func (complaints) Error(err error, msg string, _ ...any) {
	if !apierrors.IsConflict(err) && !errors.Is(err, context.Canceled) { // a conflict says that the cache will soon know more
		fmt.Fprintf(os.Stderr, "%s: %v\n", msg, err)
	}
}
