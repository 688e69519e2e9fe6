package kubebuilderwebhook_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/manifest"
	kata "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook"
	mathv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/api/v1"
	webhookv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/internal/webhook/v1"
)

var api = cluster.API()

func TestKubebuilderWebhook(t *testing.T) { harness.RunSpecs(t, "Stage 4 · 06-kubebuilder-webhook") }

// The files that the specs read.
const (
	crdFile          = "config/crd/bases/math.kubekata.dev_calculates.yaml"
	manifestsFile    = "config/webhook/manifests.yaml"
	serviceFile      = "config/webhook/service.yaml"
	managerFile      = "config/manager/manager.yaml"
	certificatesFile = "config/certmanager/certificates.yaml"
	injectionFile    = "config/default/cainjection_patch.yaml"
)

// The names that are the same for everybody.
const (
	group         = "math.kubekata.dev"
	namespace     = "calculate-system"
	configuration = "calculate.math.kubekata.dev"
	mutating      = "MutatingWebhookConfiguration"
	validating    = "ValidatingWebhookConfiguration"
)

// objects are those of a YAML file of the project, after some names have been replaced.
func objects(file string, replace ...string) []*unstructured.Unstructured {
	GinkgoHelper()
	data, err := kata.Files.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	list, err := manifest.Decode([]byte(strings.NewReplacer(replace...).Replace(string(data))))
	Expect(err).NotTo(HaveOccurred(), "%s is YAML", file)
	return list
}

// typed is the one object of a kind in a file.
func typed[T any](file, kind string, replace ...string) *T {
	GinkgoHelper()
	for _, object := range objects(file, replace...) {
		if object.GetKind() == kind {
			var out T
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &out, true)).To(Succeed(), "the %s in %s", kind, file)
			return &out
		}
	}
	Fail(fmt.Sprintf("there is no %s in %s", kind, file))
	return nil
}

func service() *corev1.Service { return typed[corev1.Service](serviceFile, "Service") }

func deployment() *appsv1.Deployment { return typed[appsv1.Deployment](managerFile, "Deployment") }

func mutatingConfiguration(replace ...string) *admissionregistrationv1.MutatingWebhookConfiguration {
	GinkgoHelper()
	c := typed[admissionregistrationv1.MutatingWebhookConfiguration](manifestsFile, mutating, replace...)
	Expect(c.Webhooks).To(HaveLen(1), "webhooks of the %s in %s", mutating, manifestsFile)
	return c
}

func validatingConfiguration(replace ...string) *admissionregistrationv1.ValidatingWebhookConfiguration {
	GinkgoHelper()
	c := typed[admissionregistrationv1.ValidatingWebhookConfiguration](manifestsFile, validating, replace...)
	Expect(c.Webhooks).To(HaveLen(1), "webhooks of the %s in %s", validating, manifestsFile)
	return c
}

// defaulter is the learner's, if it is one.
func defaulter() admission.Defaulter[*mathv1.Calculate] {
	GinkgoHelper()
	return as[admission.Defaulter[*mathv1.Calculate]](&webhookv1.Defaulter{}, "Defaulter", reflect.TypeFor[admission.Defaulter[runtime.Object]]())
}

// validator is the learner's, if it is one.
func validator() admission.Validator[*mathv1.Calculate] {
	GinkgoHelper()
	return as[admission.Validator[*mathv1.Calculate]](&webhookv1.Validator{}, "Validator", reflect.TypeFor[admission.Validator[runtime.Object]]())
}

// as fails unless a value has the methods of T, and says what is in their place.
func as[T any](value any, name string, old reflect.Type) T {
	GinkgoHelper()
	if it, ok := value.(T); ok {
		return it
	}
	t := reflect.TypeOf(value)
	if t.Implements(old) {
		Fail(fmt.Sprintf("%s takes a runtime.Object: that is the Custom%s of older tutorials, and controller-runtime has deprecated it; want admission.%s[*mathv1.Calculate]", name, name, name))
	}
	var wrong []string
	wanted := reflect.TypeFor[T]()
	for i := range wanted.NumMethod() {
		m := wanted.Method(i)
		switch has, ok := t.MethodByName(m.Name); {
		case !ok:
			wrong = append(wrong, "it has no "+m.Name)
		case value != nil && reflect.ValueOf(value).Method(has.Index).Type() != m.Type:
			wrong = append(wrong, fmt.Sprintf("its %s is a %s, want a %s", m.Name, reflect.ValueOf(value).Method(has.Index).Type(), m.Type))
		}
	}
	Fail(fmt.Sprintf("%s is no admission.%s[*mathv1.Calculate]: %s", name, name, strings.Join(wrong, "; ")))
	panic("Fail does not return")
}
