package conversion_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	conversion "github.com/kubekata/kubekata/katas/stage3/04-conversion"

	"github.com/kubekata/kubekata/harness/cluster"
)

// parcels are a kind for one spec of Migrate, without a webhook. They are stored as v1alpha1; from now on the server stores v1beta1.
type parcels struct {
	group, name string
	// before are the parcels as they were, by their name.
	before map[string]*unstructured.Unstructured
}

// newParcels makes parcels p-0, p-1, … in turn in each of the namespaces, and then v1beta1 the storage version.
func newParcels(ctx context.Context, number int, namespaces ...string) *parcels {
	GinkgoHelper()
	p := oldParcels(ctx, number, namespaces...)
	store(ctx, p.name, namespaces[0])
	return p
}

// oldParcels makes parcels, and leaves v1alpha1 the storage version.
func oldParcels(ctx context.Context, number int, namespaces ...string) *parcels {
	GinkgoHelper()
	// A spec whose subject is not there yet has no need of the rest.
	Expect(conversion.Migrate(ctx, learners("kubekata.dev", "Letter"), "letters.kubekata.dev", 10)).NotTo(MatchError(ContainSubstring("is not implemented")), "Migrate")
	p := &parcels{group: namespaces[0] + ".kubekata.dev", before: map[string]*unstructured.Unstructured{}}
	p.name = "parcels." + p.group
	versions := []any{}
	for _, version := range []string{"v1alpha1", "v1beta1"} {
		versions = append(versions, map[string]any{
			"name": version, "served": true, "storage": version == "v1alpha1",
			"schema": map[string]any{"openAPIV3Schema": map[string]any{
				"type": "object", "properties": map[string]any{"spec": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		})
	}
	api.Define(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": p.name},
		"spec": map[string]any{
			"group": p.group, "scope": "Namespaced", "versions": versions,
			"names": map[string]any{"kind": "Parcel", "plural": "parcels", "singular": "parcel"},
		},
	}})
	for i := range number {
		obj := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": p.group + "/v1alpha1", "kind": "Parcel",
			"metadata": map[string]any{"name": fmt.Sprintf("p-%d", i), "namespace": namespaces[i%len(namespaces)], "labels": map[string]any{"size": "small"}},
			"spec":     map[string]any{"weight": int64(i), "contents": map[string]any{"pizza": "margherita"}},
		}}
		p.before[obj.GetName()] = apply(ctx, "parcels", obj)
	}
	return p
}

// remove deletes a parcel that has a finalizer: until the spec ends it is there, and being deleted.
func (p *parcels) remove(ctx context.Context, name string) {
	GinkgoHelper()
	parcels := api.JudgeDynamic().Resource(p.resource()).Namespace(p.before[name].GetNamespace())
	finalizers := func(ctx context.Context, value string) {
		patch := []byte(`{"metadata": {"finalizers": ` + value + `}}`)
		_, err := parcels.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		Expect(err).NotTo(HaveOccurred(), "set the finalizers of %s for the spec", name)
	}
	finalizers(ctx, `["kubekata.dev/paid"]`)
	DeferCleanup(finalizers, "null")
	Expect(parcels.Delete(ctx, name, metav1.DeleteOptions{})).To(Succeed(), "delete %s for the spec", name)
	p.before[name] = p.now(ctx)[name]
}

func (p *parcels) resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: p.group, Version: "v1beta1", Resource: "parcels"}
}

// migrate calls the learner's Migrate.
func (p *parcels) migrate(ctx context.Context, page int64) error {
	return conversion.Migrate(ctx, learners(p.group, "Parcel"), p.name, page)
}

// now are the parcels as they are, by their name.
func (p *parcels) now(ctx context.Context) map[string]*unstructured.Unstructured {
	GinkgoHelper()
	list, err := api.JudgeDynamic().Resource(p.resource()).List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred(), "list the parcels")
	all := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		all[list.Items[i].GetName()] = &list.Items[i]
	}
	return all
}

// unwritten are the names of those that the server has not stored again: their resource version is the same.
func (p *parcels) unwritten(ctx context.Context) []string {
	GinkgoHelper()
	var same []string
	for name, obj := range p.now(ctx) {
		if obj.GetResourceVersion() == p.before[name].GetResourceVersion() {
			same = append(same, name)
		}
	}
	slices.Sort(same)
	return same
}

// storedVersions is the list in the definition's status.
func (p *parcels) storedVersions(ctx context.Context) []string {
	GinkgoHelper()
	return definition(ctx, p.name).Status.StoredVersions
}

