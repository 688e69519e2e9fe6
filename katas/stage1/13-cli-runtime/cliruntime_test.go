package cliruntime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	cliruntime "github.com/kubekata/kubekata/katas/stage1/13-cli-runtime"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestCLIRuntime(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 13-cli-runtime") }

var _ = Describe("look TYPE", func() {
	It("lists the namespace of -n, and no other", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		secrets(ctx, other, "c")
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/a\nsecret/b\n"), "stdout of look secrets -n %s -o name", ns)
	})

	It("lists the kubeconfig's namespace when there is no -n", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		secrets(ctx, ns, "a")
		secrets(ctx, other, "b")
		got := look{kubeconfig: kubeconfigFor(ns)}.run(ctx, "secrets", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/a\n"), "stdout; the current context of the kubeconfig has the namespace %s", ns)
	})

	It("takes -n rather than the kubeconfig's namespace", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		secrets(ctx, ns, "a")
		secrets(ctx, other, "b")
		got := look{kubeconfig: kubeconfigFor(other)}.run(ctx, "secrets", "-n", ns, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/a\n"), "stdout; the kubeconfig says %s, the flag %s", other, ns)
	})

	It("lists all namespaces with -A, whatever -n says", func(ctx SpecContext) {
		ns, other := api.Namespace(ctx), api.Namespace(ctx)
		secrets(ctx, ns, "a")
		secrets(ctx, other, "b")
		got := look{}.run(ctx, "secrets", "-A", "-n", ns, "-l", "of in ("+ns+","+other+")", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred(), "-A makes -n meaningless, not wrong")
		Expect(lines(got.out)).To(ConsistOf("secret/a", "secret/b"))
	})

	It("has the server select with -l", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		got := look{}.run(ctx, "secrets", "-n", ns, "-l", "name=b", "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/b\n"))
		Expect(asked()).To(HaveExactElements(ContainSubstring("labelSelector=name=b")), "requests for objects")
	})

	It("asks for a list in pages of 500", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{}.run(ctx, "secrets", "-n", ns)
		Expect(got.err).NotTo(HaveOccurred())
		Expect(asked()).To(HaveExactElements(ContainSubstring("limit=500 ")), "requests for objects")
	})

	It("lists several types, a shortcut among them, one after the other", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a")
		lease(ctx, ns, "b")
		got := look{}.run(ctx, "secrets,cm,leases", "-n", ns, "-l", "of="+ns, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/a\nlease.coordination.k8s.io/b\n"))
	})

	It("shows the types that it may see when another is forbidden", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		lease(ctx, ns, "b")
		forbid("secrets")
		got := look{}.run(ctx, "secrets,leases", "-n", ns, "-o", "name")
		Expect(got.out).To(Equal("lease.coordination.k8s.io/b\n"), "stdout: what could be read")
		Expect(got.err).To(Satisfy(apierrors.IsForbidden),
			"want an error that apierrors.IsForbidden recognises (errors.As does not see through an Aggregate), got: %v", got.err)
	})

	It("prints nothing, and not that nothing was found, when it may see nothing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		forbid("secrets")
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", "json")
		Expect(got.err).To(Satisfy(apierrors.IsForbidden), "the server said 403 Forbidden, got: %v", got.err)
		Expect(got.out).To(BeEmpty(), "stdout: an empty List would say that there is nothing")
		Expect(got.errOut).To(ContainSubstring("you may not"), "stderr")
		Expect(got.errOut).NotTo(ContainSubstring("No resources found"), "stderr")
	})

	It("reports a type that the server does not have", func(ctx SpecContext) {
		got := look{}.run(ctx, "gizmos", "-o", "json")
		Expect(got.err).To(MatchError(ContainSubstring(`the server doesn't have a resource type "gizmos"`)))
		Expect(got.out).To(BeEmpty(), "stdout")
	})

	It("reports a context that the kubeconfig does not have", func(ctx SpecContext) {
		got := look{}.run(ctx, "secrets", "--context", "nowhere")
		Expect(got.err).To(MatchError(ContainSubstring("context was not found for specified context: nowhere")))
		Expect(api.Requests()).To(BeEmpty(), "requests")
		Expect(got.out).To(BeEmpty(), "stdout")
	})

	It("wants a type or a file", func(ctx SpecContext) {
		got := look{}.run(ctx)
		Expect(got.err).To(MatchError(ContainSubstring("You must provide one or more resources by argument or filename")))
		Expect(asked()).To(BeEmpty(), "requests for objects")
	})
})

