package conversion

import (
	"context"
	"encoding/json"
	"fmt"
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
// apiextensions.k8s.io/v1 with a request, and answers with one that has the response.
//
// The response has the request's UID, the result Success, and all of the request's objects in the same order, in the desired
// version, converted by SpokeToHub and HubToSpoke. An object that is in that version already is answered as it came. When one of them cannot
// be converted, the result is Failure, with a message that says which (namespace/name) and why, and there are no objects at all. That is so
// for an object that cannot be decoded, for another group or kind, for a version that there is not, and for a desired version that there is not.
//
// These are answers with 200 OK. What is no conversation to begin with is refused with text: another method than POST with 405 and the header
// Allow, a body that is no such ConversionReview or has no request with 400.
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
	review := &apiextensionsv1.ConversionReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil {
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
	converted := make([]runtime.RawExtension, 0, len(request.Objects))
	for _, obj := range request.Objects {
		c, err := h.convert(ctx, obj.Raw, request.DesiredAPIVersion)
		if err != nil {
			response.Result = metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
			return response
		}
		converted = append(converted, c)
	}
	response.ConvertedObjects = converted
	return response
}

// convert converts one object. The error names it.
func (h *handler) convert(ctx context.Context, raw []byte, desired string) (runtime.RawExtension, error) {
	head := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(raw, head); err != nil {
		return runtime.RawExtension{}, fmt.Errorf("decode an object: %w", err)
	}
	failed := func(err error) (runtime.RawExtension, error) {
		return runtime.RawExtension{}, fmt.Errorf("convert %s %s/%s from %s to %s: %w", head.Kind, head.Namespace, head.Name, head.APIVersion, desired, err)
	}
	spoke := schema.GroupVersion{Group: h.group, Version: v1alpha1.Version}.String()
	hub := schema.GroupVersion{Group: h.group, Version: v1beta1.Version}.String()
	known := func(apiVersion string) bool { return apiVersion == spoke || apiVersion == hub }
	switch {
	case head.Kind != delivery.Kind:
		return failed(fmt.Errorf("the kind is not %s", delivery.Kind))
	case !known(head.APIVersion) || !known(desired):
		return failed(fmt.Errorf("there are %s and %s", spoke, hub))
	case head.APIVersion == desired:
		return runtime.RawExtension{Raw: raw}, nil
	}

	old, current := &v1alpha1.Delivery{}, &v1beta1.Delivery{}
	if desired == hub {
		if err := json.Unmarshal(raw, old); err != nil {
			return failed(err)
		}
		current.TypeMeta = metav1.TypeMeta{APIVersion: desired, Kind: head.Kind}
		if err := SpokeToHub(ctx, old, current); err != nil {
			return failed(err)
		}
		return runtime.RawExtension{Object: current}, nil
	}
	if err := json.Unmarshal(raw, current); err != nil {
		return failed(err)
	}
	old.TypeMeta = metav1.TypeMeta{APIVersion: desired, Kind: head.Kind}
	if err := HubToSpoke(ctx, current, old); err != nil {
		return failed(err)
	}
	return runtime.RawExtension{Object: old}, nil
}

// kata:end
