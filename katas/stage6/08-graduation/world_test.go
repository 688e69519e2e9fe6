package graduation_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/component-base/featuregate"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	graduation "github.com/kubekata/kubekata/katas/stage6/08-graduation"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/crash"
	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/manager"
	"github.com/kubekata/kubekata/harness/serving"
)

// theirs is another controller's finalizer.
const theirs = "billing.kubekata.dev/invoice"

var (
	define sync.Once
	scheme *runtime.Scheme
	group  string
)

// world is one spec's: a namespace, a client of the API server for the judge, and a telephone exchange.
type world struct {
	ns      string
	judge   client.WithWatch
	service *exchange.Service
	url     string
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := &world{ns: server.Namespace(ctx), service: exchange.NewService()}
	define.Do(func() {
		g := w.ns + ".kubekata.dev" // no other run has it
		s := runtime.NewScheme()
		Expect(clientscheme.AddToScheme(s)).To(Succeed())
		Expect(api.AddToScheme(g)(s)).To(Succeed())
		server.Define(ctx, api.Definition(g))
		scheme, group = s, g
	})
	Expect(scheme).NotTo(BeNil(), "the definition of Lines, which the first spec has to make")
	w.judge = manager.Client(server, scheme)
	listener := httptest.NewServer(w.service)
	w.url = listener.URL
	DeferCleanup(func(ctx context.Context) {
		w.release(ctx)
		listener.CloseClientConnections()
		listener.Close()
	})
	return w
}

// replica is a copy of the learner's operator.
type replica struct {
	name     string
	wait     context.Context
	loop     *harness.Loop
	api, tel *wire
	registry *prometheus.Registry
	gate     featuregate.MutableVersionedFeatureGate
	port     int
	bundle   []byte
}

// plan returns the options of a copy, with its wires, and what runs it.
func (w *world) plan(ctx context.Context, name string, change ...func(*graduation.Options)) (*replica, func(context.Context) error) {
	GinkgoHelper()
	r := &replica{name: name, api: newWire(), tel: newWire(), registry: prometheus.NewRegistry()}
	DeferCleanup(func() { r.api.cut(); r.tel.cut() })
	gate, err := graduation.NewGate()
	Expect(err).NotTo(HaveOccurred(), "NewGate")
	Expect(gate).NotTo(BeNil(), "what NewGate returns")
	r.gate = gate
	certificate, bundle, err := serving.NewCertificate(net.IPv4(127, 0, 0, 1))
	Expect(err).NotTo(HaveOccurred(), "make a certificate for the spec")
	port, err := loopback.FreePort()
	Expect(err).NotTo(HaveOccurred(), "look for a free port")
	r.port, r.bundle = port, bundle

	transport := &http.Transport{DisableKeepAlives: true}
	broken, giveUp := context.WithCancel(ctx)
	DeferCleanup(giveUp)
	o := graduation.Options{
		Scheme: scheme, Namespace: w.ns,
		// Nobody loses a lease by being slow, or takes one that was not given back.
		LeaseDuration: time.Hour, RenewDeadline: 25 * time.Second, RetryPeriod: 50 * time.Millisecond,
		Exchange: exchange.NewClient(w.url, name, &http.Client{Transport: r.tel.wrap(transport)}),
		Gate:     gate,
		Registry: r.registry,
		Webhook: webhook.Options{Host: "127.0.0.1", Port: r.port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
		}}},
		Logger: manager.Logger(giveUp),
	}
	for _, f := range change {
		f(&o)
	}
	config := server.Config()
	config.QPS = -1 // the server keeps order, and a hot loop is seen
	config.UserAgent = name
	config.Wrap(r.api.wrap)
	r.wait = broken
	return r, func(ctx context.Context) error { return graduation.Run(ctx, config, o) }
}

// start starts a copy. Its end is a failure, until it is stopped or killed.
func (w *world) start(ctx context.Context, name string, change ...func(*graduation.Options)) *replica {
	GinkgoHelper()
	r, run := w.plan(ctx, name, change...)
	wait, loop := harness.Start(r.wait, "Run of "+name, run)
	r.wait, r.loop = crash.Guard(wait), loop
	return r
}

