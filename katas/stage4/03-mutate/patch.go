package mutate

import (
	"errors"
)

// Operation is a step of a JSON Patch (RFC 6902): a patch is a list of them, which are done in their order, all or none.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// Metadata is what an object is to have.
type Metadata struct {
	Labels      map[string]string
	Annotations map[string]string
}

// Patcher returns the JSON Patch that gives an object, which is JSON, those labels and annotations that it does not have. What the object has
// under one of the keys stays, be it another value, and so does all else in the object, be it known to this program or not. Where nothing is
// missing, there is no patch: nil, and no error.
//
// An object whose metadata cannot be read is an error. The patcher does not write into want's maps.
type Patcher func(object []byte, want Metadata) ([]byte, error)

// Pointer returns the JSON Pointer (RFC 6901) to what the keys lead to, one below the other: /metadata/labels for "metadata", "labels". A key may
// have any characters. No keys lead to the whole document, which is "".
func Pointer(keys ...string) string {
	// TODO(kata): Put a slash before each key, and escape what is in it.
	panic("Pointer is not implemented")
}

// AddMissing returns the operations that add to the map at path what is in want and not in have, sorted by their keys; path is a pointer's keys.
// have is what stands there: nil when there is no map yet, or a null. Where nothing is missing, there are no operations.
func AddMissing(path []string, have, want map[string]string) []Operation {
	// TODO(kata): Add key by key where there is a map, and a map where there is none.
	panic("AddMissing is not implemented")
}

// ByHand is a [Patcher] that writes the operations itself.
func ByHand(object []byte, want Metadata) ([]byte, error) {
	// TODO(kata): Read the object's metadata, and make a patch of what AddMissing says about labels and annotations.
	return nil, errors.New("ByHand is not implemented")
}

// Computed is a [Patcher] that changes a copy of the object, and compares (jsonpatch.CreatePatch).
func Computed(object []byte, want Metadata) ([]byte, error) {
	// TODO(kata): Decode the object, whatever it is, fill in, encode, and compare with what came.
	return nil, errors.New("Computed is not implemented")
}

// TODO(kata): What Computed needs.
