package finalizers_test

import (
	"context"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/ptr"

	kata "github.com/kubekata/kubekata/katas/stage6/03-finalizers"

	"github.com/kubekata/kubekata/harness/cluster"
)

const (
	mine   = "kubekata.dev/mine"
	theirs = "example.com/theirs"
	third  = "example.org/third"
)

var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

// learner is the client of the learner's code.
func learner() metadata.Interface {
	GinkgoHelper()
	config := api.Config()
	config.QPS = -1
	c, err := metadata.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred(), "make a client")
	return c
}

// refTo is the Ref to a ConfigMap.
func refTo(m *corev1.ConfigMap) kata.Ref { return kata.RefTo(configMaps, m) }

// create makes the ConfigMap menu, with finalizers, which the end of the spec removes.
func create(ctx context.Context, ns string, finalizers ...string) *corev1.ConfigMap {
	GinkgoHelper()
	return createAs(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "menu", Finalizers: finalizers}, Data: map[string]string{"margherita": "8"}})
}

func createAs(ctx context.Context, m *corev1.ConfigMap) *corev1.ConfigMap {
	GinkgoHelper()
	made, err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Create(ctx, m, metav1.CreateOptions{FieldManager: "kitchen"})
	Expect(err).NotTo(HaveOccurred(), "make configmap %s/%s for the spec", m.Namespace, m.Name)
	DeferCleanup(func(ctx SpecContext) { free(ctx, made) })
	return made
}

// put sets the finalizers of a ConfigMap, as somebody else. It may be gone.
func put(ctx context.Context, m *corev1.ConfigMap, finalizers ...string) {
	GinkgoHelper()
	client := api.Judge().CoreV1().ConfigMaps(m.Namespace)
	now, err := client.Get(ctx, m.Name, metav1.GetOptions{})
	if err == nil {
		now.Finalizers = finalizers
		_, err = client.Update(ctx, now, metav1.UpdateOptions{FieldManager: "somebody"})
	}
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred(), "set the finalizers of configmap %s/%s for the spec", m.Namespace, m.Name)
	}
}

// free removes all finalizers.
func free(ctx context.Context, m *corev1.ConfigMap) {
	GinkgoHelper()
	patch(ctx, m, `{"metadata":{"finalizers":null}}`)
}

// patch changes a ConfigMap, as somebody else. It may be gone.
func patch(ctx context.Context, m *corev1.ConfigMap, change string) {
	GinkgoHelper()
	_, err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Patch(ctx, m.Name, types.MergePatchType, []byte(change), metav1.PatchOptions{FieldManager: "somebody"})
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred(), "change configmap %s/%s for the spec", m.Namespace, m.Name)
	}
}

// remove deletes a ConfigMap, as somebody else.
func remove(ctx context.Context, m *corev1.ConfigMap) {
	GinkgoHelper()
	err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Delete(ctx, m.Name, metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)})
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred(), "delete configmap %s/%s for the spec", m.Namespace, m.Name)
	}
}

// replace removes a ConfigMap, with all its finalizers, and makes another one of its name.
func replace(ctx context.Context, m *corev1.ConfigMap, finalizers ...string) *corev1.ConfigMap {
	GinkgoHelper()
	free(ctx, m)
	remove(ctx, m)
	return create(ctx, m.Namespace, finalizers...)
}

// lookup is the ConfigMap that has the name now, or nil.
func lookup(ctx context.Context, m *corev1.ConfigMap) *corev1.ConfigMap {
	GinkgoHelper()
	got, err := api.Judge().CoreV1().ConfigMaps(m.Namespace).Get(ctx, m.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	Expect(err).NotTo(HaveOccurred(), "get configmap %s/%s", m.Namespace, m.Name)
	return got
}

// get is what the server has.
func get(ctx context.Context, m *corev1.ConfigMap) *corev1.ConfigMap {
	GinkgoHelper()
	got := lookup(ctx, m)
	Expect(got).NotTo(BeNil(), "configmap %s/%s, which must be there, is gone", m.Namespace, m.Name)
	return got
}

// expectGone expects that no ConfigMap has the name.
func expectGone(ctx context.Context, m *corev1.ConfigMap) {
	GinkgoHelper()
	if got := lookup(ctx, m); got != nil {
		Fail("configmap " + m.Namespace + "/" + m.Name + " is still there, with the finalizers " + "[" + strings.Join(got.Finalizers, ", ") + "]")
	}
}

func isWrite(r cluster.Request) bool {
	switch r.Verb {
	case "update", "patch", "create", "delete", "deletecollection", "post", "put":
		return true
	}
	return false
}

func isDelete(r cluster.Request) bool { return r.Verb == "delete" || r.Verb == "deletecollection" }

func isRead(r cluster.Request) bool {
	return r.Verb == "get" || r.Verb == "list" || r.Verb == "watch"
}

func anyRequest(cluster.Request) bool { return true }

// asked are the learner's requests of a sort.
func asked(sort func(cluster.Request) bool) []string {
	found := []string{}
	for _, r := range api.Requests() {
		if sort(r) {
			found = append(found, r.String())
		}
	}
	return found
}

// before lets somebody else in before the learner's first request of a sort.
func before(sort func(cluster.Request) bool, other func()) {
	var first sync.Once
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if sort(r) {
			first.Do(other)
		}
		return nil
	})
}

// refuse answers all the learner's requests of a sort with a refusal.
func refuse(sort func(cluster.Request) bool, reason metav1.StatusReason, code int32) {
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if !sort(r) {
			return nil
		}
		return refusal(r, reason, code)
	})
}

func refusal(r cluster.Request, reason metav1.StatusReason, code int32) *cluster.Answer {
	return &cluster.Answer{Status: &metav1.Status{Reason: reason, Code: code, Message: "the server refuses to " + r.Verb + " " + r.Resource}}
}

// expectForbidden expects the server's refusal, however often it was wrapped.
func expectForbidden(err error) {
	GinkgoHelper()
	Expect(err).To(Satisfy(apierrors.IsForbidden), "want an error that apierrors.IsForbidden recognises, got: %v", err)
}
