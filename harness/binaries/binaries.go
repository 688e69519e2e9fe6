// Package binaries finds the control plane's programs, or builds them from Go modules: etcd, kube-apiserver and the
// rest, without any download but modules.
//
// [Find] is cheap and is what tests call; [Ensure] builds what is missing into the user's cache folder. Programs that
// KUBEBUILDER_ASSETS holds are used before ours.
package binaries

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// AssetsEnv is envtest's variable: a folder with etcd, kube-apiserver and kubectl.
const AssetsEnv = "KUBEBUILDER_ASSETS"

// CacheEnv overrides the user's cache folder (os.UserCacheDir).
const CacheEnv = "KUBEKATA_CACHE"

// Program is one program of the control plane.
type Program struct {
	// Name is the file's name.
	Name string
	// Package is its main package, and Module the folder below harness/controlplane whose go.mod names it.
	Package, Module string
}

// The programs, in the order in which they are built: what Stage 1 needs comes first.
var (
	Etcd              = Program{"etcd", "go.etcd.io/etcd/server/v3", "."}
	APIServer         = Program{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "."}
	ControllerManager = Program{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "."}
	Scheduler         = Program{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "."}
	Kubectl           = Program{"kubectl", "k8s.io/kubernetes/cmd/kubectl", "."}
	Kwok              = Program{"kwok", "sigs.k8s.io/kwok/cmd/kwok", "kwok"}
	Kwokctl           = Program{"kwokctl", "sigs.k8s.io/kwok/cmd/kwokctl", "kwok"}
)

// Set is a set of programs that belong together.
type Set []Program

// API is what envtest starts: the specs of Stage 1 need no more.
func API() Set { return Set{Etcd, APIServer} }

// Lab is what the lab consists of.
func Lab() Set {
	return Set{Etcd, APIServer, ControllerManager, Scheduler, Kubectl, Kwok, Kwokctl}
}

// Paths maps a program's name to its file.
type Paths map[string]string

// MissingError says that programs have not been built yet.
type MissingError struct{ Names []string }

func (e *MissingError) Error() string {
	return "the control plane has not been built: " + strings.Join(e.Names, ", ") + " missing"
}

// Hint returns the command that builds them.
func (e *MissingError) Hint() string { return "make setup" }

// AssetsError says that KUBEBUILDER_ASSETS points at something that cannot be used.
type AssetsError struct{ Dir, Reason string }

func (e *AssetsError) Error() string {
	return fmt.Sprintf("%s=%s cannot be used: %s", AssetsEnv, e.Dir, e.Reason)
}

// Hint returns what to do about it.
func (e *AssetsError) Hint() string {
	return "unset " + AssetsEnv + ", or point it at a folder with etcd and kube-apiserver"
}

// CacheDir is the folder below which everything that outlives a run is kept: the programs and the lab.
func CacheDir() (string, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("find the user's cache folder: %w (set %s)", err, CacheEnv)
		}
	}
	if !filepath.IsAbs(dir) {
		// Relative to which of the folders that the specs and the programs run in?
		return "", withHint(fmt.Errorf("%s=%s is a relative path", CacheEnv, dir), "give it from the root: "+CacheEnv+"=$PWD/"+filepath.ToSlash(filepath.Clean(dir)))
	}
	return filepath.Join(dir, "kubekata"), nil
}

// moduleDir is the folder of the modules that name the programs and their versions.
func moduleDir(root string) string { return filepath.Join(root, "harness", "controlplane") }

// Version returns the Kubernetes version that the workbook at root builds, like v1.37.2.
func Version(root string) (string, error) { return required(root, ".", "k8s.io/kubernetes") }

// required returns the version of a dependency in one of the control plane's modules.
func required(root, module, dependency string) (string, error) {
	path := filepath.Join(moduleDir(root), module, "go.mod")
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the control plane's versions: %w", err)
	}
	mod, err := modfile.ParseLax(path, data, nil)
	if err != nil {
		return "", fmt.Errorf("read the control plane's versions: %w", err)
	}
	for _, r := range mod.Require {
		if r.Mod.Path == dependency {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", path, dependency)
}

// Dir returns the folder of the programs that the workbook at root builds. It is named after the Kubernetes version and
// a checksum of the modules: other versions get a folder of their own, and two checkouts of a workbook share one.
func Dir(root string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	version, err := Version(root)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, f := range []string{"go.mod", "go.sum", "kwok/go.mod", "kwok/go.sum"} {
		data, err := os.ReadFile(filepath.Join(moduleDir(root), filepath.FromSlash(f)))
		if err != nil {
			return "", fmt.Errorf("read the control plane's modules: %w", err)
		}
		sum.Write(data)
	}
	return filepath.Join(cache, version+"-"+hex.EncodeToString(sum.Sum(nil))[:8]), nil
}

// Find returns where the set's programs are, or a *[MissingError], or an *[AssetsError]. It looks at files and does not
// run them.
func Find(root string, set Set) (Paths, error) {
	dir, err := Dir(root)
	if err != nil {
		return nil, err
	}
	paths := Paths{}
	if err := findAssets(set, paths); err != nil {
		return nil, err
	}
	var missing []string
	for _, p := range set {
		if _, ok := paths[p.Name]; ok {
			continue
		}
		file := filepath.Join(dir, p.Name)
		if err := executable(file); err != nil {
			missing = append(missing, p.Name)
			continue
		}
		paths[p.Name] = file
	}
	if len(missing) > 0 {
		return nil, &MissingError{missing}
	}
	return paths, nil
}

// findAssets adds what KUBEBUILDER_ASSETS holds. etcd and kube-apiserver must both be there: a pair of unlike versions
// would be a riddle. The lab takes no program from there, because kwokctl, the controllers and the scheduler must fit
// their API server.
func findAssets(set Set, paths Paths) error {
	dir := os.Getenv(AssetsEnv)
	if dir == "" || len(set) != len(API()) {
		return nil
	}
	for _, p := range set {
		file := filepath.Join(dir, p.Name)
		if err := executable(file); err != nil {
			return &AssetsError{dir, err.Error()}
		}
		paths[p.Name] = file
	}
	return nil
}

func executable(file string) error {
	st, err := os.Stat(file)
	switch {
	case err != nil:
		return fmt.Errorf("%s is not there", filepath.Base(file))
	case !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not executable", filepath.Base(file))
	case st.Size() == 0:
		return fmt.Errorf("%s is empty", filepath.Base(file))
	}
	return nil
}
