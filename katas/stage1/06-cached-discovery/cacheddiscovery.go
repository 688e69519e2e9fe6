// Package cacheddiscovery remembers what the API server serves, in memory or on disk, and finds the resource of a kind, or of
// a name that somebody typed, without asking the server each time.
package cacheddiscovery

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// Memory returns a discovery client that asks the server when it is first used, for /api and /apis and no more, and then
// answers from a memory of its own until it is invalidated. The caller's configuration stays as it is. One that no client can be
// made of is an error, and with an error there is no client.
func Memory(config *rest.Config) (discovery.CachedDiscoveryInterfaceWithContext, error) {
	// TODO(kata): Make a discovery client, and put the memory in front of it.
	return *new(discovery.CachedDiscoveryInterfaceWithContext), errors.New("Memory is not implemented")
}

// Folder returns the folder in which Disk keeps what it learns from a host, a rest.Config's Host: one directly in dir. A host
// always has the same folder; two hosts, two ports of a host, or two paths below it (a proxy's clusters) never share one.
func Folder(dir, host string) string {
	// TODO(kata): Turn the host into the name of one folder. What do slashes do, and can two hosts get the same name?
	panic("Folder is not implemented")
}

// Disk returns a discovery client that keeps the server's answers in Folder(dir, config.Host), and nothing anywhere else. It
// takes answers that are there, from whichever process, as long as they are younger than ttl. The folder, and dir as well if
// that is missing, it creates for the user alone, with mode 0700: who can write there can make us believe anything.
//
// A folder that cannot be created is an error, and so is a configuration that no client can be made of; it stays as it is. With
// an error there is no client.
func Disk(config *rest.Config, dir string, ttl time.Duration) (discovery.CachedDiscoveryInterfaceWithContext, error) {
	// TODO(kata): Create the folder, and make a client that caches in it. An HTTP cache is not needed.
	return *new(discovery.CachedDiscoveryInterfaceWithContext), errors.New("Disk is not implemented")
}

// Mapper finds resources. It may be used by several goroutines.
//
// It answers from the cache of its client. Only when that has no match does it invalidate the cache and look again, once: the
// server may have learned something since. Whatever the second look says is the answer. With a client from Memory that has been
// filled, a kind or a name that nobody has thus costs one look at the server in each call. (An empty cache has to be filled
// first, and files of another process client-go has a second look at by itself: then it may be two.)
//
// A failure of the server is not a missing match. It is returned, and nothing is invalidated; ForKind does not ask again.
type Mapper struct {
	mapper meta.RESTMapperWithContext
}

// NewMapper returns a Mapper on top of a cached discovery client. It asks the server nothing yet.
func NewMapper(client discovery.CachedDiscoveryInterfaceWithContext) *Mapper {
	// TODO(kata): Put a deferred RESTMapper on the client, and on that what expands short names, with
	// the cached client as well.
	panic("NewMapper is not implemented")
}

// ForKind returns the mapping of a kind: its resource, its version and its scope. Of the versions that are given, it takes
// the first that the server has; without any, the one that the server prefers. When there is none, meta.IsNoMatchError
// recognises the error. With an error there is no mapping.
func (m *Mapper) ForKind(ctx context.Context, kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	// TODO(kata): Ask the mapper; when there is no match, reset it and ask again.
	return nil, errors.New("Mapper.ForKind is not implemented")
}

// ForName returns the resource that somebody means who types a name, as kubectl takes it: "deployments", "deployment",
// "deploy", "deployments.apps" or "deployments.v1.apps". (Of a short name with a version, "deploy.v1.apps", client-go's expander of
// short names forgets the version.) When there is none, meta.IsNoMatchError recognises the error, whose
// message says what was typed.
func (m *Mapper) ForName(ctx context.Context, name string) (schema.GroupVersionResource, error) {
	// TODO(kata): Does "pizzas.v1.example.com" name a version, or a part of the group? schema.ParseResourceArg returns both. Try
	// both before anything is reset.
	return *new(schema.GroupVersionResource), errors.New("Mapper.ForName is not implemented")
}

// TODO(kata): You may want a function here that both methods share.
