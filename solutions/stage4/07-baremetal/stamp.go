package baremetal

import (
	"context"
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StampAnnotation says which webhook has seen a Pod.
const StampAnnotation = "baremetal.kubekata.dev/stamped-by"

// Stamp returns a reviewer that gives what is created the StampAnnotation, with a name, unless it has the annotation, whatever it says. All else stays. Everything is allowed; what is
// not created, and what is part of an object, is not changed. An object that cannot be read is an error, and no answer.
func Stamp(name string) func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	// kata:begin A JSON Patch of one operation. What does AdmissionResponse.Patch become in JSON?
	return func(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
		response := &admissionv1.AdmissionResponse{Allowed: true}
		if request.Operation != admissionv1.Create || request.SubResource != "" {
			return response, nil
		}
		object := &metav1.PartialObjectMetadata{}
		if err := json.Unmarshal(request.Object.Raw, object); err != nil {
			return nil, fmt.Errorf("read the object: %w", err)
		}
		if _, ok := object.Annotations[StampAnnotation]; ok {
			return response, nil
		}
		operation := map[string]any{"op": "add", "path": "/metadata/annotations/baremetal.kubekata.dev~1stamped-by", "value": name}
		if object.Annotations == nil {
			operation["path"], operation["value"] = "/metadata/annotations", map[string]string{StampAnnotation: name}
		}
		patch, err := json.Marshal([]any{operation})
		if err != nil {
			return nil, fmt.Errorf("write the patch: %w", err)
		}
		response.Patch, response.PatchType = patch, new(admissionv1.PatchTypeJSONPatch)
		return response, nil
	}
	// kata:end
}