var _ = Describe("look TYPE NAME", func() {
	It("gets one object by its name", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		got := look{}.run(ctx, "secret/b", "-n", ns, "-o", "name")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("secret/b\n"))
		Expect(asked()).To(HaveExactElements(HavePrefix("get    secrets/b ")), "requests for objects: one get, and no list to search in")
	})

	It("shows the others when one does not exist", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		got := look{}.run(ctx, "secret", "a", "nowhere", "b", "-n", ns, "-o", "name")
		Expect(got.out).To(Equal("secret/a\nsecret/b\n"), "stdout: those that exist")
		Expect(got.err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", got.err)
		Expect(got.err).To(MatchError(ContainSubstring(`"nowhere"`)), "the name that does not exist")
	})

	It("says on stderr what does not exist, a line each", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{}.run(ctx, "secret/nowhere", "lease/never", "-n", ns, "-o", "json")
		Expect(got.err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises, got: %v", got.err)
		Expect(lines(got.errOut)).To(ConsistOf(
			ContainSubstring(`secrets "nowhere" not found`), ContainSubstring(`leases.coordination.k8s.io "never" not found`)), "stderr")
		Expect(got.out).To(BeEmpty(), "stdout")
	})
})

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

var _ = Describe("look -o", func() {
	It("prints what was asked for by name as itself", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a")
		got := look{}.run(ctx, "secret/a", "-n", ns, "-o", "json")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(parse(got.out)).To(And(HaveKeyWithValue("kind", "Secret"), HaveKeyWithValue("metadata", HaveKeyWithValue("name", "a"))))
	})

	It("prints a file's only document as itself", func(ctx SpecContext) {
		got := look{}.run(ctx, "-f", write("a.yaml", configMap("a")), "-o", "json")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(parse(got.out)).To(HaveKeyWithValue("kind", "ConfigMap"))
	})

	It("prints a file's only good document as a List, since there is another", func(ctx SpecContext) {
		got := look{}.run(ctx, "-f", write("a.yaml", configMap("a")+configMapIn("bakery", "b")), "-n", "shop", "-o", "json")
		Expect(got.err).To(HaveOccurred(), "b is not in the namespace of -n")
		Expect(names(got.out)).To(Equal([]string{"a"}), "names of the items: a bad document must not change the shape of the output")
	})

	DescribeTable("prints several objects as one List", func(ctx SpecContext, format string) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		lease(ctx, ns, "c")
		got := look{}.run(ctx, "secret/a", "secret/b", "lease/c", "-n", ns, "-o", format)
		Expect(got.err).NotTo(HaveOccurred())
		Expect(parse(got.out)).To(And(HaveKeyWithValue("kind", "List"), HaveKeyWithValue("apiVersion", "v1")), "the whole of stdout, parsed")
		Expect(names(got.out)).To(Equal([]string{"a", "b", "c"}), "names of the items")
	},
		Entry("as JSON", "json"),
		Entry("as YAML", "yaml"),
		Entry("as KYAML", "kyaml"),
	)

	It("prints a list of one as a List", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a")
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", "json")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(parse(got.out)).To(HaveKeyWithValue("kind", "List"), "a script that reads .items must not break on the day when there is one")
		Expect(names(got.out)).To(Equal([]string{"a"}))
	})

	It("prints a jsonpath over all of them", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a", "b")
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", `jsonpath={range .items[*]}{.metadata.name}={.data.key}{"\n"}{end}`)
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.out).To(Equal("a=YQ==\nb=Yg==\n"))
	})

	It("leaves the managed fields out", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a")
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", "yaml")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(names(got.out)).To(Equal([]string{"a"}))
		Expect(got.out).NotTo(ContainSubstring("managedFields"))
	})

	DescribeTable("prints a table with one header", func(ctx SpecContext, args ...string) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a")
		lease(ctx, ns, "b")
		got := look{}.run(ctx, append(args, "secrets,leases", "-n", ns)...)
		Expect(got.err).NotTo(HaveOccurred())
		var rows [][]string
		for _, line := range lines(got.out) {
			rows = append(rows, strings.Fields(line))
		}
		Expect(rows).To(HaveExactElements(
			Equal([]string{"NAMESPACE", "NAME", "KIND", "AGE"}),
			HaveExactElements(ns, "a", "Secret", MatchRegexp(`^\d+s$`)),
			HaveExactElements(ns, "b", "Lease", MatchRegexp(`^\d+s$`)),
		), "stdout by rows and columns")
	},
		Entry("without -o"),
		Entry("with -o table", "-o", "table"),
	)

	It("prints a table of documents", func(ctx SpecContext) {
		got := look{stdin: configMap("a")}.run(ctx, "-f", "-", "-n", "shop")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(lines(got.out)).To(HaveExactElements(HavePrefix("NAMESPACE"), MatchRegexp(`^shop +a +ConfigMap +<unknown>$`)))
	})

	It("refuses a format that there is not, before it asks the server", func(ctx SpecContext) {
		got := look{}.run(ctx, "secrets", "-o", "jsno")
		var unknown genericclioptions.NoCompatiblePrinterError
		Expect(errors.As(got.err, &unknown)).To(BeTrue(), "want a genericclioptions.NoCompatiblePrinterError, got: %v", got.err)
		Expect(api.Requests()).To(BeEmpty(), "requests")
		Expect(got.out).To(BeEmpty(), "stdout")
	})

	It("refuses a jsonpath that does not parse, before it asks the server", func(ctx SpecContext) {
		got := look{}.run(ctx, "secrets", "-o", "jsonpath={.items")
		Expect(got.err).To(MatchError(ContainSubstring("unclosed action")))
		Expect(api.Requests()).To(BeEmpty(), "requests")
	})

	It("prints nothing when a jsonpath fails half-way", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a")
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", "jsonpath={.items[0].metadata.name} {.items[7].metadata.name}")
		Expect(got.err).To(MatchError(ContainSubstring("array index out of bounds")))
		Expect(got.out).To(BeEmpty(), "stdout: half a line passes for a whole one")
	})

	DescribeTable("reports that stdout cannot be written", func(ctx SpecContext, format string) {
		full := errors.New("no space left on device")
		got := look{stdin: configMap("a"), stdout: failing{full}}.run(ctx, "-f", "-", "-o", format)
		Expect(got.err).To(MatchError(full), "the table printer and the name printer do not tell what became of their Write")
	},
		Entry("for JSON", "json"),
		Entry("for names", "name"),
		Entry("for a table", "table"),
	)
})

