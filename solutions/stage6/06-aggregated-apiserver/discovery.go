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
	// kata:begin metav1.GroupVersionForDiscovery. Do not forget the TypeMeta, here and everywhere: no Go type fills it in.
	version := metav1.GroupVersionForDiscovery{GroupVersion: group + "/" + Version, Version: Version}
	return &metav1.APIGroup{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: group,
		Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version,
	}
	// kata:end
}

// Groups is what GET /apis answers: a list of the one group.
func Groups(group string) *metav1.APIGroupList {
	// kata:begin The group, and a TypeMeta.
	return &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{*Group(group)}}
	// kata:end
}

// Resources is what GET /apis/GROUP/v1 answers: the resource tabs, singular tab, short name tb, in the category restaurant, namespaced. Its verbs are those that the handler serves,
// and no others: a garbage collector that reads "watch" watches, and waits for a first answer before it collects anything at all.
func Resources(group string) *metav1.APIResourceList {
	// kata:begin The verbs are what the namespace controller empties a namespace with: which does it need?
	return &metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: group + "/" + Version,
		APIResources: []metav1.APIResource{{
			Name: Resource, SingularName: "tab", Kind: Kind, ShortNames: []string{"tb"}, Categories: []string{"restaurant"}, Namespaced: true,
			Verbs: metav1.Verbs{"create", "delete", "get", "list"},
		}},
	}
	// kata:end
}
