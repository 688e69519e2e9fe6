package podoperator_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/kubekata/kubekata/katas/stage3/06-pod-operator/podset"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

// census counts a PodSet's pods after every event, from now until it is closed.
type census struct {
	mu sync.Mutex
	// fewestReady and mostLive are of all the moments, the first one among them.
	fewestReady, mostLive int
	watch                 watch.Interface
	done                  chan struct{}
}

func count(ctx context.Context, set *podset.PodSet) *census {
	GinkgoHelper()
	list, err := api.Judge().CoreV1().Pods(set.Namespace).List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred(), "list the pods of %s", set.Namespace)
	w, err := api.Judge().CoreV1().Pods(set.Namespace).Watch(context.WithoutCancel(ctx), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	Expect(err).NotTo(HaveOccurred(), "watch the pods of %s", set.Namespace)
	c := &census{watch: w, done: make(chan struct{})}
	live, ready := map[types.UID]bool{}, map[types.UID]bool{}
	see := func(pod *corev1.Pod, gone bool) {
		delete(live, pod.UID)
		delete(ready, pod.UID)
		if !metav1.IsControlledBy(pod, set) || gone || pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
			return
		}
		live[pod.UID] = true
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				ready[pod.UID] = true
			}
		}
	}
	for i := range list.Items {
		see(&list.Items[i], false)
	}
	c.fewestReady, c.mostLive = len(ready), len(live)
	go func() {
		defer close(c.done)
		for event := range w.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok {
				see(pod, event.Type == watch.Deleted)
				c.mu.Lock()
				c.fewestReady, c.mostLive = min(c.fewestReady, len(ready)), max(c.mostLive, len(live))
				c.mu.Unlock()
			}
		}
	}()
	DeferCleanup(c.close)
	return c
}

func (c *census) close() {
	c.watch.Stop()
	<-c.done
}

func (c *census) most() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mostLive
}

func (c *census) fewest() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fewestReady
}

// blind lets the learner's cache of pods be empty, and stay so until the gate opens.
func blind(ctx context.Context, ns string, over *harness.Gate) {
	GinkgoHelper()
	list, err := api.Judge().CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred(), "list the pods of %s", ns)
	bodies := map[string]string{
		"list": fmt.Sprintf(`{"apiVersion":"v1","kind":"PodList","metadata":{"resourceVersion":%q},"items":[]}`, list.ResourceVersion),
		"watch": fmt.Sprintf(`{"type":"BOOKMARK","object":{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":%q,"annotations":{%q:"true"}}}}`+"\n",
			list.ResourceVersion, metav1.InitialEventsAnnotationKey),
	}
	var once sync.Once
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		if r.Resource != "pods" || r.Verb != "list" && r.Verb != "watch" {
			return nil
		}
		var answer *cluster.Answer
		once.Do(func() { answer = &cluster.Answer{Body: []byte(bodies[r.Verb])} })
		if answer == nil {
			over.Wait()
		}
		return answer
	})
}

// settled waits until the learner has written nothing for half a second, and returns how many writes there were.
func settled(ctx context.Context) int {
	GinkgoHelper()
	last, since := -1, time.Now()
	Eventually(func() time.Duration {
		if n := len(writes()); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since)
	}).WithContext(ctx).WithTimeout(patience()).Should(BeNumerically(">", 500*time.Millisecond), "how long nothing has been written, when all is well")
	return last
}
