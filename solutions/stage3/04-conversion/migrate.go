package conversion

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrChanged says that a definition's spec was changed while its objects were being migrated: some may have been stored in another
// version meanwhile. Who calls Migrate again begins with the definition as it is then.
var ErrChanged = errors.New("the definition has changed meanwhile")

// Migrate stores all objects of a CustomResourceDefinition, in all namespaces, in its storage version, and then sets its
// status.storedVersions to that version alone. When that is so from the beginning, it writes nothing. What is being deleted is stored, too,
// for as long as it is there. That the storage version is served is taken for granted.
//
// It lists the objects in pages of the given size, and writes each one back as it is: the server then stores it in the storage version, and
// changes nothing else. An object that somebody else writes (Conflict) or deletes (NotFound) meanwhile needs nothing more. With any other
// error, of an object or of a list, whatever it says (a list that has expired is not a list that has ended), Migrate ends at once, and returns
// it. Each error names the definition; one about an object names that, too, with its namespace/name.
//
// The status is written after the last object, and only when all went well. Whoever reads it believes it: with a version that is no longer
// in the list, the definition may lose that version, and with it whatever is still stored in it. A conflict there is somebody who has written
// the definition: when it is still the same definition (metadata.uid), with the spec of the beginning (metadata.generation), Migrate tries
// again with the definition as it is; else it returns an error that wraps ErrChanged, and leaves the status alone.
//
// c reads from the server, not from a cache; its scheme has the types of apiextensions.k8s.io/v1.
func Migrate(ctx context.Context, c client.Client, name string, page int64) error {
	// kata:begin Get the definition; list page by page and update each object; then, and only then, update the status.
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := c.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
		return fmt.Errorf("migrate %s: %w", name, err)
	}
	storage, err := storageVersion(crd)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", name, err)
	}
	if slices.Equal(crd.Status.StoredVersions, []string{storage}) {
		return nil
	}
	kind := schema.GroupVersionKind{Group: crd.Spec.Group, Version: storage, Kind: crd.Spec.Names.Kind}
	if err := rewrite(ctx, c, kind, page); err != nil {
		return fmt.Errorf("migrate %s to %s: %w", name, storage, err)
	}
	begun := crd.DeepCopy()
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if crd.UID != begun.UID || crd.Generation != begun.Generation {
			return ErrChanged
		}
		crd.Status.StoredVersions = []string{storage}
		err := c.Status().Update(ctx, crd)
		if apierrors.IsConflict(err) {
			if err := c.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set status.storedVersions of %s to %s: %w", name, storage, err)
	}
	return nil
	// kata:end
}

// kata:begin What Migrate needs besides.
// kata:stub

func storageVersion(crd *apiextensionsv1.CustomResourceDefinition) (string, error) {
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			return v.Name, nil
		}
	}
	return "", errors.New("it has no storage version")
}

// rewrite writes each object of a kind as it is.
func rewrite(ctx context.Context, c client.Client, kind schema.GroupVersionKind, page int64) error {
	for next := ""; ; {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := c.List(ctx, list, client.Limit(page), client.Continue(next)); err != nil {
			return fmt.Errorf("list: %w", err)
		}
		for i := range list.Items {
			obj := &list.Items[i]
			// Conflict: who has written it meanwhile has stored it in the storage version. NotFound: there is nothing to store.
			if err := c.Update(ctx, obj); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return fmt.Errorf("write %s/%s: %w", obj.GetNamespace(), obj.GetName(), err)
			}
		}
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// kata:end
