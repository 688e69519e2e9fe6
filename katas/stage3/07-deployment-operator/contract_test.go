package deploymentoperator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/kubekata/kubekata/katas/stage3/07-deployment-operator/app"

	"github.com/kubekata/kubekata/harness"
)

var _ = Describe("All three", func() {
	It("are owned by the App, as its controller, which waits for them", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, _, a := opened(ctx, ns, "web")
		version, kind := gvk(a)
		for _, obj := range children() {
			Expect(child(ctx, a, obj).GetOwnerReferences()).To(ConsistOf(MatchAllFields(Fields{
				"APIVersion": Equal(version), "Kind": Equal(kind), "Name": Equal("web"), "UID": Equal(a.UID),
				"Controller": PointTo(BeTrue()), "BlockOwnerDeletion": PointTo(BeTrue()),
			})), "the owner references of %s %s/web", kindOf(obj), ns)
		}
	})

	It("are written by server-side apply, as app-operator", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, _, a := opened(ctx, ns, "web")
		for _, obj := range children() {
			Expect(child(ctx, a, obj).GetManagedFields()).To(ContainElement(MatchFields(IgnoreExtras, Fields{
				"Manager": Equal(app.FieldManager), "Operation": Equal(metav1.ManagedFieldsOperationApply),
			})), "whose the fields of %s %s/web are", kindOf(obj), ns)
		}
	})

	It("are looked after in each App by itself", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := open(ctx, ns, "web")
		other := open(ctx, ns, "shop", image("shop:1"), port(9090), config("COLOR", "red"))
		wait, _ := run(ctx, ns)
		becomes(wait, a, "True, of generation 1", "beside another one")
		becomes(wait, other, "True, of generation 1", "beside another one")
		is(wait, deployment(a), "1 of app:1:8080", "the deployment of app web")
		is(wait, deployment(other), "1 of shop:1:9090", "the deployment of app shop")
		is(wait, service(other), "map["+app.NameLabel+":shop] 80 to 9090", "the service of app shop")
		is(wait, configMap(other), "COLOR=red", "the configmap of app shop")
	})
})

