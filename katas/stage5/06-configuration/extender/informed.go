package extender

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
)

// Informed returns an extender that reads pods and nodes from informers, once they have seen all that there is. They end with ctx, and wait returns when they
// have.
func Informed(ctx context.Context, client kubernetes.Interface, licences int64, log func(string, ...any)) (e *Extender, wait func(), err error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	pods, nodes := factory.Core().V1().Pods().Lister(), factory.Core().V1().Nodes().Lister()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			factory.Shutdown()
			return nil, nil, fmt.Errorf("read all of %v: %w", kind, context.Cause(ctx))
		}
	}
	return &Extender{
		Client: client, Licences: licences, Log: log,
		Pods: func(context.Context) ([]*corev1.Pod, error) { return pods.List(labels.Everything()) },
		Node: func(_ context.Context, name string) (*corev1.Node, error) { return nodes.Get(name) },
	}, factory.Shutdown, nil
}
