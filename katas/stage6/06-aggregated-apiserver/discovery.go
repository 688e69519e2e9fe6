package aggregated

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What we serve, in a group that the caller chooses.
const (
	Version  = "v1"
	Resource = "tabs"
	Kind     = "Tab"
)

// Group is what GET /apis/GROUP answers: the group with its one version, which is the preferred one.
func Group(group string) *metav1.APIGroup {
	// TODO(kata): metav1.GroupVersionForDiscovery. Do not forget the TypeMeta, here and everywhere: no Go type fills it in.
	panic("Group is not implemented")
}

// Groups is what GET /apis answers: a list of the one group.
func Groups(group string) *metav1.APIGroupList {
	// TODO(kata): The group, and a TypeMeta.
	panic("Groups is not implemented")
}

// Resources is what GET /apis/GROUP/v1 answers: the resource tabs, singular tab, short name tb, in the category restaurant, namespaced. Its verbs are those that the handler serves,
// and no others: a garbage collector that reads "watch" watches, and waits for a first answer before it collects anything at all.
func Resources(group string) *metav1.APIResourceList {
	// TODO(kata): The verbs are what the namespace controller empties a namespace with: which does it need?
	panic("Resources is not implemented")
}
