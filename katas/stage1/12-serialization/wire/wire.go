// Package wire is given: it tells which format bytes are in, and where the documents of a text begin and end. The functions of
// the kata may use it; it is not necessary to change it.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// ErrSeveral says that there is more than one document where there may be one.
var ErrSeveral = errors.New("more than one document")

// The first bytes of the two binary formats. The API server looks at the same ones.
var (
	protobufPrefix = []byte("k8s\x00")
	cborPrefix     = []byte{0xd9, 0xd9, 0xf7} // tag 55799, "self-described CBOR"
)

// MediaTypeOf returns the media type of the format that data is in. "{" alone does not make JSON: KYAML begins with it, too.
func MediaTypeOf(data []byte) string {
	switch {
	case bytes.HasPrefix(data, protobufPrefix):
		return runtime.ContentTypeProtobuf
	case bytes.HasPrefix(data, cborPrefix):
		return runtime.ContentTypeCBOR
	case json.Valid(data):
		return runtime.ContentTypeJSON
	default:
		return runtime.ContentTypeYAML
	}
}

// SplitChunk returns the documents in a chunk, which is what stands between two separators: none, when there are but blanks and
// comments; one of YAML; or any number of JSON. Two of YAML are ErrSeveral. A separator may stand at the chunk's head.
func SplitChunk(chunk []byte) ([][]byte, error) {
	content := trimHead(chunk)
	if len(content) == 0 {
		return nil, nil
	}
	if values, ok := jsonValues(content); ok {
		return values, nil
	}
	// The YAML serializer reads one document and never looks whether there is another.
	decoder := yaml.NewDecoder(bytes.NewReader(chunk))
	var node yaml.Node
	if decoder.Decode(&node) == nil && !errors.Is(decoder.Decode(&node), io.EOF) {
		return nil, ErrSeveral
	}
	return [][]byte{chunk}, nil
}

// trimHead returns what follows the separator, blank lines and comments at the head of a chunk.
func trimHead(chunk []byte) []byte {
	for len(chunk) > 0 {
		line, rest, _ := bytes.Cut(chunk, []byte("\n"))
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.HasPrefix(line, []byte("---")) {
			break
		}
		chunk = rest
	}
	return chunk
}

// jsonValues returns the JSON objects that content consists of; ok is false when it is anything else.
func jsonValues(content []byte) (values [][]byte, ok bool) {
	if !utilyaml.IsJSONBuffer(content) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return values, true
		}
		if err != nil {
			return nil, false
		}
		values = append(values, value)
	}
}

// ListScheme knows v1 List and nothing else. Decoded with it, a List is a *metav1.List whose items are still bytes, since their
// kinds are the business of the caller's scheme; any other kind is not registered.
var ListScheme = func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(schema.GroupVersionKind{Version: "v1", Kind: "List"}, &metav1.List{})
	return scheme
}()
