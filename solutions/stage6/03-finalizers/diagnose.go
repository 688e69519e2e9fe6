package finalizers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	// kata:begin Everything about the object is in its metadata, except for a Namespace. Then the dependants.
	obj, err := d.Metadata.Resource(ref.Resource).Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && ref.UID != "" && ref.UID != obj.UID {
		return Report{Ref: ref, Phase: Gone}, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("read %s: %w", ref, err)
	}
	ref.UID = obj.UID
	report := Report{Ref: ref, Phase: Alive}
	for _, f := range obj.Finalizers {
		report.Finalizers = append(report.Finalizers, Holder{Finalizer: f, Managers: managers(obj.ManagedFields, f)})
	}
	if ref.Resource.GroupResource() == corev1.Resource("namespaces") {
		if report.Namespace, err = d.namespace(ctx, ref.Name); err != nil {
			return Report{}, fmt.Errorf("read %s: %w", ref, err)
		}
	}
	if obj.DeletionTimestamp == nil {
		return report, nil
	}
	report.Phase = Deleting
	if obj.DeletionGracePeriodSeconds != nil {
		report.Grace = time.Duration(*obj.DeletionGracePeriodSeconds) * time.Second
	}
	report.Requested = obj.DeletionTimestamp.Add(-report.Grace)
	report.Waiting = d.Clock.Since(report.Requested)
	if slices.Contains(obj.Finalizers, metav1.FinalizerDeleteDependents) {
		report.Dependants, err = d.dependants(ctx, ref)
	}
	return report, err
	// kata:end
}

// kata:begin Functions of your own: who has written a finalizer, who blocks, and what a Namespace says.
// kata:stub

// managers are those whose managedFields have the finalizer, as an element of a set:
// {"f:metadata":{"f:finalizers":{"v:\"example.com/a\"":{}}}}.
func managers(entries []metav1.ManagedFieldsEntry, finalizer string) []string {
	value, err := json.Marshal(finalizer)
	if err != nil {
		return nil
	}
	var all []string
	for _, entry := range entries {
		var fields struct {
			Metadata struct {
				Finalizers map[string]any `json:"f:finalizers"`
			} `json:"f:metadata"`
		}
		if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, ok := fields.Metadata.Finalizers["v:"+string(value)]; ok {
			all = append(all, entry.Manager)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// dependants are the objects that block the deletion of an owner.
func (d *Diagnoser) dependants(ctx context.Context, owner Ref) ([]Ref, error) {
	var found []Ref
	var errs []error
	for _, resource := range d.Dependants {
		list, err := d.Metadata.Resource(resource).Namespace(owner.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			errs = append(errs, fmt.Errorf("list %s: %w", resource.GroupResource(), err))
			continue
		}
		for i := range list.Items {
			if blocks(&list.Items[i], owner) {
				found = append(found, RefTo(resource, &list.Items[i]))
			}
		}
	}
	slices.SortFunc(found, func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	return found, errors.Join(errs...)
}

func blocks(obj metav1.Object, owner Ref) bool {
	return slices.ContainsFunc(obj.GetOwnerReferences(), func(ref metav1.OwnerReference) bool {
		return ref.UID == owner.UID && ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion
	})
}

func (d *Diagnoser) namespace(ctx context.Context, name string) (*NamespaceReport, error) {
	ns, err := d.Clientset.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	report := &NamespaceReport{Finalizers: ns.Spec.Finalizers}
	for _, c := range ns.Status.Conditions {
		if c.Status == corev1.ConditionTrue {
			report.Conditions = append(report.Conditions, c)
		}
	}
	return report, nil
}

// kata:end
