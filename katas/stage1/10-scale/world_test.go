package scale_test

import (
	"context"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/util/retry"

	"github.com/kubekata/kubekata/harness/cluster"
	scale "github.com/kubekata/kubekata/katas/stage1/10-scale"
)

// made returns the learner's client.
func made() scaleclient.ScalesGetter {
	GinkgoHelper()
	scales, err := scale.New(api.Config())
	Expect(err).NotTo(HaveOccurred(), "New")
	Expect(scales).NotTo(BeNil(), "the client that New returns")
	return scales
}

// deployment makes a paused Deployment, and waits until no controller is about to write it.
func deployment(ctx context.Context, ns, name string, replicas int32) {
	GinkgoHelper()
	client := api.Judge().AppsV1().Deployments(ns)
	_, err := client.Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Paused:   true,
			Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"web", "www"}},
			}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:1.27"}}},
			},
		},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make deployment %s/%s for the spec", ns, name)
	if !api.HasControllers() {
		return
	}
	Eventually(func(g Gomega, ctx context.Context) {
		got, err := client.Get(ctx, name, metav1.GetOptions{})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Status.ObservedGeneration).To(Equal(got.Generation))
	}).WithContext(ctx).WithTimeout(10*time.Second).WithPolling(10*time.Millisecond).
		Should(Succeed(), "the controller's first look at deployment %s/%s", ns, name)
}

func deploymentReplicas(ctx context.Context, ns string) int32 {
	GinkgoHelper()
	got, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get deployment %s/web", ns)
	Expect(got.Spec.Replicas).NotTo(BeNil(), "spec.replicas of deployment %s/web", ns)
	return *got.Spec.Replicas
}

// rescale is another scaler of deployment web.
func rescale(ctx context.Context, ns string, replicas int32) {
	GinkgoHelper()
	client := api.Judge().AppsV1().Deployments(ns)
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current, err := client.GetScale(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		current.Spec.Replicas = replicas
		_, err = client.UpdateScale(ctx, "web", current, metav1.UpdateOptions{})
		return err
	})).To(Succeed(), "scale deployment %s/web, as another scaler does", ns)
}

// controller makes a ReplicationController of no replicas: the core group's only resource with a scale.
func controller(ctx context.Context, ns, name string) {
	GinkgoHelper()
	labels := map[string]string{"app": name}
	_, err := api.Judge().CoreV1().ReplicationControllers(ns).Create(ctx, &corev1.ReplicationController{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ReplicationControllerSpec{
			Replicas: new(int32(0)),
			Selector: labels,
			Template: &corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:1.27"}}},
			},
		},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make replicationcontroller %s/%s for the spec", ns, name)
}

// pod makes a pod that no scheduler takes.
func pod(ctx context.Context, ns, name, app string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().Pods(ns).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pod %s/%s for the spec", ns, name)
}

// ovenResource is the suite's custom resource, once a spec has asked for it.
var ovenResource schema.GroupResource

// ovens returns a custom resource of a group of the suite's own, which the first call makes and waits for until the server
// has it in its discovery. It has a scale in version v1, and none in v1alpha1.
func ovens(ctx SpecContext) schema.GroupResource {
	GinkgoHelper()
	if !ovenResource.Empty() {
		return ovenResource
	}
	gr := schema.GroupResource{Group: api.Namespace(ctx) + ".kubekata.dev", Resource: "ovens"}
	anything := map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": gr.String()},
		"spec": map[string]any{
			"group": gr.Group, "scope": "Namespaced",
			"names": map[string]any{"plural": "ovens", "kind": "Oven"},
			"versions": []any{
				map[string]any{"name": "v1", "served": true, "storage": true, "schema": anything, "subresources": map[string]any{
					"status": map[string]any{},
					"scale": map[string]any{
						"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector",
					},
				}},
				map[string]any{"name": "v1alpha1", "served": true, "storage": false, "schema": anything},
			},
		},
	}}
	api.Define(ctx, crd)
	ovenResource = gr
	Eventually(func(g Gomega) {
		_, lists, _ := api.Judge().Discovery().ServerGroupsAndResources()
		found := map[string]bool{}
		for _, list := range lists {
			for _, r := range list.APIResources {
				found[list.GroupVersion+" "+r.Name] = true
			}
		}
		g.Expect(found).To(HaveKey(gr.Group + "/v1 ovens/scale"))
		g.Expect(found).To(HaveKey(gr.Group + "/v1alpha1 ovens"))
		one, err := api.Judge().Discovery().ServerResourcesForGroupVersion(gr.Group + "/v1")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(one.APIResources).To(ContainElement(HaveField("Name", "ovens/scale")))
	}).WithContext(ctx).WithTimeout(20*time.Second).WithPolling(20*time.Millisecond).
		Should(Succeed(), "the custom resource %s in the server's discovery", gr)
	return gr
}

