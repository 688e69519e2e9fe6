package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

const configuration = "stage5/06-configuration"

func TestScheduler(t *testing.T) {
	const nodes, perNode, solverNodes, licences = 20, 10, 5, 50
	node := func(ctx context.Context, i int) string {
		solver, pods := "", perNode
		if i < solverNodes { // with room for more than there are licences
			solver, pods = `kubekata.dev/solver: "", `, 2*perNode
		}
		return fmt.Sprintf(`{apiVersion: v1, kind: Node, metadata: {name: %s-%02d, annotations: {kwok.x-k8s.io/node: fake}, labels: {%skubekata.dev/price: "%d", e2e: %[1]s}},
spec: {taints: [{key: e2e, value: %[1]s, effect: NoSchedule}]}, status: {allocatable: {cpu: "64", memory: 256Gi, pods: "%[5]d"}, capacity: {cpu: "64", memory: 256Gi, pods: "%[5]d"}}}`,
			of(ctx).namespace, i, solver, i%10, pods)
	}
	deployment := func(ctx context.Context, name string, replicas int, solver, resources string) string {
		return fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: %[1]s}, spec: {replicas: %[2]d, selector: {matchLabels: {app: %[1]s}}, template: {metadata: {labels: {app: %[1]s}}, spec: {
schedulerName: kubekata, tolerations: [{key: e2e, operator: Exists}], containers: [{name: main, image: "main:1", resources: %[3]s}],
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [
{key: e2e, operator: In, values: [%[4]s]}, {key: kubekata.dev/solver, operator: %[5]s}]}]}}}}}}}`, name, replicas, resources, of(ctx).namespace, solver)
	}
	const solver = `{requests: {cpu: 10m, kubekata.dev/solver: "1"}, limits: {kubekata.dev/solver: "1"}}`

	testenv.Test(t, features.New("a second scheduler with extenders").WithLabel("stage", "5").WithLabel("provider", "lab").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			t.Cleanup(func() { // the program's own nodes and namespace are there if it was killed
				ctx := context.WithoutCancel(ctx)
				// The pods first: nobody ends them when their nodes are gone.
				_, pods := try(ctx, "delete", "namespace", of(ctx).namespace, "--timeout=90s")
				_, err := try(ctx, "delete", "nodes", "--selector=e2e="+of(ctx).namespace, "--timeout=60s")
				_, ours := try(ctx, "delete", "nodes", "--selector=kubekata.dev/run=configuration", "--timeout=60s")
				_, solvers := try(ctx, "delete", "namespace", "solvers", "--ignore-not-found", "--wait=false")
				if err := errors.Join(pods, err, ours, solvers); err != nil {
					t.Errorf("clean up after the scheduler: %v", err)
				}
			})
			var all strings.Builder
			for i := range nodes {
				all.WriteString(node(ctx, i) + "\n---\n")
			}
			applied(ctx, t, all.String())
			ready(ctx, t, "kube-scheduler runs", "the scheduler", program(ctx, t, 5, "configuration"), fmt.Sprint("-licences=", licences))
			return ctx
		}).
		Assess("places 200 pods on 20 nodes", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			apply(ctx, t, deployment(ctx, "solve", licences, "Exists", solver))
			becomes(ctx, t, fmt.Sprint(licences), "get", "deployment", "solve", "--output=jsonpath={.status.readyReplicas}")
			apply(ctx, t, deployment(ctx, "web", nodes*perNode-licences, "DoesNotExist", "{requests: {cpu: 10m}}"))
			becomes(ctx, t, fmt.Sprint(nodes*perNode-licences), "get", "deployment", "web", "--output=jsonpath={.status.readyReplicas}")
			count := map[string]int{}
			for _, line := range strings.Split(in(ctx, t, "get", "pods", `--output=jsonpath={range .items[*]}{.spec.nodeName} {.metadata.labels.app}{"\n"}{end}`), "\n") {
				count[line]++
			}
			solvers := 0
			for i := range nodes {
				name := fmt.Sprintf("%s-%02d", of(ctx).namespace, i)
				if i < solverNodes {
					solvers += count[name+" solve"]
				} else if n := count[name+" web"]; n != perNode {
					t.Errorf("node %s has %d pods of web, want %d", name, n, perNode)
				}
			}
			if solvers != licences {
				t.Errorf("%d pods of solve are on the nodes with the solver, want %d: %v", solvers, licences, count)
			}
			return ctx
		}).
		Assess("says in an event why there is no room for one more, and makes it when there is", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			in(ctx, t, "scale", "deployment/solve", fmt.Sprint("--replicas=", licences+1))
			eventually(ctx, t, "an event says that there is no licence", func(ctx context.Context) error {
				events, err := try(ctx, "get", "events", "--namespace="+of(ctx).namespace, "--field-selector=reason=FailedScheduling", "--output=jsonpath={.items[*].message}")
				if err == nil && !strings.Contains(events, fmt.Sprintf("0 of %d solver licences are free", licences)) {
					err = fmt.Errorf("the events say %q", events)
				}
				return err
			})
			in(ctx, t, "scale", "deployment/solve", fmt.Sprint("--replicas=", licences-1))
			becomes(ctx, t, fmt.Sprint(licences-1), "get", "deployment", "solve", "--output=jsonpath={.status.readyReplicas}")
			becomes(ctx, t, "", "get", "pods", "--field-selector=status.phase=Pending", "--output=name")
			return ctx
		}).
		Assess("leaves nothing when it is stopped", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			bounded, cancel := context.WithTimeout(ctx, bound)
			defer cancel()
			if err := of(ctx).processes[0].Stop(bounded); err != nil {
				t.Errorf("stop the scheduler: %v", err)
			}
			eventually(ctx, t, "its nodes and its namespace are gone", func(ctx context.Context) error {
				left, err := try(ctx, "get", "nodes", "--selector=kubekata.dev/run=configuration", "--output=name")
				if err == nil && left == "" {
					left, err = try(ctx, "get", "namespace/solvers", "--ignore-not-found", "--output=name")
				}
				if err == nil && left != "" {
					err = fmt.Errorf("left: %s", strings.Fields(left))
				}
				return err
			})
			return ctx
		}).Feature())
}

// TestSchedulerInPods is the same as a user would install it: an image, a kustomization, and pods that really run.
func TestSchedulerInPods(t *testing.T) {
	const namespace = "--namespace=kubekata-scheduler"
	testenv.Test(t, features.New("a second scheduler in pods").WithLabel("stage", "5").WithLabel("provider", "kind").
		Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			t.Cleanup(func() {
				if _, err := try(context.WithoutCancel(ctx), "delete", "namespace", "kubekata-scheduler", "--ignore-not-found", "--timeout=90s"); err != nil {
					t.Errorf("clean up after the scheduler: %v", err)
				}
			})
			loadWeb(ctx, t)
			dir := t.TempDir()
			dockerfile := filepath.Join(dir, "Dockerfile")
			for name, path := range map[string]string{
				"Dockerfile": dockerfile, "kustomization.yaml": "", "scheduler.yaml": "",
				"manifests/namespace.yaml": "", "manifests/rbac.yaml": "", "manifests/scheduler.yaml": "", "manifests/extender.yaml": "",
			} {
				if path == "" {
					path = filepath.Join(dir, "k", name)
				}
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(kataFile(t, configuration, name)), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			loadKata(ctx, t, extenderImage, 5, "configuration", "cmd/extender", dockerfile)
			applied(ctx, t, kataFile(t, configuration, "manifests/namespace.yaml"))
			chain, key, err := cert.GenerateSelfSignedCertKey("extender.kubekata-scheduler.svc", nil, nil)
			if err == nil {
				err = errors.Join(os.WriteFile(filepath.Join(dir, "tls.crt"), chain, 0o600), os.WriteFile(filepath.Join(dir, "tls.key"), key, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{
				{"create", "secret", "generic", "extender-tls", "--from-file=tls.crt=" + dir + "/tls.crt", "--from-file=ca.crt=" + dir + "/tls.crt", "--from-file=tls.key=" + dir + "/tls.key", namespace},
				{"apply", "--kustomize", filepath.Join(dir, "k")},
				{"rollout", "status", "deployment/extender", "--timeout=120s", namespace},
				{"rollout", "status", "deployment/scheduler", "--timeout=120s", namespace},
			} {
				if _, err := try(ctx, args...); err != nil {
					t.Fatal(err)
				}
			}
			return ctx
		}).
		Assess("starts pods where the solver is, as many as there are licences, and says why not more", func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			workers, err := try(ctx, "get", "nodes", "--selector=!node-role.kubernetes.io/control-plane", "--output=name")
			if err != nil || workers == "" {
				t.Fatalf("there are no workers: %v", err)
			}
			with := strings.TrimPrefix(strings.Fields(workers)[0], "node/")
			if _, err := try(ctx, "label", "node", with, "kubekata.dev/solver=", "--overwrite"); err != nil {
				t.Fatal(err)
			}
			// A node may be small.
			pods := strings.NewReplacer("registry.k8s.io/pause:3.10", webImage, `cpu: "1"`, "cpu: 10m").Replace(kataFile(t, configuration, "pods.yaml"))
			apply(ctx, t, pods)
			in(ctx, t, "wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
			eventually(ctx, t, "two solvers run on "+with, func(ctx context.Context) error {
				got, err := try(ctx, "get", "pods", "--namespace="+of(ctx).namespace, "--field-selector=status.phase=Running,spec.nodeName="+with, "--output=jsonpath={.items[*].metadata.name}")
				if err == nil && strings.Count(got, "solve-") != 2 {
					err = fmt.Errorf("there run %q", got)
				}
				return err
			})
			eventually(ctx, t, "an event says that there is no licence", func(ctx context.Context) error {
				events, err := try(ctx, "get", "events", "--namespace="+of(ctx).namespace, "--field-selector=reason=FailedScheduling", "--output=jsonpath={.items[*].message}")
				if err == nil && !strings.Contains(events, "0 of 2 solver licences are free") {
					err = fmt.Errorf("the events say %q", events)
				}
				return err
			})
			return ctx
		}).Feature())
}
