// Command patch sends one change by the API server's four patches, and shows what becomes of the object and who owns its
// fields afterwards: make run KATA=patch.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/katas/stage1/11-patch"
)

const namespace = "patch-walk"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if _, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{}); err != nil {
		if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	// A walk that was broken off clears up behind itself too.
	defer func() {
		remove := client.AppsV1().Deployments(namespace).DeleteCollection(context.WithoutCancel(ctx), metav1.DeleteOptions{}, metav1.ListOptions{})
		err = errors.Join(err, remove)
	}()
	if err := four(ctx, client); err != nil {
		return err
	}
	return contest(ctx, client)
}

// four adds a container to a Deployment of two, by each of the patches.
func four(ctx context.Context, client kubernetes.Interface) error {
	const template = `{"apiVersion":"apps/v1","kind":"Deployment","spec":{"template":{"spec":{"containers":[{"name":"mesh","image":"envoy:1"}]}}}}`
	for _, p := range []struct {
		title string
		kind  types.PatchType
		body  string
	}{
		{"JSON Patch", types.JSONPatchType, `[{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"mesh","image":"envoy:1"}}]`},
		{"JSON merge patch", types.MergePatchType, template},
		{"strategic merge patch", types.StrategicMergePatchType, template},
		{"server-side apply", types.ApplyYAMLPatchType, template},
	} {
		name := strings.ToLower(strings.ReplaceAll(p.title, " ", "-"))
		if err := create(ctx, client, name); err != nil {
			return err
		}
		got, err := client.AppsV1().Deployments(namespace).Patch(ctx, name, p.kind, []byte(p.body), metav1.PatchOptions{FieldManager: "mesh"})
		if err != nil {
			return err
		}
		fmt.Printf("%s (%s)\n  containers: %s\n", p.title, p.kind, containers(got))
		owners(got)
	}
	return nil
}

// contest lets the learner's Apply meet an autoscaler.
func contest(ctx context.Context, client kubernetes.Interface) error {
	const name = "contested"
	if _, err := patch.Apply(ctx, client, namespace, name, "nginx:1.27", nil, false); err != nil {
		return err
	}
	body := []byte(`{"spec":{"replicas":2}}`)
	if _, err := client.AppsV1().Deployments(namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: "autoscaler"}); err != nil {
		return err
	}
	_, err := patch.Apply(ctx, client, namespace, name, "nginx:1.28", new(int32(1)), false)
	fmt.Printf("\nApply with 1 replica, after an autoscaler has set 2\n  %v\n  contested: %q\n", err, patch.Contested(err))
	got, err := patch.Apply(ctx, client, namespace, name, "nginx:1.28", new(int32(1)), true)
	if err != nil {
		return err
	}
	fmt.Printf("the same with force\n  replicas: %d\n", *got.Spec.Replicas)
	owners(got)
	return nil
}

func create(ctx context.Context, client kubernetes.Interface, name string) error {
	labels := map[string]string{"app": name}
	_, err := client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(0)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:1.27"}, {Name: "log", Image: "busybox:1.37"}}},
			},
		},
	}, metav1.CreateOptions{FieldManager: "kitchen"})
	return err
}

func containers(d *appsv1.Deployment) string {
	var names []string
	for _, c := range d.Spec.Template.Spec.Containers {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// owners prints who has written what of the pod template and the replicas.
func owners(d *appsv1.Deployment) {
	for _, entry := range d.ManagedFields {
		if entry.Subresource != "" {
			continue // a controller's status
		}
		fields := entry.FieldsV1.GetRawString()
		var owned []string
		for _, c := range []string{"web", "log", "mesh", d.Name} {
			if strings.Contains(fields, `k:{\"name\":\"`+c+`\"}`) && !slices.Contains(owned, "container "+c) {
				owned = append(owned, "container "+c)
			}
		}
		if strings.Contains(fields, `"f:replicas"`) {
			owned = append(owned, "replicas")
		}
		fmt.Printf("  %-8s %-10s owns %s\n", entry.Operation, entry.Manager, strings.Join(owned, ", "))
	}
}
