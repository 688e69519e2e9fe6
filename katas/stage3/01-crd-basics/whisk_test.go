package crdbasics_test

import (
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	crdbasics "github.com/kubekata/kubekata/katas/stage3/01-crd-basics"

	"github.com/kubekata/kubekata/harness/cluster"
)

// whisks are a kind for one spec of Retire, whatever the learner has written in oven.yaml.
type whisks struct {
	group, name string
	judge       client.Client
}

// newWhisks defines whisks in some versions, in that order; the first one is stored.
func newWhisks(ctx context.Context, versions ...string) *whisks {
	GinkgoHelper()
	group := api.Namespace(ctx) + "." + crdbasics.Group
	w := &whisks{group: group, name: "whisks." + group, judge: newClient(api.JudgeConfig())}
	list := []any{}
	for i, version := range versions {
		list = append(list, map[string]any{
			"name": version, "served": true, "storage": i == 0,
			"subresources": map[string]any{"status": map[string]any{}},
			"schema": map[string]any{"openAPIV3Schema": map[string]any{
				"type": "object", "properties": map[string]any{
					"spec": map[string]any{"type": "object", "description": "As of " + version, "x-kubernetes-preserve-unknown-fields": true},
				},
			}},
		})
	}
	api.Define(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": w.name},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "versions": list,
			"names": map[string]any{"kind": "Whisk", "plural": "whisks", "singular": "whisk"},
		},
	}})
	// The server's own controllers write conditions into the status for a moment; what a spec compares comes after that.
	Eventually(func(ctx context.Context) (bool, error) {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		err := w.judge.Get(ctx, client.ObjectKey{Name: w.name}, crd)
		return slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		}), err
	}).WithContext(ctx).Should(BeTrue(), "definition %s is established", w.name)
	return w
}

// retire calls the learner's Retire.
func (w *whisks) retire(ctx context.Context, version string) error {
	return crdbasics.Retire(ctx, learners(), w.name, version)
}

func (w *whisks) get(ctx context.Context) *apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	Expect(w.judge.Get(ctx, client.ObjectKey{Name: w.name}, crd)).To(Succeed(), "get definition %s", w.name)
	return crd
}

// change changes the definition, as somebody else.
func (w *whisks) change(ctx context.Context, how func(*apiextensionsv1.CustomResourceDefinition)) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		crd := w.get(ctx)
		how(crd)
		return w.judge.Update(ctx, crd)
	})).To(Succeed(), "change definition %s for the spec", w.name)
}

// store makes a version the storage version, and waits until the server has noted it in status.storedVersions.
func (w *whisks) store(ctx context.Context, version string) {
	GinkgoHelper()
	w.change(ctx, func(crd *apiextensionsv1.CustomResourceDefinition) {
		for i := range crd.Spec.Versions {
			crd.Spec.Versions[i].Storage = crd.Spec.Versions[i].Name == version
		}
	})
	Expect(w.get(ctx).Status.StoredVersions).To(ContainElement(version), "status.storedVersions of %s, which the server keeps", w.name)
}

// migrated says in the status that objects are stored in one version alone.
func (w *whisks) migrated(ctx context.Context, version string) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		crd := w.get(ctx)
		crd.Status.StoredVersions = []string{version}
		return w.judge.Status().Update(ctx, crd)
	})).To(Succeed(), "set status.storedVersions of %s for the spec", w.name)
}

func (w *whisks) annotate(ctx context.Context, key, value string) {
	GinkgoHelper()
	w.change(ctx, func(crd *apiextensionsv1.CustomResourceDefinition) {
		metav1.SetMetaDataAnnotation(&crd.ObjectMeta, key, value)
	})
}

// served is for Eventually: whether the server answers for a version.
func (w *whisks) served(version string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		err := api.Judge().Discovery().RESTClient().Get().AbsPath("/apis", w.group, version, "whisks").Do(ctx).Error()
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	}
}

// learners is a recorded client for the learner's code.
func learners() client.Client {
	GinkgoHelper()
	return newClient(api.Config())
}

func newClient(config *rest.Config) client.Client {
	GinkgoHelper()
	scheme := runtime.NewScheme()
	Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	c, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// beforeWrite is called before each attempt of the learner to change a definition; its answer is the server's, unless it is nil.
func beforeWrite(do func() *cluster.Answer) {
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		defer GinkgoRecover()
		if r.Resource != "customresourcedefinitions" || (r.Verb != "update" && r.Verb != "patch") {
			return nil
		}
		return do()
	})
}

// writes lists what the learner has asked the server to change.
func writes() []string {
	var all []string
	for _, r := range api.Requests() {
		if slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb) {
			all = append(all, r.String())
		}
	}
	return all
}
