package calculate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/harness/cluster"
	mathv1 "github.com/kubekata/kubekata/katas/stage3/05-calculate/api/v1"
)

var _ = Describe("The definition", func() {
	It("refuses an action that nobody knows", func(ctx SpecContext) {
		w := newWorld(ctx)
		err := w.judge.Create(ctx, w.unstructured("power", map[string]any{"action": "pow", "first": int64(2), "second": int64(3)}))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "create a calculate whose action is pow: got %v", err)
		Expect(err.Error()).To(ContainSubstring(`spec.action: Unsupported value: "pow"`))
	})

	DescribeTable("refuses a spec without",
		func(ctx SpecContext, field string) {
			w := newWorld(ctx)
			spec := map[string]any{"action": "add", "first": int64(1), "second": int64(1)}
			delete(spec, field)
			err := w.judge.Create(ctx, w.unstructured("half", spec))
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "create a calculate without spec.%s: got %v", field, err)
			Expect(err.Error()).To(ContainSubstring("spec." + field + ": Required value"))
		},
		Entry("an action", "action"), Entry("a first number", "first"), Entry("a second number", "second"),
	)

	It("takes 0 for a number, also from a Go program", func(ctx SpecContext) {
		w := newWorld(ctx)
		zeros := &mathv1.Calculate{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "zeros"}, Spec: mathv1.CalculateSpec{Action: mathv1.ActionAdd}}
		Expect(w.judge.Create(ctx, zeros)).To(Succeed(), "create calculate %s/zeros, 0 + 0, with the Go type", w.ns)
		Expect(w.fields(ctx, "zeros", "spec")).To(And(HaveKeyWithValue("first", BeEquivalentTo(0)), HaveKeyWithValue("second", BeEquivalentTo(0))))
	})

	It("keeps a status apart from the spec", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		w.edit(ctx, "sum", `{"status":{"result":7}}`)
		Expect(w.get(ctx, "sum").Status.Result).To(BeNil(), "status.result, after somebody has written it without the subresource status")
		made.Status.Result = new(int64(2))
		made.Spec.First = 9
		w.setStatus(ctx, made)
		now := w.get(ctx, "sum")
		Expect(now.Status.Result).To(HaveValue(BeEquivalentTo(2)), "status.result, after it was written with the subresource status")
		Expect(now.Spec.First).To(BeEquivalentTo(1), "spec.first, after somebody has written it with the subresource status")
	})

	It("keeps a result of 0, and no result when there is none", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.make(ctx, "nothing", mathv1.ActionSub, 7, 7)
		made.Status.Result = new(int64(0))
		w.setStatus(ctx, made)
		Expect(w.fields(ctx, "nothing", "status")).To(HaveKeyWithValue("result", BeEquivalentTo(0)), "status of calculate %s/nothing", w.ns)
		made = w.get(ctx, "nothing")
		made.Status.Result = nil
		w.setStatus(ctx, made)
		Expect(w.fields(ctx, "nothing", "status")).NotTo(HaveKey("result"), "status of calculate %s/nothing", w.ns)
	})

	It("has conditions of which each is somebody's own", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		for _, who := range []string{"Audited", "Signed"} {
			said := w.unstructured("sum", nil)
			said.Object["status"] = map[string]any{"conditions": []any{map[string]any{
				"type": who, "status": "True", "reason": "Done", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
			}}}
			delete(said.Object, "spec")
			err := w.judge.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(said), client.FieldOwner(strings.ToLower(who)))
			Expect(err).NotTo(HaveOccurred(), "%s applies a condition of its own to the status", who)
		}
		Expect(w.get(ctx, "sum").Status.Conditions).To(HaveLen(2), "conditions, after two appliers have written one each")
	})

	It("explains its fields, for kubectl explain", func(ctx SpecContext) {
		define(ctx)
		crd := &unstructured.Unstructured{}
		decode(crdFile, &crd.Object)
		versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
		Expect(err).NotTo(HaveOccurred())
		Expect(versions).To(HaveLen(1), "versions of %s", crdFile)
		for _, field := range []string{"spec.action", "spec.first", "spec.second", "status.result", "status.observedGeneration", "status.conditions"} {
			path := []string{"schema", "openAPIV3Schema"}
			for part := range strings.SplitSeq(field, ".") {
				path = append(path, "properties", part)
			}
			description, _, err := unstructured.NestedString(versions[0].(map[string]any), append(path, "description")...)
			Expect(err).NotTo(HaveOccurred())
			Expect(len(strings.Fields(description))).To(BeNumerically(">=", 3), "the words of the description of %s: got %q", field, description)
			Expect(description).To(HavePrefix(field[strings.Index(field, ".")+1:]), "the description of %s begins with the field's JSON name", field)
			Expect(description).NotTo(ContainSubstring("TODO"), "the description of %s", field)
		}
	})

	It("has a short name", func(ctx SpecContext) {
		gvr := define(ctx)
		crd, err := api.JudgeDynamic().Resource(cluster.Definitions).Get(ctx, gvr.GroupResource().String(), metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		names, _, err := unstructured.NestedStringSlice(crd.Object, "spec", "names", "shortNames")
		Expect(err).NotTo(HaveOccurred())
		Expect(names).To(ConsistOf("calc"), "short names: kubectl get calc")
	})

	It("shows a calculation and what has come of it, for kubectl get", func(ctx SpecContext) {
		w := newWorld(ctx)
		sum := w.make(ctx, "sum", mathv1.ActionAdd, 40, 2)
		sum.Status.Result = new(int64(42))
		sum.Status.Conditions = []metav1.Condition{{
			Type: "Audited", Status: metav1.ConditionFalse, Reason: "NotYet", LastTransitionTime: metav1.Now(),
		}, {
			Type: mathv1.ConditionReady, Status: metav1.ConditionTrue, Reason: mathv1.ReasonCalculated, LastTransitionTime: metav1.Now(),
		}}
		w.setStatus(ctx, sum)
		Expect(w.table(ctx)).To(Equal("Name Action First Second Result Ready\nsum add 40 2 42 Calculated"), "what kubectl get calculates prints")
	})
})

