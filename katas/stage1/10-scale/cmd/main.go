// Command scale takes a Deployment up and down, and shows what a scale holds: make run KATA=scale.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	scaleclient "k8s.io/client-go/scale"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/katas/stage1/10-scale"
)

const namespace = "scale-walk"

var deployments = schema.GroupResource{Group: "apps", Resource: "deployments"}

func main() {
	replicas := flag.Int("replicas", 4, "how many replicas to scale to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, int32(*replicas)); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, replicas int32) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := table(ctx, client); err != nil {
		return err
	}
	name, remove, err := deployment(ctx, client)
	if err != nil {
		return err
	}
	// A walk that was broken off clears up behind itself too.
	defer func() { err = errors.Join(err, remove(context.WithoutCancel(ctx))) }()
	return walk(ctx, config, client, name, replicas)
}

// table says what can be scaled.
func table(ctx context.Context, client kubernetes.Interface) error {
	for _, resource := range []string{"deployments", "statefulsets", "daemonsets"} {
		has, err := scale.HasScale(ctx, client.Discovery(), schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource})
		if err != nil {
			return err
		}
		fmt.Printf("%-14s has a scale: %t\n", resource, has)
	}
	return nil
}

func walk(ctx context.Context, config *rest.Config, client kubernetes.Interface, name string, replicas int32) error {
	scales, err := scale.New(config)
	if err != nil {
		return err
	}
	before, err := scale.ScaleDeployment(ctx, client, namespace, name, replicas)
	if err != nil {
		return err
	}
	fmt.Printf("\nScaleDeployment to %d: there were to be %d\n", replicas, before)
	if err := show(ctx, client, scales, name); err != nil {
		return err
	}
	after, err := scale.Adjust(ctx, scales, deployments, namespace, name, -1)
	if err != nil {
		return err
	}
	fmt.Printf("\nAdjust by -1: there are to be %d\n", after)
	if err := show(ctx, client, scales, name); err != nil {
		return err
	}
	_, err = scale.Adjust(ctx, scales, deployments, namespace, name, -100)
	fmt.Printf("\nAdjust by -100: %v\n", err)
	return nil
}

// show waits until as many replicas are there as are wanted, and prints the scale at each change.
func show(ctx context.Context, client kubernetes.Interface, scales scaleclient.ScalesGetter, name string) error {
	last := ""
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		got, err := scales.Scales(namespace).Get(ctx, deployments, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		line := fmt.Sprintf("  %s: wanted %d, there %d, selector %s", got.Kind, got.Spec.Replicas, got.Status.Replicas, got.Status.Selector)
		if line != last {
			fmt.Println(line)
			last = line
		}
		return got.Spec.Replicas == got.Status.Replicas, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the replicas of deployment %s/%s: %w", namespace, name, err)
	}
	pods, err := scale.Pods(ctx, client, scales, deployments, namespace, name)
	fmt.Printf("  %d pods\n", len(pods))
	return err
}

// deployment makes a Deployment of one replica, in a namespace of its own which stays.
func deployment(ctx context.Context, client kubernetes.Interface) (name string, remove func(context.Context) error, err error) {
	if _, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{}); err != nil {
		if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
			return "", nil, err
		}
	}
	labels := map[string]string{"app": "web"}
	made, err := client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "web-"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:1.27"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", nil, err
	}
	return made.Name, func(ctx context.Context) error {
		return client.AppsV1().Deployments(namespace).Delete(ctx, made.Name, metav1.DeleteOptions{})
	}, nil
}
