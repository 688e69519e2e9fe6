// Command framework-plugin takes pods of the lab through scheduling cycles with the learner's plugin: make run KATA=framework-plugin.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	frameworkplugin "github.com/kubekata/kubekata/katas/stage5/01-framework-plugin"
	"github.com/kubekata/kubekata/katas/stage5/01-framework-plugin/cycle"
	"github.com/kubekata/kubekata/katas/stage5/01-framework-plugin/licences"
)

// run is the label of all that the program makes.
const run = "kubekata.dev/run"

func main() {
	namespace := flag.String("n", "default", "the namespace of the pods")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := play(ctx, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func play(ctx context.Context, namespace string) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	nodes, err := nodesOf(ctx, client)
	if err != nil {
		return err
	}
	s := &stage{
		client: client, namespace: namespace, id: fmt.Sprintf("%d", time.Now().UnixNano()),
		licences: licences.New(map[string]int{"solver": 2}),
	}
	s.scheduler = cycle.New(cycle.Options{Client: client, Informers: informers.NewSharedInformerFactory(client, 0)})
	defer s.scheduler.Close()
	s.scheduler.SetNodes(nodes...)
	plugin, err := frameworkplugin.New(s.scheduler.Handle(), s.licences, frameworkplugin.Args{MaxPerNode: 2, PermitTimeout: time.Second})
	if err != nil {
		return err
	}
	s.scheduler.Add(plugin)
	defer func() { // after Ctrl-C as well
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, client.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: run + "=" + s.id}))
	}()
	return s.play(ctx)
}

// nodesOf returns the lab's two nodes. In the program's eyes the solver is installed on the first.
func nodesOf(ctx context.Context, client kubernetes.Interface) ([]*corev1.Node, error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "type=kwok", Limit: 2})
	if err != nil {
		return nil, err
	}
	if len(list.Items) < 2 {
		return nil, fmt.Errorf("the lab has %d nodes, and the program needs 2", len(list.Items))
	}
	var nodes []*corev1.Node
	for i := range list.Items {
		node := list.Items[i].DeepCopy()
		if i == 0 {
			node.Labels[frameworkplugin.NodeLabelPrefix+"solver"] = ""
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

type stage struct {
	client        kubernetes.Interface
	namespace, id string
	licences      *licences.Server
	scheduler     *cycle.Scheduler
}

func (s *stage) play(ctx context.Context) error {
	fmt.Println("five pods of one team, which may have two on a node")
	for i := range 5 {
		if _, err := s.schedule(ctx, fmt.Sprintf("render-%d", i+1), map[string]string{frameworkplugin.TeamLabel: "render"}, ""); err != nil {
			return err
		}
	}
	fmt.Println("a job of two with two licences, of which one pod comes too late")
	solving := map[string]string{frameworkplugin.LicenceLabel: "solver", frameworkplugin.JobLabel: "movie"}
	first, err := s.schedule(ctx, "movie-1", solving, "2")
	if err != nil {
		return err
	}
	fmt.Printf("  movie-1: %s; licences: %d of 2 in use\n", orBound(first.Bound(ctx).Message()), len(s.licences.Holders("solver")))
	fmt.Println("the same, and both are there")
	again, err := s.schedule(ctx, "movie-2", solving, "2")
	if err != nil {
		return err
	}
	if _, err := s.schedule(ctx, "movie-3", solving, "2"); err != nil {
		return err
	}
	fmt.Printf("  movie-2: %s; licences: %d of 2 in use\n", orBound(again.Bound(ctx).Message()), len(s.licences.Holders("solver")))
	fmt.Println("one more that wants a licence")
	_, err = s.schedule(ctx, "late", map[string]string{frameworkplugin.LicenceLabel: "solver"}, "")
	return err
}

// schedule creates a pod and takes it through a cycle.
func (s *stage) schedule(ctx context.Context, name string, labels map[string]string, size string) (*cycle.Attempt, error) {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-" + s.id, Labels: map[string]string{run: s.id}, Annotations: map[string]string{frameworkplugin.SizeAnnotation: size}},
		Spec:       corev1.PodSpec{SchedulerName: cycle.SchedulerName, Containers: []corev1.Container{{Name: "main", Image: "registry.k8s.io/pause:3.10"}}},
	}
	maps.Copy(p.Labels, labels)
	p, err := s.client.CoreV1().Pods(s.namespace).Create(ctx, p, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	a := s.scheduler.Schedule(ctx, p)
	switch {
	case a.Status.IsWait():
		fmt.Printf("  %s: %s, waits (%s)\n", name, a.Node, a.Status.Message())
	case a.Node != "":
		fmt.Printf("  %s: %s%s, %s\n", name, a.Node, scores(a), orBound(a.Bound(ctx).Message()))
	default:
		fmt.Printf("  %s: %s\n", name, a.Message)
	}
	return a, nil
}

func orBound(message string) string {
	if message == "" {
		return "bound"
	}
	return message
}

func scores(a *cycle.Attempt) string {
	var all []string
	for _, node := range slices.Sorted(maps.Keys(a.Scores)) {
		all = append(all, fmt.Sprintf("%s %d", node, a.Scores[node]))
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}
