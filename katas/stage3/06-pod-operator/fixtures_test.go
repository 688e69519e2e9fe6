package podoperator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	podoperator "github.com/kubekata/kubekata/katas/stage3/06-pod-operator"
	"github.com/kubekata/kubekata/katas/stage3/06-pod-operator/podset"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/manager"
)

// scheme has the PodSet in a group of this run's own, and judgement is a client for it. The first spec makes both, and the definition.
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
	Expect(podset.AddToScheme(made, group)).To(Succeed())
	api.Define(ctx, podset.Definition(group))
	c := manager.Client(api, made)
	Eventually(func(ctx context.Context) error { return c.List(ctx, &podset.PodSetList{}) }).WithContext(ctx).WithTimeout(patience()).
		Should(Succeed(), "list the podsets: the server's discovery is a little behind the server")
	scheme, judgement = made, c
	return c
}

// run runs the learner's controller until the spec ends, and waits until it watches both kinds. Use the context that it returns from
// then on.
func run(ctx SpecContext, ns string) (context.Context, *harness.Loop) {
	GinkgoHelper()
	judge(ctx) // makes the scheme
	before := len(api.Requests())
	wait, loop := manager.Start(ctx, api, scheme, ns, new(podoperator.Reconciler).SetupWithManager)
	Eventually(func() bool { return watching(before, "podsets") && watching(before, "pods") }).WithContext(wait).WithTimeout(patience()).
		Should(BeTrue(), "the controller watches podsets and pods: For and Owns")
	return wait, loop
}

func watching(before int, resource string) bool {
	return slices.ContainsFunc(api.Requests()[before:], func(r cluster.Request) bool {
		return r.Resource == resource && r.Verb == "watch" && r.Code == http.StatusOK
	})
}

// template is what the pods look like, of an image; more changes it.
func template(image string, more ...func(*corev1.PodTemplateSpec)) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: image}}},
	}
	for _, change := range more {
		change(&t)
	}
	return t
}

// nowhere keeps the pods from running: no node has the label.
func nowhere(t *corev1.PodTemplateSpec) {
	t.Spec.NodeSelector = map[string]string{"kubekata.dev/nowhere": "true"}
}

// env changes what cannot be changed in a pod that there is.
func env(value string) func(*corev1.PodTemplateSpec) {
	return func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "COLOR", Value: value}}
	}
}

// open makes a PodSet.
func open(ctx context.Context, ns, name string, replicas int32, t corev1.PodTemplateSpec) *podset.PodSet {
	GinkgoHelper()
	set := &podset.PodSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       podset.Spec{Replicas: replicas, Template: t},
	}
	Expect(judge(ctx).Create(ctx, set)).To(Succeed(), "make podset %s/%s for the spec", ns, name)
	return set
}

// opened makes a PodSet of web:1, runs the learner's controller, and waits until the PodSet is ready.
func opened(ctx SpecContext, ns, name string, replicas int32) (context.Context, *harness.Loop, *podset.PodSet) {
	GinkgoHelper()
	set := open(ctx, ns, name, replicas, template("web:1"))
	wait, loop := run(ctx, ns)
	becomes(wait, set, fmt.Sprintf("Ready: %[1]d live, %[1]d ready, %[1]d updated, generation 1", replicas), "which wants %d pods", replicas)
	return wait, loop, set
}

// want changes the PodSet's spec, and set with it.
func want(ctx context.Context, set *podset.PodSet, change func(*podset.Spec)) {
	GinkgoHelper()
	c := judge(ctx)
	Eventually(func(ctx context.Context) error { // the learner may write the status meanwhile
		if err := c.Get(ctx, client.ObjectKeyFromObject(set), set); err != nil {
			return err
		}
		change(&set.Spec)
		return c.Update(ctx, set)
	}).WithContext(ctx).WithTimeout(patience()).Should(Succeed(), "change podset %s/%s for the spec", set.Namespace, set.Name)
}

func replicas(n int32) func(*podset.Spec) {
	return func(spec *podset.Spec) { spec.Replicas = n }
}

func becoming(t corev1.PodTemplateSpec) func(*podset.Spec) {
	return func(spec *podset.Spec) { spec.Template = t }
}

// status is for Eventually: a PodSet's status in a line.
func status(set *podset.PodSet) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got := &podset.PodSet{}
		if err := judge(ctx).Get(ctx, client.ObjectKeyFromObject(set), got); err != nil {
			return "", err
		}
		s := got.Status
		return fmt.Sprintf("%s: %d live, %d ready, %d updated, generation %d", s.Phase, s.Replicas, s.Ready, s.Updated, s.ObservedGeneration), nil
	}
}

// becomes waits for a status.
func becomes(ctx context.Context, set *podset.PodSet, wanted, situation string, args ...any) {
	GinkgoHelper()
	Eventually(status(set)).WithContext(ctx).WithTimeout(patience()).
		Should(Equal(wanted), "the status of podset %s/%s, %s", set.Namespace, set.Name, fmt.Sprintf(situation, args...))
}

// names is for Eventually: the names of the pods whose controller the PodSet is, those that are being deleted left out.
func names(set *podset.PodSet) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		pods, err := api.Judge().CoreV1().Pods(set.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		all := []string{}
		for i := range pods.Items {
			if pod := &pods.Items[i]; metav1.IsControlledBy(pod, set) && pod.DeletionTimestamp == nil {
				all = append(all, pod.Name)
			}
		}
		slices.Sort(all)
		return all, nil
	}
}

func pod(ctx context.Context, ns, name string) *corev1.Pod {
	GinkgoHelper()
	got, err := api.Judge().CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pod %s/%s", ns, name)
	return got
}

