// Command deployment-operator runs the operator for Apps on the lab, and lets things happen to one: make run
// KATA=deployment-operator.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kubekata/kubekata/harness/loopback"
	deploymentoperator "github.com/kubekata/kubekata/katas/stage3/07-deployment-operator"
	"github.com/kubekata/kubekata/katas/stage3/07-deployment-operator/app"
)

func main() {
	namespace := flag.String("n", "default", "the namespace")
	group := flag.String("group", "apps.kubekata.dev", "the App's API group")
	serve := flag.Bool("serve", false, "run the operator until Ctrl-C, and do nothing else: the apps are yours, with make kubectl")
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
		fmt.Printf("the operator runs; try: make kubectl ARGS='get apps.%s,deployments,services,configmaps -w'\n", group)
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
	if err := app.AddToScheme(scheme, group); err != nil {
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
	if err := new(deploymentoperator.Reconciler).SetupWithManager(mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func (s *stage) say(format string, args ...any) {
	fmt.Printf("%5d ms  %s\n", time.Since(s.begun).Milliseconds(), fmt.Sprintf(format, args...))
}

// install makes the definition, unless it is there, and waits until the server serves it.
func (s *stage) install(ctx context.Context) error {
	if err := s.client.Create(ctx, app.Definition(s.group)); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		return s.client.List(ctx, &app.AppList{}, client.InNamespace(s.namespace)) == nil, nil
	})
}

// clean removes what play has made; the garbage collector is not waited for. It works after Ctrl-C as well.
func (s *stage) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	name := metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}
	errs := []error{client.IgnoreNotFound(s.client.Delete(ctx, app.Definition(s.group)))}
	for _, child := range []client.Object{&corev1.ConfigMap{ObjectMeta: name}, &appsv1.Deployment{ObjectMeta: name}, &corev1.Service{ObjectMeta: name}} {
		errs = append(errs, client.IgnoreNotFound(s.client.Delete(ctx, child)))
	}
	err := errors.Join(errs...)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
}

// step is something that happens, and how one sees that it is over.
type step struct {
	says string
	do   func(context.Context) error
	over func(line string) bool
}

// play lets things happen to an App.
func (s *stage) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	has := func(text string) func(string) bool {
		return func(line string) bool { return strings.Contains(line, text) }
	}
	for _, step := range []step{
		{"an app of app:1, COLOR=green", s.open, has("True")},
		{"somebody scales the deployment to 3, as an autoscaler would", s.scale, has("3 replicas")},
		{"somebody adds a sidecar, and deletes the service", s.meddle, has("proxy:1")},
		{"the app wants COLOR=blue", s.want(`{"spec":{"config":{"COLOR":"blue"}}}`), has("COLOR=blue")},
		{"the app wants 2 replicas", s.want(`{"spec":{"replicas":2}}`), has("2 replicas")},
		{"the app no longer says how many", s.want(`{"spec":{"replicas":null}}`), func(line string) bool {
			return !strings.Contains(line, "("+app.FieldManager+")") && !strings.Contains(line, "("+app.FieldManager+",")
		}},
	} {
		s.say("%s", step.says)
		if err := step.do(ctx); err != nil {
			return err
		}
		if err := s.until(ctx, step.over); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) open(ctx context.Context) error {
	return s.client.Create(ctx, &app.App{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"},
		Spec:       app.Spec{Image: "app:1", Port: 8080, Config: map[string]string{"COLOR": "green"}},
	})
}

func (s *stage) want(change string) func(context.Context) error {
	return func(ctx context.Context) error {
		a := &app.App{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}
		return s.client.Patch(ctx, a, client.RawPatch(types.MergePatchType, []byte(change)))
	}
}

func (s *stage) scale(ctx context.Context) error {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}
	return s.client.Patch(ctx, d, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":3}}`)), client.FieldOwner("autoscaler"))
}

func (s *stage) meddle(ctx context.Context) error {
	name := metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}
	sidecar := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"proxy","image":"proxy:1"}]}}}}`)
	return errors.Join(
		s.client.Patch(ctx, &appsv1.Deployment{ObjectMeta: name}, client.RawPatch(types.StrategicMergePatchType, sidecar)),
		s.client.Delete(ctx, &corev1.Service{ObjectMeta: name}),
	)
}

// until shows the App and what it has whenever it changes, until it is over, nothing is being rolled out, and there is a Service.
func (s *stage) until(ctx context.Context, over func(string) bool) error {
	return wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		a, d, c, service := &app.App{}, &appsv1.Deployment{}, &corev1.ConfigMap{}, &corev1.Service{}
		for _, obj := range []client.Object{a, d, c, service} {
			if err := s.client.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: "web"}, obj); client.IgnoreNotFound(err) != nil {
				return false, err
			}
		}
		if d.UID == "" {
			return false, nil
		}
		line := describe(a, d, c)
		if service.UID == "" {
			line += "  no service"
		}
		if line != s.shown {
			s.shown = line
			s.say("  %s", line)
		}
		rolled := d.Spec.Template.Annotations[app.ConfigHashAnnotation] == a.ConfigHash() &&
			d.Status.ObservedGeneration == d.Generation && d.Status.Replicas == d.Status.UpdatedReplicas && d.Status.Replicas == *d.Spec.Replicas
		return rolled && service.UID != "" && over(line), nil
	})
}

func describe(a *app.App, d *appsv1.Deployment, c *corev1.ConfigMap) string {
	available := "none"
	if condition := meta.FindStatusCondition(a.Status.Conditions, app.Available); condition != nil {
		available = string(condition.Status)
	}
	var images []string
	for _, container := range d.Spec.Template.Spec.Containers {
		images = append(images, container.Image)
	}
	slices.Sort(images)
	return fmt.Sprintf("Available %-7s  %d replicas (%s)  %s  COLOR=%s", available, *d.Spec.Replicas, whose(d), strings.Join(images, " "), c.Data["COLOR"])
}

// whose names the field managers of a Deployment's replicas.
func whose(d *appsv1.Deployment) string {
	var names []string
	for _, entry := range d.ManagedFields {
		var fields map[string]map[string]any
		if entry.FieldsV1 != nil && json.Unmarshal(entry.FieldsV1.Raw, &fields) == nil {
			if _, ok := fields["f:spec"]["f:replicas"]; ok {
				names = append(names, entry.Manager)
			}
		}
	}
	if len(names) == 0 {
		return "nobody's"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
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
