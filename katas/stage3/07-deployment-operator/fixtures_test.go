package deploymentoperator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	deploymentoperator "github.com/kubekata/kubekata/katas/stage3/07-deployment-operator"
	"github.com/kubekata/kubekata/katas/stage3/07-deployment-operator/app"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/manager"
)

// red is how many specs have failed.
var red int

var _ = ReportAfterEach(func(spec SpecReport) {
	if spec.Failed() {
		red++
	}
})

// patience is how long anything may take until it is so. It takes a second, where nothing else runs; and when several specs have
// failed, the next one is not worth waiting for any longer.
func patience() time.Duration {
	if red > 3 {
		return 4 * time.Second
	}
	return 20 * time.Second
}

// scheme has the App in a group of this run's own, and judgement is a client for it. The first spec makes both, and the definition.
var (
	scheme    *runtime.Scheme
	judgement client.Client
)

func judge(ctx context.Context) client.Client {
	GinkgoHelper()
	if judgement != nil {
		return judgement
	}
	group := "run-" + rand.String(10) + ".kubekata.dev"
	made := runtime.NewScheme()
	Expect(clientscheme.AddToScheme(made)).To(Succeed())
	Expect(app.AddToScheme(made, group)).To(Succeed())
	api.Define(ctx, app.Definition(group))
	c := manager.Client(api, made)
	Eventually(func(ctx context.Context) error { return c.List(ctx, &app.AppList{}) }).WithContext(ctx).WithTimeout(patience()).
		Should(Succeed(), "list the apps: the server's discovery is a little behind the server")
	scheme, judgement = made, c
	return c
}

// run runs the learner's controller until the spec ends, and waits until it watches all four kinds. Use the context that it
// returns from then on.
func run(ctx SpecContext, ns string) (context.Context, *harness.Loop) {
	GinkgoHelper()
	judge(ctx) // makes the scheme
	before := len(api.Requests())
	wait, loop := manager.Start(ctx, api, scheme, ns, new(deploymentoperator.Reconciler).SetupWithManager)
	for _, resource := range []string{"apps", "configmaps", "deployments", "services"} {
		Eventually(func() bool {
			return slices.ContainsFunc(api.Requests()[before:], func(r cluster.Request) bool {
				return r.Resource == resource && r.Verb == "watch" && r.Code == http.StatusOK
			})
		}).WithContext(wait).WithTimeout(patience()).Should(BeTrue(), "the controller watches %s: For and Owns", resource)
	}
	return wait, loop
}

// open makes an App of image app:1 and port 8080; change makes it another one.
func open(ctx context.Context, ns, name string, change ...func(*app.Spec)) *app.App {
	GinkgoHelper()
	a := &app.App{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       app.Spec{Image: "app:1", Port: 8080, Config: map[string]string{"COLOR": "green", "SIZE": "big"}},
	}
	for _, f := range change {
		f(&a.Spec)
	}
	Expect(judge(ctx).Create(ctx, a)).To(Succeed(), "make app %s/%s for the spec", ns, name)
	return a
}

// opened makes an App, runs the learner's controller, and waits until the App is available.
func opened(ctx SpecContext, ns, name string, change ...func(*app.Spec)) (context.Context, *harness.Loop, *app.App) {
	GinkgoHelper()
	a := open(ctx, ns, name, change...)
	wait, loop := run(ctx, ns)
	becomes(wait, a, "True, of generation 1", "whose deployment is available")
	return wait, loop, a
}

// want changes the App's spec, and a with it.
func want(ctx context.Context, a *app.App, change func(*app.Spec)) {
	GinkgoHelper()
	c := judge(ctx)
	Eventually(func(ctx context.Context) error { // the learner may write the status meanwhile
		if err := c.Get(ctx, client.ObjectKeyFromObject(a), a); err != nil {
			return err
		}
		change(&a.Spec)
		return c.Update(ctx, a)
	}).WithContext(ctx).WithTimeout(patience()).Should(Succeed(), "change app %s/%s for the spec", a.Namespace, a.Name)
}

func image(name string) func(*app.Spec) { return func(spec *app.Spec) { spec.Image = name } }

func port(n int32) func(*app.Spec) { return func(spec *app.Spec) { spec.Port = n } }

func replicas(n int32) func(*app.Spec) { return func(spec *app.Spec) { spec.Replicas = &n } }

