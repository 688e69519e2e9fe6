package deploymentoperator_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/katas/stage3/07-deployment-operator/app"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.Lab()

func TestDeploymentOperator(t *testing.T) {
	harness.RunSpecs(t, "Stage 3 · 07-deployment-operator")
}

var _ = Describe("The ConfigMap", func() {
	It("has the App's config, and follows it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		a := open(ctx, ns, "web")
		wait, _ := run(ctx, ns)
		is(wait, configMap(a), "COLOR=green SIZE=big", "the data of the configmap")
		want(ctx, a, config("COLOR", "blue", "SIZE", "big"))
		is(wait, configMap(a), "COLOR=blue SIZE=big", "the data of the configmap, when the app's COLOR is blue")
	})

	It("loses the key that the App no longer has, and not the one of somebody else", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		edit(ctx, a, &corev1.ConfigMap{}, map[string]any{"data": map[string]any{"DEBUG": "true"}})
		want(ctx, a, config("COLOR", "green"))
		is(wait, configMap(a), "COLOR=green DEBUG=true", "the data of the configmap, when the app no longer has SIZE, and somebody has added DEBUG")
	})

	It("is put right when somebody changes it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		settled(wait)
		edit(ctx, a, &corev1.ConfigMap{}, map[string]any{"data": map[string]any{"COLOR": "pink"}})
		is(wait, configMap(a), "COLOR=green SIZE=big", "the data of the configmap, in which somebody has changed COLOR")
	})
})

var _ = Describe("The Deployment", func() {
	It("runs the App's image with its config", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, _, a := opened(ctx, ns, "web")
		d := child(ctx, a, &appsv1.Deployment{})
		labels := map[string]string{app.NameLabel: "web"}
		Expect(d.Spec.Selector.MatchLabels).To(Equal(labels), "the selector of the deployment")
		Expect(d.Spec.Template.Labels).To(Equal(labels), "the labels of its pods")
		Expect(d.Spec.Template.Annotations).To(HaveKeyWithValue(app.ConfigHashAnnotation, a.ConfigHash()), "the annotations of its pods")
		Expect(d.Spec.Template.Spec.Containers).To(HaveLen(1), "the containers of its pods")
		got := d.Spec.Template.Spec.Containers[0]
		Expect(got.Name).To(Equal(app.Container), "the name of the container")
		Expect(got.Image).To(Equal("app:1"), "its image")
		Expect(got.Ports).To(ConsistOf(HaveField("ContainerPort", int32(8080))), "its ports")
		Expect(got.EnvFrom).To(ConsistOf(HaveField("ConfigMapRef", PointTo(HaveField("Name", "web")))), "where its environment is from")
	})

	It("follows the image and the port", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		want(ctx, a, image("app:2"))
		is(wait, deployment(a), "1 of app:2:8080", "the deployment, with the image app:2")
		want(ctx, a, port(9090))
		is(wait, deployment(a), "1 of app:2:9090", "the deployment, with the port 9090")
	})

	It("makes new pods when the config changes", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		before := pods(ctx, a)
		want(ctx, a, config("COLOR", "blue"))
		Eventually(func(ctx context.Context) map[types.UID]string { return pods(ctx, a) }).WithContext(wait).WithTimeout(patience()).
			Should(And(HaveLen(1), HaveEach(a.ConfigHash())), "the pods' annotation %s, when the config has changed", app.ConfigHashAnnotation)
		for uid := range before {
			Expect(pods(ctx, a)).NotTo(HaveKey(uid), "the pods, one of which was there before the config changed")
		}
	})

	It("keeps its pods when the App is the same but for the replicas", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web", replicas(1))
		before := pods(ctx, a)
		want(ctx, a, replicas(2))
		Eventually(func(ctx context.Context) map[types.UID]string { return pods(ctx, a) }).WithContext(wait).WithTimeout(patience()).
			Should(HaveLen(2), "the pods, when the app wants 2")
		quiet(wait, a) // what is rolled out has one pod more for a while
		for uid := range before {
			Expect(pods(ctx, a)).To(HaveKey(uid), "the pods, with the one that was there")
		}
	})

	It("is not written before the ConfigMap is", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		old := a.ConfigHash()
		refuse(3, "configmaps")
		want(ctx, a, config("COLOR", "blue"))
		Eventually(func(g Gomega, ctx context.Context) {
			// The deployment is read first: if it is new, the configmap must have been new before.
			d := child(ctx, a, &appsv1.Deployment{})
			data := child(ctx, a, &corev1.ConfigMap{}).Data
			if d.Spec.Template.Annotations[app.ConfigHashAnnotation] != old && data["COLOR"] != "blue" {
				StopTrying("the deployment has the hash of the new config, and the configmap is the old one").Now()
			}
			g.Expect(d.Spec.Template.Annotations).To(HaveKeyWithValue(app.ConfigHashAnnotation, a.ConfigHash()), "the annotations of the pods")
		}).WithContext(wait).WithTimeout(patience()).Should(Succeed(), "the deployment follows a config that could not be written at first")
	})

	It("is made again when somebody deletes it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		settled(wait)
		remove(ctx, a, &appsv1.Deployment{})
		is(wait, deployment(a), "1 of app:1:8080", "the deployment, which somebody has deleted")
	})

	It("is put right when another field manager takes the image", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		settled(wait)
		theirs := appsac.Deployment("web", ns).WithSpec(appsac.DeploymentSpec().WithTemplate(coreac.PodTemplateSpec().WithSpec(
			coreac.PodSpec().WithContainers(coreac.Container().WithName(app.Container).WithImage("hacked:1")))))
		Expect(judge(ctx).Apply(ctx, theirs, client.FieldOwner("somebody"), client.ForceOwnership)).To(Succeed())
		is(wait, deployment(a), "1 of app:1:8080", "the deployment, to which somebody has applied another image")
	})

	It("keeps what others have written to it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		edit(ctx, a, &appsv1.Deployment{}, metadata("annotations", "checked-by", "nonna"))
		edit(ctx, a, &appsv1.Deployment{}, container("sidecar", "proxy:1"))
		want(ctx, a, image("app:2"))
		Eventually(deployment(a)).WithContext(wait).WithTimeout(patience()).Should(And(ContainSubstring("app:2:8080"), ContainSubstring("proxy:1")),
			"the deployment, to which somebody has added a sidecar, with the image app:2")
		Expect(child(ctx, a, &appsv1.Deployment{}).Annotations).To(HaveKeyWithValue("checked-by", "nonna"), "the deployment's annotations")
	})
})

