package typedinformer_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/informers"

	typedinformer "github.com/kubekata/kubekata/katas/stage2/05-typed-informer"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/crash"
)

// factory makes the learner's factory.
func factory(namespace, selector string) informers.SharedInformerFactory {
	GinkgoHelper()
	f, err := typedinformer.NewFactory(api.Clientset(), namespace, selector)
	Expect(err).NotTo(HaveOccurred(), "NewFactory for %q, %q", namespace, selector)
	Expect(f).NotTo(BeNil(), "NewFactory's factory")
	return f
}

// made makes the learner's Directory.
func made(f informers.SharedInformerFactory, h typedinformer.Handler) *typedinformer.Directory {
	GinkgoHelper()
	d, err := typedinformer.New(f, h)
	Expect(err).NotTo(HaveOccurred(), "New")
	Expect(d).NotTo(BeNil(), "New's Directory")
	return d
}

// start starts the Directory. Use the context that it returns from then on.
func start(ctx context.Context, d *typedinformer.Directory, work func(context.Context) error) (context.Context, *harness.Loop) {
	GinkgoHelper()
	wait, loop := harness.Start(ctx, "Run", func(ctx context.Context) error { return d.Run(ctx, work) })
	return crash.Guard(wait), loop
}

// running makes a Directory, starts it and waits until its work has begun.
func running(ctx context.Context, f informers.SharedInformerFactory, h typedinformer.Handler) (*typedinformer.Directory, context.Context) {
	GinkgoHelper()
	d, work := made(f, h), &job{}
	wait, _ := start(ctx, d, work.do)
	Eventually(work.begun).WithContext(wait).Should(BeTrue(), "Run calls the work")
	return d, wait
}

// end ends Run's context without waiting for Run.
func end(loop *harness.Loop) {
	go func() { _ = loop.Stop() }()
}

// job is work that lasts until its context ends.
type job struct {
	mu      sync.Mutex
	started bool
}

func (j *job) do(ctx context.Context) error {
	j.mu.Lock()
	j.started = true
	j.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (j *job) begun() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.started
}

// diary writes down what a Handler is told.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) handler() typedinformer.Handler {
	return typedinformer.Handler{
		Arrived: func(pod *corev1.Pod, initial bool) {
			when := ""
			if initial {
				when = ", initially"
			}
			d.write("%s arrived on %s%s", pod.Name, short(pod.Spec.NodeName), when)
		},
		Left: func(pod *corev1.Pod) { d.write("%s left %s", pod.Name, short(pod.Spec.NodeName)) },
	}
}

func (d *diary) write(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// informing returns where client-go's reflectors stand at the moment, one line for each.
func informing() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var all []string
	for goroutine := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(goroutine, "cache.(*Reflector).RunWithContext(") {
			all = append(all, strings.SplitN(goroutine, "\n", 2)[0])
		}
	}
	return all
}

// watches counts the learner's watches of a resource that the server has answered.
func watches(resource string) int {
	n := 0
	for _, r := range api.Requests() {
		if r.Resource == resource && r.Verb == "watch" && r.Code == 200 {
			n++
		}
	}
	return n
}

// lines shows what was asked for: "update pods/a".
func lines(requests []cluster.Request) []string {
	var all []string
	for _, r := range requests {
		if r.Verb != "watch" {
			all = append(all, strings.TrimSuffix(r.Verb+" "+r.Resource+"/"+r.Name, "/"))
		}
	}
	return all
}

// names expects an answer without an error, and returns its pods as namespace/name.
func names(pods []*corev1.Pod, err error) []string {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	all := []string{}
	for _, pod := range pods {
		all = append(all, pod.Namespace+"/"+pod.Name)
	}
	return all
}

// only expects one pod.
func only(pods []*corev1.Pod, err error) *corev1.Pod {
	GinkgoHelper()
	Expect(names(pods, err)).To(HaveLen(1))
	return pods[0]
}

func errorOf(_ []*corev1.Pod, err error) error { return err }

// pod makes a pod that no scheduler takes.
func pod(ctx context.Context, ns, name string, how ...func(*corev1.Pod)) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
	}
	for _, f := range how {
		f(pod)
	}
	made, err := api.Judge().CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pod %s/%s for the spec", ns, name)
	return made
}

// run makes the nodes this run's own. A node that has pods and is not there for 40 seconds loses them to the lab's garbage collector
// (k8s.io/kubernetes pkg/controller/podgc, quarantineTime), though they be those of another run.
var run = "." + rand.String(5)

// node is the name of a node in this run: none of the lab's, where KWOK would play the pods' part.
func node(name string) string { return name + run }

// short is the name that node was called with.
func short(node string) string { return strings.TrimSuffix(node, run) }

// on puts a pod on a node.
func on(name string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Spec.NodeName = node(name) }
}

func labelled(key, value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { metav1.SetMetaDataLabel(&pod.ObjectMeta, key, value) }
}

func ownedBy(owner *corev1.ConfigMap, controller bool) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.OwnerReferences = append(pod.OwnerReferences, metav1.OwnerReference{
			APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, Controller: &controller,
		})
	}
}

// config makes a ConfigMap: an owner of pods with which no controller meddles.
func config(ctx context.Context, ns, name string) *corev1.ConfigMap {
	GinkgoHelper()
	made, err := api.Judge().CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make ConfigMap %s/%s for the spec", ns, name)
	return made
}

func service(ctx context.Context, ns, name string, selector, labels map[string]string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Services(ns).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.ServiceSpec{Selector: selector, ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make Service %s/%s for the spec", ns, name)
}

// bind does what a scheduler does.
func bind(ctx context.Context, ns, name, node string) {
	GinkgoHelper()
	err := api.Judge().CoreV1().Pods(ns).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "bind pod %s/%s to %s for the spec", ns, name, node)
}

// patch patches a pod's metadata: `{"labels":{"app":"db"}}`.
func patch(ctx context.Context, ns, name, metadata string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Pods(ns).Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":`+metadata+`}`), metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "change pod %s/%s for the spec", ns, name)
}

func stored(ctx context.Context, ns, name string) *corev1.Pod {
	GinkgoHelper()
	got, err := api.Judge().CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pod %s/%s", ns, name)
	return got
}

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
