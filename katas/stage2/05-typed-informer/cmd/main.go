// Command typed-informer shows a Directory that follows a Deployment through its life on the lab: make run
// KATA=typed-informer.
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
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	typedinformer "github.com/kubekata/kubekata/katas/stage2/05-typed-informer"
)

// app is the name of all that the program makes, and the value of its label.
const app = "kata-directory"

func main() {
	namespace := flag.String("n", "default", "the namespace")
	replicas := flag.Int("replicas", 3, "how many pods")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, int32(*replicas)); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string, replicas int32) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory, err := typedinformer.NewFactory(client, namespace, "app="+app)
	if err != nil {
		return err
	}
	events := make(chan string, 1000)
	directory, err := typedinformer.New(factory, typedinformer.Handler{
		Arrived: func(pod *corev1.Pod, _ bool) { events <- fmt.Sprintf("arrived  %s on %s", pod.Name, pod.Spec.NodeName) },
		Left:    func(pod *corev1.Pod) { events <- fmt.Sprintf("left     %s from %s", pod.Name, pod.Spec.NodeName) },
	})
	if err != nil {
		return err
	}
	return directory.Run(ctx, func(ctx context.Context) (err error) {
		defer func() {
			// Also after Ctrl-C, when ctx has ended.
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, remove(cleanup, client, namespace))
		}()
		return show(ctx, client, directory, namespace, replicas, events)
	})
}

// show makes a Deployment and its Service, asks the Directory about them, and scales the Deployment to nothing.
func show(ctx context.Context, client kubernetes.Interface, directory *typedinformer.Directory, namespace string, replicas int32, events <-chan string) error {
	if err := create(ctx, client, namespace, replicas); err != nil {
		return err
	}
	if err := next(ctx, events, int(replicas)); err != nil {
		return err
	}
	backends, err := directory.Backends(namespace, app)
	if err != nil {
		return err
	}
	fmt.Printf("behind   service %s: %d pods\n", app, len(backends))
	for _, pod := range backends {
		there, err := directory.OnNode(pod.Spec.NodeName)
		if err != nil {
			return err
		}
		fmt.Printf("         %s, on %s with %d of them\n", pod.Name, pod.Spec.NodeName, len(there))
		if owner := metav1.GetControllerOf(pod); owner != nil {
			siblings, err := directory.OwnedBy(owner.UID)
			if err != nil {
				return err
			}
			fmt.Printf("         of %s %s, which has %d\n", owner.Kind, owner.Name, len(siblings))
		}
	}
	scale := []byte(`{"spec":{"replicas":0}}`)
	if _, err := client.AppsV1().Deployments(namespace).Patch(ctx, app, "application/merge-patch+json", scale, metav1.PatchOptions{}); err != nil {
		return err
	}
	return next(ctx, events, int(replicas))
}

// next prints the next few events.
func next(ctx context.Context, events <-chan string, n int) error {
	for range n {
		select {
		case event := <-events:
			fmt.Println(event)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Second):
			return errors.New("nothing has happened for 20 seconds (is the namespace's quota used up?)")
		}
	}
	return nil
}

func create(ctx context.Context, client kubernetes.Interface, namespace string, replicas int32) error {
	labels := map[string]string{"app": app}
	meta := metav1.ObjectMeta{Name: app, Labels: labels}
	_, err := client.CoreV1().Services(namespace).Create(ctx, &corev1.Service{
		ObjectMeta: meta,
		Spec:       corev1.ServiceSpec{Selector: labels, ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "nginx:1.27"}}},
			},
		},
	}, metav1.CreateOptions{})
	return err
}

func remove(ctx context.Context, client kubernetes.Interface, namespace string) error {
	return errors.Join(
		client.AppsV1().Deployments(namespace).Delete(ctx, app, metav1.DeleteOptions{}),
		client.CoreV1().Services(namespace).Delete(ctx, app, metav1.DeleteOptions{}),
	)
}
