// Command crd-controller runs the controller for Pizzerias on the lab, and lets things happen to them: make run
// KATA=crd-controller.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/harness/loopback"
	crdcontroller "github.com/kubekata/kubekata/katas/stage2/08-crd-controller"
	"github.com/kubekata/kubekata/katas/stage2/08-crd-controller/pizzeria"
)

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func main() {
	namespace := flag.String("n", "default", "the namespace")
	group := flag.String("group", "shops.kubekata.dev", "the Pizzeria's API group")
	serve := flag.Bool("serve", false, "run the controller until Ctrl-C, and do nothing else: the pizzerias are yours, with make kubectl")
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
	if !serve {
		defer s.clean(ctx)
	}
	if serve {
		fmt.Printf("the controller runs; try: make kubectl ARGS='get %s,deployments -w'\n", s.resource.GroupResource())
		return s.controller(ctx)
	}
	return s.play(ctx)
}

// stage is where it happens.
type stage struct {
	kube      kubernetes.Interface
	client    dynamic.Interface
	resource  schema.GroupVersionResource
	namespace string
	begun     time.Time
}

func newStage(config *rest.Config, group, namespace string) (*stage, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &stage{kube, client, pizzeria.Resource(group), namespace, time.Now()}, nil
}

func (s *stage) shops() dynamic.ResourceInterface {
	return s.client.Resource(s.resource).Namespace(s.namespace)
}

func (s *stage) say(format string, args ...any) {
	fmt.Printf("%5d ms  %s\n", time.Since(s.begun).Milliseconds(), fmt.Sprintf(format, args...))
}

// install makes the definition, unless it is there, and waits until the server serves it.
func (s *stage) install(ctx context.Context) error {
	crd := pizzeria.Definition(s.resource.Group)
	if _, err := s.client.Resource(definitions).Create(ctx, crd, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := s.shops().List(ctx, metav1.ListOptions{Limit: 1})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// clean removes what play has made; the garbage collector is not waited for. It works after Ctrl-C as well.
func (s *stage) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = s.shops().Delete(ctx, "napoli", metav1.DeleteOptions{})
	_ = s.kube.AppsV1().Deployments(s.namespace).Delete(ctx, "napoli-ovens", metav1.DeleteOptions{})
	if err := s.client.Resource(definitions).Delete(ctx, s.resource.GroupResource().String(), metav1.DeleteOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
}

// controller runs the learner's controller until ctx ends.
func (s *stage) controller(ctx context.Context) error {
	c, err := crdcontroller.New(s.kube, s.client, s.resource, s.namespace)
	if err != nil {
		return err
	}
	return c.Run(ctx, 2)
}

// start runs the controller, and returns what ends it and waits for its end.
func (s *stage) start(ctx context.Context) (end func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.controller(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// play lets things happen to a Pizzeria, the end of its controller among them.
func (s *stage) play(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	end := s.start(ctx)
	defer func() { err = errors.Join(err, end()) }()

	s.say("a pizzeria with 2 ovens")
	if _, err := s.shops().Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": s.resource.GroupVersion().String(), "kind": pizzeria.Kind, "metadata": map[string]any{"name": "napoli"},
		"spec": map[string]any{"ovens": 2, "image": "oven:1"},
	}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := s.until(ctx, 2, 1); err != nil {
		return err
	}
	s.say("somebody wants 4")
	if err := s.want(ctx, 4); err != nil {
		return err
	}
	if err := s.until(ctx, 4, 2); err != nil {
		return err
	}
	s.say("somebody deletes the deployment")
	if err := s.sabotage(ctx); err != nil {
		return err
	}
	if err := s.until(ctx, 4, 2); err != nil {
		return err
	}
	if err := end(); err != nil {
		return err
	}
	s.say("the controller has ended; somebody wants 3, somebody deletes the deployment")
	if err := s.want(ctx, 3); err != nil {
		return err
	}
	if err := s.sabotage(ctx); err != nil {
		return err
	}
	s.say("the controller starts again")
	again := s.start(ctx)
	defer func() { err = errors.Join(err, again()) }()
	return s.until(ctx, 3, 3)
}

func (s *stage) want(ctx context.Context, ovens int) error {
	_, err := s.shops().Patch(ctx, "napoli", types.MergePatchType, fmt.Appendf(nil, `{"spec":{"ovens":%d}}`, ovens), metav1.PatchOptions{})
	return err
}

// sabotage deletes the Deployment, and waits until it is gone.
func (s *stage) sabotage(ctx context.Context) error {
	deployments := s.kube.AppsV1().Deployments(s.namespace)
	before, err := deployments.Get(ctx, "napoli-ovens", metav1.GetOptions{})
	if err != nil {
		return err
	}
	return deployments.Delete(ctx, before.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(before.UID))})
}

// until shows the Pizzeria's status whenever it changes, until it is open with a number of ovens.
func (s *stage) until(ctx context.Context, ovens int32, generation int64) error {
	shown := pizzeria.Status{}
	return wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		obj, err := s.shops().Get(ctx, "napoli", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		p, err := pizzeria.FromUnstructured(obj)
		if err != nil {
			return false, err
		}
		deployment, err := s.kube.AppsV1().Deployments(s.namespace).Get(ctx, p.Deployment(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if p.Status != shown {
			shown = p.Status
			s.say("  %-7s  %d of %d ready, generation %d", shown.Phase, shown.Ready, p.Spec.Ovens, shown.ObservedGeneration)
		}
		return shown.Phase == pizzeria.PhaseOpen && shown.Ready == ovens && shown.ObservedGeneration == generation &&
			deployment.Status.ReadyReplicas == ovens, nil
	})
}
