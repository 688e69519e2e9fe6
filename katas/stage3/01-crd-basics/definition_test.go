package crdbasics_test

import (
	"context"
	"encoding/json"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	crdbasics "github.com/kubekata/kubekata/katas/stage3/01-crd-basics"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestCRDBasics(t *testing.T) {
	harness.RunSpecs(t, "Stage 3 · 01-crd-basics")
}

var _ = Describe("oven.yaml", func() {
	It("is accepted by the server, without a warning", func(ctx SpecContext) {
		k := installed(ctx)
		Expect(k.onInstall).To(BeEmpty(), "the server's warnings about the definition: it ignores a format that it does not know")
	})

	It("serves each Oven in v1 and in v1alpha1", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		k.make(ctx, "v1", ns, "new", plain())
		k.make(ctx, "v1alpha1", ns, "old", plain())
		for _, version := range both {
			list, err := k.ovens(version, ns).List(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred(), "list %s ovens in %s", version, ns)
			Expect(names(list)).To(ConsistOf("new", "old"), "the ovens of %s, as %s", ns, version)
			Expect(list.Items[0].GetAPIVersion()).To(Equal(k.group+"/"+version), "the apiVersion of a listed oven")
		}
	})

	It("stores Ovens as v1, and in no other version", func(ctx SpecContext) {
		k := installed(ctx)
		crd, err := k.client.Resource(cluster.Definitions).Get(ctx, crdbasics.Plural+"."+k.group, metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		stored, _, err := unstructured.NestedStringSlice(crd.Object, "status", "storedVersions")
		Expect(err).NotTo(HaveOccurred())
		Expect(stored).To(Equal([]string{"v1"}), "status.storedVersions of the definition, which the server keeps")
	})

	It("warns those who use v1alpha1, and tells them to use v1", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		_, err := k.ovens("v1alpha1", ns).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred(), "list v1alpha1 ovens in %s", ns)
		Expect(k.warnings.take()).To(ConsistOf(And(ContainSubstring("v1alpha1"), MatchRegexp(`\bv1\b`))),
			"the server's warnings to those who use v1alpha1: they name both versions")
		_, err = k.ovens("v1", ns).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred(), "list v1 ovens in %s", ns)
		Expect(k.warnings.take()).To(BeEmpty(), "the server's warnings to those who use v1")
	})

	It("has the short name ov, and the category kitchen", func(ctx SpecContext) {
		k := installed(ctx)
		for _, version := range both {
			var found metav1.APIResource
			Eventually(func(ctx context.Context) (string, error) {
				var err error
				found, err = discovered(ctx, k, version)
				return found.Kind, err
			}).WithContext(ctx).Should(Equal("Oven"), "the kind of ovens in the discovery of %s/%s", k.group, version)
			Expect(found.ShortNames).To(Equal([]string{"ov"}), "the short names of %s ovens: kubectl get ov", version)
			Expect(found.Categories).To(Equal([]string{"kitchen"}), "the categories of %s ovens: kubectl get kitchen", version)
			Expect(found.SingularName).To(Equal("oven"))
			Expect(found.Namespaced).To(BeTrue(), "ovens are in a namespace")
		}
	})
})

var _ = Describe("The table that kubectl get prints", func() {
	It("has the columns Name, Fuel, Slots, Phase and Age, and Serial with -o wide", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		for _, version := range both {
			var narrow, wide []string
			for _, column := range table(ctx, k, version, ns).ColumnDefinitions {
				wide = append(wide, column.Name)
				if column.Priority == 0 {
					narrow = append(narrow, column.Name)
				}
			}
			Expect(narrow).To(Equal([]string{"Name", "Fuel", "Slots", "Phase", "Age"}), "the columns with priority 0 of %s ovens", version)
			Expect(wide).To(ConsistOf("Name", "Fuel", "Slots", "Phase", "Age", "Serial"), "all columns of %s ovens", version)
		}
	})

	It("shows what the Oven says", func(ctx SpecContext) {
		k, ns := installed(ctx), api.Namespace(ctx)
		k.make(ctx, "v1", ns, "napoli", plain(map[string]any{"slots": int64(3)}))
		k.status(ctx, "v1", ns, "napoli", map[string]any{"phase": "Heating"})
		for _, version := range both {
			t := table(ctx, k, version, ns)
			Expect(t.Rows).To(HaveLen(1), "rows of the table of %s ovens in %s", version, ns)
			cells := map[string]any{}
			for i, column := range t.ColumnDefinitions {
				cells[column.Name] = t.Rows[0].Cells[i]
			}
			Expect(cells).To(HaveKeyWithValue("Name", "napoli"), "cells of the %s oven's row", version)
			Expect(cells).To(HaveKeyWithValue("Fuel", "gas"), "cells of the %s oven's row", version)
			Expect(cells).To(HaveKeyWithValue("Slots", BeEquivalentTo(3)), "cells of the %s oven's row: slots as a number", version)
			Expect(cells).To(HaveKeyWithValue("Phase", "Heating"), "cells of the %s oven's row", version)
			Expect(cells).To(HaveKeyWithValue("Serial", "NA-0042"), "cells of the %s oven's row", version)
			Expect(cells).To(HaveKeyWithValue("Age", MatchRegexp(`^[0-9]+[smh]`)), "cells of the %s oven's row: the age as a time span, not as a date", version)
		}
	})
})

func names(list *unstructured.UnstructuredList) []string {
	var all []string
	for _, item := range list.Items {
		all = append(all, item.GetName())
	}
	return all
}

// discovered is what the server tells clients about ovens.
func discovered(ctx context.Context, k *kitchen, version string) (metav1.APIResource, error) {
	raw, err := api.Judge().Discovery().RESTClient().Get().AbsPath("/apis", k.group, version).DoRaw(ctx)
	if err != nil {
		return metav1.APIResource{}, err
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(raw, &list); err != nil {
		return metav1.APIResource{}, err
	}
	for _, r := range list.APIResources {
		if r.Name == crdbasics.Plural {
			return r, nil
		}
	}
	return metav1.APIResource{}, nil
}

// table asks for ovens as kubectl get does.
func table(ctx context.Context, k *kitchen, version, ns string) *metav1.Table {
	GinkgoHelper()
	raw, err := k.rest.Get().AbsPath("/apis", k.group, version, "namespaces", ns, crdbasics.Plural).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred(), "list %s ovens in %s as a table", version, ns)
	t := &metav1.Table{}
	Expect(json.Unmarshal(raw, t)).To(Succeed())
	return t
}
