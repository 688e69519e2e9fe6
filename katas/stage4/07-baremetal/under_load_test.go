package baremetal_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	baremetal "github.com/kubekata/kubekata/katas/stage4/07-baremetal"

	"github.com/kubekata/kubekata/harness/serving"
)

var _ = Describe("On the API server", func() {
	It("a Pod is stamped, in a namespace that wants it", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Fail)
		Expect(w.create(ctx, "oven")).To(Equal("stamped"), "pod %s/oven", w.namespace)
		other := api.Namespace(ctx)
		Expect(w.createIn(ctx, other, "oven")).To(Equal("not stamped"), "pod %s/oven, in a namespace that does not say that it wants it", other)
	})

	It("with Ignore, Pods are created without a stamp while the machine is down, and with one when it is back", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Ignore)
		crowd := w.crowd(ctx)
		Eventually(crowd.newest).WithContext(ctx).WithTimeout(bound).Should(Equal("stamped"), "what becomes of a new Pod while the machine runs")
		w.kill(ctx)
		Eventually(crowd.newest).WithContext(ctx).WithTimeout(bound).Should(Equal("not stamped"), "what becomes of a new Pod while the machine is down")
		w.start()
		Eventually(crowd.newest).WithContext(ctx).WithTimeout(bound).Should(Equal("stamped"), "what becomes of a new Pod when the machine is back")
		Expect(crowd.stop()).NotTo(HaveKey(HavePrefix("refused")), "what has become of all Pods")
	})

	It("with Fail, no Pod is created while the machine is down, and none without a stamp", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Fail)
		crowd := w.crowd(ctx)
		Eventually(crowd.newest).WithContext(ctx).WithTimeout(bound).Should(Equal("stamped"), "what becomes of a new Pod while the machine runs")
		w.kill(ctx)
		Eventually(crowd.newest).WithContext(ctx).WithTimeout(bound).Should(HavePrefix("refused"), "what becomes of a new Pod while the machine is down")
		w.start()
		Eventually(crowd.newest).WithContext(ctx).WithTimeout(bound).Should(Equal("stamped"), "what becomes of a new Pod when the machine is back")
		Expect(crowd.stop()).NotTo(HaveKey("not stamped"), "what has become of all Pods")
		list, err := api.Judge().CoreV1().Pods(w.namespace).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		for _, pod := range list.Items {
			Expect(pod.Annotations).To(HaveKeyWithValue(baremetal.StampAnnotation, "seven"), "the annotations of pod %s/%s", pod.Namespace, pod.Name)
		}
	})

	It("a machine that is stopped in an orderly way answers what it was asked before", func(ctx SpecContext) {
		w := install(ctx, admissionregistrationv1.Fail)
		w.pause()
		got := make(chan string, 1)
		go func() {
			defer GinkgoRecover()
			got <- w.create(ctx, "oven")
		}()
		Eventually(w.asked).WithContext(ctx).WithTimeout(bound).Should(Receive(), "the webhook is asked about pod %s/oven", w.namespace)
		w.server.stop()
		Consistently(got).WithContext(ctx).WithTimeout(100*time.Millisecond).ShouldNot(Receive(), "something has become of pod %s/oven before the webhook has answered", w.namespace)
		w.goOn()
		Eventually(got).WithContext(ctx).WithTimeout(bound).Should(Receive(Equal("stamped")), "what becomes of pod %s/oven", w.namespace)
		Expect(w.server.ended(ctx)).To(Succeed(), "what Serve returns")
	})
})

// machine is one with the learner's webhook on it, which the API server calls for the Pods of a namespace.
type machine struct {
	namespace string
	server    *running
	asked     chan struct{}

	mu   sync.Mutex
	gate chan struct{}
}