// gone is the UID of a pod that is not there.
const gone types.UID = "none"

// uid is for Eventually: a pod's UID, or gone.
func uid(ns, name string) func(context.Context) (types.UID, error) {
	return func(ctx context.Context) (types.UID, error) {
		got, err := api.Judge().CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return gone, nil
		}
		if err != nil {
			return "", err
		}
		return got.UID, nil
	}
}

func remove(ctx context.Context, ns, name string) {
	GinkgoHelper()
	err := api.Judge().CoreV1().Pods(ns).Delete(ctx, name, metav1.DeleteOptions{})
	Expect(err).NotTo(HaveOccurred(), "delete pod %s/%s for the spec", ns, name)
}

// end lets a pod end, with a phase.
func end(ctx context.Context, ns, name string, phase corev1.PodPhase) {
	GinkgoHelper()
	patch(ctx, ns, name, map[string]any{"status": map[string]any{
		"phase": phase, "conditions": []any{map[string]any{"type": "Ready", "status": "False"}},
	}}, "status")
}

// sicken lets a pod run and not be ready, or be ready again.
func sicken(ctx context.Context, ns, name string, ready corev1.ConditionStatus) {
	GinkgoHelper()
	patch(ctx, ns, name, map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": ready}}}}, "status")
}

func patch(ctx context.Context, ns, name string, change map[string]any, subresource ...string) {
	GinkgoHelper()
	data, err := json.Marshal(change)
	Expect(err).NotTo(HaveOccurred())
	_, err = api.Judge().CoreV1().Pods(ns).Patch(ctx, name, types.StrategicMergePatchType, data, metav1.PatchOptions{}, subresource...)
	Expect(err).NotTo(HaveOccurred(), "change pod %s/%s for the spec", ns, name)
}

// hold gives a pod a finalizer, with which it stays when it is deleted. The function takes it away again; so does the end of the spec.
func hold(ctx context.Context, ns, name string) (release func(context.Context)) {
	GinkgoHelper()
	patch(ctx, ns, name, map[string]any{"metadata": map[string]any{"finalizers": []any{finalizer}}})
	release = func(ctx context.Context) {
		GinkgoHelper()
		_, err := api.Judge().CoreV1().Pods(ns).Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if !apierrors.IsNotFound(err) {
			Expect(err).NotTo(HaveOccurred(), "let pod %s/%s go", ns, name)
		}
	}
	DeferCleanup(release)
	return release
}

const finalizer = "kubekata.dev/spec"

// plant makes a pod of web:1 that has a name and an owner, or none, and waits until it is ready.
func plant(ctx context.Context, ns, name string, owners ...metav1.OwnerReference) *corev1.Pod {
	GinkgoHelper()
	put(ctx, ns, name, template("web:1"), owners)
	Eventually(func(ctx context.Context) (corev1.PodPhase, error) {
		got, err := api.Judge().CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		return got.Status.Phase, nil
	}).WithContext(ctx).WithTimeout(patience()).Should(Equal(corev1.PodRunning), "the phase of pod %s/%s, which the spec has made", ns, name)
	return pod(ctx, ns, name)
}

// unscheduled makes a pod that has a name and an owner, and that no node ever gets. When it is deleted it is gone at once. (A simulated
// node deletes by name what it has seen being deleted, and may well hit the pod that has the name by then.)
func unscheduled(ctx context.Context, ns, name string, owners ...metav1.OwnerReference) *corev1.Pod {
	GinkgoHelper()
	return put(ctx, ns, name, template("web:1", nowhere), owners)
}

func put(ctx context.Context, ns, name string, t corev1.PodTemplateSpec, owners []metav1.OwnerReference) *corev1.Pod {
	GinkgoHelper()
	t.Name, t.OwnerReferences = name, owners
	t.Labels[podset.NameLabel] = "web"
	t.Labels[podset.HashLabel] = strings.Split(name, "-")[min(1, strings.Count(name, "-"))]
	made, err := api.Judge().CoreV1().Pods(ns).Create(ctx, &corev1.Pod{ObjectMeta: t.ObjectMeta, Spec: t.Spec}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pod %s/%s for the spec", ns, name)
	return made
}

// owner is a reference to the PodSet as a controller.
func owner(set *podset.PodSet) metav1.OwnerReference {
	kinds, _, err := scheme.ObjectKinds(set)
	Expect(err).NotTo(HaveOccurred())
	return *metav1.NewControllerRef(set, kinds[0])
}

// quota lets a namespace have no more than a number of pods.
func quota(ctx context.Context, ns string, pods int64) {
	GinkgoHelper()
	quotas := api.Judge().CoreV1().ResourceQuotas(ns)
	_, err := quotas.Create(ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "few"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI)}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make a quota in %s for the spec", ns)
	Eventually(func(ctx context.Context) (corev1.ResourceList, error) {
		q, err := quotas.Get(ctx, "few", metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return q.Status.Hard, nil
	}).WithContext(ctx).WithTimeout(patience()).ShouldNot(BeEmpty(), "the quota of %s is in force", ns)
}

// writes lists what the learner has asked the server to change, events left out.
func writes() []string {
	all := []string{}
	for _, r := range api.Requests() {
		if slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb) && r.Resource != "events" {
			all = append(all, fmt.Sprintf("%s %s %s", r.Verb, r.Resource, r.Name))
		}
	}
	return all
}

// created is how many pods the learner has made.
func created() int {
	n := 0
	for _, r := range api.Requests() {
		if r.Resource == "pods" && r.Verb != "delete" && r.Code == http.StatusCreated {
			n++
		}
	}
	return n
}
