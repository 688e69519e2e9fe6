package ownerreferences

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Delete deletes an object with a policy for its dependants: Background, Foreground or Orphan. It deletes this object, by UID, and none that
// has its name by now. That it is gone already, or was replaced, is no error; that it has no UID is one (ErrNoUID), before the server is
// asked.
func Delete(ctx context.Context, c client.Client, obj client.Object, policy metav1.DeletionPropagation) error {
	// kata:begin There is an option for the policy, and one for preconditions.
	uid := obj.GetUID()
	if uid == "" {
		return fmt.Errorf("delete %s: %w", obj.GetName(), ErrNoUID)
	}
	err := c.Delete(ctx, obj, client.PropagationPolicy(policy), client.Preconditions{UID: &uid})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", obj.GetName(), err)
	}
	return nil
	// kata:end
}

// Outcome is what becomes of an owner's dependants. Whoever is in none of Deleted, Kept and Orphaned has nothing to do with the deletion.
type Outcome struct {
	// Deleted are those that go with the owner: its dependants, theirs, and so on. The owner itself is not among them.
	Deleted sets.Set[types.UID]
	// Kept are those that lose an owner and have another one that lives.
	Kept sets.Set[types.UID]
	// Orphaned are those that lose an owner, have no other one that lives, and stay all the same.
	Orphaned sets.Set[types.UID]
	// Blocking are those among Deleted that must be gone before the owner is.
	Blocking sets.Set[types.UID]
}

// Preview says what the garbage collector makes of a deletion, in the end, when all finalizers are gone. objects are all there are, of all kinds,
// in any order; the owner may be among them. None is changed.
//
// A reference counts when one of the objects, or the owner, has its UID, and is in the dependant's namespace or in none. No other reference
// counts, whatever its name. An owner lives if it is neither being deleted (deletionTimestamp) nor among those that go.
//
//   - Background and Foreground: a dependant that has no owner which lives goes, and with it, by the same rule, its own dependants.
//     One that has another is Kept, and with it what it owns. Two that own each other keep each other.
//   - Foreground: those are Blocking that go and have the owner, or one that is Blocking, as an owner that they block (blockOwnerDeletion).
//     With the other policies nobody is.
//   - Orphan: nothing goes but the owner. Its dependants are Orphaned, or Kept, and what they own has nothing to do with it.
//
// Any other policy is an error. A field of the Outcome that has nobody may be nil.
func Preview(policy metav1.DeletionPropagation, owner metav1.Object, objects []metav1.Object) (Outcome, error) {
	// kata:begin Which references count, and who lives? Then: who goes now that did not go before, until there is nobody more.
	f := newFamily(owner, objects)
	switch policy {
	case metav1.DeletePropagationOrphan:
		outcome := Outcome{}
		outcome.Kept, outcome.Orphaned = f.losers(sets.New(owner.GetUID()))
		return outcome, nil
	case metav1.DeletePropagationBackground, metav1.DeletePropagationForeground:
		gone := f.spread(owner, func(obj metav1.Object, gone sets.Set[types.UID]) bool {
			return f.loses(obj, gone) && !f.survives(obj, gone)
		})
		outcome := Outcome{Deleted: gone.Clone().Delete(owner.GetUID())}
		outcome.Kept, _ = f.losers(gone)
		if policy == metav1.DeletePropagationForeground {
			outcome.Blocking = f.spread(owner, func(obj metav1.Object, blocking sets.Set[types.UID]) bool {
				return gone.Has(obj.GetUID()) && f.blocks(obj, blocking)
			}).Delete(owner.GetUID())
		}
		return outcome, nil
	default:
		return Outcome{}, fmt.Errorf("preview the deletion of %s: %q is no policy", owner.GetName(), policy)
	}
	// kata:end
}

// kata:begin Functions of your own.
// kata:stub

// family is all the objects, and the references between them that count.
type family struct {
	objects []metav1.Object
	byUID   map[types.UID]metav1.Object
	owners  map[types.UID][]metav1.OwnerReference
}

func newFamily(owner metav1.Object, objects []metav1.Object) *family {
	f := &family{
		objects: objects,
		byUID:   map[types.UID]metav1.Object{owner.GetUID(): owner},
		owners:  map[types.UID][]metav1.OwnerReference{},
	}
	for _, obj := range objects {
		f.byUID[obj.GetUID()] = obj
	}
	for _, obj := range objects {
		for _, ref := range obj.GetOwnerReferences() {
			found, ok := f.byUID[ref.UID]
			if ok && (found.GetNamespace() == "" || found.GetNamespace() == obj.GetNamespace()) {
				f.owners[obj.GetUID()] = append(f.owners[obj.GetUID()], ref)
			}
		}
	}
	return f
}

// spread is the owner, and whoever joins those that have joined before.
func (f *family) spread(owner metav1.Object, joins func(metav1.Object, sets.Set[types.UID]) bool) sets.Set[types.UID] {
	joined := sets.New(owner.GetUID())
	for before := 0; before < joined.Len(); {
		before = joined.Len()
		for _, obj := range f.objects {
			if joins(obj, joined) {
				joined.Insert(obj.GetUID())
			}
		}
	}
	return joined
}

// losers are those that stay and lose an owner: to others, or to none.
func (f *family) losers(gone sets.Set[types.UID]) (kept, orphaned sets.Set[types.UID]) {
	kept, orphaned = sets.New[types.UID](), sets.New[types.UID]()
	for _, obj := range f.objects {
		switch {
		case gone.Has(obj.GetUID()) || !f.loses(obj, gone):
			continue
		case f.survives(obj, gone):
			kept.Insert(obj.GetUID())
		default:
			orphaned.Insert(obj.GetUID())
		}
	}
	return kept, orphaned
}

// loses says whether one of the owners goes.
func (f *family) loses(obj metav1.Object, gone sets.Set[types.UID]) bool {
	return slices.ContainsFunc(f.owners[obj.GetUID()], func(ref metav1.OwnerReference) bool { return gone.Has(ref.UID) })
}

// survives says whether one of the owners lives.
func (f *family) survives(obj metav1.Object, gone sets.Set[types.UID]) bool {
	return slices.ContainsFunc(f.owners[obj.GetUID()], func(ref metav1.OwnerReference) bool {
		return !gone.Has(ref.UID) && f.byUID[ref.UID].GetDeletionTimestamp() == nil
	})
}

// blocks says whether the deletion of one of the owners waits for obj.
func (f *family) blocks(obj metav1.Object, owners sets.Set[types.UID]) bool {
	return slices.ContainsFunc(f.owners[obj.GetUID()], func(ref metav1.OwnerReference) bool {
		return owners.Has(ref.UID) && ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion
	})
}

// kata:end
