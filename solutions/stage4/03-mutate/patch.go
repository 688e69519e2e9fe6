package mutate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	// kata:begin Put a slash before each key, and escape what is in it.
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var pointer strings.Builder
	for _, key := range keys {
		pointer.WriteString("/" + escape.Replace(key))
	}
	return pointer.String()
	// kata:end
}

// AddMissing returns the operations that add to the map at path what is in want and not in have, sorted by their keys; path is a pointer's keys.
// have is what stands there: nil when there is no map yet, or a null. Where nothing is missing, there are no operations.
func AddMissing(path []string, have, want map[string]string) []Operation {
	// kata:begin Add key by key where there is a map, and a map where there is none.
	missing := maps.Clone(want)
	maps.DeleteFunc(missing, func(key, _ string) bool {
		_, ok := have[key]
		return ok
	})
	if len(missing) == 0 {
		return nil
	}
	if have == nil {
		return []Operation{{Op: "add", Path: Pointer(path...), Value: missing}}
	}
	var operations []Operation
	for _, key := range slices.Sorted(maps.Keys(missing)) {
		operations = append(operations, Operation{Op: "add", Path: Pointer(append(slices.Clone(path), key)...), Value: missing[key]})
	}
	return operations
	// kata:end
}

// ByHand is a [Patcher] that writes the operations itself.
func ByHand(object []byte, want Metadata) ([]byte, error) {
	// kata:begin Read the object's metadata, and make a patch of what AddMissing says about labels and annotations.
	has := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(object, has); err != nil {
		return nil, fmt.Errorf("read the object's metadata: %w", err)
	}
	operations := slices.Concat(
		AddMissing([]string{"metadata", "labels"}, has.Labels, want.Labels),
		AddMissing([]string{"metadata", "annotations"}, has.Annotations, want.Annotations),
	)
	if len(operations) == 0 {
		return nil, nil
	}
	return json.Marshal(operations)
	// kata:end
}

// Computed is a [Patcher] that changes a copy of the object, and compares (jsonpatch.CreatePatch).
func Computed(object []byte, want Metadata) ([]byte, error) {
	// kata:begin Decode the object, whatever it is, fill in, encode, and compare with what came.
	has, changed := &metav1.PartialObjectMetadata{}, &unstructured.Unstructured{}
	if err := json.Unmarshal(object, has); err != nil {
		return nil, fmt.Errorf("read the object's metadata: %w", err)
	}
	if err := changed.UnmarshalJSON(object); err != nil {
		return nil, fmt.Errorf("read the object: %w", err)
	}
	if labels := union(has.Labels, want.Labels); len(labels) > len(has.Labels) {
		changed.SetLabels(labels)
	}
	if annotations := union(has.Annotations, want.Annotations); len(annotations) > len(has.Annotations) {
		changed.SetAnnotations(annotations)
	}
	after, err := changed.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write the changed object: %w", err)
	}
	operations, err := jsonpatch.CreatePatch(object, after)
	if err != nil {
		return nil, fmt.Errorf("compare the object with the changed one: %w", err)
	}
	if len(operations) == 0 {
		return nil, nil
	}
	return json.Marshal(operations)
	// kata:end
}

// kata:begin What Computed needs.
// kata:stub

// union is both maps in one, with the value of has where both have one.
func union(has, want map[string]string) map[string]string {
	both := map[string]string{}
	maps.Copy(both, want)
	maps.Copy(both, has)
	return both
}

// kata:end
