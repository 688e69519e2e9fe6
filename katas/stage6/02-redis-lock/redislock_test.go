package redislock_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	kata "github.com/kubekata/kubekata/katas/stage6/02-redis-lock"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/loopback"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestRedisLock(t *testing.T) {
	if addr := os.Getenv(addrEnv); addr != "" {
		if err := loopback.Check(addr); err != nil {
			t.Fatalf("%s: %v", addrEnv, err)
		}
	}
	klog.SetLogger(logr.Discard()) // client-go has a lot to say about elections
	harness.RunSpecs(t, "Stage 6 · 02-redis-lock")
}

var _ = AfterSuite(func() {
	if own != nil {
		Expect(own.stop()).To(Succeed(), "stop the redis-server of this suite")
	}
})

// The specs of a lock, on everything here that speaks Redis' protocol.
var _ = func() bool {
	for _, b := range backends() {
		Describe("On "+b.name, func() {
			w := &world{backend: b}
			BeforeEach(func(ctx SpecContext) { w.begin(ctx) })
			getSpecs(w)
			createSpecs(w)
			updateSpecs(w)
			expirySpecs(w)
			tokenSpecs(w)
			electorSpecs(w)
		})
	}
	return true
}()

var _ = Describe("The lock", func() {
	It("has the identity that it was given", func() {
		Expect((&kata.Lock{ID: "a"}).Identity()).To(Equal("a"), "Identity, with the ID a")
	})

	It("describes itself by namespace and name", func() {
		Expect((&kata.Lock{Namespace: "billing", Name: "invoices"}).Describe()).To(Equal("billing/invoices"), "Describe")
	})

	It("records an event about its subject", func() {
		events, pod := &recorder{}, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "billing-0"}}
		(&kata.Lock{ID: "a", Events: events, Subject: pod}).RecordEvent("became leader")
		Expect(events.events).To(Equal([]event{{"billing-0", corev1.EventTypeNormal, "LeaderElection", "a became leader"}}), "the events, after RecordEvent")
	})

	It("records an event of an identity with a percent sign", func() {
		events, pod := &recorder{}, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "billing-0"}}
		(&kata.Lock{ID: "a%d", Events: events, Subject: pod}).RecordEvent("stopped leading")
		Expect(events.events).To(HaveLen(1), "the events, after RecordEvent")
		Expect(events.events[0].message).To(Equal("a%d stopped leading"), "the event's message: an identity is no format")
	})

	It("records nothing without a recorder", func() {
		Expect(func() { (&kata.Lock{ID: "a"}).RecordEvent("became leader") }).NotTo(Panic(), "RecordEvent, without a recorder")
	})
})

// recorder keeps events, and formats their messages as a real one does.
type recorder struct{ events []event }

type event struct{ about, kind, reason, message string }

// Eventf implements [resourcelock.EventRecorder].
func (r *recorder) Eventf(obj runtime.Object, kind, reason, format string, args ...any) {
	about := ""
	if o, ok := obj.(metav1.Object); ok {
		about = o.GetName()
	}
	r.events = append(r.events, event{about, kind, reason, sprintf(format, args...)})
}

// held makes a record of a holder with a lease of so many seconds.
func held(by string, seconds int) resourcelock.LeaderElectionRecord {
	at := metav1.NewTime(time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC))
	return resourcelock.LeaderElectionRecord{HolderIdentity: by, LeaseDurationSeconds: seconds, AcquireTime: at, RenewTime: at}
}

// given makes the record that client-go writes to give a lock back.
func given() resourcelock.LeaderElectionRecord { return held("", 1) }

// holder returns who has a lock, as somebody sees it who has not had anything to do with it.
func (w *world) holder(ctx context.Context) string {
	GinkgoHelper()
	record, _, err := w.lock("observer").Get(ctx)
	Expect(err).NotTo(HaveOccurred(), "what Get returns to an observer")
	return record.HolderIdentity
}