func anyReplicas(spec *app.Spec) { spec.Replicas = nil }

func config(pairs ...string) func(*app.Spec) {
	return func(spec *app.Spec) {
		spec.Config = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			spec.Config[pairs[i]] = pairs[i+1]
		}
	}
}

// condition is for Eventually: an App's condition Available in a line.
func condition(a *app.App) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got := &app.App{}
		if err := judge(ctx).Get(ctx, client.ObjectKeyFromObject(a), got); err != nil {
			return "", err
		}
		c := meta.FindStatusCondition(got.Status.Conditions, app.Available)
		switch {
		case c == nil:
			return fmt.Sprintf("none, of generation %d", got.Status.ObservedGeneration), nil
		case c.ObservedGeneration != got.Status.ObservedGeneration:
			return fmt.Sprintf("%s, of generation %d in the condition, and %d in the status", c.Status, c.ObservedGeneration, got.Status.ObservedGeneration), nil
		}
		return fmt.Sprintf("%s, of generation %d", c.Status, c.ObservedGeneration), nil
	}
}

// available is an App's condition.
func available(ctx context.Context, a *app.App) metav1.Condition {
	GinkgoHelper()
	got := &app.App{}
	Expect(judge(ctx).Get(ctx, client.ObjectKeyFromObject(a), got)).To(Succeed())
	c := meta.FindStatusCondition(got.Status.Conditions, app.Available)
	Expect(c).NotTo(BeNil(), "the condition Available of app %s/%s", a.Namespace, a.Name)
	return *c
}

// becomes waits for a condition.
func becomes(ctx context.Context, a *app.App, wanted, situation string) {
	GinkgoHelper()
	Eventually(condition(a)).WithContext(ctx).WithTimeout(patience()).
		Should(Equal(wanted), "the condition Available of app %s/%s, %s", a.Namespace, a.Name, situation)
}

// of is for Eventually: what a child says, or "none" when there is no such object.
func of[T client.Object](a *app.App, child T, say func(T) string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got := child.DeepCopyObject().(T)
		err := judge(ctx).Get(ctx, client.ObjectKeyFromObject(a), got)
		if apierrors.IsNotFound(err) {
			return "none", nil
		}
		if err != nil {
			return "", err
		}
		return say(got), nil
	}
}

// deployment is for Eventually: the replicas, the containers with their images and ports.
func deployment(a *app.App) func(context.Context) (string, error) {
	return of(a, &appsv1.Deployment{}, func(d *appsv1.Deployment) string {
		line := fmt.Sprintf("%d of", *d.Spec.Replicas)
		for _, c := range d.Spec.Template.Spec.Containers {
			line += " " + c.Image
			for _, p := range c.Ports {
				line += fmt.Sprintf(":%d", p.ContainerPort)
			}
		}
		return line
	})
}

// service is for Eventually: whom the service selects, and its ports.
func service(a *app.App) func(context.Context) (string, error) {
	return of(a, &corev1.Service{}, func(s *corev1.Service) string {
		line := fmt.Sprint(s.Spec.Selector)
		for _, p := range s.Spec.Ports {
			line += fmt.Sprintf(" %d to %s", p.Port, p.TargetPort.String())
		}
		return line
	})
}

// configMap is for Eventually: its data.
func configMap(a *app.App) func(context.Context) (string, error) {
	return of(a, &corev1.ConfigMap{}, func(c *corev1.ConfigMap) string {
		pairs := []string{}
		for k, v := range c.Data {
			pairs = append(pairs, k+"="+v)
		}
		slices.Sort(pairs)
		return strings.Join(pairs, " ")
	})
}

// is waits until a child is as it must be.
func is(ctx context.Context, what func(context.Context) (string, error), wanted, situation string) {
	GinkgoHelper()
	Eventually(what).WithContext(ctx).WithTimeout(patience()).Should(Equal(wanted), situation)
}

// children are one object of each kind, to read the App's into.
func children() []client.Object {
	return []client.Object{&corev1.ConfigMap{}, &appsv1.Deployment{}, &corev1.Service{}}
}

// kindOf is the kind of an object.
func kindOf(obj client.Object) string {
	GinkgoHelper()
	kind, err := apiutil.GVKForObject(obj, scheme)
	Expect(err).NotTo(HaveOccurred())
	return kind.Kind
}

