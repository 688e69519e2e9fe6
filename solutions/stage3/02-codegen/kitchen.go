// Package codegen is a bakery that uses generated code: a clientset, an informer and a lister for Loaves.
package codegen

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"

	bakeryv1 "github.com/kubekata/kubekata/katas/stage3/02-codegen/apis/bakery/v1"
	"github.com/kubekata/kubekata/katas/stage3/02-codegen/generated/clientset/versioned"
	"github.com/kubekata/kubekata/katas/stage3/02-codegen/generated/clientset/versioned/scheme"
	"github.com/kubekata/kubekata/katas/stage3/02-codegen/generated/informers/externalversions"
	bakerylisters "github.com/kubekata/kubekata/katas/stage3/02-codegen/generated/listers/bakery/v1"
)

// Order creates a Loaf with its defaults filled in, as the clientset's scheme knows them, and returns what the server has made of it. A
// definition in YAML knows nothing of Go's defaults, so the client does it. The Loaf that is passed stays as it is. The
// server's error is returned as it is.
func Order(ctx context.Context, client versioned.Interface, loaf *bakeryv1.Loaf) (*bakeryv1.Loaf, error) {
	// kata:begin A copy, the scheme's Default, and Create.
	loaf = loaf.DeepCopy()
	scheme.Scheme.Default(loaf)
	return client.BakeryV1().Loaves(loaf.Namespace).Create(ctx, loaf, metav1.CreateOptions{})
	// kata:end
}

// Weigh writes a Loaf's weight, in grams, into its status, and leaves the rest of the status as it is. It tries again, some times, when somebody else has
// changed the Loaf in between. A Loaf that is not there is the server's error (apierrors.IsNotFound).
func Weigh(ctx context.Context, client versioned.Interface, namespace, name string, grams int32) error {
	// kata:begin Get, change, UpdateStatus; and again on a conflict, from the Get on.
	loaves := client.BakeryV1().Loaves(namespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		loaf, err := loaves.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		loaf.Status.Grams = &grams
		_, err = loaves.UpdateStatus(ctx, loaf, metav1.UpdateOptions{})
		return err
	})
	// kata:end
}

// Shelf is a copy of a namespace's Loaves that keeps itself up to date.
type Shelf struct {
	// kata:begin A factory of informers, the informer and its lister.
	// kata:stub
	factory externalversions.SharedInformerFactory
	synced  cache.DoneChecker
	loaves  bakerylisters.LoafNamespaceLister
	// kata:end
}

// NewShelf makes a shelf for the Loaves of a namespace. It asks the server for nothing.
func NewShelf(client versioned.Interface, namespace string) *Shelf {
	// kata:begin The factory is the generated one. Ask it for the informer now: Start starts what was asked for.
	factory := externalversions.NewSharedInformerFactoryWithOptions(client, 0, externalversions.WithNamespace(namespace))
	loaves := factory.Bakery().V1().Loaves()
	return &Shelf{factory: factory, synced: loaves.Informer().HasSyncedChecker(), loaves: loaves.Lister().Loaves(namespace)}
	// kata:end
}

// Run fills the shelf and keeps it up to date until ctx ends. Then it returns nil, and leaves nothing running.
func (s *Shelf) Run(ctx context.Context) error {
	// kata:begin Start, wait, and Shutdown, which waits for the informer's end.
	s.factory.StartWithContext(ctx)
	<-ctx.Done()
	s.factory.Shutdown()
	return nil
	// kata:end
}

// Wait returns when the shelf is full, or with an error that wraps ctx's when that comes first.
func (s *Shelf) Wait(ctx context.Context) error {
	// kata:begin The informer has a HasSyncedChecker.
	if !cache.WaitFor(ctx, "", s.synced) {
		return fmt.Errorf("wait for the shelf: %w", ctx.Err())
	}
	return nil
	// kata:end
}

// Baked returns the Loaves of the shelf that have a weight, by name. They are the caller's to change.
func (s *Shelf) Baked() ([]*bakeryv1.Loaf, error) {
	// kata:begin The lister's objects are the cache's own: DeepCopy.
	all, err := s.loaves.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list the shelf: %w", err)
	}
	var baked []*bakeryv1.Loaf
	for _, loaf := range all {
		if loaf.Status.Grams != nil {
			baked = append(baked, loaf.DeepCopy())
		}
	}
	slices.SortFunc(baked, func(a, b *bakeryv1.Loaf) int { return cmp.Compare(a.Name, b.Name) })
	return baked, nil
	// kata:end
}
