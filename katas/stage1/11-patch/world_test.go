package patch_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"

	"github.com/kubekata/kubekata/harness/cluster"
	patch "github.com/kubekata/kubekata/katas/stage1/11-patch"
)

// kitchen is the field manager of what the specs set up.
const kitchen = "kitchen"

// web makes a paused Deployment with two containers.
func web(ctx context.Context, ns string, annotations map[string]string) {
	GinkgoHelper()
	labels := map[string]string{"app": "web"}
	_, err := api.Judge().AppsV1().Deployments(ns).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: annotations},
		Spec: appsv1.DeploymentSpec{
			Paused:   true,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{
					{Name: "web", Image: "nginx:1.27", Env: []corev1.EnvVar{{Name: "OVEN", Value: "stone"}, {Name: "SHIFT", Value: "early"}}},
					{Name: "log", Image: "busybox:1.37", Env: []corev1.EnvVar{{Name: "LEVEL", ValueFrom: &corev1.EnvVarSource{
						ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "log"}, Key: "level"},
					}}}},
				}},
			},
		},
	}, metav1.CreateOptions{FieldManager: kitchen})
	Expect(err).NotTo(HaveOccurred(), "make deployment %s/web for the spec", ns)
}

func deployment(ctx context.Context, ns string) *appsv1.Deployment {
	GinkgoHelper()
	got, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get deployment %s/web", ns)
	return got
}

func environment(ctx context.Context, ns, container string) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	for _, c := range deployment(ctx, ns).Spec.Template.Spec.Containers {
		if c.Name == container {
			for _, e := range c.Env {
				found[e.Name] = e.Value
			}
		}
	}
	return found
}

// patchWeb is another writer of deployment web.
func patchWeb(ctx context.Context, ns, manager string, body any) {
	GinkgoHelper()
	data, err := json.Marshal(body)
	Expect(err).NotTo(HaveOccurred())
	_, err = api.Judge().AppsV1().Deployments(ns).Patch(ctx, "web", types.StrategicMergePatchType, data, metav1.PatchOptions{FieldManager: manager})
	Expect(err).NotTo(HaveOccurred(), "patch deployment %s/web, as %s does", ns, manager)
}

func annotate(ctx context.Context, ns, key, value string) {
	GinkgoHelper()
	patchWeb(ctx, ns, kitchen, map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}})
}

// sidecar is a service mesh.
func sidecar(ctx context.Context, ns string) {
	GinkgoHelper()
	patchWeb(ctx, ns, "mesh", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"mesh": "on"}},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "mesh", "image": "envoy:1"},
		}}}},
	})
}

// autoscale is an autoscaler that owns the replicas. The Deployment is paused, so that no pod comes of it.
func autoscale(ctx context.Context, ns string, replicas int32) {
	GinkgoHelper()
	patchWeb(ctx, ns, "autoscaler", map[string]any{"spec": map[string]any{"replicas": replicas, "paused": true}})
}

// applyAs applies replicas and an image of deployment web as another manager.
func applyAs(ctx context.Context, ns, manager string, replicas int32, image string) error {
	GinkgoHelper()
	_, err := api.Judge().AppsV1().Deployments(ns).Apply(ctx, appsv1ac.Deployment("web", ns).WithSpec(appsv1ac.DeploymentSpec().
		WithReplicas(replicas).
		WithTemplate(corev1ac.PodTemplateSpec().WithSpec(corev1ac.PodSpec().WithContainers(corev1ac.Container().WithName("web").WithImage(image))))),
		metav1.ApplyOptions{FieldManager: manager})
	return err
}

func menu(ctx context.Context, ns string, data map[string]string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().ConfigMaps(ns).Create(ctx,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "menu"}, Data: data}, metav1.CreateOptions{FieldManager: kitchen})
	Expect(err).NotTo(HaveOccurred(), "make configmap %s/menu for the spec", ns)
}

func data(ctx context.Context, ns string) map[string]string {
	GinkgoHelper()
	got, err := api.Judge().CoreV1().ConfigMaps(ns).Get(ctx, "menu", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get configmap %s/menu", ns)
	return got.Data
}

// putData is another writer of configmap menu.
func putData(ctx context.Context, ns, key, value string) {
	GinkgoHelper()
	client := api.Judge().CoreV1().ConfigMaps(ns)
	got, err := client.Get(ctx, "menu", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get configmap %s/menu", ns)
	got.Data[key] = value
	_, err = client.Update(ctx, got, metav1.UpdateOptions{FieldManager: kitchen})
	Expect(err).NotTo(HaveOccurred(), "update configmap %s/menu, as somebody else does", ns)
}

// pod makes a pod that no scheduler takes.
func pod(ctx context.Context, ns string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Pods(ns).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "web", Image: "nginx:1.27"}}},
	}, metav1.CreateOptions{FieldManager: kitchen})
	Expect(err).NotTo(HaveOccurred(), "make pod %s/web for the spec", ns)
}

func ephemeral(ctx context.Context, ns string) []corev1.EphemeralContainer {
	GinkgoHelper()
	got, err := api.Judge().CoreV1().Pods(ns).Get(ctx, "web", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pod %s/web", ns)
	return got.Spec.EphemeralContainers
}

// pizzas is the version of the suite's custom resource, once a spec has asked for it.
var pizzas schema.GroupVersion

// pizzaResource returns a custom resource of a group of the suite's own, which the first call makes and waits for.
func pizzaResource(ctx SpecContext) schema.GroupVersionResource {
	GinkgoHelper()
	if !pizzas.Empty() {
		return pizzas.WithResource("pizzas")
	}
	group := api.Namespace(ctx) + ".kubekata.dev"
	resource := api.Define(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "pizzas." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names": map[string]any{"plural": "pizzas", "kind": "Pizza"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{
				"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
			}}},
		},
	}})
	pizzas = resource.GroupVersion()
	return resource
}

