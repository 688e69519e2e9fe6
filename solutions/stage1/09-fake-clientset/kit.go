// Package fakeclientset tests a component without an API server: with client-go's fake clientset, which holds objects in memory
// and does far less than a server. kit.go prepares fakes, checks.go judges with them whether a component such as
// [nightshift] keeps its contract.
package fakeclientset

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	"github.com/kubekata/kubekata/katas/stage1/09-fake-clientset/nightshift"
)

// Deployment is given, to seed fakes with: a Deployment with the value night of the label [nightshift.Label], and as many replicas
// in its spec as pods in its status.
func Deployment(namespace, name, night string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{nightshift.Label: night}},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(replicas),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
			},
		},
		Status: appsv1.DeploymentStatus{Replicas: replicas},
	}
}

// Seeded returns a fake clientset that holds the objects, of whatever kind and namespace, and has not been asked for anything yet:
// its Actions are empty. It understands server-side apply, also of an object that is not there.
func Seeded(objects ...runtime.Object) *fake.Clientset {
	// kata:begin Which of the two constructors of k8s.io/client-go/kubernetes/fake does that?
	return fake.NewClientset(objects...)
	// kata:end
}

// FailOnce makes the next request of the verb (any but watch) for the resource fail with err, without an effect on what the fake
// holds. Every other request, before it and after it, goes its usual way.
func FailOnce(client *fake.Clientset, verb, resource string, err error) {
	// kata:begin A reactor, in the right place of the chain, that handles one request and no more.
	// No lock: reactors run one at a time, under the fake's own.
	failed := false
	client.PrependReactor(verb, resource, func(k8stesting.Action) (bool, runtime.Object, error) {
		if failed {
			return false, nil, nil
		}
		failed = true
		return true, nil, err
	})
	// kata:end
}

// ConflictTimes plays another writer, who is faster than the client n times: each of the next n updates of apps/v1 Deployments is
// refused with the error that apierrors.IsConflict recognises, and nothing of it is stored. Before each refusal, edit is applied to
// the Deployment that the fake holds, and the result stored; a nil edit changes nothing. It is not a request of the client, and not
// among its Actions. Updates of a subresource (status) pass, and do not count. An update of a Deployment that is not there is
// answered "not found", as ever.
func ConflictTimes(client *fake.Clientset, n int, edit func(*appsv1.Deployment)) {
	// kata:begin A reactor for updates of deployments. It runs while the fake holds its lock, so that it cannot ask the client
	// | for anything: how does it get at what the fake holds?
	client.PrependReactor("update", "deployments", func(action k8stesting.Action) (bool, runtime.Object, error) {
		update, ok := action.(k8stesting.UpdateActionImpl)
		if !ok || n <= 0 || action.GetSubresource() != "" {
			return false, nil, nil
		}
		sent, err := meta.Accessor(update.GetObject())
		if err != nil {
			return true, nil, err
		}
		gvr, namespace, name := action.GetResource(), action.GetNamespace(), sent.GetName()
		stored, err := client.Tracker().Get(gvr, namespace, name)
		if err != nil {
			return true, nil, err
		}
		n--
		if edit != nil {
			edit(stored.(*appsv1.Deployment))
			if err := client.Tracker().Update(gvr, stored, namespace); err != nil {
				return true, nil, err
			}
		}
		return true, nil, apierrors.NewConflict(gvr.GroupResource(), name, errors.New("another writer was faster"))
	})
	// kata:end
}

// Watches takes the watches of a resource away from what the fake holds, and gives them to the test: each watch that the
// client begins from now on gets a watcher of its own, which arrives in the channel. What is sent through the watcher reaches whoever
// has begun the watch, whether they listen already or not. Nobody needs to receive from the channel: it has room for a hundred
// watches.
func Watches(client *fake.Clientset, resource string) <-chan *watch.RaceFreeFakeWatcher {
	// kata:begin Watches have a chain of reactors of their own. Yours makes a watcher, puts it in the channel and returns it.
	opened := make(chan *watch.RaceFreeFakeWatcher, 100)
	client.PrependWatchReactor(resource, func(k8stesting.Action) (bool, watch.Interface, error) {
		w := watch.NewRaceFreeFake()
		opened <- w
		return true, w, nil
	})
	return opened
	// kata:end
}

// Writes returns what the client was asked to change, one line a request, in order:
//
//	update deployments lab/oven
//	update deployments/status lab/oven
//	create namespaces lab
//
// That is the verb, the resource with its subresource, and the name, with the namespace for what lives in one. Reads (get, list,
// watch) are left out, refused writes are not. A delete-collection has no name, and its line ends as it may.
func Writes(client *fake.Clientset) []string {
	// kata:begin Go through the client's actions. Where the name is depends on the verb: creates and updates have an object.
	var writes []string
	for _, action := range client.Actions() {
		switch action.GetVerb() {
		case "get", "list", "watch":
			continue
		}
		resource := action.GetResource().Resource
		if action.GetSubresource() != "" {
			resource += "/" + action.GetSubresource()
		}
		name := ""
		switch a := action.(type) {
		case interface{ GetName() string }: // delete, patch
			name = a.GetName()
		case interface{ GetObject() runtime.Object }: // create, update
			if object, err := meta.Accessor(a.GetObject()); err == nil {
				name = object.GetName()
			}
		}
		object := cache.ObjectName{Namespace: action.GetNamespace(), Name: name}
		writes = append(writes, fmt.Sprintf("%s %s %s", action.GetVerb(), resource, object))
	}
	return writes
	// kata:end
}

// Within calls call and returns what it returns. A call that has not returned after limit, or when ctx ends, is given up, even if it never
// returns: Within returns an error that wraps context.DeadlineExceeded, or the error of ctx. The context that call gets ends with
// limit and with ctx.
func Within(ctx context.Context, limit time.Duration, call func(context.Context) error) error {
	// kata:begin Call it in a goroutine of its own, and wait for whichever is first. What becomes of a result that comes too late?
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result := make(chan error, 1) // with room, so that a late call does not wait for ever
	go func() { result <- call(ctx) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("it has not returned: %w", ctx.Err())
	}
	// kata:end
}
