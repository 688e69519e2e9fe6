package crdbasics_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	crdbasics "github.com/kubekata/kubekata/katas/stage3/01-crd-basics"

	"github.com/kubekata/kubekata/harness/cluster"
)

// both are the versions that the learner's definition has.
var both = []string{"v1", "v1alpha1"}

// kitchen is where the learner's definition is installed, under a group that only this run has.
type kitchen struct {
	group    string
	client   dynamic.Interface
	rest     rest.Interface
	warnings *warnings
	// refusal is what the server said to the definition, or why it was not asked. It is asked once: the answer stays the same.
	refusal error
	// onInstall are the server's warnings about the definition.
	onInstall []string
}

var theKitchen *kitchen

// installed returns the kitchen. The first spec makes it; when the server has refused oven.yaml, every spec fails with its words.
func installed(ctx context.Context) *kitchen {
	GinkgoHelper()
	if theKitchen == nil {
		theKitchen = &kitchen{group: api.Namespace(ctx) + "." + crdbasics.Group, warnings: &warnings{}}
		config := api.JudgeConfig()
		config.WarningHandler = theKitchen.warnings
		theKitchen.client = dynamic.NewForConfigOrDie(config)
		theKitchen.rest = kubernetes.NewForConfigOrDie(config).Discovery().RESTClient()
		theKitchen.refusal = theKitchen.install(ctx)
		theKitchen.onInstall = theKitchen.warnings.take()
	}
	if theKitchen.refusal != nil {
		Fail("oven.yaml, as the server sees it:\n" + theKitchen.refusal.Error())
	}
	theKitchen.warnings.take()
	return theKitchen
}

func (k *kitchen) install(ctx context.Context) error {
	GinkgoHelper()
	crd, err := crdbasics.Definition(k.group)
	if err != nil {
		return err
	}
	// Strict, as kubectl apply has it: a misspelt field is an error, and not dropped.
	rehearsal := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	if _, err := k.client.Resource(cluster.Definitions).Create(ctx, crd, rehearsal); err != nil {
		return err
	}
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return err
	}
	served := func(v any) bool {
		on, _, err := unstructured.NestedBool(v.(map[string]any), "served")
		return err == nil && on
	}
	first := slices.IndexFunc(versions, served)
	if first < 0 {
		return fmt.Errorf("no version of %s is served", crd.GetName())
	}
	// Define waits for the first one; their order means nothing to the server.
	versions[0], versions[first] = versions[first], versions[0]
	if err := unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions"); err != nil {
		return err
	}
	api.Define(ctx, crd)
	return nil
}

func (k *kitchen) resource(version string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.group, Version: version, Resource: crdbasics.Plural}
}

func (k *kitchen) ovens(version, ns string) dynamic.ResourceInterface {
	return k.client.Resource(k.resource(version)).Namespace(ns)
}

// oven is an Oven that is not on the server.
func (k *kitchen) oven(version, name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": k.group + "/" + version, "kind": crdbasics.Kind, "metadata": map[string]any{"name": name}, "spec": spec,
	}}
}

// make makes an Oven, and returns the server's.
func (k *kitchen) make(ctx context.Context, version, ns, name string, spec map[string]any) *unstructured.Unstructured {
	GinkgoHelper()
	made, err := k.ovens(version, ns).Create(ctx, k.oven(version, name, spec), metav1.CreateOptions{FieldValidation: metav1.FieldValidationIgnore})
	Expect(err).NotTo(HaveOccurred(), "create %s oven %s/%s, which is as it is to be", version, ns, name)
	return made
}

func (k *kitchen) get(ctx context.Context, version, ns, name string) *unstructured.Unstructured {
	GinkgoHelper()
	got, err := k.ovens(version, ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get %s oven %s/%s", version, ns, name)
	return got
}

// try has the server look at an Oven that it does not keep.
func (k *kitchen) try(ctx context.Context, version, ns string, obj *unstructured.Unstructured) error {
	_, err := k.ovens(version, ns).Create(ctx, obj, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationIgnore,
	})
	return err
}

// plain is a spec with nothing but what must be there; changes are merged into it, one level deep, and a nil takes a field away.
func plain(changes ...map[string]any) map[string]any {
	spec := map[string]any{"serial": "NA-0042", "fuel": "gas"}
	for _, change := range changes {
		for field, value := range change {
			if value == nil {
				delete(spec, field)
				continue
			}
			spec[field] = value
		}
	}
	return spec
}

// complete is a spec with all fields.
func complete() map[string]any {
	return map[string]any{
		"serial": "NA-0042", "fuel": "electric", "slots": int64(6),
		"temperature": map[string]any{"idle": int64(150), "baking": int64(430)},
		"contact":     "nino@kitchen.example", "inspected": "2026-02-28",
		"vendor": map[string]any{
			"gateway": map[string]any{"host": "10.0.0.7", "ports": []any{int64(502), int64(503)}},
			"curve":   []any{map[string]any{"at": "18:00", "boost": true}, "rest"},
		},
	}
}

// changed is spec with a field that is another.
func changed(spec map[string]any, field string, value any) map[string]any {
	spec[field] = value
	return spec
}

// be compares parts of objects as JSON, which has its keys in order when it is printed.
func be(want map[string]any) types.GomegaMatcher {
	GinkgoHelper()
	data, err := json.Marshal(want)
	Expect(err).NotTo(HaveOccurred())
	return WithTransform(func(got any) (string, error) {
		data, err := json.Marshal(got)
		return string(data), err
	}, MatchJSON(data))
}

// refusedFor checks that the server has refused an Oven because of a field, and not for another reason.
func refusedFor(err error, what, field string) {
	GinkgoHelper()
	Expect(err).To(HaveOccurred(), "the server accepts %s", what)
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "the server refuses %s, but not as invalid: %v", what, err)
	var fields []string
	for _, cause := range err.(apierrors.APIStatus).Status().Details.Causes {
		fields = append(fields, cause.Field)
	}
	Expect(fields).To(ContainElement(field), "the fields for which the server refuses %s: %v", what, err)
}

// refusedWith checks that the server has refused an Oven with a message that the definition gives it.
func refusedWith(err error, what, message string) {
	GinkgoHelper()
	Expect(err).To(HaveOccurred(), "the server accepts %s", what)
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "the server refuses %s, but not as invalid: %v", what, err)
	var said []string
	for _, cause := range err.(apierrors.APIStatus).Status().Details.Causes {
		said = append(said, cause.Message)
	}
	// The server puts "Invalid value: …: " before it.
	Expect(said).To(ContainElement(HaveSuffix(": "+message)), "what the server says to %s", what)
}

// warnings are what the server has said in Warning headers.
type warnings struct {
	mu   sync.Mutex
	said []string
}

// HandleWarningHeader implements [rest.WarningHandler].
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, strings.TrimSpace(text))
}

// take returns the warnings since the last call.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := w.said
	w.said = nil
	return said
}
