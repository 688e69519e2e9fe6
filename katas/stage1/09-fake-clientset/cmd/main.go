// Command fake-clientset asks a fake clientset and the lab the same questions: make run KATA=fake-clientset.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	fakeclientset "github.com/kubekata/kubekata/katas/stage1/09-fake-clientset"
)

func main() {
	namespace := flag.String("n", "default", "the namespace")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// probe asks one question, and answers in a few words.
type probe struct {
	question string
	ask      func(context.Context, kubernetes.Interface, string) string
}

func run(ctx context.Context, namespace string) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	lab, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	defer func() {
		// Also after Ctrl-C, when ctx has ended.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = lab.CoreV1().ConfigMaps(namespace).DeleteCollection(clean, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "probe"})
	}()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "QUESTION\tFAKE\tSERVER")
	for _, p := range probes {
		fake := fakeclientset.Seeded()
		fmt.Fprintf(out, "%s\t%s\t%s\n", p.question, p.ask(ctx, fake, namespace), p.ask(ctx, lab, namespace))
	}
	return out.Flush()
}

var probes = []probe{
	{"update with an old resourceVersion", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		first, err := create(ctx, c, ns, "probe-conflict", nil)
		if err != nil {
			return err.Error()
		}
		second := first.DeepCopy()
		second.Data = map[string]string{"by": "another"}
		if _, err := c.CoreV1().ConfigMaps(ns).Update(ctx, second, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		first.Data = map[string]string{"by": "us"}
		_, err = c.CoreV1().ConfigMaps(ns).Update(ctx, first, metav1.UpdateOptions{})
		return answer(err)
	}},
	{"generateName", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		made, err := c.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-", Labels: map[string]string{"probe": ""}}}, metav1.CreateOptions{})
		if err != nil {
			return answer(err)
		}
		return fmt.Sprintf("a name of %d letters", len(made.Name))
	}},
	{"uid and creationTimestamp", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		made, err := create(ctx, c, ns, "probe-meta", nil)
		if err != nil {
			return answer(err)
		}
		return fmt.Sprintf("uid %v, timestamp %v", made.UID != "", !made.CreationTimestamp.IsZero())
	}},
	{"a page of one", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		for _, name := range []string{"probe-page-1", "probe-page-2"} {
			if _, err := create(ctx, c, ns, name, nil); err != nil {
				return answer(err)
			}
		}
		list, err := c.CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{Limit: 1, LabelSelector: "probe"})
		if err != nil {
			return answer(err)
		}
		return fmt.Sprintf("%d items, continue %v", min(len(list.Items), 2), list.Continue != "")
	}},
	{"a field selector that nothing matches", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		if _, err := create(ctx, c, ns, "probe-fields", nil); err != nil {
			return answer(err)
		}
		list, err := c.CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=nobody"})
		if err != nil {
			return answer(err)
		}
		return fmt.Sprintf("%d items", len(list.Items))
	}},
	{"delete with a finalizer", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		if _, err := create(ctx, c, ns, "probe-final", []string{"example.com/probe"}); err != nil {
			return answer(err)
		}
		if err := c.CoreV1().ConfigMaps(ns).Delete(ctx, "probe-final", metav1.DeleteOptions{}); err != nil {
			return answer(err)
		}
		left, err := c.CoreV1().ConfigMaps(ns).Get(ctx, "probe-final", metav1.GetOptions{})
		if err != nil {
			return "gone at once"
		}
		left.Finalizers = nil
		if _, err := c.CoreV1().ConfigMaps(ns).Update(ctx, left, metav1.UpdateOptions{}); err != nil {
			return answer(err)
		}
		return "waits for it"
	}},
	{"a name that is not allowed", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		_, err := create(ctx, c, ns, "Probe_Name", nil)
		return answer(err)
	}},
	{"dry run", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		_, err := c.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "probe-dry", Labels: map[string]string{"probe": ""}}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return answer(err)
		}
		if _, err := c.CoreV1().ConfigMaps(ns).Get(ctx, "probe-dry", metav1.GetOptions{}); err == nil {
			return "stored"
		}
		return "not stored"
	}},
	{"a context that has ended", func(ctx context.Context, c kubernetes.Interface, ns string) string {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := c.CoreV1().ConfigMaps(ns).List(ended, metav1.ListOptions{})
		return answer(err)
	}},
}

func create(ctx context.Context, c kubernetes.Interface, ns, name string, finalizers []string) (*corev1.ConfigMap, error) {
	return c.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"probe": ""}, Finalizers: finalizers},
	}, metav1.CreateOptions{})
}

func answer(err error) string {
	switch {
	case err == nil:
		return "OK"
	case errors.Is(err, context.Canceled):
		return "context canceled"
	}
	return fmt.Sprint(apierrors.ReasonForError(err))
}
