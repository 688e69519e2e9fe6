package calculate_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/manager"
	calculate "github.com/kubekata/kubekata/katas/stage3/05-calculate"
	mathv1 "github.com/kubekata/kubekata/katas/stage3/05-calculate/api/v1"
	"github.com/kubekata/kubekata/katas/stage3/05-calculate/internal/controller"
)

const (
	crdFile  = "config/crd/bases/math.kubekata.dev_calculates.yaml"
	roleFile = "config/rbac/role.yaml"
)

// decode reads one of the project's YAML files. One that is not generated yet is a failure.
func decode(file string, into any) {
	GinkgoHelper()
	data, err := fs.ReadFile(calculate.Files, file)
	Expect(err).NotTo(HaveOccurred())
	var found map[string]any
	Expect(yaml.Unmarshal(data, &found)).To(Succeed(), "%s", file)
	Expect(found).NotTo(BeEmpty(), "%s is not generated yet: make -C katas/stage3/05-calculate manifests", file)
	Expect(yaml.Unmarshal(data, into)).To(Succeed(), "%s", file)
}

// definition is the learner's definition of Calculates, with a group that is the suite's own.
var definition struct {
	sync.Mutex
	resource schema.GroupVersionResource
	refused  string
}

// define gives the server the learner's definition, once, and returns its resource. A server that has refused it fails every spec
// that needs it.
func define(ctx context.Context) schema.GroupVersionResource {
	GinkgoHelper()
	definition.Lock()
	defer definition.Unlock()
	if definition.resource.Resource != "" {
		return definition.resource
	}
	Expect(definition.refused).To(BeEmpty(), "the server refuses %s", crdFile)
	crd := &unstructured.Unstructured{}
	decode(crdFile, &crd.Object)
	group := api.Namespace(ctx) + ".kubekata.dev"
	crd.SetName("calculates." + group)
	Expect(unstructured.SetNestedField(crd.Object, group, "spec", "group")).To(Succeed())
	if _, err := api.JudgeDynamic().Resource(cluster.Definitions).Create(ctx, crd, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		definition.refused = err.Error()
		Fail(fmt.Sprintf("the server refuses %s: %v", crdFile, err))
	}
	definition.resource = api.Define(ctx, crd)
	return definition.resource
}

// world is a spec's namespace, and clients that know the learner's types under the suite's own group.
type world struct {
	ns     string
	gv     schema.GroupVersion
	scheme *runtime.Scheme
	judge  client.Client
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	gv := define(ctx).GroupVersion()
	w := &world{ns: api.Namespace(ctx), gv: gv, scheme: runtime.NewScheme()}
	w.scheme.AddKnownTypes(gv, &mathv1.Calculate{}, &mathv1.CalculateList{})
	metav1.AddToGroupVersion(w.scheme, gv)
	w.judge = manager.Client(api, w.scheme)
	return w
}

// run starts the learner's controller.
func (w *world) run(ctx context.Context) (context.Context, *harness.Loop) {
	GinkgoHelper()
	return manager.Start(ctx, api, w.scheme, w.ns, func(mgr ctrl.Manager) error {
		return (&controller.CalculateReconciler{Client: mgr.GetClient()}).SetupWithManager(mgr)
	})
}

// reconciler is the learner's, with a client that asks the server.
func (w *world) reconciler(context.Context) *controller.CalculateReconciler {
	GinkgoHelper()
	c, err := client.New(api.Config(), client.Options{Scheme: w.scheme})
	Expect(err).NotTo(HaveOccurred())
	return &controller.CalculateReconciler{Client: c}
}

func (w *world) request(name string) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.ns, Name: name}}
}

// reconcile calls the learner's Reconcile, which must not fail, once.
func (w *world) reconcile(ctx context.Context, name string) ctrl.Result {
	GinkgoHelper()
	result, err := w.reconciler(ctx).Reconcile(ctx, w.request(name))
	Expect(err).NotTo(HaveOccurred(), "Reconcile of calculate %s/%s", w.ns, name)
	return result
}

func (w *world) make(ctx context.Context, name string, action mathv1.Action, first, second int64) *mathv1.Calculate {
	GinkgoHelper()
	// Not with the learner's JSON names: those are judged by other specs.
	obj := w.unstructured(name, map[string]any{"action": string(action), "first": first, "second": second})
	Expect(w.judge.Create(ctx, obj)).To(Succeed(), "create calculate %s/%s", w.ns, name)
	return w.get(ctx, name)
}

