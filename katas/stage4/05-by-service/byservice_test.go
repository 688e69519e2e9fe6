package byservice_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/manifest"
	byservice "github.com/kubekata/kubekata/katas/stage4/05-by-service"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestByService(t *testing.T) { harness.RunSpecs(t, "Stage 4 · 05-by-service") }

const optIn = "kubekata.dev/labels"

// forSpec puts a spec's own names in the place of those that are the same for everybody: the server's namespace, the configurations', and the label by which people opt in.
func forSpec(ns, text string) string {
	return strings.NewReplacer(
		byservice.Namespace, ns, byservice.Configuration, ns+"."+byservice.Configuration, optIn, ns+"."+optIn, "namespace: kitchen", "namespace: "+ns+"-kitchen",
	).Replace(text)
}

// objects are those of a file in manifests, or in samples. An empty namespace leaves the names as they are.
func objects(ns, dir, file string) []*unstructured.Unstructured {
	GinkgoHelper()
	files := byservice.Manifests
	if dir == "samples" {
		files = byservice.Samples
	}
	data, err := files.ReadFile(dir + "/" + file)
	Expect(err).NotTo(HaveOccurred())
	text := string(data)
	if ns != "" {
		text = forSpec(ns, text)
	}
	list, err := manifest.Decode([]byte(text))
	Expect(err).NotTo(HaveOccurred(), "%s/%s is YAML", dir, file)
	return list
}

// typed is the one object of a kind in a file of manifests.
func typed[T any](file, kind string) *T {
	GinkgoHelper()
	for _, object := range objects("", "manifests", file) {
		if object.GetKind() == kind {
			var out T
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &out, true)).To(Succeed(), "the %s in manifests/%s", kind, file)
			return &out
		}
	}
	Fail(fmt.Sprintf("there is no %s in manifests/%s", kind, file))
	return nil
}

func service() *corev1.Service       { return typed[corev1.Service]("server.yaml", "Service") }
func deployment() *appsv1.Deployment { return typed[appsv1.Deployment]("server.yaml", "Deployment") }

func mutating() admissionregistrationv1.MutatingWebhook {
	GinkgoHelper()
	c := typed[admissionregistrationv1.MutatingWebhookConfiguration]("webhooks.yaml", "MutatingWebhookConfiguration")
	Expect(c.Webhooks).To(HaveLen(1), "webhooks in the MutatingWebhookConfiguration")
	return c.Webhooks[0]
}

func validating() admissionregistrationv1.ValidatingWebhook {
	GinkgoHelper()
	c := typed[admissionregistrationv1.ValidatingWebhookConfiguration]("webhooks.yaml", "ValidatingWebhookConfiguration")
	Expect(c.Webhooks).To(HaveLen(1), "webhooks in the ValidatingWebhookConfiguration")
	return c.Webhooks[0]
}

// matches says whether a selector selects something with these labels; no selector selects everything.
func matches(selector *metav1.LabelSelector, set labels.Set) bool {
	GinkgoHelper()
	if selector == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	Expect(err).NotTo(HaveOccurred(), "the selector %v", selector)
	return s.Matches(set)
}

// resource is the client for an object.
func resource(object *unstructured.Unstructured) dynamic.ResourceInterface {
	plural := strings.ToLower(object.GetKind()) + "s"
	gvr := schema.FromAPIVersionAndKind(object.GetAPIVersion(), object.GetKind()).GroupVersion().WithResource(plural)
	if object.GetNamespace() == "" {
		return api.JudgeDynamic().Resource(gvr)
	}
	return api.JudgeDynamic().Resource(gvr).Namespace(object.GetNamespace())
}

// apply applies objects, as somebody with all rights. What is outside of namespaces goes when the spec ends.
func apply(ctx context.Context, list []*unstructured.Unstructured) {
	GinkgoHelper()
	for _, object := range list {
		if object.GetKind() == "Namespace" {
			continue // it is there
		}
		client, outside := resource(object), object.GetNamespace() == ""
		if outside {
			api.Own(object)
		}
		_, err := client.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		Expect(err).NotTo(HaveOccurred(), "apply %s %s", object.GetKind(), object.GetName())
		if outside {
			DeferCleanup(func(ctx context.Context) {
				Expect(client.Delete(ctx, object.GetName(), metav1.DeleteOptions{})).To(Or(Succeed(), MatchError(ContainSubstring("not found"))))
			})
		}
	}
}