var _ = Describe("An object of somebody else", func() {
	for _, taken := range []struct {
		kind string
		obj  client.Object
	}{{"ConfigMap", &corev1.ConfigMap{}}, {"Deployment", &appsv1.Deployment{}}, {"Service", &corev1.Service{}}} {
		It("that has the name is left alone, and none of the three is written: a "+taken.kind, func(ctx SpecContext) {
			ns := api.Namespace(ctx)
			before := foreign(ctx, ns, "web", taken.obj.DeepCopyObject().(client.Object))
			a := open(ctx, ns, "web")
			wait, _ := run(ctx, ns)
			becomes(wait, a, "False, of generation 1", "whose name a "+taken.kind+" of nobody's has")
			got := available(ctx, a)
			Expect(got.Reason).To(Equal(app.ReasonNameTaken), "the condition's reason")
			Expect(got.Message).To(ContainSubstring(taken.kind), "the condition's message")
			for _, obj := range children() {
				err := judge(ctx).Get(ctx, client.ObjectKeyFromObject(a), obj)
				if kindOf(obj) != taken.kind {
					Expect(apierrors.IsNotFound(err)).To(BeTrue(), "there is no %s %s/web, but: %v", kindOf(obj), ns, err)
					continue
				}
				Expect(err).NotTo(HaveOccurred(), "get %s %s/web", taken.kind, ns)
				Expect(obj.GetUID()).To(Equal(before.GetUID()), "the UID of the other %s", taken.kind)
				Expect(obj.GetOwnerReferences()).To(BeEmpty(), "the owners of the other %s", taken.kind)
				Expect(managers(obj)).NotTo(ContainElement(app.FieldManager), "who has written to the other %s", taken.kind)
			}
		})
	}

	It("stands in the way until it is gone", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		foreign(ctx, ns, "web", &corev1.Service{})
		a := open(ctx, ns, "web")
		wait, _ := run(ctx, ns)
		becomes(wait, a, "False, of generation 1", "whose name a service of nobody's has")
		becomes(wait, open(ctx, ns, "other"), "True, of generation 1", "whose names are free") // so what that status has brought about is over
		remove(ctx, a, &corev1.Service{})
		becomes(wait, a, "True, of generation 1", "whose name is free again")
		is(wait, service(a), "map["+app.NameLabel+":web] 80 to 8080", "the service")
	})

	It("is somebody else's when its owner had the App's name, and was another one", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := open(ctx, ns, "web")
		version, kind := gvk(a)
		former := metav1.OwnerReference{APIVersion: version, Kind: kind, Name: "web", UID: "5c8d1e2a-0000-0000-0000-000000000000", Controller: new(true)}
		before := foreign(ctx, ns, "web", &corev1.ConfigMap{}, former)
		wait, _ := run(ctx, ns)
		becomes(wait, a, "False, of generation 1", "whose predecessor has left a configmap")
		got := child(ctx, a, &corev1.ConfigMap{})
		Expect(got.UID).To(Equal(before.GetUID()), "the UID of the predecessor's configmap")
		Expect(got.OwnerReferences).To(ConsistOf(former), "the owners of the predecessor's configmap")
	})

	It("is somebody else's when the App is one of its owners, and not its controller", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := open(ctx, ns, "web")
		version, kind := gvk(a)
		shared := metav1.OwnerReference{APIVersion: version, Kind: kind, Name: "web", UID: a.UID}
		foreign(ctx, ns, "web", &corev1.ConfigMap{}, shared)
		wait, _ := run(ctx, ns)
		becomes(wait, a, "False, of generation 1", "which is an owner of the configmap that has its name, and not the controller")
		Expect(child(ctx, a, &corev1.ConfigMap{}).OwnerReferences).To(ConsistOf(shared), "the owners of the other configmap")
	})

	It("is left alone also when the cache does not have it yet", func(ctx SpecContext) {
		ns, over := api.Namespace(ctx), harness.Closed(ctx)
		foreign(ctx, ns, "web", &corev1.ConfigMap{})
		a := open(ctx, ns, "web")
		blind(ctx, ns, over)
		wait, _ := run(ctx, ns)
		becomes(wait, a, "False, of generation 1", "whose name a configmap of nobody's has, which the cache does not have yet")
		over.Open()
		settledOn(wait, a)
		got := child(ctx, a, &corev1.ConfigMap{})
		Expect(got.OwnerReferences).To(BeEmpty(), "the owners of the other configmap")
		Expect(managers(got)).NotTo(ContainElement(app.FieldManager), "who has written to the other configmap")
	})
})

var _ = Describe("The status", func() {
	It("says what the Deployment says", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		settled(wait)
		Expect(available(ctx, a).Reason).To(Equal("MinimumReplicasAvailable"), "the condition's reason")
		for uid := range pods(ctx, a) {
			sicken(ctx, a, uid)
		}
		becomes(wait, a, "False, of generation 1", "whose pod runs, and is not ready")
		theirs := child(ctx, a, &appsv1.Deployment{}).Status.Conditions
		Expect(theirs).To(ContainElement(And(HaveField("Type", appsv1.DeploymentAvailable), HaveField("Reason", available(ctx, a).Reason),
			HaveField("Message", available(ctx, a).Message))), "the deployment's conditions, one of which has the app's reason and message")
	})

	It("is Unknown as long as there is no Deployment", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		refuse(-1, "deployments")
		a := open(ctx, ns, "web")
		wait, _ := run(ctx, ns)
		becomes(wait, a, "Unknown, of generation 1", "whose deployment is refused each time")
		Expect(available(ctx, a).Reason).To(Equal(app.ReasonUnknown), "the condition's reason")
	})

	It("speaks of the generation that it has seen", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		want(ctx, a, image("app:2"))
		becomes(wait, a, "True, of generation 2", "with the image app:2")
	})

	It("remembers since when it has been so", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, loop, a := opened(ctx, ns, "web")
		settled(wait)
		Expect(loop.Stop()).To(Succeed())
		since := metav1.NewTime(time.Date(2020, time.May, 17, 12, 0, 0, 0, time.UTC))
		Expect(judge(ctx).Get(ctx, client.ObjectKeyFromObject(a), a)).To(Succeed())
		a.Status.Conditions[0].LastTransitionTime = since
		Expect(judge(ctx).Status().Update(ctx, a)).To(Succeed(), "change the status of app %s/web for the spec", ns)
		want(ctx, a, replicas(1))
		wait, _ = run(ctx, ns)
		becomes(wait, a, "True, of generation 2", "which was available all the time")
		Expect(available(ctx, a).LastTransitionTime.UTC()).To(Equal(since.UTC()), "when Available was another one last")
	})

	It("is written also when something else fails", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		refuse(-1, "configmaps")
		a := open(ctx, ns, "web")
		wait, _ := run(ctx, ns)
		becomes(wait, a, "Unknown, of generation 1", "whose configmap is refused each time")
	})
})