// apply makes an object. Create would do as well, after two seconds: so long does the server let it wait when the definition is new.
func apply(ctx context.Context, plural string, obj *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	resource := obj.GroupVersionKind().GroupVersion().WithResource(plural)
	made, err := api.JudgeDynamic().Resource(resource).Namespace(obj.GetNamespace()).Apply(ctx, obj.GetName(), obj, metav1.ApplyOptions{FieldManager: "spec"})
	Expect(err).NotTo(HaveOccurred(), "make %s %s/%s", obj.GetKind(), obj.GetNamespace(), obj.GetName())
	return made
}

// store makes v1beta1 the storage version of a definition whose objects are stored as v1alpha1, and waits until the server goes
// by it.
func store(ctx context.Context, name, ns string) {
	GinkgoHelper()
	crd := definition(ctx, name)
	resource := schema.GroupVersionResource{Group: crd.Spec.Group, Version: "v1alpha1", Resource: crd.Spec.Names.Plural}
	probes := api.JudgeDynamic().Resource(resource).Namespace(ns)
	probe := apply(ctx, crd.Spec.Names.Plural, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": resource.GroupVersion().String(), "kind": crd.Spec.Names.Kind, "metadata": map[string]any{"name": "probe", "namespace": ns},
	}})
	setStorage(ctx, name, "v1beta1")
	// The server writes an object that has not changed only when it would be stored otherwise.
	Eventually(func(ctx context.Context) (string, error) {
		got, err := probes.Update(ctx, probe, metav1.UpdateOptions{})
		if err != nil {
			return "", err
		}
		return got.GetResourceVersion(), nil
	}).WithContext(ctx).WithTimeout(bound).ShouldNot(Equal(probe.GetResourceVersion()), "the resource version of an object that is written back, when the server stores v1beta1")
	Expect(probes.Delete(ctx, "probe", metav1.DeleteOptions{})).To(Succeed())
}

// setStorage changes the storage version of a definition, as somebody else.
func setStorage(ctx context.Context, name, version string) {
	GinkgoHelper()
	change(ctx, name, func(crd *apiextensionsv1.CustomResourceDefinition) {
		for i := range crd.Spec.Versions {
			crd.Spec.Versions[i].Storage = crd.Spec.Versions[i].Name == version
		}
	})
}

// change changes a definition, as somebody else.
func change(ctx context.Context, name string, how func(*apiextensionsv1.CustomResourceDefinition)) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		crd := definition(ctx, name)
		how(crd)
		return newClient(api.JudgeConfig()).Update(ctx, crd)
	})).To(Succeed(), "change definition %s for the spec", name)
}

// definition is a definition as the server has it.
func definition(ctx context.Context, name string) *apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	Expect(newClient(api.JudgeConfig()).Get(ctx, client.ObjectKey{Name: name}, crd)).To(Succeed(), "get definition %s", name)
	return crd
}

// learners is a recorded client for the learner's code, which knows a kind and the definitions.
func learners(group, kind string) client.Client {
	GinkgoHelper()
	return newClient(api.Config(), schema.GroupKind{Group: group, Kind: kind})
}

// newClient makes a client that knows its resources from the beginning: discovery would need seconds to know new ones.
func newClient(config *rest.Config, kinds ...schema.GroupKind) client.Client {
	GinkgoHelper()
	scheme := runtime.NewScheme()
	Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"), meta.RESTScopeRoot)
	for _, kind := range kinds {
		for _, version := range []string{"v1alpha1", "v1beta1"} {
			mapper.Add(kind.WithVersion(version), meta.RESTScopeNamespace)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	Expect(err).NotTo(HaveOccurred())
	return c
}

func isWrite(r cluster.Request) bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb)
}

// writes lists what the learner has asked the server to change in a resource.
func writes(resource string) []string {
	var all []string
	for _, r := range api.Requests() {
		if isWrite(r) && r.Resource == resource {
			all = append(all, r.String())
		}
	}
	return all
}

// lastWrite is the resource and the name of what the learner has asked the server to change last.
func lastWrite() string {
	last := ""
	for _, r := range api.Requests() {
		if isWrite(r) {
			last = r.Resource + "/" + r.Name
		}
	}
	return last
}

// beforeFirstWrite is called once, before the learner writes a parcel; with a name, the one of that name.
func beforeFirstWrite(name string, do func()) {
	done := false
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		defer GinkgoRecover()
		if !done && isWrite(r) && r.Resource == "parcels" && (name == "" || r.Name == name) {
			done = true
			do()
		}
		return nil
	})
}

var (
	broken    = metav1.Status{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "the server is having a bad day"}
	invalid   = metav1.Status{Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: "the parcel is invalid by now"}
	forbidden = metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "this parcel is not for everybody"}
	expired   = metav1.Status{Code: http.StatusGone, Reason: metav1.StatusReasonExpired, Message: "the continue token is too old"}
	notFound  = metav1.Status{Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource"}
	conflict  = metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "somebody has written the definition"}
)
