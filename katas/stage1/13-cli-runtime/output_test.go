package cliruntime_test

import (
	"errors"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

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

	It("prints the only document of standard input as a List, since there might be another", func(ctx SpecContext) {
		got := look{stdin: configMap("a")}.run(ctx, "-f", "-", "-o", "json")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(names(got.out)).To(Equal([]string{"a"}), "names of the items")
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

	It("reports what was not found besides a jsonpath that fails", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		secrets(ctx, ns, "a")
		got := look{}.run(ctx, "secret/a", "secret/nowhere", "-n", ns, "-o", "jsonpath={.items[7].metadata.name}")
		Expect(got.err).To(MatchError(ContainSubstring("array index out of bounds")))
		Expect(got.err).To(Satisfy(apierrors.IsNotFound), "want an error that apierrors.IsNotFound recognises as well, got: %v", got.err)
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

	It("says so of a file in which nothing has the labels of -l", func(ctx SpecContext) {
		got := look{}.run(ctx, "-f", write("a.yaml", configMap("a")), "-l", "name=b", "-o", "json")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(lines(got.errOut)).To(HaveExactElements(HavePrefix("No resources found")), "stderr")
		Expect(parse(got.out)).To(And(HaveKeyWithValue("kind", "List"), HaveKeyWithValue("items", BeEmpty())), "the whole of stdout, parsed")
	})

	It("names the kubeconfig's namespace when that was searched", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{kubeconfig: kubeconfigFor(ns)}.run(ctx, "secrets")
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.errOut).To(Equal("No resources found in "+ns+" namespace.\n"), "stderr")
	})

	It("names the namespace when several types were looked for in it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		got := look{}.run(ctx, "secrets,leases", "-n", ns)
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

	It("carry its own warnings, when the process has another look", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		first, second := look{}.command("endpoints", "-n", ns), look{}.command("services", "-n", ns)
		Expect(first(ctx).errOut).To(ContainSubstring("Warning: v1 Endpoints is deprecated"), "stderr of look endpoints, which was made first")
		got := second(ctx)
		Expect(got.err).NotTo(HaveOccurred())
		Expect(got.errOut).NotTo(ContainSubstring("Warning"), "stderr of look services, which was made second")
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
