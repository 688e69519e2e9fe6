package ownerreferences_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubekata/kubekata/harness/cluster"
)

// red is how many specs have failed.
var red int

var _ = ReportAfterEach(func(spec SpecReport) {
	if spec.Failed() {
		red++
	}
})

// patience is how long the garbage collector may take. It takes well under a second, where nothing else runs; and when several specs have
// failed, the next one is not worth waiting for any longer.
func patience() time.Duration {
	if red > 3 {
		return 4 * time.Second
	}
	return 25 * time.Second
}

// known is what a client knows of kinds, without a server.
type known struct {
	scheme *runtime.Scheme
	mapper meta.RESTMapper
}

func (k known) Scheme() *runtime.Scheme     { return k.scheme }
func (k known) RESTMapper() meta.RESTMapper { return k.mapper }

var offline = known{scheme: clientscheme.Scheme, mapper: someKinds()}

func someKinds() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	m.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Group: "kubekata.dev", Version: "v1", Kind: "Shop"}, meta.RESTScopeNamespace)
	m.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	m.Add(corev1.SchemeGroupVersion.WithKind("PersistentVolume"), meta.RESTScopeRoot)
	return m
}

// anyInTree asks a predicate that does not unwrap about an error and all that it wraps.
func anyInTree(err error, is func(error) bool) bool {
	if err == nil {
		return false
	}
	if is(err) {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return anyInTree(e.Unwrap(), is)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(err error) bool { return anyInTree(err, is) })
	}
	return false
}

// dial makes a client. Its mapper's requests are not the learner's.
func dial(config *rest.Config) client.WithWatch {
	GinkgoHelper()
	plain, err := rest.HTTPClientFor(api.JudgeConfig())
	Expect(err).NotTo(HaveOccurred())
	mapper, err := apiutil.NewDynamicRESTMapper(api.JudgeConfig(), plain)
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	c, err := client.NewWithWatch(config, client.Options{Scheme: clientscheme.Scheme, Mapper: mapper})
	Expect(err).NotTo(HaveOccurred(), "make a client")
	return c
}

// live reads from the server.
func live() client.Reader { return dial(api.Config()) }

// learner is the client of a learner's controller: what it reads comes from a cache, which has these ConfigMaps, and no others.
func learner(cached ...*corev1.ConfigMap) client.Client {
	GinkgoHelper()
	return interceptor.NewClient(dial(api.Config()), interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
			for _, m := range cached {
				if key != client.ObjectKeyFromObject(m) {
					continue
				}
				switch obj := obj.(type) {
				case *corev1.ConfigMap:
					m.DeepCopyInto(obj)
					return nil
				case *metav1.PartialObjectMetadata:
					m.ObjectMeta.DeepCopyInto(&obj.ObjectMeta)
					return nil
				}
			}
			return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, key.Name)
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return nil },
	})
}

// option changes a ConfigMap that a spec makes.
type option func(*corev1.ConfigMap)

// label is the label app.
func label(app string) option {
	return func(m *corev1.ConfigMap) { m.Labels = map[string]string{"app": app} }
}

// finalized stays until the finalizer is removed, which the end of the spec does.
func finalized(m *corev1.ConfigMap) { m.Finalizers = []string{"kubekata.dev/spec"} }

// owned has an owner.
func owned(by *corev1.ConfigMap, how ...func(*metav1.OwnerReference)) option {
	return func(m *corev1.ConfigMap) { m.OwnerReferences = append(m.OwnerReferences, refer(by, how...)) }
}

// refer is a reference to a ConfigMap.
func refer(to *corev1.ConfigMap, how ...func(*metav1.OwnerReference)) metav1.OwnerReference {
	ref := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: to.Name, UID: to.UID}
	for _, change := range how {
		change(&ref)
	}
	return ref
}

func controls(ref *metav1.OwnerReference) {
	ref.Controller, ref.BlockOwnerDeletion = ptr.To(true), ptr.To(true)
}

func blocks(ref *metav1.OwnerReference) { ref.BlockOwnerDeletion = ptr.To(true) }