var _ = Describe("The role", func() {
	It("allows what the controller asks for", func(ctx SpecContext) {
		var role rbacv1.ClusterRole
		decode(roleFile, &role)
		w := newWorld(ctx)
		wait, _ := w.run(ctx)
		w.make(ctx, "sum", mathv1.ActionAdd, 1, 1)
		w.eventually(wait, "sum").Should(haveResult(2, 1))
		for _, r := range api.Requests() {
			if r.Resource == "" {
				continue
			}
			group, resource := strings.Replace(r.Group, w.gv.Group, mathv1.GroupVersion.Group, 1), r.Resource
			if r.Subresource != "" {
				resource += "/" + r.Subresource
			}
			Expect(allows(role.Rules, r.Verb, group, resource)).To(BeTrue(), "%s lets its holder %s %s of group %q, which the controller does", roleFile, r.Verb, resource, group)
		}
	})

	It("allows no more than looking at Calculates, and writing their status", func() {
		var role rbacv1.ClusterRole
		decode(roleFile, &role)
		Expect(role.Kind).To(Equal("ClusterRole"), "the kind of %s", roleFile)
		Expect(role.Rules).NotTo(BeEmpty(), "the rules of %s", roleFile)
		may := map[string][]string{"calculates": {"get", "list", "watch"}, "calculates/status": {"get", "update", "patch"}}
		for _, rule := range role.Rules {
			Expect(rule.APIGroups).To(ConsistOf(mathv1.GroupVersion.Group), "API groups of a rule of %s", roleFile)
			for _, resource := range rule.Resources {
				Expect(may).To(HaveKey(resource), "a resource of a rule of %s", roleFile)
				Expect(may[resource]).To(ContainElements(rule.Verbs), "the verbs for %s in %s; the controller needs no others", resource, roleFile)
			}
		}
	})
})

// allows says whether a rule has a verb for a resource.
func allows(rules []rbacv1.PolicyRule, verb, group, resource string) bool {
	has := func(list []string, wanted string) bool {
		for _, s := range list {
			if s == wanted || s == "*" {
				return true
			}
		}
		return false
	}
	for _, r := range rules {
		if has(r.Verbs, verb) && has(r.APIGroups, group) && has(r.Resources, resource) {
			return true
		}
	}
	return false
}

// fields returns a part of a Calculate as the server has it.
func (w *world) fields(ctx context.Context, name, part string) map[string]any {
	GinkgoHelper()
	obj := w.unstructured(name, nil)
	Expect(w.judge.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed(), "get calculate %s/%s", w.ns, name)
	fields, _, err := unstructured.NestedMap(obj.Object, part)
	Expect(err).NotTo(HaveOccurred())
	return fields
}

// table is what kubectl get prints, without the age.
func (w *world) table(ctx context.Context) string {
	GinkgoHelper()
	config := api.JudgeConfig()
	config.GroupVersion, config.APIPath, config.NegotiatedSerializer = &w.gv, "/apis", scheme.Codecs.WithoutConversion()
	rc, err := rest.RESTClientFor(config)
	Expect(err).NotTo(HaveOccurred())
	data, err := rc.Get().Namespace(w.ns).Resource("calculates").SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(ctx).Raw()
	Expect(err).NotTo(HaveOccurred(), "list calculates as a table")
	var table metav1.Table
	Expect(json.Unmarshal(data, &table)).To(Succeed())
	var lines []string
	for i := -1; i < len(table.Rows); i++ {
		var line []string
		for j, c := range table.ColumnDefinitions {
			switch {
			case c.Name == "Age", c.Priority > 0: // kubectl shows the latter with -o wide
			case i < 0:
				line = append(line, c.Name)
			default:
				line = append(line, fmt.Sprint(table.Rows[i].Cells[j]))
			}
		}
		lines = append(lines, strings.Join(line, " "))
	}
	return strings.Join(lines, "\n")
}
