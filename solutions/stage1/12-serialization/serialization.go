// Package serialization turns API objects into bytes and bytes into API objects, in the four formats that Kubernetes speaks:
// JSON, YAML, protobuf and CBOR. Whatever it cannot carry over faithfully it refuses.
//
// Errors that apimachinery has a question for (runtime.IsStrictDecodingError, runtime.IsNotRegisteredError,
// runtime.IsMissingKind, runtime.IsMissingVersion, protobuf.IsNotMarshalable) are returned as they are: these questions do not
// look through wrapping.
package serialization

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

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
	// kata:begin Find the serializer for the media type, put the kind on a copy where it is missing, and encode that.
	info, ok := runtime.SerializerInfoForMediaType(codecs(scheme).SupportedMediaTypes(), mediaType)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrMediaType, mediaType)
	}
	gvk, err := kindOf(scheme, obj)
	if err != nil {
		return nil, err
	}
	if obj.GetObjectKind().GroupVersionKind() != gvk {
		obj = obj.DeepCopyObject()
		obj.GetObjectKind().SetGroupVersionKind(gvk)
	}
	return runtime.Encode(info.Serializer, obj)
	// kata:end
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
	// kata:begin Choose the strict serializer of the format. Which formats hold documents, and who counts them?
	// kata:stub return nil, errors.New("Decode: not implemented")
	return decode(scheme, data, nil)
	// kata:end
}

// DecodeUnstructured returns the one object in data, JSON, YAML or CBOR, as it stands there and without a scheme. Integers of
// 64 bits become int64 and keep every digit; what JSON or CBOR write as a floating point number stays one.
//
// Errors are those of Decode, but for the fields that a type does not have: without a type there are none. Protobuf is
// ErrNeedsGoType.
func DecodeUnstructured(data []byte) (*unstructured.Unstructured, error) {
	// kata:begin As Decode, into an Unstructured. Not every format insists on an apiVersion: we do.
	if wire.MediaTypeOf(data) == runtime.ContentTypeProtobuf {
		return nil, ErrNeedsGoType
	}
	u := &unstructured.Unstructured{}
	if _, err := decode(runtime.NewScheme(), data, u); err != nil {
		return nil, err
	}
	if u.GetAPIVersion() == "" {
		return nil, runtime.NewMissingVersionErr(string(data))
	}
	return u, nil
	// kata:end
}

// ToUnstructured returns the object as an Unstructured that shares no memory with it, under the apiVersion and kind that Encode
// would write. It does not write to the object. Errors are those of Encode.
func ToUnstructured(scheme *runtime.Scheme, obj runtime.Object) (*unstructured.Unstructured, error) {
	// kata:begin Convert with runtime.DefaultUnstructuredConverter. What does it not set, and what does it not copy?
	gvk, err := kindOf(scheme, obj)
	if err != nil {
		return nil, err
	}
	// An object that is unstructured already is handed back by the converter, map and all: hence the copy.
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj.DeepCopyObject())
	if err != nil {
		return nil, fmt.Errorf("convert %s: %w", gvk.Kind, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	return u, nil
	// kata:end
}

// FromUnstructured returns the object as the Go type that the scheme has for its kind. It shares no memory with u. Errors are
// those of Decode; a number that does not fit its field is one that names the field.
func FromUnstructured(scheme *runtime.Scheme, u *unstructured.Unstructured) (runtime.Object, error) {
	// kata:begin The converter has a way back, too. What does it make of 4294967299 in an int32? Is there a stricter way?
	// kata:stub return nil, errors.New("FromUnstructured: not implemented")
	data, err := u.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return Decode(scheme, data)
	// kata:end
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
	// kata:begin Go through the documents, number them, and decode each. utilyaml.NewYAMLReader finds the separators.
	s := &stream{scheme: scheme}
	for doc, err := range documents(r) {
		s.number++
		if err == nil {
			err = s.add(doc, "")
		} else {
			err = s.fault("", err)
		}
		if err != nil {
			return nil, err
		}
	}
	return s.objects, nil
	// kata:end
}

// kata:begin Whatever the functions above share.
// kata:stub

// codecs returns the serializers of all four formats. CBOR is not among those that a factory has by itself.
func codecs(scheme *runtime.Scheme) serializer.CodecFactory {
	return serializer.NewCodecFactory(scheme, serializer.WithSerializer(cbor.NewSerializerInfo))
}

// kindOf returns the kind under which an object is written.
func kindOf(scheme *runtime.Scheme, obj runtime.Object) (schema.GroupVersionKind, error) {
	gvks, _, err := scheme.ObjectKinds(obj) // of an unstructured object, the kind that it names
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	if named := obj.GetObjectKind().GroupVersionKind(); slices.Contains(gvks, named) {
		return named, nil
	}
	return gvks[0], nil
}

// decode decodes the one object in data strictly, into the object into where that is not nil.
func decode(scheme *runtime.Scheme, data []byte, into runtime.Object) (runtime.Object, error) {
	mediaType := wire.MediaTypeOf(data)
	if mediaType == runtime.ContentTypeJSON || mediaType == runtime.ContentTypeYAML {
		doc, err := single(data)
		if err != nil {
			return nil, err
		}
		data, mediaType = doc, wire.MediaTypeOf(doc)
	}
	info, ok := runtime.SerializerInfoForMediaType(codecs(scheme).SupportedMediaTypes(), mediaType)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrMediaType, mediaType)
	}
	// Not the factory's UniversalDeserializer: it takes every "{" for JSON, and serializer.EnableStrict does not reach CBOR.
	obj, _, err := info.StrictSerializer.Decode(data, nil, into)
	if err != nil {
		return nil, err // a strict decoding error comes with an object
	}
	return obj, nil
}

// single returns the one document in data.
func single(data []byte) ([]byte, error) {
	var found []byte
	for doc, err := range documents(bytes.NewReader(data)) {
		if err != nil {
			return nil, err
		}
		if found != nil {
			return nil, ErrSeveral
		}
		found = doc
	}
	if found == nil {
		return nil, runtime.NewMissingKindErr(string(data))
	}
	return found, nil
}

// documents goes through the documents of a stream that hold something, and ends with the first error.
func documents(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		reader := utilyaml.NewYAMLReader(bufio.NewReader(r))
		for {
			chunk, err := reader.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			docs, err := wire.SplitChunk(chunk)
			for _, doc := range docs {
				if !yield(doc, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// stream is what Read has read so far.
type stream struct {
	scheme  *runtime.Scheme
	number  int
	objects []runtime.Object
}

// add decodes a document, or the item of one, and appends what it holds.
func (s *stream) add(doc []byte, item string) error {
	list, err := Decode(wire.ListScheme, doc)
	if err == nil {
		return s.addItems(list.(*metav1.List), item)
	}
	var obj runtime.Object
	if runtime.IsNotRegisteredError(err) {
		obj, err = Decode(s.scheme, doc)
	}
	if runtime.IsNotRegisteredError(err) {
		obj, err = DecodeUnstructured(doc)
	}
	if err != nil {
		return s.fault(item, err)
	}
	s.objects = append(s.objects, obj)
	return nil
}

// addItems adds the items of a List, which is an item itself when item is not empty.
func (s *stream) addItems(list *metav1.List, item string) error {
	if item != "" {
		item += "."
	}
	for i, raw := range list.Items {
		if err := s.add(raw.Raw, fmt.Sprintf("%sitems[%d]", item, i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) fault(item string, err error) error {
	return &DocumentError{Number: s.number, Item: item, Err: err}
}

// kata:end
