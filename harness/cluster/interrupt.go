package cluster

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/onsi/ginkgo/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubekata/kubekata/harness"
)

// InterruptWatch lets the learner's first list or watch of a resource show one object, as the server has it, and then break. No
// other list or watch of the resource is answered until the gate opens. The next watch is then told that its resource version is too
// old, as after a long interruption, and the rest is the server's to answer.
func (c *Cluster) InterruptWatch(resource string, obj runtime.Object, over *harness.Gate) {
	ginkgo.GinkgoHelper()
	first, err := opening(obj)
	stop(err)
	expired := apierrors.NewResourceExpired("too old resource version").Status()
	var mu sync.Mutex
	shown, told := false, false
	c.Intercept(func(r Request) *Answer {
		if r.Resource != resource || r.Verb != "list" && r.Verb != "watch" {
			return nil
		}
		mu.Lock()
		again := shown
		shown = true
		mu.Unlock()
		if !again {
			return &Answer{Body: first[r.Verb]}
		}
		over.Wait()
		mu.Lock()
		defer mu.Unlock()
		if r.Verb == "list" || r.Query.Get("sendInitialEvents") == "true" || told {
			return nil
		}
		told = true
		return &Answer{Status: &expired}
	})
}

// opening is what a server whose only object it is would answer, by verb: a list, and a watch with its initial events.
func opening(obj runtime.Object) (map[string][]byte, error) {
	obj = obj.DeepCopyObject()
	// A typed client leaves out what the object is.
	if obj.GetObjectKind().GroupVersionKind().Empty() {
		kinds, _, err := scheme.Scheme.ObjectKinds(obj)
		if err != nil {
			return nil, err
		}
		obj.GetObjectKind().SetGroupVersionKind(kinds[0])
	}
	object, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	version, kind := obj.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	list, err := json.Marshal(map[string]any{
		"apiVersion": version, "kind": kind + "List", "metadata": map[string]any{"resourceVersion": object.GetResourceVersion()}, "items": []any{obj},
	})
	if err != nil {
		return nil, err
	}
	added, err := json.Marshal(map[string]any{"type": "ADDED", "object": obj})
	if err != nil {
		return nil, err
	}
	mark, err := json.Marshal(map[string]any{"type": "BOOKMARK", "object": map[string]any{
		"apiVersion": version, "kind": kind, "metadata": map[string]any{
			"resourceVersion": object.GetResourceVersion(), "annotations": map[string]any{metav1.InitialEventsAnnotationKey: "true"},
		},
	}})
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"list": list, "watch": slices.Concat(added, []byte("\n"), mark, []byte("\n"))}, nil
}
