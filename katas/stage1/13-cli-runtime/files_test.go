package cliruntime_test

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/resource"
)

var _ = Describe("look -f", func() {
	It("shows what the file says, and asks the server for no object", func(ctx SpecContext) {
		file := write("a.yaml", configMap("a", "data: {key: from the file}"))
		got := look{}.run(ctx, "-f", file, "-n", "shop", "-o", "jsonpath={.data.key}")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("from the file"))
		Expect(asked()).To(BeEmpty(), "requests for objects: the server is only asked which kinds there are")
		Expect(api.Requests()).NotTo(BeEmpty(), "requests: whether a kind has namespaces, only the server knows")
	})

	It("gives a document without a namespace that of -n", func(ctx SpecContext) {
		file := write("a.yaml", configMap("a"))
		got := look{kubeconfig: kubeconfigFor("elsewhere")}.run(ctx, "-f", file, "-n", "shop", "-o", "jsonpath={.metadata.namespace}")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("shop"), "metadata.namespace")
	})

	It("gives a document without a namespace the kubeconfig's when there is no -n", func(ctx SpecContext) {
		file := write("a.yaml", configMap("a"))
		got := look{kubeconfig: kubeconfigFor("shop")}.run(ctx, "-f", file, "-o", "jsonpath={.metadata.namespace}")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("shop"), "metadata.namespace")
	})

	It("gives no namespace to a kind that has none", func(ctx SpecContext) {
		file := write("a.yaml", "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: disk}\n")
		got := look{}.run(ctx, "-f", file, "-n", "shop", "-o", "jsonpath={.metadata}")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(MatchJSON(`{"name": "disk"}`), "metadata")
	})

	It("leaves a document its own namespace when there is no -n", func(ctx SpecContext) {
		file := write("a.yaml", configMapIn("bakery", "a"))
		got := look{kubeconfig: kubeconfigFor("shop")}.run(ctx, "-f", file, "-o", "jsonpath={.metadata.namespace}")
		Expect(got.err).NotTo(HaveOccurred(), "the kubeconfig's namespace is a default, not a wish")
		Expect(got.out).To(Equal("bakery"), "metadata.namespace")
	})

	DescribeTable("refuses a document whose own namespace contradicts -n, and shows the others", func(ctx SpecContext, stdin bool) {
		documents := configMap("a") + configMapIn("bakery", "b") + configMapIn("shop", "c")
		l, file := look{}, "-"
		if stdin {
			l.stdin = documents
		} else {
			file = write("all.yaml", documents)
		}
		got := l.run(ctx, "-f", file, "-n", "shop", "-o", "name")
		Expect(got.err).To(MatchError(ContainSubstring(`"bakery" does not match the namespace "shop"`)))
		Expect(got.out).To(Equal("configmap/a\nconfigmap/c\n"), "stdout")
	},
		Entry("from a file", false),
		Entry("from standard input", true),
	)

	It("reads standard input from its own stream", func(ctx SpecContext) {
		got := look{stdin: configMap("a") + configMap("b")}.run(ctx, "-f", "-", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("configmap/a\nconfigmap/b\n"), "stdout; the documents were on streams.In, which need not be os.Stdin")
	})

	It("refuses to read standard input twice", func(ctx SpecContext) {
		got := look{stdin: configMap("a")}.run(ctx, "-f", "-", "-f", "-", "-o", "name")
		Expect(got.err).To(MatchError(resource.StdinMultiUseError))
	})

	It("shows several files, in their order, and the files of a folder", func(ctx SpecContext) {
		folder := filepath.Dir(write("one.yaml", configMap("one")))
		two := `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two"}}`
		Expect(os.WriteFile(filepath.Join(folder, "two.json"), []byte(two), 0o600)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("not a document"), 0o600)).To(Succeed())
		got := look{stdin: configMap("last")}.run(ctx, "-f", write("first.yaml", configMap("first")), "-f", folder, "-f", "-", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("configmap/first\nconfigmap/one\nconfigmap/two\nconfigmap/last\n"))
	})

	It("goes into folders below folders with -R alone", func(ctx SpecContext) {
		file := write("below/a.yaml", configMap("a"))
		above := filepath.Dir(filepath.Dir(file))
		got := look{}.run(ctx, "-R", "-f", above, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("configmap/a\n"), "stdout with -R")
		got = look{}.run(ctx, "-f", above, "-o", "name")
		Expect(got.out).To(BeEmpty(), "stdout without -R")
	})

	It("shows the items of a List, not the List", func(ctx SpecContext) {
		file := write("list.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"+
			"- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n---\n"+configMap("c"))
		got := look{}.run(ctx, "-f", file, "-o", "jsonpath={.items[*].metadata.name}")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("a b c"), "names of the items")
	})

	It("selects documents with -l", func(ctx SpecContext) {
		got := look{stdin: configMap("a") + configMap("b")}.run(ctx, "-f", "-", "-l", "name=b", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("configmap/b\n"))
	})

	It("shows the documents before and after one of an unknown kind", func(ctx SpecContext) {
		oven := "apiVersion: bakery.example.com/v1\nkind: Oven\nmetadata: {name: hot}\n---\n"
		file := write("all.yaml", configMap("a")+oven+configMap("b"))
		got := look{}.run(ctx, "-f", file, "-o", "json")
		Expect(names(got.out)).To(Equal([]string{"a", "b"}), "names of the items on stdout")
		Expect(got.err).To(Satisfy(meta.IsNoMatchError), "want an error that meta.IsNoMatchError recognises, got: %v", got.err)
		Expect(got.errOut).To(ContainSubstring("Oven"), "stderr, which names the kind")
	})

	It("says of each bad document what is bad, a line each", func(ctx SpecContext) {
		noKind, oddVersion := "metadata: {name: no-kind}\n---\n", "apiVersion: a/b/c\nkind: ConfigMap\n---\n"
		got := look{stdin: noKind + configMap("a") + oddVersion + configMapIn("bakery", "b")}.run(ctx, "-f", "-", "-n", "shop", "-o", "name")
		Expect(got.err).To(HaveOccurred(), "three documents of four are bad")
		Expect(got.out).To(Equal("configmap/a\n"), "stdout")
		Expect(lines(got.errOut)).To(ConsistOf(ContainSubstring("'Kind' is missing"),
			ContainSubstring("a/b/c"), ContainSubstring("does not match the namespace")), "stderr")
	})

	It("shows the other files when one is not YAML", func(ctx SpecContext) {
		bad, good := write("bad.yaml", configMap("a")+"{ not: [yaml\n"), write("good.yaml", configMap("b"))
		got := look{}.run(ctx, "-f", bad, "-f", good, "-o", "name")
		Expect(got.err).To(MatchError(ContainSubstring("bad.yaml")), "the file that does not parse")
		Expect(got.out).To(Equal("configmap/a\nconfigmap/b\n"), "stdout")
	})

	It("reports a file that does not exist", func(ctx SpecContext) {
		got := look{}.run(ctx, "-f", "nowhere.yaml", "-o", "json")
		Expect(got.err).To(MatchError(ContainSubstring(`"nowhere.yaml" does not exist`)))
		Expect(got.out).To(BeEmpty(), "stdout")
	})

	It("takes no type besides, and no -A", func(ctx SpecContext) {
		file := write("a.yaml", configMap("a"))
		got := look{}.run(ctx, "secrets", "-f", file)
		Expect(got.err).To(MatchError(ContainSubstring("you may not specify resource arguments as well")))
		got = look{}.run(ctx, "-A", "-f", file)
		Expect(got.err).To(MatchError(And(ContainSubstring("all-namespaces"), ContainSubstring("filename"))),
			"documents know their namespaces: -A would leave those without one nowhere")
		Expect(got.out).To(BeEmpty(), "stdout")
	})
})

// configMap is a document without a namespace, and the separator after it; more are lines at its top level.
func configMap(name string, more ...string) string {
	document := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", labels: {name: " + name + "}}\n"
	return document + strings.Join(append(more, "---\n"), "\n")
}

func configMapIn(namespace, name string) string {
	return strings.Replace(configMap(name), "{name:", "{namespace: "+namespace+", name:", 1)
}
