package finalizers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"
)

// Phase is how an object stands.
type Phase string

const (
	// Alive is an object that nobody has deleted.
	Alive Phase = "Alive"
	// Deleting is an object that somebody has deleted, and that is still there.
	Deleting Phase = "Deleting"
	// Gone is an object that is not there.
	Gone Phase = "Gone"
)

// Report is why an object is still there. What is empty does not apply.
type Report struct {
	// Ref is the object, with the UID that was found.
	Ref   Ref
	Phase Phase

	// Requested is when the deletion was asked for. Grace is how long the object may take after that, because somebody asked for it or because
	// its kind has a grace period. What the server writes down, in deletionTimestamp, is the end of Grace.
	Requested time.Time
	Grace     time.Duration
	// Waiting is how long ago Requested is.
	Waiting time.Duration

	// Finalizers are those that are left, in their order. Also one that is alive may have some.
	Finalizers []Holder
	// Dependants are what a deletion in the foreground waits for, sorted by resource, namespace and name: what refers to the object, by UID, with
	// blockOwnerDeletion. Without the finalizer foregroundDeletion nothing is waited for.
	Dependants []Ref

	// Namespace is there for a Namespace.
	Namespace *NamespaceReport
}

// Holder is a finalizer, and who may know about it.
type Holder struct {
	Finalizer string
	// Managers are the field managers that have written it, sorted, by the object's managedFields. The server has none for what it has written
	// itself.
	Managers []string
}

// NamespaceReport is what only Namespaces have.
type NamespaceReport struct {
	// Finalizers are those in the spec, which are not the ones in the metadata.
	Finalizers []corev1.FinalizerName
	// Conditions are those that are True, in their order: they say what is in the way.
	Conditions []corev1.NamespaceCondition
}

// String is the report for a person, of a line or several.
func (r Report) String() string {
	var b strings.Builder
	switch r.Phase {
	case Gone:
		fmt.Fprintf(&b, "%s is gone\n", r.Ref)
	case Alive:
		fmt.Fprintf(&b, "%s is not being deleted\n", r.Ref)
	default:
		fmt.Fprintf(&b, "%s was deleted %v ago, at %s", r.Ref, r.Waiting.Round(time.Second), r.Requested.UTC().Format(time.RFC3339))
		if r.Grace > 0 {
			fmt.Fprintf(&b, ", with a grace period of %v", r.Grace)
		}
		b.WriteString(", and is still there\n")
	}
	for _, h := range r.Finalizers {
		by := "which the server has written itself, or somebody long ago"
		if len(h.Managers) > 0 {
			by = "written by " + strings.Join(h.Managers, " and ")
		}
		fmt.Fprintf(&b, "  finalizer %s, %s\n", h.Finalizer, by)
	}
	for _, d := range r.Dependants {
		fmt.Fprintf(&b, "  waits for %s\n", d)
	}
	if r.Namespace != nil {
		for _, f := range r.Namespace.Finalizers {
			fmt.Fprintf(&b, "  spec.finalizers: %s\n", f)
		}
		for _, c := range r.Namespace.Conditions {
			fmt.Fprintf(&b, "  %s: %s\n", c.Type, c.Message)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Diagnoser finds out why objects are still there.
type Diagnoser struct {
	Metadata metadata.Interface
	// Clientset is asked about Namespaces.
	Clientset kubernetes.Interface
	// Dependants are the resources among which a foreground deletion's dependants are looked for.
	Dependants []schema.GroupVersionResource
	// Clock says what time it is.
	Clock clock.PassiveClock
}

// Diagnose says how an object stands, and if it is being deleted, since when, and what is in the way; see Report. It changes nothing.
//
// A Ref without a UID means whoever has the name. One with a UID means that object: where another one has its name, it is Gone.
//
// Dependants are looked for only when the object has the finalizer foregroundDeletion, and is being deleted: in its namespace, or in all of
// them when the object is in none. That a resource cannot be listed keeps nobody from the rest: the errors, each with the resource, are
// joined, and returned beside the report. Any other error is the server's, and comes without a report.
func (d *Diagnoser) Diagnose(ctx context.Context, ref Ref) (Report, error) {
	// TODO(kata): Everything about the object is in its metadata, except for a Namespace. Then the dependants.
	return Report{}, errors.New("Diagnoser.Diagnose is not implemented")
}

// TODO(kata): Functions of your own: who has written a finalizer, who blocks, and what a Namespace says.