var _ = Describe("look when there is nothing", func() {
	DescribeTable("says so on stderr, and keeps stdout as it must be", func(ctx SpecContext, format, want string) {
		ns := api.Namespace(ctx)
		got := look{}.run(ctx, "secrets", "-n", ns, "-o", format)
		Expect(got.err).NotTo(HaveOccurred(), "nothing is an answer, not an error")
		Expect(got.errOut).To(Equal("No resources found in "+ns+" namespace.\n"), "stderr")
		if want == "" {
			Expect(got.out).To(BeEmpty(), "stdout")
		} else {
			Expect(parse(got.out)).To(And(HaveKeyWithValue("kind", "List"), HaveKeyWithValue("items", BeEmpty())),
				"the whole of stdout, parsed")
		}
	},
		Entry("for a table", "table", ""),
		Entry("for names", "name", ""),
		Entry("for a jsonpath", "jsonpath={.items[*].metadata.name}", ""),
		Entry("for JSON", "json", "List"),
		Entry("for YAML", "yaml", "List"),
	)

	It("names the kubeconfig's namespace when that was searched", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{kubeconfig: kubeconfigFor(ns)}.run(ctx, "secrets")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.errOut).To(Equal("No resources found in "+ns+" namespace.\n"), "stderr")
	})

	DescribeTable("names no namespace when none was searched", func(ctx SpecContext, args ...string) {
		got := look{}.run(ctx, append(args, "-n", "shop", "-l", "of=nobody")...)
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.errOut).To(Equal("No resources found\n"), "stderr")
	},
		Entry("with -A", "secrets", "-A"),
		Entry("for a type that has no namespaces", "persistentvolumes"),
	)
})

var _ = Describe("look's streams", func() {
	It("carry the server's warnings on stderr", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{}.run(ctx, "endpoints", "-n", ns, "-o", "json")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(lines(got.errOut)).To(HaveExactElements(HavePrefix("Warning: v1 Endpoints is deprecated"), HavePrefix("No resources found")),
			"stderr; a client without a warning handler logs to the process's own")
		Expect(parse(got.out)).To(HaveKeyWithValue("kind", "List"), "the whole of stdout, parsed")
	})

	It("carry the same warning once", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{}.run(ctx, "endpoints/a", "endpoints/b", "-n", ns)
		Expect(got.err).To(Satisfy(apierrors.IsNotFound), "neither exists, got: %v", got.err)
		Expect(asked()).To(ContainElements(HavePrefix("get    endpoints/a "), HavePrefix("get    endpoints/b ")),
			"requests for objects, each answered with a warning")
		Expect(strings.Count(got.errOut, "Warning: v1 Endpoints is deprecated")).To(Equal(1), "warnings on stderr:\n%s", got.errOut)
	})

	It("carry a mistake in the flags on stderr, in one line", func(ctx SpecContext) {
		got := look{}.run(ctx, "secrets", "--outputt", "json")
		Expect(got.err).To(MatchError(ContainSubstring("--outputt")))
		Expect(lines(got.errOut)).To(HaveExactElements(ContainSubstring("unknown flag: --outputt")), "stderr; the usage text would bury it")
		Expect(got.out).To(BeEmpty(), "stdout")
	})

	It("carry the help on stdout when it is asked for", func(ctx SpecContext) {
		got := look{}.run(ctx, "--help")
		Expect(got.err).NotTo(HaveOccurred())
		for _, flag := range []string{"--namespace", "--context", "--selector", "--all-namespaces", "--output", "--filename", "--recursive"} {
			Expect(got.out).To(ContainSubstring(flag), "stdout of look --help")
		}
	})
})

