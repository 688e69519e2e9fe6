package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TODO(kata): Tags for the kind: it gets a client, and it is a runtime.Object. (client-gen makes UpdateStatus by itself, of the field
// Status.)

// Loaf is a loaf of bread, from the recipe to the shelf.
type Loaf struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   LoafSpec   `json:"spec"`
	Status LoafStatus `json:"status,omitempty"`
}

// LoafSpec is the recipe.
type LoafSpec struct {
	// Flour is "wheat" by default.
	Flour string `json:"flour,omitempty"`
	// Salt is in grams a kilogram of flour, 20 by default. 0 is a loaf without salt: Tuscany has had them for centuries.
	Salt *int32 `json:"salt,omitempty"`
	// Toppings may be none.
	Toppings []string `json:"toppings,omitempty"`
	// Notes are for the customer: "en" → "contains nuts".
	Notes map[string]string `json:"notes,omitempty"`
	// Steps are what is done, one after the other. When none of them is called "bake", one is added at the end.
	Steps []Step `json:"steps,omitempty"`
}

// Step is one step of a recipe.
type Step struct {
	Name string `json:"name"`
	// Minutes is 10 by default. A step of 0 minutes is done at once.
	Minutes *int32 `json:"minutes,omitempty"`
	// Until is for bakers who do not look at the clock.
	Until *Sign `json:"until,omitempty"`
}

// Sign is what a baker looks for.
type Sign struct {
	Seen []string `json:"seen,omitempty"`
}

// LoafStatus is what has become of it.
type LoafStatus struct {
	// Grams is its weight, once it is baked.
	Grams *int32 `json:"grams,omitempty"`
	// BakedAt is when it came out of the oven.
	BakedAt *metav1.Time `json:"bakedAt,omitempty"`
}

// TODO(kata): The list is a runtime.Object as well. It needs no client.

// LoafList is a list of loaves.
type LoafList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Loaf `json:"items"`
}