func pizzaClient(ns string) dynamic.ResourceInterface {
	return api.JudgeDynamic().Resource(pizzas.WithResource("pizzas")).Namespace(ns)
}

// pizza makes the pizza "hawaii". Without toppings it has no list of them.
func pizza(ctx context.Context, ns string, toppings any) {
	GinkgoHelper()
	spec := map[string]any{"dough": "sour"}
	if toppings != nil {
		spec["toppings"] = toppings
	}
	_, err := pizzaClient(ns).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": pizzas.String(), "kind": "Pizza", "metadata": map[string]any{"name": "hawaii"}, "spec": spec,
	}}, metav1.CreateOptions{FieldManager: kitchen})
	Expect(err).NotTo(HaveOccurred(), "make pizza %s/hawaii for the spec", ns)
}

func pizzaSpec(ctx context.Context, ns string) map[string]any {
	GinkgoHelper()
	got, err := pizzaClient(ns).Get(ctx, "hawaii", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pizza %s/hawaii", ns)
	spec, _, err := unstructured.NestedMap(got.Object, "spec")
	Expect(err).NotTo(HaveOccurred(), "spec of pizza %s/hawaii", ns)
	return spec
}

func toppings(ctx context.Context, ns string) any {
	GinkgoHelper()
	return pizzaSpec(ctx, ns)["toppings"]
}

// putToppings is another writer of the pizza "hawaii".
func putToppings(ctx context.Context, ns string, list []any) {
	GinkgoHelper()
	got, err := pizzaClient(ns).Get(ctx, "hawaii", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pizza %s/hawaii", ns)
	Expect(unstructured.SetNestedSlice(got.Object, list, "spec", "toppings")).To(Succeed())
	_, err = pizzaClient(ns).Update(ctx, got, metav1.UpdateOptions{FieldManager: kitchen})
	Expect(err).NotTo(HaveOccurred(), "update pizza %s/hawaii, as somebody else does", ns)
}

// before lets another writer in before the learner's first write reaches the server.
func before(other func()) {
	var first sync.Once
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if isWrite(r) {
			first.Do(other)
		}
		return nil
	})
}

// refuseWrites answers every write of the learner's with a refusal.
func refuseWrites(reason metav1.StatusReason, code int32) {
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if !isWrite(r) {
			return nil
		}
		return &cluster.Answer{Status: &metav1.Status{Reason: reason, Code: code, Message: "the server refuses to " + r.Verb + " " + r.Resource}}
	})
}

func isWrite(r cluster.Request) bool { return r.Verb == "update" || r.Verb == "patch" }

func expectNotFound(err error) {
	GinkgoHelper()
	Expect(err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", err)
	Expect(err).To(MatchError(ContainSubstring("nowhere")), "which object")
}

// expectOne expects that the learner's code has sent one request, a patch of the given content type.
func expectOne(contentType string) {
	GinkgoHelper()
	Expect(api.Requests()).To(HaveLen(1), "requests: a patch says all there is to say, and nobody comes in between")
	Expect(api.Requests()[0].ContentType).To(Equal(contentType), "the content type, which says what kind of patch it is")
}

// owned returns the paths of the fields of deployment web that the learner's manager owns by one kind of operation.
func owned(ctx context.Context, ns string, operation metav1.ManagedFieldsOperationType) []string {
	GinkgoHelper()
	var found []string
	for _, entry := range deployment(ctx, ns).ManagedFields {
		if entry.Manager == patch.FieldManager && entry.Operation == operation && entry.Subresource == "" {
			var fields map[string]any
			Expect(json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields)).To(Succeed(), "the fields of %s", entry.Manager)
			found = append(found, leaves("", fields)...)
		}
	}
	return found
}

// leaves turns fieldsV1 into paths as errors write them: spec.template.spec.containers[name="web"].image
func leaves(path string, fields map[string]any) []string {
	if len(fields) == 0 {
		return []string{path}
	}
	var found []string
	for key, value := range fields {
		below, _ := value.(map[string]any)
		switch name, isField := strings.CutPrefix(key, "f:"); {
		case key == ".":
			found = append(found, path)
		case isField:
			found = append(found, leaves(strings.TrimPrefix(path+"."+name, "."), below)...)
		default: // k:{"name":"web"}
			found = append(found, leaves(path+strings.NewReplacer(`k:{"`, "[", `":`, "=", "}", "]").Replace(key), below)...)
		}
	}
	slices.Sort(found)
	return found
}

// managers returns who has written an object since it was set up, each once, controllers aside.
func managers(obj metav1.Object, err error) []string {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred(), "get the object that was written")
	var found []string
	for _, entry := range obj.GetManagedFields() {
		if entry.Manager != kitchen && entry.Manager != "kube-controller-manager" && entry.Manager != "kube-scheduler" && !slices.Contains(found, entry.Manager) {
			found = append(found, entry.Manager)
		}
	}
	return found
}

func deploymentManagers(ctx SpecContext, ns string) []string {
	GinkgoHelper()
	return managers(api.Judge().AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{}))
}

func menuManagers(ctx SpecContext, ns string) []string {
	GinkgoHelper()
	return managers(api.Judge().CoreV1().ConfigMaps(ns).Get(ctx, "menu", metav1.GetOptions{}))
}

func podManagers(ctx SpecContext, ns string) []string {
	GinkgoHelper()
	return managers(api.Judge().CoreV1().Pods(ns).Get(ctx, "web", metav1.GetOptions{}))
}

func pizzaManagers(ctx SpecContext, ns string) []string {
	GinkgoHelper()
	return managers(pizzaClient(ns).Get(ctx, "hawaii", metav1.GetOptions{}))
}