// kill ends a copy without a farewell: from now on nothing that it does is seen.
func (r *replica) kill() {
	GinkgoHelper()
	r.api.cut()
	r.tel.cut()
	Expect(r.loop.Stop()).To(Succeed(), "Run has to return when its context has ended, even if nothing answers any more")
}

// free lets the lease of a copy that was killed run out.
func (w *world) free(ctx context.Context) {
	GinkgoHelper()
	err := server.Judge().CoordinationV1().Leases(w.ns).Delete(ctx, api.Lease, metav1.DeleteOptions{})
	Expect(client.IgnoreNotFound(err)).To(Succeed(), "let the lease %s/%s run out", w.ns, api.Lease)
}

// successor starts a copy when the lease of the one before has run out.
func (w *world) successor(ctx context.Context, name string, change ...func(*graduation.Options)) *replica {
	GinkgoHelper()
	w.free(ctx)
	return w.start(ctx, name, change...)
}

// lease is for Eventually: who holds it, or "".
func (w *world) lease(ctx context.Context) (string, error) {
	lease, err := server.Judge().CoordinationV1().Leases(w.ns).Get(ctx, api.Lease, metav1.GetOptions{})
	if err != nil {
		return "", client.IgnoreNotFound(err)
	}
	return holder(lease), nil
}

func holder(lease *coordinationv1.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// line is a Line in the area 089, which is not made yet.
func (w *world) line(name string, change ...func(*api.Line)) *api.Line {
	l := &api.Line{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}, Spec: api.LineSpec{Area: "089"}}
	for _, f := range change {
		f(l)
	}
	return l
}

func diverted(to string) func(*api.Line) { return func(l *api.Line) { l.Spec.Divert = to } }

// make makes a Line on the API server.
func (w *world) make(ctx context.Context, name string, change ...func(*api.Line)) *api.Line {
	GinkgoHelper()
	l := w.line(name, change...)
	Expect(w.judge.Create(ctx, l)).To(Succeed(), "make line %s/%s for the spec", w.ns, name)
	return l
}

// connected makes a Line, and waits until a copy has connected it.
func (w *world) connected(ctx context.Context, r *replica, name string, change ...func(*api.Line)) *api.Line {
	GinkgoHelper()
	w.make(ctx, name, change...)
	w.connects(r, name, 1)
	return w.get(ctx, name)
}

// connects waits until a Line is connected.
func (w *world) connects(r *replica, name string, generation int64) {
	GinkgoHelper()
	Eventually(w.ready(name)).WithContext(r.wait).Should(Equal(fmt.Sprintf("True Connected, generation %d", generation)), "the condition Ready of line %s/%s", w.ns, name)
}

// get returns a Line as the server has it.
func (w *world) get(ctx context.Context, name string) *api.Line {
	GinkgoHelper()
	l := &api.Line{}
	Expect(w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, l)).To(Succeed(), "get line %s/%s", w.ns, name)
	return l
}

// patch changes a Line, as somebody else.
func (w *world) patch(ctx context.Context, name, change string) {
	GinkgoHelper()
	Expect(w.judge.Patch(ctx, w.line(name), client.RawPatch(types.MergePatchType, []byte(change)))).To(Succeed(), "change line %s/%s for the spec", w.ns, name)
}

// reconcile changes a Line's label, and waits until the exchange has been asked for it again: the operator has looked at it.
func (w *world) reconcile(ctx context.Context, r *replica, l *api.Line, label string) {
	GinkgoHelper()
	before := w.calls(exchange.OpRent, l)()
	w.patch(ctx, l.Name, fmt.Sprintf(`{"metadata":{"labels":{"round":%q}}}`, label))
	Eventually(w.calls(exchange.OpRent, l)).WithContext(r.wait).Should(BeNumerically(">", before), "calls of rent for line %s/%s, which has got a label", w.ns, l.Name)
}

