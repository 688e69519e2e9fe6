// Package wire is given: an API server that fits on a page, and two clients of it, one of which was built before toppings existed.
// Everything between them is JSON, because that is where old clients lose what they do not know. Begin with [NewServer].
//
// It has neither watches nor resource versions.
package wire

import (
	"encoding/json"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"
)

// Strategy is where the server asks what this kind of object needs. An API server's is called the same.
type Strategy struct {
	// OnRead is called with each object that comes out of the store, also with the old one of an update.
	OnRead func(stored *order.Order)
	// OnCreate and OnUpdate are called with what the client has sent, before validation.
	OnCreate func(created *order.Order)
	OnUpdate func(updated, old *order.Order)
	// Validate and ValidateUpdate say why the object is refused.
	Validate       func(created *order.Order) field.ErrorList
	ValidateUpdate func(updated, old *order.Order) field.ErrorList
}

// Server keeps Orders by name.
type Server struct {
	strategy Strategy
	store    map[string][]byte
}

// NewServer returns a server without any Order.
func NewServer(strategy Strategy) *Server {
	return &Server{strategy: strategy, store: map[string][]byte{}}
}

// Restore puts an object into the store as it is, as an earlier release has written it, or a backup.
func (s *Server) Restore(name string, data []byte) { s.store[name] = data }

// Stored returns the object as it is in the store.
func (s *Server) Stored(name string) []byte { return s.store[name] }

// Get returns an object.
func (s *Server) Get(name string) ([]byte, error) {
	stored, err := s.read(name)
	if err != nil {
		return nil, err
	}
	return json.Marshal(stored)
}

// Create makes an object.
func (s *Server) Create(name string, data []byte) error {
	if _, ok := s.store[name]; ok {
		return apierrors.NewAlreadyExists(resource, name)
	}
	created, err := decode(data)
	if err != nil {
		return err
	}
	s.strategy.OnCreate(created)
	if errs := s.strategy.Validate(created); len(errs) > 0 {
		return apierrors.NewInvalid(order.Kind.GroupKind(), name, errs)
	}
	return s.write(name, created)
}

// Update replaces an object.
func (s *Server) Update(name string, data []byte) error {
	old, err := s.read(name)
	if err != nil {
		return err
	}
	updated, err := decode(data)
	if err != nil {
		return err
	}
	s.strategy.OnUpdate(updated, old)
	if errs := s.strategy.ValidateUpdate(updated, old); len(errs) > 0 {
		return apierrors.NewInvalid(order.Kind.GroupKind(), name, errs)
	}
	return s.write(name, updated)
}

// Patch puts a JSON merge patch on an object. What comes out is updated like anything else: the strategy does not learn
// that it was a patch.
func (s *Server) Patch(name string, patch []byte) error {
	current, err := s.Get(name)
	if err != nil {
		return err
	}
	var target, change map[string]any
	if err := json.Unmarshal(current, &target); err != nil {
		return err
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	merge(target, change)
	data, err := json.Marshal(target)
	if err != nil {
		return err
	}
	return s.Update(name, data)
}

var resource = schema.GroupResource{Group: order.Kind.Group, Resource: "orders"}

// read returns the stored object as the rest of the server sees it.
func (s *Server) read(name string) (*order.Order, error) {
	data, ok := s.store[name]
	if !ok {
		return nil, apierrors.NewNotFound(resource, name)
	}
	stored, err := decode(data)
	if err != nil {
		return nil, err
	}
	s.strategy.OnRead(stored)
	return stored, nil
}

func (s *Server) write(name string, obj *order.Order) error {
	obj.TypeMeta = metav1.TypeMeta{APIVersion: order.Kind.GroupVersion().String(), Kind: order.Kind.Kind}
	obj.Name = name
	data, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	s.store[name] = data
	return nil
}

// decode drops what the Order does not have, as an API server does unless it is told to be strict.
func decode(data []byte) (*order.Order, error) {
	obj := &order.Order{}
	if err := json.Unmarshal(data, obj); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not an order: %v", err))
	}
	return obj, nil
}

// merge puts a JSON merge patch (RFC 7386) on an object: null removes a field, an object is merged, all else replaces.
func merge(target, patch map[string]any) {
	for key, value := range patch {
		into, both := target[key].(map[string]any)
		from, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(target, key)
		case both && isObject:
			merge(into, from)
		default:
			target[key] = value
		}
	}
}

// difference returns the merge patch that leads from one object to another.
func difference(before, after map[string]any) map[string]any {
	patch := map[string]any{}
	for key := range before {
		if _, ok := after[key]; !ok {
			patch[key] = nil
		}
	}
	for key, value := range after {
		was, both := before[key].(map[string]any)
		is, isObject := value.(map[string]any)
		if both && isObject {
			if inner := difference(was, is); len(inner) > 0 {
				patch[key] = inner
			}
		} else if !reflect.DeepEqual(before[key], value) {
			patch[key] = value
		}
	}
	return patch
}
