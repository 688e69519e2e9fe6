package mutate_test

import (
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	mutate "github.com/kubekata/kubekata/katas/stage4/03-mutate"
)

var _ = Describe("Pointer", func() {
	DescribeTable("leads", func(want string, keys ...string) {
		Expect(mutate.Pointer(keys...)).To(Equal(want), "the pointer for the keys %q", keys)
	},
		Entry("to a key", "/metadata", "metadata"),
		Entry("to a key below a key", "/metadata/labels", "metadata", "labels"),
		Entry("to a key with a slash in it", "/metadata/labels/app.kubernetes.io~1name", "metadata", "labels", "app.kubernetes.io/name"),
		Entry("to a key with several slashes in it", "/a~1b~1c", "a/b/c"),
		Entry("to a key with a tilde in it", "/menu~0old", "menu~old"),
		Entry("to a key with both in it", "/~0~1", "~/"),
		Entry("to a key that looks as if it were escaped already", "/a~01b", "a~1b"),
		Entry("to a key that is empty", "/metadata/", "metadata", ""),
		Entry("to the document", ""),
	)
})

var _ = Describe("AddMissing", func() {
	path := []string{"metadata", "labels"}

	// added returns the labels after the operations, as JSON.
	added := func(labels string, want map[string]string) string {
		GinkgoHelper()
		var have map[string]string
		object := `{"metadata":{"name":"hawaii"}}`
		if labels != "" {
			Expect(json.Unmarshal([]byte(labels), &have)).To(Succeed())
			object = fmt.Sprintf(`{"metadata":{"name":"hawaii","labels":%s}}`, labels)
		}
		patch, err := json.Marshal(mutate.AddMissing(path, have, want))
		Expect(err).NotTo(HaveOccurred(), "encode the operations")
		var patched struct {
			Metadata struct{ Labels json.RawMessage }
		}
		Expect(json.Unmarshal([]byte(apply(patch, object)), &patched)).To(Succeed())
		return string(patched.Metadata.Labels)
	}

	DescribeTable("adds what is missing", func(labels string, want map[string]string, result string) {
		Expect(added(labels, want)).To(MatchJSON(result), "the labels, which were %q, after the operations", labels)
	},
		Entry("where there is no map", "", map[string]string{"size": "large", "oven": "left"}, `{"size": "large", "oven": "left"}`),
		Entry("where there is a null", "null", map[string]string{"size": "large", "oven": "left"}, `{"size": "large", "oven": "left"}`),
		Entry("where the map is empty", "{}", map[string]string{"size": "large"}, `{"size": "large"}`),
		Entry("where there are others", `{"team": "a"}`, map[string]string{"size": "large"}, `{"team": "a", "size": "large"}`),
		Entry("where some are there", `{"size": "small"}`, map[string]string{"size": "large", "oven": "left"}, `{"size": "small", "oven": "left"}`),
		Entry("under a key with a slash in it", `{"team": "a"}`, map[string]string{"pizza/size": "large"}, `{"team": "a", "pizza/size": "large"}`),
		Entry("under a key with a tilde in it", `{"team": "a"}`, map[string]string{"~size": "large"}, `{"team": "a", "~size": "large"}`),
		Entry("with an empty value", `{"team": "a"}`, map[string]string{"size": ""}, `{"team": "a", "size": ""}`),
	)

	DescribeTable("has no operations", func(have, want map[string]string) {
		Expect(mutate.AddMissing(path, have, want)).To(BeEmpty(), "the operations that add %v to %v", want, have)
	},
		Entry("where all is there", map[string]string{"size": "large"}, map[string]string{"size": "large"}),
		Entry("where there is another value", map[string]string{"size": "small"}, map[string]string{"size": "large"}),
		Entry("where there is an empty value", map[string]string{"size": ""}, map[string]string{"size": "large"}),
		Entry("where nothing is wanted, and there is a map", map[string]string{"size": "large"}, nil),
		Entry("where nothing is wanted, and there is none", nil, map[string]string{}),
	)

	It("touches no key that is there already", func() {
		for _, o := range mutate.AddMissing(path, map[string]string{"team": "a"}, map[string]string{"size": "large", "oven": "left"}) {
			Expect(o.Path).To(HavePrefix("/metadata/labels/"), "the path of the operation %+v, which is to add one label and say nothing about others", o)
		}
	})

	It("has its operations in the order of their keys", func() {
		var paths []string
		for _, o := range mutate.AddMissing(path, map[string]string{"team": "a"}, map[string]string{"d": "", "a": "", "c": "", "e": "", "b": ""}) {
			paths = append(paths, o.Path)
		}
		Expect(paths).To(Equal([]string{"/metadata/labels/a", "/metadata/labels/b", "/metadata/labels/c", "/metadata/labels/d", "/metadata/labels/e"}), "the paths")
	})

	It("leaves the maps and the path as they are", func() {
		have, want, room := map[string]string{"size": "small"}, map[string]string{"size": "large", "oven": "left"}, append(make([]string, 0, 8), "metadata", "labels")
		mutate.AddMissing(room, have, want)
		Expect(have).To(Equal(map[string]string{"size": "small"}), "what the object has")
		Expect(want).To(Equal(map[string]string{"size": "large", "oven": "left"}), "what the object is to have")
		Expect(room[:3]).To(Equal([]string{"metadata", "labels", ""}), "the path, and what lies behind it in its array")
	})
})

