package wire

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"
)

// OldOrder is the Order in a client that was built before there were toppings.
type OldOrder struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec OldSpec `json:"spec"`
}

// OldSpec is all that an old client knows about a pizza.
type OldSpec struct {
	Size    string `json:"size,omitempty"`
	Topping string `json:"topping,omitempty"`
}

// Client is a client whose Order is a T. What a T has no field for, it does not see, and does not send.
type Client[T any] struct {
	server *Server
}

// Old is a client that was built before there were toppings, New one that was built today. They differ in the Go type and in
// nothing else.
type (
	Old = Client[OldOrder]
	New = Client[order.Order]
)

// OldClient returns an old client.
func OldClient(server *Server) Old { return Old{server} }

// NewClient returns a new one.
func NewClient(server *Server) New { return New{server} }

// Create makes an Order, which fill fills in.
func (c Client[T]) Create(name string, fill func(*T)) error {
	obj := new(T)
	fill(obj)
	data, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	return c.server.Create(name, data)
}

// Get returns what the client sees of an Order.
func (c Client[T]) Get(name string) (*T, error) {
	data, err := c.server.Get(name)
	if err != nil {
		return nil, err
	}
	obj := new(T)
	if err := json.Unmarshal(data, obj); err != nil {
		return nil, err
	}
	return obj, nil
}

// Update reads an Order, changes it, and sends the whole of what it knows: a PUT.
func (c Client[T]) Update(name string, change func(*T)) error {
	obj, err := c.Get(name)
	if err != nil {
		return err
	}
	change(obj)
	data, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	return c.server.Update(name, data)
}

// Patch reads an Order, changes it, and sends the difference, as a JSON merge patch.
func (c Client[T]) Patch(name string, change func(*T)) error {
	obj, err := c.Get(name)
	if err != nil {
		return err
	}
	before, err := fields(obj)
	if err != nil {
		return err
	}
	change(obj)
	after, err := fields(obj)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(difference(before, after))
	if err != nil {
		return err
	}
	return c.server.Patch(name, patch)
}

func fields(obj any) (map[string]any, error) {
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(data, &m)
}