func (w *world) unstructured(name string, spec map[string]any) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	obj.SetGroupVersionKind(w.gv.WithKind("Calculate"))
	obj.SetNamespace(w.ns)
	obj.SetName(name)
	return obj
}

func (w *world) get(ctx context.Context, name string) *mathv1.Calculate {
	GinkgoHelper()
	c := &mathv1.Calculate{}
	Expect(w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, c)).To(Succeed(), "get calculate %s/%s", w.ns, name)
	return c
}

func (w *world) status(ctx context.Context, name string) mathv1.CalculateStatus {
	GinkgoHelper()
	return w.get(ctx, name).Status
}

func (w *world) setStatus(ctx context.Context, c *mathv1.Calculate) {
	GinkgoHelper()
	Expect(w.judge.Status().Update(ctx, c)).To(Succeed(), "write the status of calculate %s/%s for the spec", w.ns, c.Name)
}

func (w *world) edit(ctx context.Context, name, patch string) {
	GinkgoHelper()
	obj := w.unstructured(name, nil)
	Expect(w.judge.Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed(), "change calculate %s/%s for the spec", w.ns, name)
}

// eventually waits for the status of a Calculate.
func (w *world) eventually(ctx context.Context, name string) AsyncAssertion {
	return Eventually(func(ctx context.Context) (mathv1.CalculateStatus, error) {
		c := &mathv1.Calculate{}
		err := w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, c)
		return c.Status, err
	}).WithContext(ctx)
}

// reconcileOnce reconciles a Calculate that today's definition would refuse, and returns its status.
func (w *world) reconcileOnce(ctx context.Context, spec mathv1.CalculateSpec) mathv1.CalculateStatus {
	GinkgoHelper()
	old := &mathv1.Calculate{ObjectMeta: metav1.ObjectMeta{Name: "old", Namespace: w.ns, Generation: 1}, Spec: spec}
	server := fake.NewClientBuilder().WithScheme(w.scheme).WithObjects(old).WithStatusSubresource(old).Build()
	result, err := (&controller.CalculateReconciler{Client: server}).Reconcile(ctx, w.request("old"))
	Expect(err).NotTo(HaveOccurred(), "Reconcile of a calculate whose action is %q", spec.Action)
	Expect(result).To(Equal(ctrl.Result{}), "what Reconcile returns")
	Expect(server.Get(ctx, client.ObjectKeyFromObject(old), old)).To(Succeed())
	return old.Status
}

// ready is a Calculate's condition Ready, nil for none.
func ready(c *mathv1.Calculate) *metav1.Condition {
	return meta.FindStatusCondition(c.Status.Conditions, mathv1.ConditionReady)
}

// haveResult matches a status with a result, of a generation.
func haveResult(result, generation int64) gomegatypes.GomegaMatcher {
	return WithTransform(said, Equal(fmt.Sprintf("result: %d, Ready: True (Calculated, generation %d), observedGeneration: %d", result, generation, generation)))
}

// haveFailed matches a status without a result.
func haveFailed(reason string, generation int64) gomegatypes.GomegaMatcher {
	return WithTransform(said, Equal(fmt.Sprintf("no result, Ready: False (%s, generation %d), observedGeneration: %d", reason, generation, generation)))
}

// said is a status in a line.
func said(s mathv1.CalculateStatus) string {
	line := "no result"
	if s.Result != nil {
		line = fmt.Sprintf("result: %d", *s.Result)
	}
	if c := meta.FindStatusCondition(s.Conditions, mathv1.ConditionReady); c != nil {
		line += fmt.Sprintf(", Ready: %s (%s, generation %d)", c.Status, c.Reason, c.ObservedGeneration)
	}
	return line + fmt.Sprintf(", observedGeneration: %d", s.ObservedGeneration)
}

// refuseOnce answers the first write of a status with a refusal, and tells whether it has.
func refuseOnce(status metav1.Status) func() bool {
	var mu sync.Mutex
	done := false
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		mu.Lock()
		defer mu.Unlock()
		if done || r.Resource != "calculates" || r.Subresource != "status" || r.Verb == "get" {
			return nil
		}
		done = true
		return &cluster.Answer{Status: &status}
	})
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return done
	}
}

// between does something before the first request that matches.
func between(match func(cluster.Request) bool, do func()) {
	var once sync.Once
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if match(r) {
			once.Do(func() {
				defer GinkgoRecover()
				do()
			})
		}
		return nil
	})
}