// child returns the App's object, of obj's kind, as the server has it.
func child[T client.Object](ctx context.Context, a *app.App, obj T) T {
	GinkgoHelper()
	Expect(judge(ctx).Get(ctx, client.ObjectKeyFromObject(a), obj)).To(Succeed(), "get %s %s/%s", kindOf(obj), a.Namespace, a.Name)
	return obj
}

// edit changes the App's object, of obj's kind, as somebody else.
func edit(ctx context.Context, a *app.App, obj client.Object, change map[string]any) {
	GinkgoHelper()
	obj.SetNamespace(a.Namespace)
	obj.SetName(a.Name)
	data, err := json.Marshal(change)
	Expect(err).NotTo(HaveOccurred())
	Expect(judge(ctx).Patch(ctx, obj, client.RawPatch(types.StrategicMergePatchType, data), client.FieldOwner("somebody"))).
		To(Succeed(), "change %s %s/%s for the spec", kindOf(obj), a.Namespace, a.Name)
}

// metadata is a change of a map in the metadata.
func metadata(field, key string, value any) map[string]any {
	return map[string]any{"metadata": map[string]any{field: map[string]any{key: value}}}
}

// container is a change of a container of the Deployment's pods, or a new one.
func container(name, image string) map[string]any {
	return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": name, "image": image}},
	}}}}
}

// scale sets the replicas as kubectl scale and an autoscaler do.
func scale(ctx context.Context, a *app.App, n int32) {
	GinkgoHelper()
	_, err := api.Judge().AppsV1().Deployments(a.Namespace).Patch(ctx, a.Name, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n),
		metav1.PatchOptions{FieldManager: "autoscaler"}, "scale")
	Expect(err).NotTo(HaveOccurred(), "scale deployment %s/%s for the spec", a.Namespace, a.Name)
}

func remove(ctx context.Context, a *app.App, obj client.Object) {
	GinkgoHelper()
	obj.SetNamespace(a.Namespace)
	obj.SetName(a.Name)
	Expect(judge(ctx).Delete(ctx, obj)).To(Succeed(), "delete %s %s/%s for the spec", kindOf(obj), a.Namespace, a.Name)
}

// asked is how many requests the learner has made, lists and watches left out.
func asked() int {
	n := 0
	for _, r := range api.Requests() {
		if r.Verb != "list" && r.Verb != "watch" {
			n++
		}
	}
	return n
}

// settled waits until the learner has asked for nothing for half a second.
func settled(ctx context.Context) {
	GinkgoHelper()
	last, since := -1, time.Now()
	Eventually(func() time.Duration {
		if n := asked(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since)
	}).WithContext(ctx).WithTimeout(patience()).Should(BeNumerically(">", 500*time.Millisecond), "how long nothing has been asked for, when nothing changes")
}

// refuse lets the server refuse a number of the learner's writes to a resource, or all until accept is called.
func refuse(times int, resource string) (accept func()) {
	var mu sync.Mutex
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		mu.Lock()
		defer mu.Unlock()
		if times == 0 || r.Resource != resource || r.Verb == "get" || r.Verb == "list" || r.Verb == "watch" {
			return nil
		}
		times--
		return &cluster.Answer{Status: &metav1.Status{
			Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "the server is having a bad day",
		}}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		times = 0
	}
}

// refused is how many of the learner's requests for a resource were.
func refused(resource string) int {
	n := 0
	for _, r := range api.Requests() {
		if r.Resource == resource && r.Code == http.StatusInternalServerError {
			n++
		}
	}
	return n
}

// blind lets the learner's cache of ConfigMaps be empty, and stay so until the gate opens.
func blind(ctx context.Context, ns string, over *harness.Gate) {
	GinkgoHelper()
	list, err := api.Judge().CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred(), "list the configmaps of %s", ns)
	bodies := map[string]string{
		"list": fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":%q},"items":[]}`, list.ResourceVersion),
		"watch": fmt.Sprintf(`{"type":"BOOKMARK","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":%q,"annotations":{%q:"true"}}}}`+"\n",
			list.ResourceVersion, metav1.InitialEventsAnnotationKey),
	}
	var once sync.Once
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if r.Resource != "configmaps" || r.Verb != "list" && r.Verb != "watch" {
			return nil
		}
		var answer *cluster.Answer
		once.Do(func() { answer = &cluster.Answer{Body: []byte(bodies[r.Verb])} })
		if answer == nil {
			over.Wait()
		}
		return answer
	})
}
