// Package generate knows how the generators of k8s.io/code-generator are called for this kata, and in which order. Its program calls them, and
// the specs do, to compare. (Older projects have generate-groups.sh for this, and code-generator itself now has
// kube_codegen.sh: both do what stands here.)
package generate

// Module is the import path of the kata's folder, and Dir its path in the workbook.
const (
	Module = "github.com/kubekata/kubekata/" + Dir
	Dir    = "katas/stage3/02-codegen"
)

// Step is one generator and its arguments. It is run from the workbook's root, as "go tool" and the two.
type Step struct {
	Tool string
	Args []string
	// Makes are the files and folders that it writes, relative to the kata's folder. What they hold is removed before.
	Makes []string
}

// Steps are the five generators. Each may need what those before it have made.
func Steps() []Step {
	types := Module + "/apis/bakery/v1"
	return []Step{
		{
			Tool:  "deepcopy-gen",
			Args:  []string{"--output-file=zz_generated.deepcopy.go", types},
			Makes: []string{"apis/bakery/v1/zz_generated.deepcopy.go"},
		}, {
			Tool:  "defaulter-gen",
			Args:  []string{"--output-file=zz_generated.defaults.go", types},
			Makes: []string{"apis/bakery/v1/zz_generated.defaults.go"},
		}, {
			Tool: "client-gen",
			Args: []string{
				"--clientset-name=versioned", "--input-base=" + Module + "/apis", "--input=bakery/v1",
				"--plural-exceptions=Loaf:Loaves",
				"--output-dir=" + Dir + "/generated/clientset", "--output-pkg=" + Module + "/generated/clientset",
			},
			Makes: []string{"generated/clientset"},
		}, {
			Tool: "lister-gen",
			Args: []string{
				"--plural-exceptions=Loaf:Loaves",
				"--output-dir=" + Dir + "/generated/listers", "--output-pkg=" + Module + "/generated/listers", types,
			},
			Makes: []string{"generated/listers"},
		}, {
			Tool: "informer-gen",
			Args: []string{
				"--plural-exceptions=Loaf:Loaves",
				"--versioned-clientset-package=" + Module + "/generated/clientset/versioned", "--listers-package=" + Module + "/generated/listers",
				"--output-dir=" + Dir + "/generated/informers", "--output-pkg=" + Module + "/generated/informers", types,
			},
			Makes: []string{"generated/informers"},
		},
	}
}
