package kubebuilderwebhook_test

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/tools/go/packages"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-tools/pkg/genall"
	"sigs.k8s.io/controller-tools/pkg/loader"
	"sigs.k8s.io/controller-tools/pkg/webhook"

	kata "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook"
)

const module = "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook"

// hook is what the two configurations have in common.
type hook struct {
	name, path, service string
	port                int32
	config              admissionregistrationv1.WebhookClientConfig
	rules               []admissionregistrationv1.RuleWithOperations
	policy              *admissionregistrationv1.FailurePolicyType
	sideEffects         *admissionregistrationv1.SideEffectClass
	timeout             *int32
	versions            []string
	namespaces, objects *metav1.LabelSelector
	conditions          []admissionregistrationv1.MatchCondition
}

// hooks are those of the manifests, by the kind of their configuration.
func hookOf(kind string) hook {
	GinkgoHelper()
	var h hook
	if kind == mutating {
		w := mutatingConfiguration().Webhooks[0]
		h = hook{w.Name, "", "", 0, w.ClientConfig, w.Rules, w.FailurePolicy, w.SideEffects, w.TimeoutSeconds, w.AdmissionReviewVersions, w.NamespaceSelector, w.ObjectSelector, w.MatchConditions}
	} else {
		w := validatingConfiguration().Webhooks[0]
		h = hook{w.Name, "", "", 0, w.ClientConfig, w.Rules, w.FailurePolicy, w.SideEffects, w.TimeoutSeconds, w.AdmissionReviewVersions, w.NamespaceSelector, w.ObjectSelector, w.MatchConditions}
	}
	Expect(h.config.Service).NotTo(BeNil(), "clientConfig.service of the webhook in the %s", kind)
	h.path, h.service, h.port = ptr.Deref(h.config.Service.Path, ""), h.config.Service.Namespace+"/"+h.config.Service.Name, ptr.Deref(h.config.Service.Port, 443)
	return h
}

var _ = Describe("The manifests", func() {
	It("are what controller-gen makes of the markers", func() {
		compare(generated(webhook.Generator{HeaderFile: "hack/header.yaml.txt"}, "internal/webhook/v1"), manifestsFile, "manifests")
	})

	It("have names of their own in the cluster", func() {
		Expect(mutatingConfiguration().Name).To(Equal(configuration), "the name of the %s", mutating)
		Expect(validatingConfiguration().Name).To(Equal(configuration), "the name of the %s", validating)
		Expect(hookOf(mutating).name).To(Equal("mutate."+configuration), "the name of the webhook in the %s", mutating)
		Expect(hookOf(validating).name).To(Equal("validate."+configuration), "the name of the webhook in the %s", validating)
	})

	DescribeTable("call the Service", func(kind string) {
		h := hookOf(kind)
		Expect(h.service).To(Equal(namespace+"/"+service().Name), "the Service of the webhook in the %s", kind)
		Expect(h.port).To(Equal(service().Spec.Ports[0].Port), "the port of the webhook in the %s", kind)
	}, Entry("to fill in", mutating), Entry("to judge", validating))

	It("ask before something is stored: what is created and what is updated is filled in, and judged; what is deleted is judged", func() {
		for kind, want := range map[string][]admissionregistrationv1.OperationType{
			mutating:   {admissionregistrationv1.Create, admissionregistrationv1.Update},
			validating: {admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete},
		} {
			var operations []admissionregistrationv1.OperationType
			for _, rule := range hookOf(kind).rules {
				operations = append(operations, rule.Operations...)
			}
			Expect(operations).To(ConsistOf(want), "operations of the webhook in the %s", kind)
		}
	})

	It("ask about Calculates, and about nothing by a star", func() {
		for _, kind := range []string{mutating, validating} {
			Expect(hookOf(kind).rules).NotTo(BeEmpty(), "rules of the webhook in the %s", kind)
			for _, rule := range hookOf(kind).rules {
				Expect(rule.APIGroups).To(ConsistOf(group), "apiGroups of the webhook in the %s", kind)
				Expect(rule.APIVersions).To(ConsistOf("v1"), "apiVersions of the webhook in the %s", kind)
				Expect(rule.Resources).To(ConsistOf("calculates"), "resources of the webhook in the %s: the status is the controller's", kind)
			}
			Expect(hookOf(kind).namespaces).To(BeNil(), "the namespaceSelector in the %s: a Calculate is the same in all namespaces", kind)
			Expect(hookOf(kind).objects).To(BeNil(), "the objectSelector in the %s: whoever writes an object must not choose whether it is judged", kind)
			Expect(hookOf(kind).conditions).To(BeEmpty(), "the matchConditions in the %s", kind)
		}
	})

	It("let nothing pass that was not judged", func() {
		for _, kind := range []string{mutating, validating} {
			Expect(hookOf(kind).policy).To(HaveValue(Equal(admissionregistrationv1.Fail)), "failurePolicy of the webhook in the %s", kind)
		}
	})

	It("have dry runs answered, and nobody wait for more than five seconds", func() {
		for _, kind := range []string{mutating, validating} {
			Expect(hookOf(kind).sideEffects).To(HaveValue(Equal(admissionregistrationv1.SideEffectClassNone)), "sideEffects of the webhook in the %s", kind)
			Expect(ptr.Deref(hookOf(kind).timeout, 10)).To(BeNumerically("<=", 5), "timeoutSeconds of the webhook in the %s; the default is 10", kind)
			Expect(hookOf(kind).versions).To(ConsistOf("v1"), "admissionReviewVersions of the webhook in the %s", kind)
		}
	})
})

