// Package operatortesting holds the specs for an operator that somebody else has written.
package operatortesting

import (
	"context"
	"errors"

	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/bench"
	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/site"
)

// Specs are the requirements of the contract at operator.New, each as a test. An operator that keeps the contract passes them all, and
// one that breaks it anywhere fails at least one.
//
// A spec may be run alone, in any order, several times, and at the same time as the others.
func Specs() []bench.Spec {
	// kata:begin Write them. bench.Spec says what a spec looks like and bench.Bench what it has at hand; the contract is at operator.New.
	return []bench.Spec{
		{Name: "makes a Deployment with the Site's image and replicas, and the labels agreed upon", Run: makesDeployment},
		{Name: "makes the Site the Deployment's controller", Run: ownsDeployment},
		{Name: "takes 0 replicas for 0", Run: zeroReplicas},
		{Name: "puts replicas and image right, and keeps what others have written", Run: follows},
		{Name: "leaves a Deployment of somebody else alone, and says that it is blocked", Run: blockedByStranger},
		{Name: "leaves the Deployment of an older Site of its name alone", Run: blockedByNamesake},
		{Name: "says how many replicas are ready, of which generation", Run: status},
		{Name: "does nothing for a Site that is gone", Run: gone},
		{Name: "makes and changes nothing for a Site that is being deleted", Run: deleted},
		{Name: "returns the server's errors, whatever it was asked for", Run: serverErrors},
		{Name: "writes nothing to a real server when all is well", Run: settles},
		{Name: "writes its status where a real server keeps it", Run: realStatus},
	}
	// kata:end
}

// kata:begin Functions of your own: a fake client with a Site in it, one call of Reconcile, what is asked again and again.
// kata:stub

const (
	namespace = "default"
	name      = "blog"
)

// newSite is a Site as the server would have it.
func newSite(replicas int32) *site.Site {
	return &site.Site{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "blog-uid", Generation: 3},
		Spec:       site.Spec{Image: "blog:1", Replicas: replicas},
	}
}

// world is a client that plays the server, with objects in it.
func world(b bench.Bench, objects ...client.Object) *fake.ClientBuilder {
	return fake.NewClientBuilder().WithScheme(b.Scheme).WithStatusSubresource(&site.Site{}, &appsv1.Deployment{}).WithObjects(objects...)
}

func request() reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

// once calls Reconcile, which must not fail.
func once(ctx context.Context, g Gomega, b bench.Bench, c client.Client) {
	result, err := b.Operator(c).Reconcile(ctx, request())
	g.Expect(err).NotTo(HaveOccurred(), "Reconcile")
	g.Expect(result).To(Equal(reconcile.Result{}), "what Reconcile returns")
}

func getDeployment(ctx context.Context, g Gomega, c client.Client) *appsv1.Deployment {
	d := &appsv1.Deployment{}
	g.Expect(c.Get(ctx, request().NamespacedName, d)).To(Succeed(), "get the Deployment")
	return d
}

func getStatus(ctx context.Context, g Gomega, c client.Client) site.Status {
	s := &site.Site{}
	g.Expect(c.Get(ctx, request().NamespacedName, s)).To(Succeed(), "get the Site")
	return s.Status
}

func makesDeployment(ctx context.Context, g Gomega, b bench.Bench) {
	c := world(b, newSite(2)).Build()
	once(ctx, g, b, c)
	d := getDeployment(ctx, g, c)
	g.Expect(d.Spec.Replicas).To(HaveValue(BeEquivalentTo(2)), "replicas")
	g.Expect(d.Spec.Template.Spec.Containers).To(ContainElement(MatchFields(IgnoreExtras, Fields{
		"Name": Equal(site.Container), "Image": Equal("blog:1"),
	})), "containers")
	g.Expect(d.Spec.Selector.MatchLabels).To(Equal(map[string]string{"site": name}), "selector")
	g.Expect(d.Spec.Template.Labels).To(HaveKeyWithValue("site", name), "labels of the pods")
}

func ownsDeployment(ctx context.Context, g Gomega, b bench.Bench) {
	s := newSite(1)
	c := world(b, s).Build()
	once(ctx, g, b, c)
	g.Expect(metav1.IsControlledBy(getDeployment(ctx, g, c), s)).To(BeTrue(), "the Deployment's controller is the Site")
}

func zeroReplicas(ctx context.Context, g Gomega, b bench.Bench) {
	c := world(b, newSite(0)).Build()
	once(ctx, g, b, c)
	g.Expect(getDeployment(ctx, g, c).Spec.Replicas).To(HaveValue(BeEquivalentTo(0)), "replicas")
	g.Expect(getStatus(ctx, g, c).Phase).To(Equal(site.PhaseOnline), "phase of a Site that wants none, and has none")
}