// look is one call of the command.
type look struct {
	// kubeconfig is a path; the server's own when it is empty.
	kubeconfig string
	stdin      string
	// stdout is where Out goes besides.
	stdout io.Writer
}

// outcome is what came of it.
type outcome struct {
	out, errOut string
	err         error
}

// run builds the command as a main function would, with a recorded connection and a discovery cache of its own, and executes it.
func (l look) run(ctx context.Context, args ...string) outcome {
	GinkgoHelper()
	config := genericclioptions.NewConfigFlags(true).WithWrapConfigFn(func(c *rest.Config) *rest.Config {
		c.Wrap(api.Config().WrapTransport)
		return c
	})
	config.CacheDir = new(GinkgoT().TempDir())
	config.KubeConfig = new(api.Kubeconfig())
	if l.kubeconfig != "" {
		config.KubeConfig = new(l.kubeconfig)
	}
	streams, in, out, errOut := genericiooptions.NewTestIOStreams()
	in.WriteString(l.stdin)
	if l.stdout != nil {
		streams.Out = l.stdout
	}
	cmd := cliruntime.New(config, streams)
	cmd.SetArgs(append([]string{}, args...))
	err := cmd.ExecuteContext(ctx)
	return outcome{out.String(), errOut.String(), err}
}

// failing is a disk that is full.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// kubeconfigFor returns a kubeconfig for the server whose current context has a namespace.
func kubeconfigFor(namespace string) string {
	GinkgoHelper()
	config, err := clientcmd.LoadFromFile(api.Kubeconfig())
	Expect(err).NotTo(HaveOccurred(), "read the server's kubeconfig")
	config.Contexts[config.CurrentContext].Namespace = namespace
	path := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*config, path)).To(Succeed())
	return path
}

// write writes a file in a folder of its own and returns its path.
func write(name, content string) string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), name)
	Expect(os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
	Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	return path
}

// configMap is a document without a namespace, and the separator after it; more are lines at its top level.
func configMap(name string, more ...string) string {
	document := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", labels: {name: " + name + "}}\n"
	return document + strings.Join(append(more, "---\n"), "\n")
}

func configMapIn(namespace, name string) string {
	return strings.Replace(configMap(name), "{name:", "{namespace: "+namespace+", name:", 1)
}

// secrets makes some; each holds its name under key, and has the labels name and of, its namespace.
func secrets(ctx context.Context, ns string, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		_, err := api.Judge().CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name, "of": ns}},
			Data:       map[string][]byte{"key": []byte(name)},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make secret %s/%s for the spec", ns, name)
	}
}

func lease(ctx context.Context, ns, name string) {
	GinkgoHelper()
	_, err := api.Judge().CoordinationV1().Leases(ns).Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name, "of": ns}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make lease %s/%s for the spec", ns, name)
}

// forbid answers what is asked about a resource with 403 Forbidden.
func forbid(resource string) {
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if r.Resource != resource {
			return nil
		}
		return &cluster.Answer{Status: &metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: "you may not"}}
	})
}

// asked returns the requests for objects, as a transcript has them: discovery is not among them.
func asked() []string {
	found := []string{}
	for _, r := range api.Requests() {
		if r.Resource != "" {
			found = append(found, r.String())
		}
	}
	return found
}

// parse reads the whole of an output as one document of JSON or YAML.
func parse(out string) map[string]any {
	GinkgoHelper()
	documents := bytes.Count([]byte("\n"+out), []byte("\n---"))
	Expect(documents).To(BeNumerically("<=", 1), "documents on stdout:\n%s", out)
	converted, err := yaml.YAMLToJSON([]byte(out))
	Expect(err).NotTo(HaveOccurred(), "stdout is not one document of JSON or YAML:\n%s", out)
	var document map[string]any
	Expect(json.Unmarshal(converted, &document)).To(Succeed(), "stdout is not one object:\n%s", out)
	return document
}

// names returns the names of a List's items.
func names(out string) []string {
	GinkgoHelper()
	items, ok := parse(out)["items"].([]any)
	Expect(ok).To(BeTrue(), "stdout is not a List:\n%s", out)
	var found []string
	for _, item := range items {
		found = append(found, item.(map[string]any)["metadata"].(map[string]any)["name"].(string))
	}
	return found
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
