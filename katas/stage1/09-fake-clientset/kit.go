// Package fakeclientset tests a component without an API server: with client-go's fake clientset, which holds objects in memory
// and does far less than a server. kit.go prepares fakes, checks.go judges with them whether a component such as
// [nightshift] keeps its contract.
package fakeclientset

import (
	"context"
	"errors"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"

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
	// TODO(kata): Which of the two constructors of k8s.io/client-go/kubernetes/fake does that?
	panic("Seeded is not implemented")
}

// FailOnce makes the next request of the verb (any but watch) for the resource fail with err, without an effect on what the fake
// holds. Every other request, before it and after it, goes its usual way.
func FailOnce(client *fake.Clientset, verb, resource string, err error) {
	// TODO(kata): A reactor, in the right place of the chain, that handles one request and no more.
	panic("FailOnce is not implemented")
}

// ConflictTimes plays another writer, who is faster than the client n times: each of the next n updates of apps/v1 Deployments is
// refused with the error that apierrors.IsConflict recognises, and nothing of it is stored. Before each refusal, edit is applied to
// the Deployment that the fake holds, and the result stored; a nil edit changes nothing. It is not a request of the client, and not
// among its Actions. Updates of a subresource (status) pass, and do not count. An update of a Deployment that is not there is
// answered "not found", as ever.
func ConflictTimes(client *fake.Clientset, n int, edit func(*appsv1.Deployment)) {
	// TODO(kata): A reactor for updates of deployments. It runs while the fake holds its lock, so that it cannot ask the client
	// for anything: how does it get at what the fake holds?
	panic("ConflictTimes is not implemented")
}

// Watches takes the watches of a resource away from what the fake holds, and gives them to the test: each watch that the
// client begins from now on gets a watcher of its own, which arrives in the channel. What is sent through the watcher reaches whoever
// has begun the watch, whether they listen already or not. Nobody needs to receive from the channel: it has room for a hundred
// watches.
func Watches(client *fake.Clientset, resource string) <-chan *watch.RaceFreeFakeWatcher {
	// TODO(kata): Watches have a chain of reactors of their own. Yours makes a watcher, puts it in the channel and returns it.
	panic("Watches is not implemented")
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
	// TODO(kata): Go through the client's actions. Where the name is depends on the verb: creates and updates have an object.
	panic("Writes is not implemented")
}

// Within calls call and returns what it returns. A call that has not returned after limit, or when ctx ends, is given up, even if it never
// returns: Within returns an error that wraps context.DeadlineExceeded, or the error of ctx. The context that call gets ends with
// limit and with ctx.
func Within(ctx context.Context, limit time.Duration, call func(context.Context) error) error {
	// TODO(kata): Call it in a goroutine of its own, and wait for whichever is first. What becomes of a result that comes too late?
	return errors.New("Within is not implemented")
}
