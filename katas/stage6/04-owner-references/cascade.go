package ownerreferences

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Delete deletes an object with a policy for its dependants: Background, Foreground or Orphan. It deletes this object, by UID, and none that
// has its name by now. That it is gone already, or was replaced, is no error; that it has no UID is one (ErrNoUID), before the server is
// asked.
func Delete(ctx context.Context, c client.Client, obj client.Object, policy metav1.DeletionPropagation) error {
	// TODO(kata): There is an option for the policy, and one for preconditions.
	return errors.New("Delete is not implemented")
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
	// TODO(kata): Which references count, and who lives? Then: who goes now that did not go before, until there is nobody more.
	return Outcome{}, errors.New("Preview is not implemented")
}

// TODO(kata): Functions of your own.
