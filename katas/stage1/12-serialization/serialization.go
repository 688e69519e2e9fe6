// Package serialization turns API objects into bytes and bytes into API objects, in the four formats that Kubernetes speaks:
// JSON, YAML, protobuf and CBOR. Whatever it cannot carry over faithfully it refuses.
//
// Errors that apimachinery has a question for (runtime.IsStrictDecodingError, runtime.IsNotRegisteredError,
// runtime.IsMissingKind, runtime.IsMissingVersion, protobuf.IsNotMarshalable) are returned as they are: these questions do not
// look through wrapping.
package serialization

import (
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubekata/kubekata/katas/stage1/12-serialization/wire"
)

// ErrMediaType says that no format has the media type that was asked for.
var ErrMediaType = errors.New("no format of this media type")

// ErrSeveral says that there is more than one document where there may be one.
var ErrSeveral = wire.ErrSeveral

// ErrNeedsGoType says that protobuf cannot be decoded without the Go type of the object: its fields have numbers, not names.
var ErrNeedsGoType = errors.New("protobuf cannot be decoded without a Go type")

// DocumentError says which document of a stream is at fault, and why.
type DocumentError struct {
	Number int    // counts the documents that hold something, from 1
	Item   string // the item of a List, such as "items[0]", or "items[2].items[0]" in a List in a List; else empty
	Err    error
}

func (e *DocumentError) Error() string {
	if e.Item != "" {
		return fmt.Sprintf("document %d, %s: %v", e.Number, e.Item, e.Err)
	}
	return fmt.Sprintf("document %d: %v", e.Number, e.Err)
}

// Unwrap returns Err, which is also what the questions of package runtime are to be asked about.
func (e *DocumentError) Unwrap() error { return e.Err }

// Encode returns the object in the format of a media type: runtime.ContentTypeJSON, ContentTypeYAML, ContentTypeProtobuf or
// ContentTypeCBOR; any other is ErrMediaType. The bytes carry the apiVersion and kind under which the scheme knows the object's
// type, whatever its TypeMeta says; of several, the one that its TypeMeta names, or else the first. An unstructured object has
// the kind that it names, and need not be known to the scheme.
//
// It never writes to the caller's object, not even to put back what was there: the object may be one that others read.
//
// A type that the scheme does not know is an error that runtime.IsNotRegisteredError recognises, an unstructured object without
// a kind or an apiVersion one for runtime.IsMissingKind or runtime.IsMissingVersion, and an object whose type has no protobuf
// code one for protobuf.IsNotMarshalable.
func Encode(scheme *runtime.Scheme, obj runtime.Object, mediaType string) ([]byte, error) {
	// TODO(kata): Find the serializer for the media type, put the kind on a copy where it is missing, and encode that.
	return nil, errors.New("Encode is not implemented")
}

// Decode returns the one object in data as the Go type that the scheme has for its kind, with its apiVersion and kind set. It
// finds out by itself which of the four formats it has before it; text may have comments and empty documents around the object.
//
// It is strict where the format allows: fields that the type does not have and fields that occur twice are an error that
// runtime.IsStrictDecodingError recognises and that names all of them (in CBOR the first; protobuf has no strict mode). There
// is never an object besides an error.
//
// A kind that the scheme does not know is an error that runtime.IsNotRegisteredError recognises; an object without kind or
// apiVersion, or no object at all, one for runtime.IsMissingKind or runtime.IsMissingVersion. More than one document is
// ErrSeveral.
func Decode(scheme *runtime.Scheme, data []byte) (runtime.Object, error) {
	// TODO(kata): Choose the strict serializer of the format. Which formats hold documents, and who counts them?
	return nil, errors.New("Decode: not implemented")
}

// DecodeUnstructured returns the one object in data, JSON, YAML or CBOR, as it stands there and without a scheme. Integers of
// 64 bits become int64 and keep every digit; what JSON or CBOR write as a floating point number stays one.
//
// Errors are those of Decode, but for the fields that a type does not have: without a type there are none. Protobuf is
// ErrNeedsGoType.
func DecodeUnstructured(data []byte) (*unstructured.Unstructured, error) {
	// TODO(kata): As Decode, into an Unstructured. Not every format insists on an apiVersion: we do.
	return nil, errors.New("DecodeUnstructured is not implemented")
}

// ToUnstructured returns the object as an Unstructured that shares no memory with it, under the apiVersion and kind that Encode
// would write. It does not write to the object. Errors are those of Encode.
func ToUnstructured(scheme *runtime.Scheme, obj runtime.Object) (*unstructured.Unstructured, error) {
	// TODO(kata): Convert with runtime.DefaultUnstructuredConverter. What does it not set, and what does it not copy?
	return nil, errors.New("ToUnstructured is not implemented")
}

// FromUnstructured returns the object as the Go type that the scheme has for its kind. It shares no memory with u. Errors are
// those of Decode; a number that does not fit its field is one that names the field.
func FromUnstructured(scheme *runtime.Scheme, u *unstructured.Unstructured) (runtime.Object, error) {
	// TODO(kata): The converter has a way back, too. What does it make of 4294967299 in an int32? Is there a stricter way?
	return nil, errors.New("FromUnstructured: not implemented")
}

// Read returns all objects of a stream of YAML and JSON documents, in their order, as Decode would; an object whose kind the
// scheme does not know becomes an *unstructured.Unstructured, as DecodeUnstructured would make it.
//
// YAML documents are separated by lines that begin with "---"; JSON objects may also follow each other without. Documents that
// hold nothing but blanks and comments are skipped and not counted. A document that is a v1 List is replaced by its items, which
// may be Lists in turn; other lists, such as a PodList or another group's List, are objects like any other.
//
// An error is a *DocumentError for the first document that is at fault, and comes without objects. Its Err is the error of
// Decode, of DecodeUnstructured, or of the reader. A separator that has a document behind it on its line, and a document that
// holds a second one without a separator (ErrSeveral), are errors.
func Read(scheme *runtime.Scheme, r io.Reader) ([]runtime.Object, error) {
	// TODO(kata): Go through the documents, number them, and decode each. utilyaml.NewYAMLReader finds the separators.
	return nil, errors.New("Read is not implemented")
}

// TODO(kata): Whatever the functions above share.
