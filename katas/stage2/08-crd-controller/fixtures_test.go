package crdcontroller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	crdcontroller "github.com/kubekata/kubekata/katas/stage2/08-crd-controller"
	"github.com/kubekata/kubekata/katas/stage2/08-crd-controller/pizzeria"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

// served is the Pizzerias' resource. The first spec makes it.
var served schema.GroupVersionResource

func pizzerias(ctx context.Context) schema.GroupVersionResource {
	GinkgoHelper()
	if served.Empty() {
		served = api.Define(ctx, pizzeria.Definition(api.Namespace(ctx)+".kubekata.dev"))
	}
	return served
}

func shops(ctx context.Context, ns string) dynamic.ResourceInterface {
	GinkgoHelper()
	return api.JudgeDynamic().Resource(pizzerias(ctx)).Namespace(ns)
}

// run runs the learner's controller until the spec ends, with one worker, and waits until it has listed both resources. Use the
// context that it returns from then on.
func run(ctx SpecContext, ns string) (context.Context, *harness.Loop) {
	GinkgoHelper()
	wait, loop := start(ctx, ns, 1)
	Eventually(func() bool { return watching("pizzerias") && watching("deployments") }).WithContext(wait).
		Should(BeTrue(), "the learner watches pizzerias and deployments")
	return wait, loop
}

// start is run without the waiting.
func start(ctx SpecContext, ns string, workers int) (context.Context, *harness.Loop) {
	GinkgoHelper()
	controller, err := crdcontroller.New(api.Clientset(), api.Dynamic(), pizzerias(ctx), ns)
	Expect(err).NotTo(HaveOccurred(), "New")
	Expect(controller).NotTo(BeNil(), "New's controller")
	return harness.Start(ctx, "Run", func(ctx context.Context) error { return controller.Run(ctx, workers) })
}

func watching(resource string) bool {
	return slices.ContainsFunc(api.Requests(), func(r cluster.Request) bool {
		return r.Resource == resource && r.Verb == "watch" && r.Code == http.StatusOK
	})
}

// open makes a Pizzeria.
func open(ctx context.Context, ns, name string, ovens int, image string) *unstructured.Unstructured {
	GinkgoHelper()
	made, err := shops(ctx, ns).Create(ctx, shop(name, ovens, image), metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pizzeria %s/%s for the spec", ns, name)
	return made
}

// shop is a Pizzeria that is not on the server.
func shop(name string, ovens int, image string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": served.GroupVersion().String(), "kind": pizzeria.Kind, "metadata": map[string]any{"name": name},
		"spec": map[string]any{"ovens": int64(ovens), "image": image},
	}}
}

// opened makes a Pizzeria, runs the learner's controller, and waits until all ovens are ready, and nothing more happens.
func opened(ctx SpecContext, ns, name string, n int, image string) (context.Context, *harness.Loop) {
	GinkgoHelper()
	open(ctx, ns, name, n, image)
	wait, loop := run(ctx, ns)
	Eventually(ovens(ns, name+"-ovens")).WithContext(wait).Should(Equal(fmt.Sprintf("%d of %s", n, image)), "deployment %s/%s-ovens", ns, name)
	heat(ctx, ns, name+"-ovens", int32(n))
	Eventually(status(ns, name)).WithContext(wait).Should(Equal(fmt.Sprintf("Open, %d ready, generation 1", n)), "the status of pizzeria %s/%s", ns, name)
	return wait, loop
}

// cold makes a Pizzeria's Deployment, as its controller, with pods that are never ready.
func cold(ctx context.Context, ns string, owner *unstructured.Unstructured) {
	GinkgoHelper()
	p, err := pizzeria.FromUnstructured(owner)
	Expect(err).NotTo(HaveOccurred())
	labels := map[string]string{"pizzeria": p.Name}
	d, err := api.Judge().AppsV1().Deployments(ns).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: p.Deployment(), OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(p, owner.GroupVersionKind())}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &p.Spec.Ovens,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeSelector: map[string]string{"kubekata.dev/nowhere": "true"},
					Containers:   []corev1.Container{{Name: "oven", Image: p.Spec.Image}},
				},
			},
		},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make deployment %s/%s for the spec", ns, p.Deployment())
	if !api.HasControllers() {
		heat(ctx, ns, d.Name, 0)
		return
	}
	Eventually(func(ctx context.Context) (int32, error) {
		d, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, d.Name, metav1.GetOptions{})
		if err != nil {
			return 0, err
		}
		return d.Status.Replicas, nil
	}).WithContext(ctx).Should(Equal(p.Spec.Ovens), "pods of deployment %s/%s", ns, d.Name)
}

// want changes a field of a Pizzeria's spec.
func want(ctx context.Context, ns, name, field string, value any) {
	GinkgoHelper()
	patch(ctx, ns, name, map[string]any{"spec": map[string]any{field: value}})
}

func patch(ctx context.Context, ns, name string, change map[string]any, subresource ...string) {
	GinkgoHelper()
	data, err := json.Marshal(change)
	Expect(err).NotTo(HaveOccurred())
	_, err = shops(ctx, ns).Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{}, subresource...)
	Expect(err).NotTo(HaveOccurred(), "change pizzeria %s/%s for the spec", ns, name)
}

