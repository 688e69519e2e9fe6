package manager_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/manager"
	"github.com/kubekata/kubekata/harness/report"
)

// faultEnv makes this test's suite the one of a learner whose Reconcile is wrong in some way.
const faultEnv = "KUBEKATA_MANAGER_FAULT"

var _ = harness.NoLeaks()

var api = cluster.API()

func TestManager(t *testing.T) { harness.RunSpecs(t, "harness/manager") }

var _ = Describe("Start", func() {
	It("runs controllers in a namespace, again and again", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		judge := manager.Client(api, scheme.Scheme)
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "a"}}
		Expect(judge.Create(ctx, made)).To(Succeed())
		for _, run := range []string{"first", "second"} {
			wait, loop := manager.Start(ctx, api, scheme.Scheme, ns, func(mgr ctrl.Manager) error { return labels(mgr, run) })
			Eventually(func(ctx context.Context) (map[string]string, error) {
				err := judge.Get(ctx, client.ObjectKeyFromObject(made), made)
				return made.Labels, err
			}).WithContext(wait).Should(HaveKey(run))
			Expect(loop.Stop()).To(Succeed())
		}
		for _, r := range api.Requests() {
			Expect(r.Namespace).To(Equal(ns), "%s: the requests are those of the controllers", r)
		}
	})
})

// labels adds a controller that puts a label on ConfigMaps.
func labels(mgr ctrl.Manager, label string) error {
	return ctrl.NewControllerManagedBy(mgr).For(&corev1.ConfigMap{}).Complete(reconcile.Func(
		func(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
			switch os.Getenv(faultEnv) {
			case "panic":
				panic("out of cheese")
			case "stub":
				return ctrl.Result{}, errors.New("Reconcile is not implemented")
			case "error":
				return ctrl.Result{}, errors.New("the soup is cold")
			}
			var m corev1.ConfigMap
			if err := mgr.GetClient().Get(ctx, req.NamespacedName, &m); err != nil {
				return ctrl.Result{}, client.IgnoreNotFound(err)
			}
			before := client.MergeFrom(m.DeepCopy())
			metav1.SetMetaDataLabel(&m.ObjectMeta, label, "")
			return ctrl.Result{}, mgr.GetClient().Patch(ctx, &m, before)
		}))
}

// TestFaults runs the suite above with a Reconcile that is wrong, and looks at the verdict.
func TestFaults(t *testing.T) {
	for fault, want := range map[string]struct {
		message, output string
		atOnce          bool
	}{
		"panic": {message: "a panic in Reconcile, which the manager catches, and tries again: out of cheese", atOnce: true},
		"stub":  {message: "Reconcile is not implemented", atOnce: true},
		"error": {message: "Timed out", output: "Reconciler error: ", atOnce: false},
	} {
		t.Run(fault, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestManager$")
			cmd.Env = append(os.Environ(), faultEnv+"="+fault, report.Env+"=1")
			out, err := cmd.Output()
			if err == nil {
				t.Fatal("the suite is green")
			}
			var spec *report.Spec
			for line := range bytes.Lines(out) {
				if e, ok, err := report.Parse(string(line)); err != nil {
					t.Fatal(err)
				} else if ok && e.Kind == report.KindSpec {
					spec = e.Spec
				}
			}
			if spec == nil || spec.Failure == nil {
				t.Fatalf("no verdict in:\n%s", out)
			}
			if !strings.Contains(spec.Failure.Message, want.message) {
				t.Errorf("the failure is %q, want %q in it", spec.Failure.Message, want.message)
			}
			if !strings.Contains(spec.Output, want.output) || want.output != "" && !strings.Contains(spec.Output, "/a: the soup is cold") {
				t.Errorf("logged was %q, want %q in it, and what was reconciled", spec.Output, want.output)
			}
			// Otherwise it waits for Eventually's ten seconds.
			if want.atOnce && spec.Seconds > 8 {
				t.Errorf("it took %.1f s", spec.Seconds)
			}
		})
	}
}