// delete asks the server to delete a Line.
func (w *world) delete(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(w.judge.Delete(ctx, w.line(name))).To(Succeed(), "delete line %s/%s for the spec", w.ns, name)
}

// gone waits until a Line is gone.
func (w *world) gone(r *replica, name string) {
	GinkgoHelper()
	Eventually(w.ready(name)).WithContext(r.wait).Should(Equal("the line is gone"), "line %s/%s, which somebody has deleted", w.ns, name)
}

// release lets go what an operator has not.
func (w *world) release(ctx context.Context) {
	var list api.LineList
	Expect(w.judge.List(ctx, &list, client.InNamespace(w.ns))).To(Succeed(), "list the lines in %s", w.ns)
	for i := range list.Items {
		l := &list.Items[i]
		Expect(client.IgnoreNotFound(w.judge.Delete(ctx, l))).To(Succeed(), "remove line %s/%s after the spec", w.ns, l.Name)
		err := w.judge.Patch(ctx, l, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
		Expect(client.IgnoreNotFound(err)).To(Succeed(), "let line %s/%s go after the spec", w.ns, l.Name)
	}
}

// ready is for Eventually: a Line's condition Ready in a few words, "none", or that the Line is gone.
func (w *world) ready(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		l := &api.Line{}
		err := w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, l)
		if apierrors.IsNotFound(err) {
			return "the line is gone", nil
		}
		if err != nil {
			return "", err
		}
		c := meta.FindStatusCondition(l.Status.Conditions, api.Ready)
		if c == nil {
			return "none", nil
		}
		return fmt.Sprintf("%s %s, generation %d", c.Status, c.Reason, c.ObservedGeneration), nil
	}
}

// phone is for Eventually: a Line's phone in a line, or "none".
func (w *world) phone(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		cm, err := server.Judge().CoreV1().ConfigMaps(w.ns).Get(ctx, api.PhoneName(name), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "none", nil
		}
		if err != nil {
			return "", err
		}
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(cm.Data)) {
			parts = append(parts, key+"="+cm.Data[key])
		}
		return strings.Join(parts, " "), nil
	}
}

func (w *world) getPhone(ctx context.Context, name string) *corev1.ConfigMap {
	GinkgoHelper()
	cm, err := server.Judge().CoreV1().ConfigMaps(w.ns).Get(ctx, api.PhoneName(name), metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get the phone of line %s/%s", w.ns, name)
	return cm
}

// calls is for Eventually: how many of a kind the exchange has got for a Line.
func (w *world) calls(op exchange.Op, l *api.Line) func() int {
	return func() int {
		n := 0
		for _, c := range w.service.Calls() {
			if c.Op == op && c.Reference == string(l.UID) {
				n++
			}
		}
		return n
	}
}

// callers are those that have called the exchange.
func (w *world) callers() []string {
	names := map[string]bool{}
	for _, c := range w.service.Calls() {
		names[c.Caller] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// rented is for Eventually: what the exchange has, a line for each number.
func (w *world) rented() []string {
	lines := []string{}
	for _, n := range w.service.Numbers() {
		text := n.Number
		if n.Divert != "" {
			text += " to " + n.Divert
		}
		lines = append(lines, text)
	}
	return lines
}

// counter is a metric of a copy, and -1 if there is none.
func (r *replica) counter(name string) float64 {
	GinkgoHelper()
	families, err := r.registry.Gather()
	Expect(err).NotTo(HaveOccurred(), "gather the metrics of %s", r.name)
	for _, f := range families {
		if f.GetName() == name && len(f.GetMetric()) == 1 && f.GetMetric()[0].GetCounter() != nil {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

// finalizers are those of a Line as the server has it, in a line.
func (w *world) finalizers(ctx context.Context, name string) string {
	l := &api.Line{}
	if err := w.judge.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: name}, l); err != nil {
		return err.Error()
	}
	return strings.Join(slices.Sorted(slices.Values(l.Finalizers)), " ")
}

func asJSON(object any) string {
	GinkgoHelper()
	data, err := json.Marshal(object)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}