var _ = Describe("A patch", func() {
	want := mutate.Metadata{Labels: map[string]string{"app.kubernetes.io/name": "hawaii", "size": "large"}, Annotations: map[string]string{"pizza~1/done": "yes"}}

	for name, patcher := range patchers {
		When("it is "+name+"'s,", func() {
			DescribeTable("adds labels and annotations", func(object, result string) {
				patch, err := patcher([]byte(object), want)
				Expect(err).NotTo(HaveOccurred(), "%s", name)
				Expect(apply(patch, object)).To(MatchJSON(result), "the object after the patch %s", patch)
			},
				Entry("to an object that has none",
					`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii"}, "data": {"size": "1"}}`,
					`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii", "labels": {"app.kubernetes.io/name": "hawaii", "size": "large"},
					  "annotations": {"pizza~1/done": "yes"}}, "data": {"size": "1"}}`),
				Entry("to what a user has written",
					`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii", "labels": {"size": "small", "team": "a"}, "annotations": {"note": "hot"}}}`,
					`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii", "labels": {"app.kubernetes.io/name": "hawaii", "size": "small", "team": "a"},
					  "annotations": {"note": "hot", "pizza~1/done": "yes"}}}`),
				Entry("to an object that has labels and no annotations",
					`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii", "labels": {"app.kubernetes.io/name": "pizza", "size": "small"}}}`,
					`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii", "labels": {"app.kubernetes.io/name": "pizza", "size": "small"},
					  "annotations": {"pizza~1/done": "yes"}}}`),
				Entry("to an object that has annotations and no labels",
					`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii", "annotations": {"pizza~1/done": "no"}}}`,
					`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii", "annotations": {"pizza~1/done": "no"},
					  "labels": {"app.kubernetes.io/name": "hawaii", "size": "large"}}}`),
			)

			It("leaves what it does not know as it is", func() {
				object := `{"apiVersion": "pizza.kubekata.dev/v1", "kind": "Shop", "metadata": {"name": "da-ada", "novelty": {"since": "1.40"}},
				  "spec": {"tables": 5, "vat": 9007199254740993, "closed": null, "menu": [], "oven": {}}, "status": {"guests": 0}}`
				patch, err := patcher([]byte(object), mutate.Metadata{Labels: map[string]string{"size": "large"}})
				Expect(err).NotTo(HaveOccurred(), "%s", name)
				var operations []mutate.Operation
				Expect(json.Unmarshal(patch, &operations)).To(Succeed(), "decode the patch %s", patch)
				Expect(operations).NotTo(BeEmpty(), "the operations of the patch")
				for _, o := range operations {
					Expect(o.Path).To(HavePrefix("/metadata/labels"), "the path of an operation in the patch %s, which is to add a label", patch)
				}
			})

			DescribeTable("is none", func(object string, want mutate.Metadata) {
				patch, err := patcher([]byte(object), want)
				Expect(err).NotTo(HaveOccurred(), "%s", name)
				Expect(string(patch)).To(BeEmpty(), "the patch for an object that lacks nothing")
			},
				Entry("where all is there", `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {"app.kubernetes.io/name": "a", "size": ""},
				  "annotations": {"pizza~1/done": ""}}}`, want),
				Entry("where nothing is wanted", `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {}, "annotations": {"note": "hot"}}}`, mutate.Metadata{}),
				Entry("where nothing is wanted, and there are no maps", `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii"}}`, mutate.Metadata{}),
			)

			DescribeTable("is an error", func(object string) {
				patch, err := patcher([]byte(object), want)
				Expect(err).To(HaveOccurred(), "%s of %s; the patch is %s", name, object, patch)
				Expect(err).NotTo(MatchError(ContainSubstring("not implemented")), "%s", name)
			},
				Entry("for what is no JSON", `a pizza`),
				Entry("for nothing", ``),
				Entry("for labels that are none", `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hawaii", "labels": "many"}}`),
			)

			It("leaves what is wanted as it is", func() {
				mine := mutate.Metadata{Labels: map[string]string{"size": "large"}, Annotations: map[string]string{"note": "hot"}}
				_, err := patcher([]byte(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {"size": "small", "team": "a"}, "annotations": {"b": ""}}}`), mine)
				Expect(err).NotTo(HaveOccurred(), "%s", name)
				Expect(mine).To(Equal(mutate.Metadata{Labels: map[string]string{"size": "large"}, Annotations: map[string]string{"note": "hot"}}), "what was wanted")
			})
		})
	}
})