// create makes a ConfigMap on the server.
func create(ctx context.Context, ns, name string, options ...option) *corev1.ConfigMap {
	GinkgoHelper()
	m := configMap(ns, name)
	for _, change := range options {
		change(m)
	}
	made, err := api.Judge().CoreV1().ConfigMaps(ns).Create(ctx, m, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make configmap %s/%s for the spec", ns, name)
	if len(made.Finalizers) > 0 {
		DeferCleanup(func(ctx SpecContext) { free(ctx, made) })
	}
	return made
}

// free removes the finalizers of a ConfigMap.
func free(ctx context.Context, m *corev1.ConfigMap) {
	GinkgoHelper()
	patch(ctx, m, `{"metadata":{"finalizers":null}}`)
}

// patch changes a ConfigMap, as somebody else. It may be gone.
func patch(ctx context.Context, m *corev1.ConfigMap, change string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Patch(ctx, m.Name, types.StrategicMergePatchType, []byte(change), metav1.PatchOptions{})
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred(), "change configmap %s/%s for the spec", m.Namespace, m.Name)
	}
}

// adds adds an owner, as somebody else.
func adds(ctx context.Context, m, owner *corev1.ConfigMap) {
	GinkgoHelper()
	patch(ctx, m, `{"metadata":{"labels":{"touched":"yes"},"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"`+owner.Name+`","uid":"`+string(owner.UID)+`"}]}}`)
}

// remove deletes a ConfigMap, as somebody else, and leaves its dependants alone. The garbage collector takes its time for the latter.
func remove(ctx context.Context, m *corev1.ConfigMap) {
	GinkgoHelper()
	err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Delete(ctx, m.Name, metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)})
	Expect(err).NotTo(HaveOccurred(), "delete configmap %s/%s for the spec", m.Namespace, m.Name)
}

// get is what the server has.
func get(ctx context.Context, m *corev1.ConfigMap) *corev1.ConfigMap {
	GinkgoHelper()
	got, err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Get(ctx, m.Name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get configmap %s/%s", m.Namespace, m.Name)
	return got
}

// owners are the names of the owners that the server has in an object; a * is the controller.
func owners(ctx context.Context, m *corev1.ConfigMap) []string {
	GinkgoHelper()
	return nameOwners(get(ctx, m))
}

func nameOwners(obj metav1.Object) []string {
	all := []string{}
	for _, ref := range obj.GetOwnerReferences() {
		name := ref.Name
		if ptr.Deref(ref.Controller, false) {
			name += "*"
		}
		all = append(all, name)
	}
	return all
}

// there is for Eventually: which of the ConfigMaps of a namespace there are, one that is being deleted with a †.
func there(ns string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		list, err := api.Judge().CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		all := []string{}
		for i := range list.Items {
			m := &list.Items[i]
			if m.Name == "kube-root-ca.crt" {
				continue
			}
			name := m.Name
			if m.DeletionTimestamp != nil {
				name += "†"
			}
			all = append(all, name)
		}
		slices.Sort(all)
		return all, nil
	}
}

func sortedNames(all []string) []string {
	all = append([]string{}, all...)
	slices.Sort(all)
	return all
}

// names are those of objects, in their order.
func names[T client.Object](objects []T) []string {
	all := []string{}
	for _, obj := range objects {
		all = append(all, obj.GetName())
	}
	return all
}

// writes are what the learner has asked the server to change.
func writes() []string {
	all := []string{}
	for _, r := range api.Requests() {
		if slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb) {
			all = append(all, r.Verb+" "+r.Resource+"/"+r.Name)
		}
	}
	return all
}

// reads counts how often the learner has read an object from the server.
func reads(name string) int {
	n := 0
	for _, r := range api.Requests() {
		if r.Name == name && r.Verb == "get" {
			n++
		}
	}
	return n
}

// before lets somebody else come in before the learner's first write of an object, or of any.
func before(name string, somebody func()) {
	done := false
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if !done && (r.Verb == "patch" || r.Verb == "update") && (name == "" || r.Name == name) {
			done = true
			somebody()
		}
		return nil
	})
}

// refuse lets the server refuse something for the objects with a prefix: get, delete, write (patch and update), or touch (all of that).
func refuse(what, prefix string) {
	verbs := map[string][]string{"write": {"patch", "update"}, "touch": {"get", "list", "patch", "update", "delete"}}[what]
	if verbs == nil {
		verbs = []string{what}
	}
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if !slices.Contains(verbs, r.Verb) || !strings.HasPrefix(r.Name, prefix) {
			return nil
		}
		return &cluster.Answer{Status: &metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
			Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "the spec does not let you " + r.Verb + " " + r.Name,
		}}
	})
}
