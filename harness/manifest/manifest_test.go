package manifest_test

import (
	"testing"

	"github.com/kubekata/kubekata/harness/manifest"
)

func TestDecode(t *testing.T) {
	objects, err := manifest.Decode([]byte("# nothing yet\n---\nkind: Namespace\nmetadata: {name: a}\n---\n---\n{\"kind\": \"Secret\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, object := range objects {
		kinds = append(kinds, object.GetKind())
	}
	if len(kinds) != 2 || kinds[0] != "Namespace" || kinds[1] != "Secret" {
		t.Errorf("the kinds are %v, want Namespace and Secret", kinds)
	}
	if objects, err := manifest.Decode([]byte("kind: [\n")); err == nil {
		t.Errorf("what is no YAML is %v, want an error", objects)
	}
}
