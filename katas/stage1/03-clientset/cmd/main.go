// Command clientset takes a Deployment through its life on the lab, with the functions of the kata: make run KATA=clientset.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	clientset "github.com/kubekata/kubekata/katas/stage1/03-clientset"
)

func main() {
	namespace := flag.String("n", "default", "the namespace")
	name := flag.String("name", "kata-web", "the Deployment's name")
	replicas := flag.Int("replicas", 3, "how many pods")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, *name, int32(*replicas)); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace, name string, replicas int32) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	created, err := clientset.Create(ctx, client, namespace, name, "nginx:1.27", replicas)
	if err != nil {
		return err
	}
	fmt.Printf("created   %s/%s, uid %s\n", created.Namespace, created.Name, created.UID)
	defer func() {
		// Also after Ctrl-C, when ctx has ended.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if deleteErr := clientset.Delete(cleanup, client, namespace, name); deleteErr != nil && err == nil {
			err = deleteErr
			return
		}
		fmt.Printf("deleted   %s/%s\n", namespace, name)
	}()
	if err := show(ctx, client, namespace, name, "nginx:1.27", int(replicas)); err != nil {
		return err
	}
	if err := clientset.SetImage(ctx, client, namespace, name, name, "nginx:1.28"); err != nil {
		return err
	}
	image, _, err := clientset.Image(ctx, client, namespace, name)
	if err != nil {
		return err
	}
	fmt.Printf("updated   image %s\n", image)
	return show(ctx, client, namespace, name, "nginx:1.28", int(replicas))
}

// show waits until all pods of the Deployment run the image, and prints them.
func show(ctx context.Context, client kubernetes.Interface, namespace, name, image string, want int) error {
	var pods []corev1.Pod
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		all, err := clientset.ListPods(ctx, client, namespace, "app="+name, "status.phase=Running", 2)
		if err != nil {
			return false, err
		}
		pods = nil
		for _, p := range all {
			if p.Spec.Containers[0].Image == image {
				pods = append(pods, p)
			}
		}
		return len(pods) == want && len(all) == want, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %d running pods with %s: %w", want, image, err)
	}
	for _, p := range pods {
		fmt.Printf("running   %s on %s, %s\n", p.Name, p.Spec.NodeName, p.Spec.Containers[0].Image)
	}
	return nil
}