var _ = Describe("The replicas", func() {
	It("are the App's when it has any", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web", replicas(2))
		is(wait, deployment(a), "2 of app:1:8080", "the deployment of an app that wants 2 replicas")
		want(ctx, a, replicas(0))
		is(wait, deployment(a), "0 of app:1:8080", "the deployment of an app that wants 0 replicas")
		settled(wait)
		scale(ctx, a, 3)
		is(wait, deployment(a), "0 of app:1:8080", "the deployment of an app that wants 0 replicas, after somebody has scaled it to 3")
	})

	It("are others' when it has none", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		scale(ctx, a, 3)
		want(ctx, a, image("app:2"))
		is(wait, deployment(a), "3 of app:2:8080", "the deployment of an app without replicas, which somebody has scaled to 3")
		settled(wait)
		Expect(deployment(a)(ctx)).To(Equal("3 of app:2:8080"), "the deployment, when all is done")
		Expect(owned(ctx, a)).NotTo(HaveKey("f:replicas"), "the fields of the deployment's spec that are the operator's")
	})

	It("are given up when it no longer has any, and stay as many", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web", replicas(3))
		Expect(owned(ctx, a)).To(HaveKey("f:replicas"), "the fields of the deployment's spec that are the operator's")
		want(ctx, a, anyReplicas)
		Eventually(func(ctx context.Context) map[string]any { return owned(ctx, a) }).WithContext(wait).WithTimeout(patience()).
			ShouldNot(HaveKey("f:replicas"), "the fields of the deployment's spec that are the operator's, when the app has no replicas any longer")
		becomes(wait, a, "True, of generation 2", "which has no replicas any longer")
		settled(wait)
		Expect(deployment(a)(ctx)).To(Equal("3 of app:1:8080"), "the deployment of an app that wanted 3 replicas, and has none any longer")
		scale(ctx, a, 2)
		want(ctx, a, image("app:2"))
		is(wait, deployment(a), "2 of app:2:8080", "the deployment, which somebody has scaled to 2")
	})

	It("are the App's again when it has some again", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		scale(ctx, a, 3)
		want(ctx, a, replicas(2))
		is(wait, deployment(a), "2 of app:1:8080", "the deployment of an app that wants 2 replicas now")
	})
})

var _ = Describe("The Service", func() {
	It("leads to the App's port, and follows it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		is(wait, service(a), "map["+app.NameLabel+":web] 80 to 8080", "the service")
		address := child(ctx, a, &corev1.Service{}).Spec.ClusterIP
		want(ctx, a, port(9090))
		is(wait, service(a), "map["+app.NameLabel+":web] 80 to 9090", "the service, with the port 9090")
		Expect(child(ctx, a, &corev1.Service{}).Spec.ClusterIP).To(Equal(address), "the service's address")
	})

	It("is put right when somebody changes it, and keeps what is not the App's", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		settled(wait)
		edit(ctx, a, &corev1.Service{}, metadata("annotations", "checked-by", "nonna"))
		edit(ctx, a, &corev1.Service{}, map[string]any{"spec": map[string]any{"selector": map[string]any{app.NameLabel: "other"}}})
		is(wait, service(a), "map["+app.NameLabel+":web] 80 to 8080", "the service, whose selector somebody has changed")
		Expect(child(ctx, a, &corev1.Service{}).Annotations).To(HaveKeyWithValue("checked-by", "nonna"), "the service's annotations")
	})

	It("is made again when somebody deletes it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		wait, _, a := opened(ctx, ns, "web")
		settled(wait)
		remove(ctx, a, &corev1.Service{})
		is(wait, service(a), "map["+app.NameLabel+":web] 80 to 8080", "the service, which somebody has deleted")
	})
})

// pods are the App's pods that are not being deleted: the hash of the config by UID.
func pods(ctx context.Context, a *app.App) map[types.UID]string {
	GinkgoHelper()
	list, err := api.Judge().CoreV1().Pods(a.Namespace).List(ctx, metav1.ListOptions{LabelSelector: app.NameLabel + "=" + a.Name})
	Expect(err).NotTo(HaveOccurred(), "list the pods of %s/%s", a.Namespace, a.Name)
	all := map[types.UID]string{}
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			all[pod.UID] = pod.Annotations[app.ConfigHashAnnotation]
		}
	}
	return all
}
