package dynamicinformer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	dynamicinformer "github.com/kubekata/kubekata/katas/stage2/07-dynamic-informer"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/crash"
)

// served is the Pizzas' resource of most specs, which the first one that needs it makes.
var served schema.GroupVersionResource

func pizzas(ctx context.Context) schema.GroupVersionResource {
	GinkgoHelper()
	if served.Empty() {
		served = api.Define(ctx, definition(api.Namespace(ctx)+".kubekata.dev", "Pizza", "pizzas", "v1beta1"))
		installed(ctx, served)
	}
	return served
}

// definition is one of a kind whose objects may hold anything, in the version v1, which the server prefers, and in others.
func definition(group, kind, plural string, others ...string) *unstructured.Unstructured {
	version := func(name string, storage bool) any {
		return map[string]any{
			"name": name, "served": true, "storage": storage,
			"schema":       map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			"subresources": map[string]any{"status": map[string]any{}},
		}
	}
	versions := []any{version("v1", true)}
	for _, other := range others {
		versions = append(versions, version(other, false))
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": plural + "." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"plural": plural, "kind": kind},
			"versions": versions,
		},
	}}
}

// once makes a definition for one spec, and does not wait for the server. It has one version: a server that has just been given two may show one before the other.
func once(ctx context.Context, group, kind, plural string) schema.GroupVersionResource {
	GinkgoHelper()
	crd := definition(group, kind, plural)
	api.Own(crd)
	_, err := api.JudgeDynamic().Resource(cluster.Definitions).Create(ctx, crd, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make the definition %s for the spec", crd.GetName())
	resource := schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural}
	DeferCleanup(func(ctx context.Context) { undefine(ctx, resource) })
	return resource
}

func undefine(ctx context.Context, resource schema.GroupVersionResource) {
	GinkgoHelper()
	err := api.JudgeDynamic().Resource(cluster.Definitions).Delete(ctx, resource.GroupResource().String(), metav1.DeleteOptions{})
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred(), "delete the definition of %s", resource.GroupResource())
	}
}

// installed waits until the server answers for a resource, and shows it to those who ask what it has.
func installed(ctx context.Context, resource schema.GroupVersionResource) {
	GinkgoHelper()
	client, err := discovery.NewDiscoveryClientForConfig(api.JudgeConfig())
	Expect(err).NotTo(HaveOccurred())
	Eventually(func(ctx context.Context) error {
		if _, err := api.JudgeDynamic().Resource(resource).Namespace("default").List(ctx, metav1.ListOptions{}); err != nil {
			return err
		}
		_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
		if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
			return err
		}
		for _, list := range lists {
			if list.GroupVersion == resource.GroupVersion().String() && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == resource.Resource }) {
				return nil
			}
		}
		return fmt.Errorf("no %s yet in what the server says that it has", resource)
	}).WithContext(ctx).WithTimeout(20*time.Second).Should(Succeed(), "the server serves %s", resource)
}

// mapper makes a mapper that remembers what the server has, as kubectl's and every controller's does.
func mapper() meta.ResettableRESTMapperWithContext {
	GinkgoHelper()
	client, err := discovery.NewDiscoveryClientForConfig(api.Config())
	Expect(err).NotTo(HaveOccurred())
	return restmapper.NewDeferredDiscoveryRESTMapperWithContext(memory.NewMemCacheClientWithContext(client))
}

// awaiting runs the learner's Await beside the spec.
func awaiting(ctx context.Context, m meta.ResettableRESTMapperWithContext, kind schema.GroupKind, every time.Duration) <-chan awaited {
	ctx, cancel := context.WithCancel(ctx)
	done, ended := make(chan awaited, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer GinkgoRecover()
		resource, err := dynamicinformer.Await(ctx, m, kind, every)
		done <- awaited{resource, err}
	}()
	DeferCleanup(func(ctx context.Context) {
		cancel()
		Eventually(ended).WithContext(ctx).WithTimeout(5*time.Second).Should(BeClosed(), "Await returns when its context ends")
	})
	return done
}

type awaited struct {
	resource schema.GroupVersionResource
	err      error
}

// answer takes what Await returned.
func answer(ctx context.Context, done <-chan awaited) awaited {
	GinkgoHelper()
	select {
	case got := <-done:
		return got
	case <-time.After(10 * time.Second):
		Fail("Await has not returned, ten seconds after there was something to return")
	case <-ctx.Done():
		Fail("Await has not returned: " + context.Cause(ctx).Error())
	}
	return awaited{}
}

