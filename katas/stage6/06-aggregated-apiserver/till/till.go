// Package till is given: the till that has been in the restaurant for longer than the cluster. It keeps the tabs of guests who have not paid yet, in its memory, and knows
// nothing of HTTP, of users and of what makes sense on a tab. Its errors are those of an API server's storage: apierrors knows them, and they name the resource.
package till

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/uuid"
)

// Tab is what one guest owes.
type Tab struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec TabSpec `json:"spec"`
}

// TabSpec says who owes how much.
type TabSpec struct {
	Guest string `json:"guest"`
	Cents int64  `json:"cents"`
}

// TabList is several of them.
type TabList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []Tab `json:"items"`
}

// Till is safe for concurrent use.
type Till struct {
	resource schema.GroupResource
	now      func() time.Time

	mu      sync.Mutex
	version int64
	tabs    map[key]Tab
}

type key struct{ namespace, name string }

// New returns an empty till. The group is for its errors.
func New(group string, now func() time.Time) *Till {
	return &Till{resource: schema.GroupResource{Group: group, Resource: "tabs"}, now: now, version: 1, tabs: map[key]Tab{}}
}

// Create keeps the tab, and returns it with the uid, the creationTimestamp and the resourceVersion that it has been given. If dry, it returns the same, and keeps nothing. A name that the
// namespace has already is AlreadyExists.
func (t *Till) Create(tab Tab, dry bool) (Tab, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := key{tab.Namespace, tab.Name}
	if _, ok := t.tabs[k]; ok {
		return Tab{}, apierrors.NewAlreadyExists(t.resource, tab.Name)
	}
	tab = copyOf(tab)
	tab.UID, tab.CreationTimestamp, tab.ResourceVersion = uuid.NewUUID(), metav1.NewTime(t.now()), ""
	if dry {
		return tab, nil
	}
	t.version++
	tab.ResourceVersion = strconv.FormatInt(t.version, 10)
	t.tabs[k] = tab
	return copyOf(tab), nil
}

// Get returns a tab, or NotFound.
func (t *Till) Get(namespace, name string) (Tab, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tab, ok := t.tabs[key{namespace, name}]
	if !ok {
		return Tab{}, apierrors.NewNotFound(t.resource, name)
	}
	return copyOf(tab), nil
}

// List returns the tabs of a namespace, or of all when that is "", sorted, and the till's resourceVersion. When there are none, the slice is nil.
func (t *Till) List(namespace string) ([]Tab, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []Tab
	for _, tab := range t.tabs {
		if namespace == "" || tab.Namespace == namespace {
			found = append(found, copyOf(tab))
		}
	}
	slices.SortFunc(found, func(a, b Tab) int { return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name)) })
	return found, strconv.FormatInt(t.version, 10)
}

// Delete takes a tab away, and returns it as it was. If dry, it takes nothing away. A tab that is not there is NotFound; one that is not what the preconditions ask for is a
// Conflict, and stays. No preconditions are nil.
func (t *Till) Delete(namespace, name string, preconditions *metav1.Preconditions, dry bool) (Tab, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := key{namespace, name}
	tab, ok := t.tabs[k]
	if !ok {
		return Tab{}, apierrors.NewNotFound(t.resource, name)
	}
	if p := preconditions; p != nil {
		if p.UID != nil && *p.UID != tab.UID {
			return Tab{}, apierrors.NewConflict(t.resource, name, fmt.Errorf("the uid is %s, and not %s", tab.UID, *p.UID))
		}
		if p.ResourceVersion != nil && *p.ResourceVersion != tab.ResourceVersion {
			return Tab{}, apierrors.NewConflict(t.resource, name, fmt.Errorf("the resourceVersion is %s, and not %s", tab.ResourceVersion, *p.ResourceVersion))
		}
	}
	if !dry {
		t.version++
		delete(t.tabs, k)
	}
	return tab, nil
}

func copyOf(tab Tab) Tab {
	tab.ObjectMeta = *tab.ObjectMeta.DeepCopy()
	return tab
}
