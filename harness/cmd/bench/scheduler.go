package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	componentconfigv1alpha1 "k8s.io/component-base/config/v1alpha1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	"k8s.io/utils/ptr"

	"github.com/kubekata/kubekata/harness/lab"
	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/scheduler"
)

// How many nodes there are, and pods in each round.
const benchNodes, benchPods = 500, 200

// scheduler measures the pods a second that kube-scheduler places on 500 simulated nodes: as it is, and with an extender that lets everything pass.
func (b *bench) scheduler() (err error) {
	state, err := lab.Up(b.ctx, b.root, nil)
	if err != nil {
		return err
	}
	config, err := loopback.Config(state.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // the server keeps order
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: passes(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		err = errors.Join(err, server.Close())
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
	}()
	if err := furnish(b.ctx, client); err != nil {
		return err
	}
	place := func(extenders ...configv1.Extender) func() (time.Duration, error) {
		return func() (time.Duration, error) { return b.place(client, state.Kubeconfig, extenders) }
	}
	extender := configv1.Extender{URLPrefix: "http://" + listener.Addr().String(), FilterVerb: "filter", PrioritizeVerb: "prioritize", Weight: 1, HTTPTimeout: metav1.Duration{Duration: 30 * time.Second}}
	names := extender
	names.NodeCacheCapable = true
	without, byName, byNode, err := b.three(place(), place(names), place(extender))
	if err != nil {
		return err
	}
	rate := func(seconds float64) float64 { return (benchPods - 1) / seconds }
	fmt.Printf("(e) %d pods on %d nodes: %.0f a second without an extender, %.0f with one and nodeCacheCapable, %.0f with one that is sent the nodes; ratios %.2f and %.2f\n",
		benchPods, benchNodes, rate(without), rate(byName), rate(byNode), without/byName, without/byNode)
	return nil
}

// passes is an extender that refuses nothing and prefers nobody, whichever way it is asked.
func passes() http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, result func(args *extenderv1.ExtenderArgs) any) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var args extenderv1.ExtenderArgs
			if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(result(&args))
		})
	}
	answer("/filter", func(args *extenderv1.ExtenderArgs) any {
		return &extenderv1.ExtenderFilterResult{Nodes: args.Nodes, NodeNames: args.NodeNames}
	})
	answer("/prioritize", func(args *extenderv1.ExtenderArgs) any {
		scores := extenderv1.HostPriorityList{}
		if args.NodeNames != nil {
			for _, name := range *args.NodeNames {
				scores = append(scores, extenderv1.HostPriority{Host: name})
			}
		}
		if args.Nodes != nil {
			for i := range args.Nodes.Items {
				scores = append(scores, extenderv1.HostPriority{Host: args.Nodes.Items[i].Name})
			}
		}
		return scores
	})
	return mux
}

// furnish makes the nodes, which KWOK simulates.
func furnish(ctx context.Context, client kubernetes.Interface) error {
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	for i := range benchNodes {
		name := fmt.Sprintf("bench-%03d", i)
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}, Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}},
			Status:     corev1.NodeStatus{Capacity: room, Allocatable: room},
		}
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// place lets a scheduler find a queue of pods, and returns the time from the first one that it has placed to the last one.
func (b *bench) place(client kubernetes.Interface, kubeconfig string, extenders []configv1.Extender) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	const profile = "bench"
	pods := client.CoreV1().Pods(metav1.NamespaceDefault)
	for range benchPods {
		_, err := pods.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "bench-"},
			Spec: corev1.PodSpec{
				SchedulerName: profile, TerminationGracePeriodSeconds: ptr.To[int64](0),
				Containers: []corev1.Container{{Name: "main", Image: "main:1", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}}}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return 0, err
		}
	}
	defer func() {
		err = errors.Join(err, pods.DeleteCollection(context.WithoutCancel(ctx), metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}, metav1.ListOptions{}))
	}()
	placed, wait := count(ctx, client, profile)
	defer func() { cancel(); wait() }()
	config, err := scheduler.Encode(&configv1.KubeSchedulerConfiguration{
		// The scheduler's own limit, 50 requests a second, would be what is measured.
		ClientConnection: componentconfigv1alpha1.ClientConnectionConfiguration{QPS: 1000, Burst: 1000},
		Profiles:         []configv1.KubeSchedulerProfile{{SchedulerName: ptr.To(profile)}}, Extenders: extenders,
	})
	if err != nil {
		return 0, err
	}
	p, err := scheduler.Launch(ctx, kubeconfig, config)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	select {
	case <-ctx.Done():
		return 0, fmt.Errorf("%d pods are not placed: %w", benchPods, context.Cause(ctx))
	case <-p.Ended():
		return 0, errors.New("the scheduler has ended")
	case took := <-placed:
		return took, nil
	}
}

// count sends the time from the first pod of a profile that has a node to the last one. Its informer ends with ctx, and wait returns when it has.
func count(ctx context.Context, client kubernetes.Interface, profile string) (placed <-chan time.Duration, wait func()) {
	took, seen, begun := make(chan time.Duration, 1), map[string]bool{}, time.Time{}
	look := func(object any) { // one after the other
		pod, ok := object.(*corev1.Pod)
		if !ok || pod.Spec.NodeName == "" || seen[pod.Name] {
			return
		}
		if len(seen) == 0 {
			begun = time.Now()
		}
		if seen[pod.Name] = true; len(seen) == benchPods {
			took <- time.Since(begun)
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", metav1.NamespaceDefault, fields.OneTermEqualSelector("spec.schedulerName", profile)),
		ObjectType:    &corev1.Pod{},
		Handler:       cache.ResourceEventHandlerFuncs{AddFunc: look, UpdateFunc: func(_, object any) { look(object) }},
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		informer.RunWithContext(ctx)
	}()
	return took, func() { <-done }
}
