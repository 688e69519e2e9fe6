package codegen_test

import (
	"context"
	_ "embed"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	codegen "github.com/kubekata/kubekata/katas/stage3/02-codegen"
	bakeryv1 "github.com/kubekata/kubekata/katas/stage3/02-codegen/apis/bakery/v1"
	"github.com/kubekata/kubekata/katas/stage3/02-codegen/generated/clientset/versioned"
)

//go:embed crd.yaml
var crd []byte

var defined sync.Once

var loaves = schema.GroupVersionResource{Group: "bakery.kubekata.dev", Version: "v1", Resource: "loaves"}

// kitchen is a spec's namespace, with the learner's clientset, and a client of the spec's own that needs nothing generated.
type kitchen struct {
	client versioned.Interface
	judge  dynamic.Interface
	ns     string
}

func newKitchen(ctx context.Context) *kitchen {
	GinkgoHelper()
	client, err := versioned.NewForConfig(api.Config()) // first of all: on the stub it panics, and says what is missing
	Expect(err).NotTo(HaveOccurred(), "make the generated clientset")
	defined.Do(func() {
		obj := &unstructured.Unstructured{}
		Expect(yaml.Unmarshal(crd, &obj.Object)).To(Succeed())
		api.Define(ctx, obj)
	})
	return &kitchen{client: client, judge: api.JudgeDynamic(), ns: api.Namespace(ctx)}
}

func (k *kitchen) loaf(name string, spec bakeryv1.LoafSpec) *bakeryv1.Loaf {
	return &bakeryv1.Loaf{ObjectMeta: metav1.ObjectMeta{Namespace: k.ns, Name: name}, Spec: spec}
}

// create makes a Loaf with a status, for the spec.
func (k *kitchen) create(ctx context.Context, name string, status bakeryv1.LoafStatus) {
	GinkgoHelper()
	obj := k.unstructured(k.loaf(name, bakeryv1.LoafSpec{Flour: "wheat"}))
	made, err := k.judge.Resource(loaves).Namespace(k.ns).Create(ctx, obj, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create loaf %s/%s for the spec", k.ns, name)
	made.Object["status"], err = runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
	Expect(err).NotTo(HaveOccurred())
	_, err = k.judge.Resource(loaves).Namespace(k.ns).UpdateStatus(ctx, made, metav1.UpdateOptions{})
	Expect(err).NotTo(HaveOccurred(), "write the status of loaf %s/%s for the spec", k.ns, name)
}

func (k *kitchen) unstructured(loaf *bakeryv1.Loaf) *unstructured.Unstructured {
	GinkgoHelper()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(loaf)
	Expect(err).NotTo(HaveOccurred())
	obj := &unstructured.Unstructured{Object: object}
	obj.SetGroupVersionKind(loaves.GroupVersion().WithKind("Loaf"))
	return obj
}

func (k *kitchen) get(ctx context.Context, name string) *bakeryv1.Loaf {
	GinkgoHelper()
	obj, err := k.judge.Resource(loaves).Namespace(k.ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get loaf %s/%s", k.ns, name)
	loaf := &bakeryv1.Loaf{}
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, loaf)).To(Succeed())
	return loaf
}

func (k *kitchen) note(ctx context.Context, name, language, text string) {
	patch := []byte(`{"spec":{"notes":{"` + language + `":"` + text + `"}}}`)
	_, err := k.judge.Resource(loaves).Namespace(k.ns).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "change loaf %s/%s for the spec", k.ns, name)
}

func (k *kitchen) remove(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(k.judge.Resource(loaves).Namespace(k.ns).Delete(ctx, name, metav1.DeleteOptions{})).To(Succeed(), "delete loaf %s/%s for the spec", k.ns, name)
}

// meanwhile does something before each of the learner's first writes.
func (k *kitchen) meanwhile(times int, do func(ctx context.Context, n int)) {
	var mu sync.Mutex
	n := 0
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		mu.Lock()
		defer mu.Unlock()
		if n < times && (r.Verb == "update" || r.Verb == "patch") {
			n++
			defer GinkgoRecover()
			do(context.Background(), n)
		}
		return nil
	})
}

// shelf starts the learner's shelf.
func (k *kitchen) shelf(ctx context.Context) (*codegen.Shelf, context.Context) {
	GinkgoHelper()
	shelf := codegen.NewShelf(k.client, k.ns)
	wait, _ := harness.Start(ctx, "Shelf.Run", shelf.Run)
	return shelf, wait
}
