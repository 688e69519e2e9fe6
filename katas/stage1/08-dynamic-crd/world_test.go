package dynamiccrd_test

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	dynamiccrd "github.com/kubekata/kubekata/katas/stage1/08-dynamic-crd"

	"github.com/kubekata/kubekata/harness/cluster"
)

// ours is the specs' own custom resource, which takes any field of any type; theirs is the one of Definition. Each is made by
// the first spec that needs it, and kept until the suite ends.
var ours, theirs schema.GroupVersionResource

func definitions() dynamic.ResourceInterface {
	return api.JudgeDynamic().Resource(dynamiccrd.Definitions)
}

// group returns a group that nobody else uses.
func group(ctx context.Context) string {
	GinkgoHelper()
	return api.Namespace(ctx) + ".kubekata.dev"
}

// open is a definition whose objects may hold anything.
func open(group, plural string) *unstructured.Unstructured {
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": plural + "." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names": map[string]any{"plural": plural, "kind": "Pizza"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
	api.Own(crd)
	return crd
}

// remove removes a definition when the spec ends.
func remove(name string) {
	DeferCleanup(func(ctx context.Context) {
		_ = definitions().Delete(ctx, name, metav1.DeleteOptions{}) // it may never have been made
	})
}

// our returns the specs' own resource.
func our(ctx context.Context) schema.GroupVersionResource {
	GinkgoHelper()
	if ours.Empty() {
		ours = api.Define(ctx, open(group(ctx), "pizzas"))
	}
	return ours
}

// defined returns the resource of the learner's definition.
func defined(ctx context.Context) schema.GroupVersionResource {
	GinkgoHelper()
	if theirs.Empty() {
		g := group(ctx)
		api.Define(ctx, dynamiccrd.Definition(g))
		theirs = dynamiccrd.Pizzas(g)
	}
	return theirs
}

func judge(gvr schema.GroupVersionResource, ns string) dynamic.ResourceInterface {
	return api.JudgeDynamic().Resource(gvr).Namespace(ns)
}

// pizza returns an object for the judge to create.
func pizza(gvr schema.GroupVersionResource, name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": gvr.GroupVersion().String(), "kind": "Pizza", "metadata": map[string]any{"name": name}, "spec": spec,
	}}
}

// bake makes a Pizza for the spec. A nil status leaves it without one.
func bake(ctx context.Context, ns, name string, spec, status map[string]any) {
	GinkgoHelper()
	made, err := judge(our(ctx), ns).Create(ctx, pizza(ours, name, spec), metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pizza %s/%s for the spec", ns, name)
	if status != nil {
		made.Object["status"] = status
		_, err = judge(ours, ns).UpdateStatus(ctx, made, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred(), "set the status of pizza %s/%s for the spec", ns, name)
	}
}

// stored returns what the server has, without metadata.
func stored(ctx context.Context, ns, name string) map[string]any {
	GinkgoHelper()
	obj := object(ctx, ns, name)
	return map[string]any{"spec": obj.Object["spec"], "status": obj.Object["status"]}
}

func object(ctx context.Context, ns, name string) *unstructured.Unstructured {
	GinkgoHelper()
	obj, err := judge(our(ctx), ns).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get pizza %s/%s", ns, name)
	return obj
}

// another lets another writer set a field before the learner's first write reaches the server.
func another(ctx context.Context, ns, name string, value any, field ...string) {
	var first sync.Once
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if !isWrite(r) {
			return nil
		}
		first.Do(func() {
			defer GinkgoRecover()
			obj := object(ctx, ns, name)
			Expect(unstructured.SetNestedField(obj.Object, value, field...)).To(Succeed(), "set a field as another writer")
			_, err := judge(our(ctx), ns).Update(ctx, obj, metav1.UpdateOptions{})
			Expect(err).NotTo(HaveOccurred(), "write pizza %s/%s as another writer", ns, name)
		})
		return nil
	})
}

func isWrite(r cluster.Request) bool {
	return r.Verb == "create" || r.Verb == "update" || r.Verb == "patch"
}

func writes() int {
	n := 0
	for _, r := range api.Requests() {
		if isWrite(r) {
			n++
		}
	}
	return n
}

// refuse answers the requests that match with a refusal.
func refuse(match func(cluster.Request) bool, reason metav1.StatusReason, code int32) {
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if !match(r) {
			return nil
		}
		return &cluster.Answer{Status: &metav1.Status{Reason: reason, Code: code, Message: "the server refuses to " + r.Verb + " " + r.Resource}}
	})
}

// unestablished answers looks at a definition that is there as a server that has not come to it yet, as long as look says so. Get,
// list and watch are looks alike. The conditions are what such a server shows: none, or Established that is False.
func unestablished(crd *unstructured.Unstructured, look func() bool, conditions ...any) {
	GinkgoHelper()
	fresh := crd.DeepCopy()
	fresh.SetResourceVersion("1")
	if len(conditions) > 0 {
		fresh.Object["status"] = map[string]any{"conditions": conditions}
	}
	var there atomic.Bool
	data, err := json.Marshal(fresh)
	Expect(err).NotTo(HaveOccurred(), "write the definition, for the spec")
	list, err := json.Marshal(map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinitionList",
		"metadata": map[string]any{"resourceVersion": "1"}, "items": []any{fresh.Object},
	})
	Expect(err).NotTo(HaveOccurred(), "write the definitions, for the spec")
	bodies := map[string][]byte{"get": data, "list": list, "watch": []byte(`{"type":"ADDED","object":` + string(data) + "}\n")}
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		body := bodies[r.Verb]
		if r.Resource != dynamiccrd.Definitions.Resource || body == nil {
			return nil
		}
		if !there.Load() {
			// Somebody who looks before creating sees what is true.
			_, err := definitions().Get(context.Background(), crd.GetName(), metav1.GetOptions{})
			if err != nil {
				return nil
			}
			there.Store(true)
		}
		if !look() {
			return nil
		}
		return &cluster.Answer{Body: body}
	})
}
