package aggregated_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"
)

var _ = Describe("Discovery", func() {
	version := metav1.GroupVersionForDiscovery{GroupVersion: group + "/v1", Version: "v1"}

	It("has the group, with its preferred version", func() {
		got := aggregated.Group(group)
		Expect(got.TypeMeta).To(Equal(metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}), "kind and apiVersion")
		Expect(got.Name).To(Equal(group), "the name of the group")
		Expect(got.Versions).To(Equal([]metav1.GroupVersionForDiscovery{version}), "versions")
		Expect(got.PreferredVersion).To(Equal(version), "preferredVersion")
	})

	It("has a list of groups", func() {
		got := aggregated.Groups(group)
		Expect(got.TypeMeta).To(Equal(metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}), "kind and apiVersion")
		Expect(got.Groups).To(ConsistOf(And(HaveField("Name", group), HaveField("PreferredVersion", version), HaveField("Versions", ConsistOf(version)))), "groups")
	})

	It("has a list of resources", func() {
		got := aggregated.Resources(group)
		Expect(got.TypeMeta).To(Equal(metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}), "kind and apiVersion")
		Expect(got.GroupVersion).To(Equal(group+"/v1"), "groupVersion")
		Expect(got.APIResources).To(HaveLen(1), "resources")
	})

	It("has all names of the resource", func() {
		got := aggregated.Resources(group)
		Expect(got.APIResources).To(ConsistOf(And(
			HaveField("Name", "tabs"), HaveField("SingularName", "tab"), HaveField("Kind", "Tab"), HaveField("ShortNames", ConsistOf("tb")), HaveField("Categories", ConsistOf("restaurant")),
		)), "resources")
	})

	It("says that tabs are in namespaces, so that they are deleted with them", func() {
		Expect(aggregated.Resources(group).APIResources).To(ConsistOf(HaveField("Namespaced", true)), "resources")
	})

	It("has the verbs that are served, and no others", func() {
		Expect(aggregated.Resources(group).APIResources).To(ConsistOf(HaveField("Verbs", ConsistOf("create", "delete", "get", "list"))), "resources")
	})
})
