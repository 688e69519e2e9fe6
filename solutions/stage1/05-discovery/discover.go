// Package discover asks the API server what it serves: groups, resources, the resource of a kind, the verbs of a resource.
package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

var (
	// ErrUnknownKind says that the server serves no resource of a kind.
	ErrUnknownKind = errors.New("no resource has this kind")
	// ErrUnknownResource says that the server does not serve a resource.
	ErrUnknownResource = errors.New("no such resource")
)

// Resource is a resource that the server serves.
type Resource struct {
	// GroupVersionResource is what a request's URL is made of.
	schema.GroupVersionResource
	// Kind is what its objects call themselves.
	Kind string
	// Namespaced says that its objects live in namespaces.
	Namespaced bool
	// Verbs are those that it supports: get, list, watch, …
	Verbs []string
}

// Groups returns the preferred version of each API group, sorted: "apps/v1", "autoscaling/v2", and "v1" for the core group.
// A group of which no version is available at the moment is left out.
func Groups(ctx context.Context, client discovery.DiscoveryInterfaceWithContext) ([]string, error) {
	// kata:begin Ask for the groups, and keep each one's preferred version. What does a group have that is not available?
	list, err := client.ServerGroupsWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("discover the API groups: %w", err)
	}
	var groups []string
	for _, group := range list.Groups {
		if group.PreferredVersion.GroupVersion != "" {
			groups = append(groups, group.PreferredVersion.GroupVersion)
		}
	}
	slices.Sort(groups)
	return groups, nil
	// kata:end
}

// Preferred returns all resources, each once, in the version that the server prefers of those that have it. Subresources
// are not among them. They are sorted by group, then by resource.
//
// When some groups do not answer, Preferred returns what the others have, together with an error that
// discovery.GroupDiscoveryFailedErrorGroups recognises. Any other error comes without resources.
func Preferred(ctx context.Context, client discovery.DiscoveryInterfaceWithContext) ([]Resource, error) {
	// kata:begin Ask for the preferred resources, and flatten the lists. Group and version of a resource are those of its
	// | list. An error that concerns some groups is no reason to drop the others.
	lists, err := client.ServerPreferredResourcesWithContext(ctx)
	if err != nil {
		err = fmt.Errorf("discover the preferred resources: %w", err)
		if _, partial := discovery.GroupDiscoveryFailedErrorGroups(err); !partial {
			return nil, err
		}
	}
	var resources []Resource
	for _, list := range lists {
		gv, parseErr := schema.ParseGroupVersion(list.GroupVersion)
		if parseErr != nil {
			return nil, fmt.Errorf("discover the preferred resources: %w", parseErr)
		}
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") {
				continue
			}
			resources = append(resources, Resource{gv.WithResource(r.Name), r.Kind, r.Namespaced, r.Verbs})
		}
	}
	slices.SortFunc(resources, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource))
	})
	return resources, err
	// kata:end
}

// ForKind returns the resources whose objects have the kind, spelled exactly so, in their preferred version and sorted by
// group: several groups may have a kind of the same name. When there is none, the error is ErrUnknownKind, with the kind in its
// message, if every group has answered; if some have not, it is the error that Preferred returns, because they might have it. What is found is
// returned without an error.
func ForKind(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, kind string) ([]schema.GroupVersionResource, error) {
	// kata:begin Look through the preferred resources. When may we say that there is no such kind?
	resources, err := Preferred(ctx, client)
	var found []schema.GroupVersionResource
	for _, r := range resources {
		if r.Kind == kind {
			found = append(found, r.GroupVersionResource)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case err != nil:
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownKind, kind)
	// kata:end
}

// Supports reports whether a resource supports a verb. The resource may be a subresource: "pods/log". One that is not
// served, in that group and version and spelled exactly so, is ErrUnknownResource, with the resource in its message; any other failure is the server's. It asks for the resources of
// this one group and version, and for nothing else.
func Supports(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, gvr schema.GroupVersionResource, verb string) (bool, error) {
	// kata:begin Ask for the resources of the group and version, and find the one.
	list, err := client.ServerResourcesForGroupVersionWithContext(ctx, gvr.GroupVersion().String())
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("discover the resources of %s: %w", gvr.GroupVersion(), err)
	}
	if list == nil {
		list = &metav1.APIResourceList{}
	}
	i := slices.IndexFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == gvr.Resource })
	if i < 0 {
		return false, fmt.Errorf("%w: %s in %s", ErrUnknownResource, gvr.Resource, gvr.GroupVersion())
	}
	return slices.Contains(list.APIResources[i].Verbs, verb), nil
	// kata:end
}