func follows(ctx context.Context, g Gomega, b bench.Bench) {
	s := newSite(2)
	c := world(b, s).Build()
	once(ctx, g, b, c)
	d := getDeployment(ctx, g, c)
	metav1.SetMetaDataAnnotation(&d.ObjectMeta, "team", "a")
	d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "sidecar", Image: "proxy:1"})
	g.Expect(c.Update(ctx, d)).To(Succeed())
	for _, spec := range []site.Spec{{Image: "blog:2", Replicas: 2}, {Image: "blog:2", Replicas: 5}} {
		g.Expect(c.Get(ctx, request().NamespacedName, s)).To(Succeed())
		s.Spec = spec
		g.Expect(c.Update(ctx, s)).To(Succeed())
		once(ctx, g, b, c)
		d = getDeployment(ctx, g, c)
		g.Expect(d.Spec.Replicas).To(HaveValue(Equal(spec.Replicas)), "replicas")
		images := map[string]string{}
		for _, c := range d.Spec.Template.Spec.Containers {
			images[c.Name] = c.Image
		}
		g.Expect(images).To(And(HaveKeyWithValue(site.Container, spec.Image), HaveKeyWithValue("sidecar", "proxy:1")), "images of the containers")
		g.Expect(d.Annotations).To(HaveKeyWithValue("team", "a"), "annotations")
	}
}

// stranger is a Deployment of the Site's name, that is somebody else's.
func stranger(owners ...metav1.OwnerReference) *appsv1.Deployment {
	labels, replicas := map[string]string{"app": "theirs"}, int32(7)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: owners},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: site.Container, Image: "theirs:1"}}},
			},
		},
		Status: appsv1.DeploymentStatus{ReadyReplicas: 7},
	}
}

func blocked(ctx context.Context, g Gomega, b bench.Bench, theirs *appsv1.Deployment) {
	c := world(b, newSite(2), theirs).Build()
	before := getDeployment(ctx, g, c)
	once(ctx, g, b, c)
	g.Expect(getDeployment(ctx, g, c)).To(Equal(before), "the Deployment of somebody else")
	g.Expect(getStatus(ctx, g, c)).To(Equal(site.Status{Phase: site.PhaseBlocked, ObservedGeneration: 3}), "status")
}

func blockedByStranger(ctx context.Context, g Gomega, b bench.Bench) { blocked(ctx, g, b, stranger()) }

func blockedByNamesake(ctx context.Context, g Gomega, b bench.Bench) {
	older := newSite(2)
	older.UID = "older-uid"
	kinds, _, err := b.Scheme.ObjectKinds(older)
	g.Expect(err).NotTo(HaveOccurred())
	blocked(ctx, g, b, stranger(*metav1.NewControllerRef(older, kinds[0])))
}

func status(ctx context.Context, g Gomega, b bench.Bench) {
	c := world(b, newSite(2)).Build()
	once(ctx, g, b, c)
	g.Expect(getStatus(ctx, g, c)).To(Equal(site.Status{Phase: site.PhaseStarting, ObservedGeneration: 3}), "status, with no replica ready")
	for ready, phase := range map[int32]string{1: site.PhaseStarting, 2: site.PhaseOnline} {
		d := getDeployment(ctx, g, c)
		d.Status.ReadyReplicas = ready
		g.Expect(c.Status().Update(ctx, d)).To(Succeed())
		once(ctx, g, b, c)
		g.Expect(getStatus(ctx, g, c)).To(Equal(site.Status{Phase: phase, Ready: ready, ObservedGeneration: 3}), "status, with %d of 2 ready", ready)
	}
}

func gone(ctx context.Context, g Gomega, b bench.Bench) {
	c := world(b).Build()
	once(ctx, g, b, c)
	g.Expect(apierrors.IsNotFound(c.Get(ctx, request().NamespacedName, &appsv1.Deployment{}))).To(BeTrue(), "there is no Deployment")
}