// pizzeriaOf returns a Pizzeria as the server has it.
func pizzeriaOf(ctx context.Context, ns, name string) *unstructured.Unstructured {
	GinkgoHelper()
	obj, err := shops(ctx, ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pizzeria %s/%s", ns, name)
	return obj
}

// status is for Eventually: a Pizzeria's status in a line.
func status(ns, name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		obj, err := shops(ctx, ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		p, err := pizzeria.FromUnstructured(obj)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, %d ready, generation %d", p.Status.Phase, p.Status.Ready, p.Status.ObservedGeneration), nil
	}
}

// ovens is for Eventually: a Deployment in a line, or "none".
func ovens(ns, name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		d, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "none", nil
		}
		if err != nil {
			return "", err
		}
		line := fmt.Sprintf("%d of", *d.Spec.Replicas)
		for _, c := range d.Spec.Template.Spec.Containers {
			line += " " + c.Image
		}
		return line, nil
	}
}

func deployment(ctx context.Context, ns, name string) *appsv1.Deployment {
	GinkgoHelper()
	d, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get deployment %s/%s", ns, name)
	return d
}

// edit changes a Deployment, as somebody else.
func edit(ctx context.Context, ns, name string, change map[string]any) {
	GinkgoHelper()
	data, err := json.Marshal(change)
	Expect(err).NotTo(HaveOccurred())
	_, err = api.Judge().AppsV1().Deployments(ns).Patch(ctx, name, types.StrategicMergePatchType, data, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "change deployment %s/%s for the spec", ns, name)
}

func remove(ctx context.Context, ns, name string) {
	GinkgoHelper()
	err := api.Judge().AppsV1().Deployments(ns).Delete(ctx, name, metav1.DeleteOptions{})
	Expect(err).NotTo(HaveOccurred(), "delete deployment %s/%s for the spec", ns, name)
}

// heat lets some of a Deployment's replicas be ready. On the lab they are by themselves.
func heat(ctx context.Context, ns, name string, ready int32) {
	GinkgoHelper()
	if api.HasControllers() {
		return
	}
	d := deployment(ctx, ns, name)
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: *d.Spec.Replicas, UpdatedReplicas: *d.Spec.Replicas, ReadyReplicas: ready, AvailableReplicas: ready,
	}
	_, err := api.Judge().AppsV1().Deployments(ns).UpdateStatus(ctx, d, metav1.UpdateOptions{})
	Expect(err).NotTo(HaveOccurred(), "let %d replicas of deployment %s/%s be ready", ready, ns, name)
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
	if !api.HasControllers() {
		return // there are no pods
	}
	Eventually(func(ctx context.Context) (corev1.ResourceList, error) {
		q, err := quotas.Get(ctx, "few", metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return q.Status.Hard, nil
	}).WithContext(ctx).ShouldNot(BeEmpty(), "the quota of %s is in force", ns)
}

// foreign makes a Deployment that is nobody's, or the owner's.
func foreign(ctx context.Context, ns, name string, owners ...metav1.OwnerReference) *appsv1.Deployment {
	GinkgoHelper()
	replicas, labels := int32(0), map[string]string{"made-for": "spec"}
	d, err := api.Judge().AppsV1().Deployments(ns).Create(ctx, &appsv1.Deployment{
		// The finalizer keeps the garbage collector from taking away what has no living owner.
		ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners, Finalizers: []string{"kubekata.dev/spec"}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "oven", Image: "foreign:1"}}},
			},
		},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make deployment %s/%s for the spec", ns, name)
	DeferCleanup(func(ctx context.Context) { release(ctx, ns, name) })
	return d
}

// release removes what foreign has made.
func release(ctx context.Context, ns, name string) {
	GinkgoHelper()
	deployments := api.Judge().AppsV1().Deployments(ns)
	d, err := deployments.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && len(d.Finalizers) == 0 {
		return
	}
	Expect(err).NotTo(HaveOccurred(), "get deployment %s/%s", ns, name)
	err = deployments.Delete(ctx, name, metav1.DeleteOptions{})
	Expect(err).NotTo(HaveOccurred(), "delete deployment %s/%s for the spec", ns, name)
	_, err = deployments.Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred(), "let deployment %s/%s go", ns, name)
	}
}

// writes lists what the learner has asked the server to change.
func writes() []string {
	all := []string{}
	for _, r := range api.Requests() {
		if r.Verb == "create" || r.Verb == "update" || r.Verb == "patch" || r.Verb == "delete" || r.Verb == "deletecollection" {
			all = append(all, fmt.Sprintf("%s %s %s", r.Verb, r.Resource, r.Name))
		}
	}
	return all
}

// refuse answers the first requests that match, times of them, with a refusal.
func refuse(times int, match func(cluster.Request) bool, status metav1.Status) {
	var mu sync.Mutex
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		mu.Lock()
		defer mu.Unlock()
		if times == 0 || !match(r) {
			return nil
		}
		times--
		return &cluster.Answer{Status: &status}
	})
}

var broken = metav1.Status{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "the server is having a bad day"}
