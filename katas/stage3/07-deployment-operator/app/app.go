// Package app has the kind that kata deployment-operator's controller is for, ready made: its Go types and its definition for the
// API server.
package app

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/rand"
)

// Kind and Version are the App's in every group.
const (
	Kind    = "App"
	Version = "v1"
)

// The operator's own names.
const (
	// FieldManager is the operator's name where the server notes whose a field is.
	FieldManager = "app-operator"
	// NameLabel is the App's name, on the pods, and what the Deployment and the Service select them by.
	NameLabel = "app.kubekata.dev/name"
	// ConfigHashAnnotation is the App's ConfigHash, on the pods: with another value the Deployment makes new ones.
	ConfigHashAnnotation = "app.kubekata.dev/config-hash"
	// Container is the name of the pods' container.
	Container = "app"
	// ServicePort is the port of the Service.
	ServicePort int32 = 80
)

// The condition of an App, and the reasons that are the operator's own.
const (
	// Available follows the Deployment's condition of that name.
	Available = "Available"
	// ReasonNameTaken: another object has the name of one of the App's. Available is False.
	ReasonNameTaken = "NameTaken"
	// ReasonUnknown: the Deployment has no such condition yet, or there is no Deployment. Available is Unknown.
	ReasonUnknown = "NotYetKnown"
)

// App wants a program that serves on a port.
type App struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitempty"`
}

// Spec is what somebody wants.
type Spec struct {
	// Image is the container image.
	Image string `json:"image"`
	// Port is where the program in the container listens.
	Port int32 `json:"port"`
	// Config is what the program finds in its environment.
	Config map[string]string `json:"config,omitempty"`
	// Replicas is how many pods there shall be. When it is not set, that is somebody else's business: an autoscaler's, or that of
	// whoever scales the Deployment.
	Replicas *int32 `json:"replicas,omitempty"`
}

// Status is what the controller has found.
type Status struct {
	// ObservedGeneration is the metadata.generation of the spec that the rest of the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions are one, by now: Available.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ConfigHash is a short text that differs when the config does.
func (a *App) ConfigHash() string {
	data, err := json.Marshal(a.Spec.Config) // sorts the keys
	if err != nil {
		panic(fmt.Sprintf("a map of strings does not go into JSON: %v", err))
	}
	sum := fnv.New32a()
	sum.Write(data) // a hash never fails
	return rand.SafeEncodeString(fmt.Sprint(sum.Sum32()))
}

// AppList is a list of them.
type AppList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []App `json:"items"`
}

// AddToScheme adds the App to a scheme, in a group. The group of an operator is a constant, elsewhere; here several runs share one
// API server, and each has its own.
func AddToScheme(scheme *runtime.Scheme, group string) error {
	version := schema.GroupVersion{Group: group, Version: Version}
	scheme.AddKnownTypes(version, &App{}, &AppList{})
	metav1.AddToGroupVersion(scheme, version)
	return nil
}

// DeepCopyInto copies the App. Elsewhere controller-gen writes these functions.
func (a *App) DeepCopyInto(out *App) {
	*out = *a
	a.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Config = maps.Clone(a.Spec.Config)
	if a.Spec.Replicas != nil {
		replicas := *a.Spec.Replicas
		out.Spec.Replicas = &replicas
	}
	if a.Status.Conditions != nil {
		out.Status.Conditions = make([]metav1.Condition, len(a.Status.Conditions))
		for i := range a.Status.Conditions {
			a.Status.Conditions[i].DeepCopyInto(&out.Status.Conditions[i])
		}
	}
}

// DeepCopy copies the App.
func (a *App) DeepCopy() *App {
	out := new(App)
	a.DeepCopyInto(out)
	return out
}

// DeepCopyObject is DeepCopy for a runtime.Object.
func (a *App) DeepCopyObject() runtime.Object { return a.DeepCopy() }

// DeepCopyObject copies the list.
func (l *AppList) DeepCopyObject() runtime.Object {
	out := new(AppList)
	*out = *l
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]App, len(l.Items))
	for i := range l.Items {
		l.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}

// Definition returns the CustomResourceDefinition of the App in a group. It has the status subresource.
func Definition(group string) *unstructured.Unstructured {
	object := func(properties map[string]any, required ...any) map[string]any {
		o := map[string]any{"type": "object", "properties": properties}
		if len(required) > 0 {
			o["required"] = required
		}
		return o
	}
	text, integer := map[string]any{"type": "string"}, map[string]any{"type": "integer", "minimum": int64(0)}
	condition := object(map[string]any{
		"type": text, "status": text, "reason": text, "message": text, "observedGeneration": integer,
		"lastTransitionTime": map[string]any{"type": "string", "format": "date-time"},
	}, "type", "status")
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": "apps." + group},
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{"plural": "apps", "singular": "app", "kind": Kind},
			"versions": []any{map[string]any{
				"name": Version, "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"additionalPrinterColumns": []any{
					map[string]any{"name": "Image", "type": "string", "jsonPath": ".spec.image"},
					map[string]any{"name": "Available", "type": "string", "jsonPath": `.status.conditions[?(@.type=="Available")].status`},
				},
				"schema": map[string]any{"openAPIV3Schema": object(map[string]any{
					"spec": object(map[string]any{
						"image": text, "port": integer, "replicas": integer,
						"config": map[string]any{"type": "object", "additionalProperties": text},
					}, "image", "port"),
					"status": object(map[string]any{
						"observedGeneration": integer,
						"conditions": map[string]any{
							"type": "array", "items": condition,
							"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": []any{"type"},
						},
					}),
				}, "spec")},
			}},
		},
	}}
}
