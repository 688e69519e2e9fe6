package conversion

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1alpha1"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery/v1beta1"
)

// NewHandler returns the webhook that the API server calls to convert Deliveries of a group: it takes a ConversionReview of
// apiextensions.k8s.io/v1 with a request, and answers with one that has the response, and not the request.
//
// The response has the request's UID, the result Success, and all of the request's objects in the same order, in the desired
// version, converted by SpokeToHub and HubToSpoke. A Delivery that is in that version already is answered as it came, with all that the
// types do not know. When one of the objects cannot be converted, the result is Failure, with a message that says which and why, and there
// are no objects at all. That is so for an object that cannot be decoded, for another group or another kind or none, and for a version that
// there is not. Which: by namespace/name, or by its place, objects[1], when these cannot be read. Why: with the kind, the apiVersion or the
// field that is wrong. A desired version that there is not is a Failure that names it, with objects or without.
//
// These are answers with 200 OK. What is no conversation to begin with is refused with text: another method than POST with 405 and the header
// Allow; a body that is no such ConversionReview, has no request, or goes on behind it, with 400. How long it is does not matter.
func NewHandler(group string) http.Handler {
	// kata:begin Check method and body, convert object by object, and write the ConversionReview.
	return &handler{group: group}
	// kata:end
}

// kata:begin The handler.
// kata:stub

type handler struct {
	group string
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a ConversionReview is sent with POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, fmt.Sprintf("the body cannot be read: %v", err), http.StatusBadRequest)
		return
	}
	review := &apiextensionsv1.ConversionReview{}
	if err := json.Unmarshal(body, review); err != nil {
		http.Error(w, fmt.Sprintf("the body is not a ConversionReview: %v", err), http.StatusBadRequest)
		return
	}
	if want := apiextensionsv1.SchemeGroupVersion.WithKind("ConversionReview"); review.GroupVersionKind() != want {
		http.Error(w, fmt.Sprintf("the body is a %s, and not a %s", review.GroupVersionKind(), want), http.StatusBadRequest)
		return
	}
	if review.Request == nil {
		http.Error(w, "the ConversionReview has no request", http.StatusBadRequest)
		return
	}
	review.Response = h.respond(r.Context(), review.Request)
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review) // an error is the connection's, and nobody is there to be told
}

func (h *handler) respond(ctx context.Context, request *apiextensionsv1.ConversionRequest) *apiextensionsv1.ConversionResponse {
	response := &apiextensionsv1.ConversionResponse{UID: request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	converted, err := h.convertAll(ctx, request.Objects, request.DesiredAPIVersion)
	if err != nil {
		response.Result = metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
		return response
	}
	response.ConvertedObjects = converted
	return response
}

func (h *handler) spoke() string {
	return schema.GroupVersion{Group: h.group, Version: v1alpha1.Version}.String()
}
func (h *handler) hub() string {
	return schema.GroupVersion{Group: h.group, Version: v1beta1.Version}.String()
}

// known returns an error for an apiVersion that is neither.
func (h *handler) known(apiVersion string) error {
	if apiVersion != h.spoke() && apiVersion != h.hub() {
		return fmt.Errorf("there are %s and %s, and not %q", h.spoke(), h.hub(), apiVersion)
	}
	return nil
}

// convertAll converts all objects, or none.
func (h *handler) convertAll(ctx context.Context, objects []runtime.RawExtension, desired string) ([]runtime.RawExtension, error) {
	if err := h.known(desired); err != nil {
		return nil, fmt.Errorf("convert to %s: %w", desired, err)
	}
	converted := make([]runtime.RawExtension, 0, len(objects))
	for i, obj := range objects {
		head := &metav1.PartialObjectMetadata{}
		if err := json.Unmarshal(obj.Raw, head); err != nil {
			return nil, fmt.Errorf("decode objects[%d]: %w", i, err)
		}
		c, err := h.convert(ctx, obj.Raw, head, desired)
		if err != nil {
			return nil, fmt.Errorf("convert %s %s/%s from %s to %s: %w", head.Kind, head.Namespace, head.Name, head.APIVersion, desired, err)
		}
		converted = append(converted, c)
	}
	return converted, nil
}

// convert converts one object. head is what all kinds have in common.
func (h *handler) convert(ctx context.Context, raw []byte, head *metav1.PartialObjectMetadata, desired string) (runtime.RawExtension, error) {
	if head.Kind != delivery.Kind {
		return runtime.RawExtension{}, fmt.Errorf("the kind is %q, and not %s", head.Kind, delivery.Kind)
	}
	if err := h.known(head.APIVersion); err != nil {
		return runtime.RawExtension{}, err
	}
	if head.APIVersion == desired {
		return runtime.RawExtension{Raw: raw}, nil // decoding it would lose what the types do not know
	}

	old, current := &v1alpha1.Delivery{}, &v1beta1.Delivery{}
	if desired == h.hub() {
		if err := json.Unmarshal(raw, old); err != nil {
			return runtime.RawExtension{}, err
		}
		current.TypeMeta = metav1.TypeMeta{APIVersion: desired, Kind: head.Kind}
		if err := SpokeToHub(ctx, old, current); err != nil {
			return runtime.RawExtension{}, err
		}
		return runtime.RawExtension{Object: current}, nil
	}
	if err := json.Unmarshal(raw, current); err != nil {
		return runtime.RawExtension{}, err
	}
	old.TypeMeta = metav1.TypeMeta{APIVersion: desired, Kind: head.Kind}
	if err := HubToSpoke(ctx, current, old); err != nil {
		return runtime.RawExtension{}, err
	}
	return runtime.RawExtension{Object: old}, nil
}

// kata:end