func ovenClient(gr schema.GroupResource, ns string) dynamic.ResourceInterface {
	return api.JudgeDynamic().Resource(gr.WithVersion("v1")).Namespace(ns)
}

// oven makes the oven "stone", which no controller looks at. Without a status it has no selector.
func oven(ctx context.Context, gr schema.GroupResource, ns string, replicas int64, status map[string]any) {
	GinkgoHelper()
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": gr.WithVersion("v1").GroupVersion().String(), "kind": "Oven",
		"metadata": map[string]any{"name": "stone"},
		"spec":     map[string]any{"replicas": replicas},
	}}
	made, err := ovenClient(gr, ns).Create(ctx, obj, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make %s %s/stone for the spec", gr, ns)
	if status == nil {
		return
	}
	made.Object["status"] = status
	_, err = ovenClient(gr, ns).UpdateStatus(ctx, made, metav1.UpdateOptions{})
	Expect(err).NotTo(HaveOccurred(), "set the status of %s %s/stone for the spec", gr, ns)
}

// setOven is another scaler of the oven "stone".
func setOven(ctx context.Context, gr schema.GroupResource, ns string, replicas int64) {
	GinkgoHelper()
	obj, err := ovenClient(gr, ns).Get(ctx, "stone", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get %s %s/stone", gr, ns)
	Expect(unstructured.SetNestedField(obj.Object, replicas, "spec", "replicas")).To(Succeed())
	_, err = ovenClient(gr, ns).Update(ctx, obj, metav1.UpdateOptions{})
	Expect(err).NotTo(HaveOccurred(), "scale %s %s/stone, as another scaler does", gr, ns)
}

func ovenReplicas(ctx context.Context, gr schema.GroupResource, ns string) int64 {
	GinkgoHelper()
	obj, err := ovenClient(gr, ns).Get(ctx, "stone", metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get %s %s/stone", gr, ns)
	got, _, err := unstructured.NestedInt64(obj.Object, "spec", "replicas")
	Expect(err).NotTo(HaveOccurred(), "spec.replicas of %s %s/stone", gr, ns)
	return got
}

// once lets another writer in before the learner's first write reaches the server.
func once(other func()) {
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
		return refuse(reason, code, "the server refuses to "+r.Verb+" "+what(r))
	})
}

func refuse(reason metav1.StatusReason, code int32, message string) *cluster.Answer {
	return &cluster.Answer{Status: &metav1.Status{Reason: reason, Code: code, Message: message}}
}

// attempts is the most writes that are still a few.
const attempts = 20

func isWrite(r cluster.Request) bool { return r.Verb == "update" || r.Verb == "patch" }

func what(r cluster.Request) string {
	return strings.TrimSuffix(r.Resource+"/"+r.Subresource, "/")
}

// writes returns the learner's requests that change something.
func writes() []cluster.Request {
	found := []cluster.Request{}
	for _, r := range api.Requests() {
		if isWrite(r) {
			found = append(found, r)
		}
	}
	return found
}

// scaleRequests returns the learner's requests for a scale.
func scaleRequests() []cluster.Request {
	found := []cluster.Request{}
	for _, r := range api.Requests() {
		if r.Subresource == "scale" {
			found = append(found, r)
		}
	}
	return found
}