func deleted(ctx context.Context, g Gomega, b bench.Bench) {
	s := newSite(2)
	s.Finalizers = []string{"example.com/spec"} // the fake client wants one, as the server would
	s.DeletionTimestamp = new(metav1.Now())
	c := world(b, s).Build()
	once(ctx, g, b, c)
	g.Expect(apierrors.IsNotFound(c.Get(ctx, request().NamespacedName, &appsv1.Deployment{}))).To(BeTrue(), "there is no Deployment")
	g.Expect(getStatus(ctx, g, c)).To(Equal(site.Status{}), "status")

	// The same with a Deployment of its own, which is not as the Site wants it.
	alive := world(b, newSite(2)).Build()
	once(ctx, g, b, alive)
	d := getDeployment(ctx, g, alive)
	d.ResourceVersion, d.Spec.Replicas = "", new(int32(5))
	c = world(b, s, d).Build()
	before := getDeployment(ctx, g, c)
	once(ctx, g, b, c)
	g.Expect(getDeployment(ctx, g, c)).To(Equal(before), "the Deployment of a Site that is being deleted")
}

// serverErrors lets each of the operator's requests fail, one after the other.
func serverErrors(ctx context.Context, g Gomega, b bench.Bench) {
	down := errors.New("the server is having a bad day")
	for what, funcs := range map[string]interceptor.Funcs{
		"Get of the Site": {Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*site.Site); ok {
				return down
			}
			return c.Get(ctx, key, obj, opts...)
		}},
		"Get of the Deployment": {Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*appsv1.Deployment); ok {
				return down
			}
			return c.Get(ctx, key, obj, opts...)
		}},
		"Create": {Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return down }},
		"the status": {
			SubResourceUpdate: func(context.Context, client.Client, string, client.Object, ...client.SubResourceUpdateOption) error {
				return down
			},
			SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
				return down
			},
			SubResourceApply: func(context.Context, client.Client, string, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
				return down
			},
		},
	} {
		c := world(b, newSite(2)).WithInterceptorFuncs(funcs).Build()
		_, err := b.Operator(c).Reconcile(ctx, request())
		g.Expect(err).To(MatchError(down), "the error of Reconcile, when %s fails", what)
	}
	// A write of a Deployment that is there: one that was made for another image.
	healthy := world(b, newSite(2)).Build()
	once(ctx, g, b, healthy)
	s, d := newSite(2), getDeployment(ctx, g, healthy)
	s.Spec.Image, d.ResourceVersion = "blog:2", ""
	c := world(b, s, d).WithInterceptorFuncs(interceptor.Funcs{
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error { return down },
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return down
		},
		Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
			return down
		},
	}).Build()
	_, err := b.Operator(c).Reconcile(ctx, request())
	g.Expect(err).To(MatchError(down), "the error of Reconcile, when the Deployment cannot be changed")
}

// real makes a Site on the real server, and returns a client that tells what is written.
func real(ctx context.Context, g Gomega, b bench.Bench, replicas int32) (c client.Client, written *[]string, req reconcile.Request) {
	direct, err := client.NewWithWatch(b.Config, client.Options{Scheme: b.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	s := &site.Site{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, GenerateName: "blog-"}, Spec: site.Spec{Image: "blog:1", Replicas: replicas}}
	g.Expect(direct.Create(ctx, s)).To(Succeed())
	written = &[]string{}
	c = interceptor.NewClient(direct, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			*written = append(*written, "create")
			return c.Create(ctx, obj, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			*written = append(*written, "update")
			return c.Update(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			*written = append(*written, "patch")
			return c.Patch(ctx, obj, patch, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, obj client.Object, opts ...client.SubResourceUpdateOption) error {
			*written = append(*written, "update "+sub)
			return c.SubResource(sub).Update(ctx, obj, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			*written = append(*written, "patch "+sub)
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	return c, written, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(s)}
}

func settles(ctx context.Context, g Gomega, b bench.Bench) {
	c, written, req := real(ctx, g, b, 0) // of which none gets ready meanwhile, should there be a controller
	for range 2 {                         // the second may still have to write what the first has seen too early
		_, err := b.Operator(c).Reconcile(ctx, req)
		g.Expect(err).NotTo(HaveOccurred())
	}
	*written = nil
	_, err := b.Operator(c).Reconcile(ctx, req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*written).To(BeEmpty(), "writes, when all is as it ought to be")
}

func realStatus(ctx context.Context, g Gomega, b bench.Bench) {
	c, _, req := real(ctx, g, b, 2)
	_, err := b.Operator(c).Reconcile(ctx, req)
	g.Expect(err).NotTo(HaveOccurred())
	s := &site.Site{}
	g.Expect(c.Get(ctx, req.NamespacedName, s)).To(Succeed())
	g.Expect(s.Status.Phase).To(Equal(site.PhaseStarting), "phase of the Site on the server")
	g.Expect(s.Status.ObservedGeneration).To(Equal(s.Generation), "observedGeneration of the Site on the server")
}

// kata:end