// install starts the machine, and has the API server call it until the spec ends.
func install(ctx context.Context, failure admissionregistrationv1.FailurePolicyType) *machine {
	GinkgoHelper()
	w := &machine{namespace: api.Namespace(ctx), asked: make(chan struct{}, 100)}
	DeferCleanup(w.goOn)
	w.server = serve(anyPort, w.handler(), patient)
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:"true","run":%q}}}`, baremetal.OptIn, w.namespace)
	_, err := api.Judge().CoreV1().Namespaces().Patch(ctx, w.namespace, types.MergePatchType, patch, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred(), "label namespace %s for the spec", w.namespace)

	configuration, err := baremetal.Configuration(w.namespace+".kubekata.dev", "https://"+w.server.address+"/stamp", bundle, failure)
	Expect(err).NotTo(HaveOccurred(), "make the configuration")
	Expect(configuration.Webhooks).To(HaveLen(1), "the webhooks of the configuration")
	selector := configuration.Webhooks[0].NamespaceSelector // other specs' namespaces want it as well
	Expect(selector).NotTo(BeNil(), "namespaceSelector")
	selector.MatchExpressions = append(selector.MatchExpressions, metav1.LabelSelectorRequirement{Key: "run", Operator: metav1.LabelSelectorOpIn, Values: []string{w.namespace}})
	configuration.Webhooks[0].TimeoutSeconds = new(int32(20)) // two seconds may be too few where the specs of others run beside these
	api.Own(configuration)
	configurations := api.Judge().AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err = configurations.Create(ctx, configuration, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create the MutatingWebhookConfiguration %s", configuration.Name)
	DeferCleanup(func(ctx SpecContext) {
		Expect(configurations.Delete(ctx, configuration.Name, metav1.DeleteOptions{})).To(Succeed(), "delete the MutatingWebhookConfiguration %s", configuration.Name)
	})
	Eventually(ctx, func(ctx context.Context) (string, error) {
		got := w.createIn(ctx, w.namespace, "probe", metav1.DryRunAll)
		if strings.HasPrefix(got, "refused") && !strings.Contains(got, "deadline exceeded") {
			return "", StopTrying(got)
		}
		return got, nil
	}).WithTimeout(2*bound).WithPolling(20*time.Millisecond).Should(Equal("stamped"), "what would become of pod %s/probe, when the API server calls the webhook", w.namespace)
	for len(w.asked) > 0 {
		<-w.asked
	}
	return w
}

func (w *machine) handler() http.Handler {
	stamp := serving.NewHandler(serving.ReviewerFunc(baremetal.Stamp("seven")))
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case w.asked <- struct{}{}:
		default:
		}
		w.mu.Lock()
		gate := w.gate
		w.mu.Unlock()
		if gate != nil {
			<-gate
		}
		stamp.ServeHTTP(rw, r)
	})
}

// pause lets the webhook think until goOn.
func (w *machine) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate = make(chan struct{})
}

func (w *machine) goOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gate != nil {
		close(w.gate)
		w.gate = nil
	}
}

// kill switches the machine off.
func (w *machine) kill(ctx context.Context) {
	GinkgoHelper()
	w.server.listener.kill()
	Expect(w.server.ended(ctx)).To(HaveOccurred(), "what Serve returns when its listener is closed")
}

// start switches it on again, with the same address.
func (w *machine) start() {
	GinkgoHelper()
	w.server = serve(w.server.address, w.handler(), patient)
}

func (w *machine) create(ctx context.Context, name string) string {
	return w.createIn(ctx, w.namespace, name)
}

// createIn makes a Pod, and says what becomes of it: stamped, not stamped, or refused, with the error.
func (w *machine) createIn(ctx context.Context, ns, name string, dryRun ...string) string {
	pod := pod(nil)
	pod.Name, pod.Namespace = name, ns
	pod.Spec.AutomountServiceAccountToken = new(false)
	got, err := api.Judge().CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{DryRun: dryRun})
	switch {
	case err != nil && apierrors.IsInternalError(err):
		return "refused: " + err.Error()
	case err != nil:
		return err.Error()
	case got.Annotations[baremetal.StampAnnotation] == "seven":
		return "stamped"
	}
	return "not stamped"
}

// crowd are some who create Pods all the time.
type crowd struct {
	mu      sync.Mutex
	last    string
	seen    map[string]int
	cancel  context.CancelFunc
	writers sync.WaitGroup
}

func (w *machine) crowd(ctx context.Context) *crowd {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(ctx)
	c := &crowd{seen: map[string]int{}, cancel: cancel}
	for i := range 3 {
		c.writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				got := w.create(ctx, fmt.Sprintf("oven-%d-%d", i, n))
				if ctx.Err() != nil {
					return
				}
				c.mu.Lock()
				c.last = got
				c.seen[got]++
				c.mu.Unlock()
			}
		})
	}
	DeferCleanup(c.stop)
	return c
}

// newest is what has become of the Pod that was created last.
func (c *crowd) newest() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// stop ends the crowd, and says how many Pods have become what.
func (c *crowd) stop() map[string]int {
	c.cancel()
	c.writers.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}
