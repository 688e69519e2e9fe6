// Package bind is the kata's: a scheduler extender that binds pods itself, so that it can write down from which fuse a pod draws, and promise no fuse twice. Begin
// with [Binder.Bind]; [NewHandler] serves it.
package bind

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// FuseAnnotation is on a pod: the fuse from which it draws.
const FuseAnnotation = "power.kubekata.dev/fuse"

// Ledger is the hall's book of who draws from which fuse. It may be called by many goroutines at once.
type Ledger interface {
	// Enter gives a pod a fuse of a node, and writes it down. A pod that has one there already has the same again. An error says that there is none, or no such
	// node; then nothing is written down.
	Enter(node string, pod types.UID) (fuse string, err error)
	// Strike takes back what Enter has written down for the pod on that node, if anything.
	Strike(node string, pod types.UID)
}

// Binder binds pods. Its fields are not changed after it has been made.
type Binder struct {
	Client kubernetes.Interface
	Ledger Ledger
	// Timeout is how long a request to the API server may take. Bind needs two of them at most: the scheduler's httpTimeout is more than that.
	Timeout time.Duration
}

// Bind binds a pod to a node, and says so with a result whose Error is empty. Any other result has an Error, which begins with "bind: ", and which somebody
// will read in the pod's events.
//
// First the ledger gives the pod a fuse. Then one request does the rest: it creates a Binding, the pod's subresource, with the pod's UID, so that no other pod of that name is
// bound, and with the fuse as FuseAnnotation, which the API server puts onto the pod together with the node. It is sent once, whatever comes of it: the scheduler tries
// again by itself. When it has succeeded nothing else is asked for.
//
// When it has not, an answer with the code 404 says that the pod is gone. After anything else Bind reads the pod, once, and decides by what is there:
//
//	the pod is gone                                  bind: pod default/web is gone
//	there is one, with another UID                   bind: pod default/web is gone: there is another one of its name
//	it is bound to our node                          no Error: what was asked for is the case, whoever has done it
//	it is bound to another node                      bind: pod default/web is on node b already
//	it is being deleted                              bind: pod default/web is being deleted
//	none of these                                    bind: pod default/web to node a: ERROR
//	it cannot be read                                bind: pod default/web to node a: ERROR, and the pod cannot be read: THE OTHER ERROR
//
// Where several apply, the first in this list counts. ERROR is what the first request has returned.
//
// Whenever there is an Error, the fuse is given back, except where the pod may be bound yet. That is so in the last two cases, if the first request was not refused. It was refused
// if there is an answer, and its code is from 400 to 499. With no answer, or with 500 and more, nobody knows what has been done, or will be.
//
// Each request may take Timeout. The first one ends with ctx, too. Reading the pod does not: the fuse has to be kept or given back even when nobody waits for the answer.
//
// A question without PodNamespace, PodName, PodUID or Node is answered with "bind: the question has no PodUID" (or whatever the first of these is that is missing); nobody
// else is asked anything. When the ledger has no fuse there is no request, and nothing to give back; the Error is "bind: pod default/web to node a: ERROR", with the ledger's.
//
// Bind may be called by many requests at once, also for the same pod, and none of them waits for another.
func (b *Binder) Bind(ctx context.Context, args extenderv1.ExtenderBindingArgs) *extenderv1.ExtenderBindingResult {
	// TODO(kata): Enter, create the Binding, and if that has failed, look what is the case.
	panic("Binder.Bind is not implemented")
}

// TODO(kata): What Bind needs.
