package ownerreferences

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// RemoveOwner takes the reference to one owner out of a dependant, on the server. Nothing else of the dependant is changed, also
// nothing that somebody else writes meanwhile: another owner, a label, the data.
//
// The argument dependant only says which object is meant (kind, namespace, name, UID). It may be a cache's, so that it is not changed; and it
// may be old, so that its references are not believed. Its kind may be any that the client knows, one of a CustomResourceDefinition too.
// What c reads may be from a cache, live reads from the server.
//
// There is nothing to do, which is no error, when the dependant is gone, when another object has its name by now, or when it has no such
// reference: then nothing is written. When somebody else comes in between, RemoveOwner looks again, a few times.
func RemoveOwner(ctx context.Context, c client.Client, live client.Reader, dependant client.Object, owner types.UID) error {
	// kata:begin A patch that is applied only where you have looked. Which kinds of patches does the server know for a custom resource?
	gvk, err := apiutil.GVKForObject(dependant, c.Scheme())
	if err != nil {
		return fmt.Errorf("find the kind of %s: %w", dependant.GetName(), err)
	}
	err = retry.OnError(retry.DefaultRetry, apierrors.IsInvalid, func() error {
		latest := &metav1.PartialObjectMetadata{}
		latest.SetGroupVersionKind(gvk)
		if err := live.Get(ctx, client.ObjectKeyFromObject(dependant), latest); err != nil {
			return err
		}
		if latest.UID != dependant.GetUID() || !slices.ContainsFunc(latest.OwnerReferences, to(owner)) {
			return nil
		}
		return swap(ctx, c, latest, without(latest.OwnerReferences, owner))
	})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove owner %s from %s %s: %w", owner, gvk.Kind, dependant.GetName(), err)
	}
	return nil
	// kata:end
}

// kata:begin Functions of your own.
// kata:stub

// swap replaces the references of an object on the server, if it is still the same object and they are still what obj says; if not,
// the error is Invalid. Whatever else has changed does not matter. obj becomes what the server has.
func swap(ctx context.Context, c client.Client, obj client.Object, refs []metav1.OwnerReference) error {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	before := obj.GetOwnerReferences()
	if len(before) == 0 {
		before = nil // null, which is what a test finds where there is nothing
	}
	patch, err := json.Marshal([]operation{
		{"test", "/metadata/uid", obj.GetUID()},
		{"test", "/metadata/ownerReferences", before},
		{"add", "/metadata/ownerReferences", refs},
	})
	if err != nil {
		return err
	}
	return c.Patch(ctx, obj, client.RawPatch(types.JSONPatchType, patch))
}

// without is a copy of references, without those to one owner.
func without(refs []metav1.OwnerReference, owner types.UID) []metav1.OwnerReference {
	return slices.DeleteFunc(slices.Clone(refs), to(owner))
}

// kata:end