var _ = Describe("Reconcile", func() {
	It("comes to rest", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		settled(wait)
		edit(ctx, a, &appsv1.Deployment{}, metadata("annotations", "checked-by", "nonna"))
		settled(wait)
		before := asked()
		Consistently(asked).WithContext(wait).WithTimeout(time.Second).Should(Equal(before), "how many requests there were, when nothing changes any longer")
	})

	It("tries again what has failed", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := open(ctx, ns, "web")
		accept := refuse(-1, "configmaps")
		wait, _ := run(ctx, ns)
		Eventually(refused).WithContext(wait).WithTimeout(patience()).WithArguments("configmaps").
			Should(BeNumerically(">=", 5), "how often the configmap was tried, which is refused each time")
		accept()
		is(wait, configMap(a), "COLOR=green SIZE=big", "the data of the configmap, which was refused for a while")
	})

	It("leaves an App alone that is being deleted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		settled(wait)
		bury(ctx, a)
		becomes(wait, open(ctx, ns, "other"), "True, of generation 1", "which was made when the other one was being deleted") // so the cache knows that
		remove(ctx, a, &corev1.Service{})
		becomes(wait, open(ctx, ns, "last"), "True, of generation 1", "which was made later")
		Expect(service(a)(ctx)).To(Equal("none"), "the service of an app that is being deleted, which somebody has deleted")
	})

	It("puts right what has changed while nobody looked", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, loop, a := opened(ctx, ns, "web")
		settled(wait)
		Expect(loop.Stop()).To(Succeed())
		remove(ctx, a, &corev1.Service{})
		edit(ctx, a, &corev1.ConfigMap{}, map[string]any{"data": map[string]any{"COLOR": "pink"}})
		want(ctx, a, image("app:2"))
		wait, _ = run(ctx, ns)
		is(wait, service(a), "map["+app.NameLabel+":web] 80 to 8080", "the service, which somebody has deleted")
		is(wait, configMap(a), "COLOR=green SIZE=big", "the configmap, in which somebody has changed COLOR")
		is(wait, deployment(a), "1 of app:2:8080", "the deployment, with the image app:2")
	})
})

// gvk is the App's apiVersion and kind.
func gvk(a *app.App) (version, kind string) {
	GinkgoHelper()
	k, err := apiutil.GVKForObject(a, scheme)
	Expect(err).NotTo(HaveOccurred())
	return k.ToAPIVersionAndKind()
}

// managers are those who have written to an object.
func managers(obj client.Object) []string {
	names := []string{}
	for _, m := range obj.GetManagedFields() {
		names = append(names, m.Manager)
	}
	return names
}

