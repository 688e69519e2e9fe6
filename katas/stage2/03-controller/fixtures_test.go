package controller_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	controller "github.com/kubekata/kubekata/katas/stage2/03-controller"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/crash"
)

// call is one Reconcile: the app and, sorted, the names of its pods with their versions: "web-1 v2".
type call struct {
	app  string
	pods []string
}

// desk is a Reconcile that writes down what it is called for. What else it does is the spec's to say.
type desk struct {
	mu    sync.Mutex
	calls []call
	ended map[string]int
	do    func(ctx context.Context, app string, n int) error
}

// reconciling makes a desk. Without do its Reconcile succeeds at once; n is how often it was called for the app.
func reconciling(do func(ctx context.Context, app string, n int) error) *desk {
	return &desk{do: do, ended: map[string]int{}}
}

func (d *desk) reconcile(ctx context.Context, app string, pods []*corev1.Pod) error {
	made := call{app: app, pods: []string{}}
	for _, pod := range pods {
		made.pods = append(made.pods, strings.TrimSpace(pod.Name+" "+pod.Annotations["version"]))
	}
	slices.Sort(made.pods)
	d.mu.Lock()
	d.calls = append(d.calls, made)
	n := len(d.podsLocked(app))
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ended[app]++
	}()
	if d.do == nil {
		return nil
	}
	return d.do(ctx, app, n)
}

func (d *desk) podsLocked(app string) [][]string {
	var all [][]string
	for _, c := range d.calls {
		if c.app == app {
			all = append(all, c.pods)
		}
	}
	return all
}

// first returns a function for Eventually: the pods that the app's first Reconcile got, nil as long as there was none.
func (d *desk) first(app string) func() []string {
	return func() []string {
		d.mu.Lock()
		defer d.mu.Unlock()
		if all := d.podsLocked(app); len(all) > 0 {
			return all[0]
		}
		return nil
	}
}

// last is first's counterpart: the pods that the app's latest Reconcile got.
func (d *desk) last(app string) func() []string {
	return func() []string {
		d.mu.Lock()
		defer d.mu.Unlock()
		if all := d.podsLocked(app); len(all) > 0 {
			return all[len(all)-1]
		}
		return nil
	}
}

// count returns a function for Eventually: how often Reconcile was called for the app.
func (d *desk) count(app string) func() int {
	return func() int {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.podsLocked(app))
	}
}

// finished is count's counterpart for those that have returned.
func (d *desk) finished(app string) func() int {
	return func() int {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.ended[app]
	}
}

// busy returns how many Reconciles run at the moment.
func (d *desk) busy() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.calls)
	for _, ended := range d.ended {
		n -= ended
	}
	return n
}

// apps returns the apps that were reconciled, each once.
func (d *desk) apps() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := []string{}
	for _, c := range d.calls {
		if !slices.Contains(seen, c.app) {
			seen = append(seen, c.app)
		}
	}
	return seen
}

// run starts the learner's controller. Use the context that it returns from then on.
func run(ctx context.Context, c *controller.Controller, workers int) (context.Context, *harness.Loop) {
	GinkgoHelper()
	wait, loop := harness.Start(ctx, "Run", func(ctx context.Context) error { return c.Run(ctx, workers) })
	return crash.Guard(wait), loop
}

// end ends Run's context without waiting for Run.
func end(loop *harness.Loop) {
	go func() { _ = loop.Stop() }()
}

// create makes a pod that no scheduler takes.
func create(ctx context.Context, ns, name, app string) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
	}
	if app != "" {
		pod.Labels = map[string]string{controller.AppLabel: app}
	}
	made, err := api.Judge().CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pod %s/%s for the spec", ns, name)
	return made
}

// change patches a pod's metadata: `{"labels":{"app":"db"}}`.
func change(ctx context.Context, ns, name, metadata string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Pods(ns).Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":`+metadata+`}`), metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "change pod %s/%s for the spec", ns, name)
}

func version(n int) string { return fmt.Sprintf(`{"annotations":{"version":"v%d"}}`, n) }

// remove deletes a pod and waits until it is gone.
func remove(ctx context.Context, ns, name string) {
	GinkgoHelper()
	err := api.Judge().CoreV1().Pods(ns).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
	Expect(err).NotTo(HaveOccurred(), "delete pod %s/%s for the spec", ns, name)
	Eventually(func(ctx context.Context) error {
		_, err := api.Judge().CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
		return err
	}).WithContext(ctx).Should(Satisfy(apierrors.IsNotFound), "the deletion of pod %s/%s", ns, name)
}

// held keeps the learner's lists and watches waiting until the gate opens.
func held(g *harness.Gate) {
	api.Intercept(func(cluster.Request) *cluster.Answer {
		g.Wait()
		return nil
	})
}

// refused lets the server refuse whatever the learner asks for.
func refused() {
	api.Intercept(func(cluster.Request) *cluster.Answer {
		return &cluster.Answer{Status: &metav1.Status{
			Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "pods is forbidden: not today",
		}}
	})
}
