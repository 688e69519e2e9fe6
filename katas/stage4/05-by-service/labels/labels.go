// Package labels is given: the webhook itself. Its two reviewers know nothing of Services.
package labels

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/harness/serving"
)

const (
	// PartOf is the label that each Deployment and each pod gets when it has none; its value is the namespace's name.
	PartOf = "app.kubernetes.io/part-of"
	// NameLabel is the label that each Deployment and each pod must have.
	NameLabel = "app.kubernetes.io/name"
	// MaxReplicas is how many a Deployment may have.
	MaxReplicas = 5
)

// object is what the webhook reads of a Deployment or a pod.
type object struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		Replicas *int32 `json:"replicas"`
	} `json:"spec"`
}

// Handler serves /mutate, /validate and /readyz.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/mutate", serving.NewHandler(serving.ReviewerFunc(mutate)))
	mux.Handle("/validate", serving.NewHandler(serving.ReviewerFunc(validate)))
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux
}

func mutate(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	var o object
	if err := json.Unmarshal(request.Object.Raw, &o); err != nil {
		return nil, err
	}
	response := &admissionv1.AdmissionResponse{UID: request.UID, Allowed: true}
	if o.Metadata.Labels[PartOf] != "" {
		return response, nil
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	var patch []operation
	if o.Metadata.Labels == nil {
		patch = append(patch, operation{"add", "/metadata/labels", map[string]string{}})
	}
	patch = append(patch, operation{"add", "/metadata/labels/app.kubernetes.io~1part-of", request.Namespace})
	data, err := json.Marshal(patch)
	response.Patch, response.PatchType = data, new(admissionv1.PatchTypeJSONPatch)
	return response, err
}

func validate(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	if request.Resource.Resource == "deployments" && request.SubResource == "scale" {
		var scale autoscalingv1.Scale
		if err := json.Unmarshal(request.Object.Raw, &scale); err != nil {
			return nil, err
		}
		return answer(request, replicas(scale.Spec.Replicas)), nil
	}
	var o object
	if err := json.Unmarshal(request.Object.Raw, &o); err != nil {
		return nil, err
	}
	if o.Metadata.DeletionTimestamp != nil {
		return answer(request, ""), nil
	}
	why := ""
	if o.Metadata.Labels[NameLabel] == "" {
		why = "the label " + NameLabel + " is missing"
	} else if o.Spec.Replicas != nil {
		why = replicas(*o.Spec.Replicas)
	}
	return answer(request, why), nil
}

func replicas(n int32) string {
	if n > MaxReplicas {
		return fmt.Sprintf("%d replicas are too many: %d are allowed", n, MaxReplicas)
	}
	return ""
}

func answer(request *admissionv1.AdmissionRequest, why string) *admissionv1.AdmissionResponse {
	response := &admissionv1.AdmissionResponse{UID: request.UID, Allowed: why == ""}
	if why != "" {
		response.Result = &metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: why}
	}
	return response
}