// owned are the fields of the Deployment's spec that are the operator's.
func owned(ctx context.Context, a *app.App) map[string]any {
	GinkgoHelper()
	all := map[string]any{}
	for _, m := range child(ctx, a, &appsv1.Deployment{}).ManagedFields {
		if m.Manager != app.FieldManager {
			continue
		}
		var fields map[string]map[string]any
		Expect(json.Unmarshal(m.FieldsV1.Raw, &fields)).To(Succeed())
		for name := range fields["f:spec"] {
			all[name] = m.Operation
		}
	}
	return all
}

// settledOn waits until the App's condition has been the same for a while.
func settledOn(ctx context.Context, a *app.App) {
	GinkgoHelper()
	first, err := condition(a)(ctx)
	Expect(err).NotTo(HaveOccurred())
	Consistently(condition(a)).WithContext(ctx).WithTimeout(500*time.Millisecond).Should(Equal(first), "the condition Available of app %s/%s", a.Namespace, a.Name)
}

// quiet waits until the Deployment has been the same for a while.
func quiet(ctx context.Context, a *app.App) {
	GinkgoHelper()
	last, since := "", time.Now()
	Eventually(func(ctx context.Context) time.Duration {
		if version := child(ctx, a, &appsv1.Deployment{}).ResourceVersion; version != last {
			last, since = version, time.Now()
		}
		return time.Since(since)
	}).WithContext(ctx).WithTimeout(patience()).Should(BeNumerically(">", 500*time.Millisecond), "how long the deployment has been the same")
}

// sicken lets a pod run and not be ready.
func sicken(ctx context.Context, a *app.App, uid types.UID) {
	GinkgoHelper()
	list, err := api.Judge().CoreV1().Pods(a.Namespace).List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	for _, pod := range list.Items {
		if pod.UID == uid {
			_, err := api.Judge().CoreV1().Pods(a.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType,
				[]byte(`{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`), metav1.PatchOptions{}, "status")
			Expect(err).NotTo(HaveOccurred(), "change pod %s/%s for the spec", a.Namespace, pod.Name)
		}
	}
}

// foreign makes an object that is nobody's, or the owner's. It has a finalizer when it has an owner: the garbage collector takes away
// what has no living one.
func foreign(ctx context.Context, ns, name string, obj client.Object, owners ...metav1.OwnerReference) client.Object {
	GinkgoHelper()
	obj.SetNamespace(ns)
	obj.SetName(name)
	obj.SetOwnerReferences(owners)
	labels := map[string]string{"made-for": "spec"}
	switch o := obj.(type) {
	case *appsv1.Deployment:
		o.Spec.Replicas, o.Spec.Selector = new(int32(0)), &metav1.LabelSelector{MatchLabels: labels}
		o.Spec.Template.Labels, o.Spec.Template.Spec.Containers = labels, []corev1.Container{{Name: app.Container, Image: "foreign:1"}}
	case *corev1.Service:
		o.Spec.Selector, o.Spec.Ports = labels, []corev1.ServicePort{{Port: 1234}}
	}
	if len(owners) > 0 {
		obj.SetFinalizers([]string{finalizer})
		DeferCleanup(func(ctx context.Context) { release(ctx, obj) })
	}
	Expect(judge(ctx).Create(ctx, obj)).To(Succeed(), "make %s %s/%s for the spec", kindOf(obj), ns, name)
	return obj
}

const finalizer = "kubekata.dev/spec"

func release(ctx context.Context, obj client.Object) {
	GinkgoHelper()
	err := judge(ctx).Patch(ctx, obj.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred(), "let %s %s/%s go", kindOf(obj), obj.GetNamespace(), obj.GetName())
	}
}

// bury deletes an App that has a finalizer, which goes when the spec ends.
func bury(ctx context.Context, a *app.App) {
	GinkgoHelper()
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"finalizers":[%q]}}`, finalizer))
	Expect(judge(ctx).Patch(ctx, a.DeepCopy(), patch)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { release(ctx, a) })
	Expect(judge(ctx).Delete(ctx, a.DeepCopy())).To(Succeed(), "delete app %s/%s for the spec", a.Namespace, a.Name)
}