// output collects what a generator writes, by its base name.
type output map[string]*bytes.Buffer

func (o output) Open(_ *loader.Package, name string) (io.WriteCloser, error) {
	b := &bytes.Buffer{}
	o[filepath.Base(name)] = b
	return nopCloser{b}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// generated runs one of controller-gen's generators over a folder of the project, as it was compiled into this test.
func generated(generator genall.Generator, folder string) output {
	GinkgoHelper()
	dir, err := os.Getwd()
	Expect(err).NotTo(HaveOccurred())
	sources, fset := map[string][]byte{}, token.NewFileSet()
	for _, pattern := range []string{"api/v1/*.go", "internal/webhook/v1/*.go"} {
		files, err := fs.Glob(kata.Files, pattern)
		Expect(err).NotTo(HaveOccurred())
		for _, f := range files {
			sources[filepath.Join(dir, filepath.FromSlash(f))], err = fs.ReadFile(kata.Files, f)
			Expect(err).NotTo(HaveOccurred())
		}
	}
	run, err := genall.Generators{&generator}.ForRootsWithConfig(&packages.Config{Overlay: sources, Fset: fset}, module+"/"+folder)
	Expect(err).NotTo(HaveOccurred())
	for _, root := range run.Roots {
		for _, name := range root.CompiledGoFiles {
			// The loader would read the file from the disk, which need not be the one that was compiled.
			file, err := parser.ParseFile(fset, name, sources[name], parser.ParseComments)
			Expect(err).NotTo(HaveOccurred())
			root.Syntax = append(root.Syntax, file)
		}
	}
	out, complaints := output{}, &bytes.Buffer{}
	run.OutputRules, run.ErrorWriter, run.InputRule = genall.OutputRules{Default: out}, complaints, input{}
	failed := run.Run()
	Expect(failed).To(BeFalse(), "controller-gen: %s", strings.ReplaceAll(complaints.String(), dir+string(filepath.Separator), ""))
	return out
}

// input reads a generator's headers.
type input struct{}

func (input) OpenForRead(name string) (io.ReadCloser, error) { return kata.Files.Open(name) }

// compare fails unless the project's file is the one that was made, and says in which line it is not.
func compare(out output, file, target string) {
	GinkgoHelper()
	mend := "run make -C katas/stage4/06-kubebuilder-webhook " + target
	made, ok := out[path.Base(file)]
	if !ok {
		Fail(fmt.Sprintf("controller-gen makes no %s: it has not found the markers that it looks for", file))
	}
	committed, err := fs.ReadFile(kata.Files, file)
	Expect(err).NotTo(HaveOccurred())
	want, got := strings.Split(made.String(), "\n"), strings.Split(string(committed), "\n")
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			Fail(fmt.Sprintf("%s ends before line %d, where controller-gen writes %q: %s", file, i+1, want[i], mend))
		case i >= len(want):
			Fail(fmt.Sprintf("%s:%d is %q, and controller-gen has come to an end: %s", file, i+1, got[i], mend))
		case want[i] != got[i]:
			Fail(fmt.Sprintf("%s:%d is %q, and controller-gen writes %q: %s", file, i+1, got[i], want[i], mend))
		}
	}
}