// discoveries counts the learner's questions for the server's groups.
func discoveries() int {
	n := 0
	for _, r := range api.Requests() {
		if r.Path == "/apis" {
			n++
		}
	}
	return n
}

// order makes a Pizza. A nil status leaves it without one.
func order(ctx context.Context, ns, name string, spec, status map[string]any) *unstructured.Unstructured {
	GinkgoHelper()
	made, err := shop(ctx, ns).Create(ctx, object(ns, name, spec, nil), metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make pizza %s/%s for the spec", ns, name)
	if status != nil {
		made = setStatus(ctx, ns, name, status)
	}
	return made
}

func setStatus(ctx context.Context, ns, name string, status map[string]any) *unstructured.Unstructured {
	GinkgoHelper()
	data, err := json.Marshal(map[string]any{"status": status})
	Expect(err).NotTo(HaveOccurred())
	made, err := shop(ctx, ns).Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{}, "status")
	Expect(err).NotTo(HaveOccurred(), "set the status of pizza %s/%s for the spec", ns, name)
	return made
}

func change(ctx context.Context, ns, name string, spec map[string]any) {
	GinkgoHelper()
	data, err := json.Marshal(map[string]any{"spec": spec})
	Expect(err).NotTo(HaveOccurred())
	_, err = shop(ctx, ns).Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "change pizza %s/%s for the spec", ns, name)
}

func remove(ctx context.Context, ns, name string) {
	GinkgoHelper()
	Expect(shop(ctx, ns).Delete(ctx, name, metav1.DeleteOptions{})).To(Succeed(), "delete pizza %s/%s for the spec", ns, name)
}

func shop(ctx context.Context, ns string) dynamic.ResourceInterface {
	GinkgoHelper()
	return api.JudgeDynamic().Resource(pizzas(ctx)).Namespace(ns)
}

// object is a Pizza that is not on the server.
func object(ns, name string, spec, status map[string]any) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": served.GroupVersion().String(), "kind": "Pizza", "metadata": map[string]any{"name": name, "namespace": ns},
	}}
	if spec != nil {
		obj.Object["spec"] = spec
	}
	if status != nil {
		obj.Object["status"] = status
	}
	return obj
}

// small is a spec of a Pizza.
func small(toppings ...any) map[string]any {
	spec := map[string]any{"size": "small"}
	if len(toppings) > 0 {
		spec["toppings"] = toppings
	}
	return spec
}

// diary writes down what Follow tells.
type diary struct {
	mu     sync.Mutex
	events []dynamicinformer.Event
}

func (d *diary) tell(e dynamicinformer.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

// read is for Eventually: a line for each event.
func (d *diary) read() []string {
	lines := []string{}
	for _, e := range d.all() {
		line := fmt.Sprintf("%s %s", e.Type, e.Pizza.Name)
		switch {
		case e.Err != nil:
			line += " unreadable"
		default:
			line += fmt.Sprintf(" %s %s", e.Pizza.Size, strings.Join(e.Pizza.Toppings, "+"))
			if e.Pizza.Phase != "" {
				line += " " + e.Pizza.Phase
			}
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func (d *diary) all() []dynamicinformer.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events)
}

// uids returns the Pizzas' UIDs, event by event.
func (d *diary) uids() []types.UID {
	var all []types.UID
	for _, e := range d.all() {
		all = append(all, e.Pizza.UID)
	}
	return all
}

// follow runs the learner's Follow until the spec ends, and waits until it watches. Use the context that it returns from then on.
func follow(ctx SpecContext, ns string, d *diary) (context.Context, *harness.Loop) {
	GinkgoHelper()
	return following(ctx, pizzas(ctx), ns, d.tell)
}

func following(ctx SpecContext, resource schema.GroupVersionResource, ns string, tell func(dynamicinformer.Event)) (context.Context, *harness.Loop) {
	GinkgoHelper()
	client := api.Dynamic()
	wait, loop := harness.Start(crash.Guard(ctx), "Follow", func(ctx context.Context) error {
		return dynamicinformer.Follow(ctx, client, resource, ns, tell)
	})
	Eventually(func() int { return answered(resource.Resource) }).WithContext(wait).Should(BeNumerically(">", 0), "the learner's watches of %s", resource.Resource)
	return wait, loop
}

// answered counts the learner's watches of a resource.
func answered(resource string) int {
	n := 0
	for _, r := range api.Requests() {
		if r.Resource == resource && r.Verb == "watch" && r.Code == http.StatusOK {
			n++
		}
	}
	return n
}
