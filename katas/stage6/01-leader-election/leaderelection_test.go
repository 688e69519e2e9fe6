package leaderelection_test

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/klog/v2"

	kata "github.com/kubekata/kubekata/katas/stage6/01-leader-election"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestLeaderElection(t *testing.T) {
	klog.SetLogger(logr.Discard()) // client-go has a lot to say about elections
	harness.RunSpecs(t, "Stage 6 · 01-leader-election")
}

var _ = Describe("Validate", func() {
	DescribeTable("accepts", func(lease, deadline, retry time.Duration) {
		Expect(kata.Timing{LeaseDuration: lease, RenewDeadline: deadline, RetryPeriod: retry}.Validate()).To(Succeed(), "what Validate says of %v, %v, %v", lease, deadline, retry)
	},
		Entry("what Kubernetes' own components have", 15*time.Second, 10*time.Second, 2*time.Second),
		Entry("a lease of one second", time.Second, 500*time.Millisecond, 100*time.Millisecond),
		Entry("a deadline that just leaves time for a second try", 10*time.Second, 1201*time.Millisecond, time.Second),
		Entry("a lease that is just longer than a leader goes on without renewing it", 10*time.Second, 7999*time.Millisecond, 2*time.Second),
	)

	DescribeTable("refuses", func(lease, deadline, retry time.Duration, field string) {
		err := kata.Timing{LeaseDuration: lease, RenewDeadline: deadline, RetryPeriod: retry}.Validate()
		Expect(err).To(MatchError(kata.ErrTiming), "what Validate says of LeaseDuration %v, RenewDeadline %v, RetryPeriod %v", lease, deadline, retry)
		Expect(err).To(MatchError(ContainSubstring(field)), "the error names the field")
	},
		Entry("a deadline that is as long as the lease", 10*time.Second, 10*time.Second, time.Second, "LeaseDuration"),
		Entry("a deadline that is longer than the lease", 10*time.Second, 12*time.Second, time.Second, "LeaseDuration"),
		Entry("a lease that runs out while the leader still tries", 15*time.Second, 14*time.Second, 2*time.Second, "LeaseDuration"),
		Entry("a lease that runs out at the moment at which the leader gives up", 15*time.Second, 13*time.Second, 2*time.Second, "LeaseDuration"),
		Entry("a lease of a second and a half", 1500*time.Millisecond, 500*time.Millisecond, 100*time.Millisecond, "LeaseDuration"),
		Entry("a lease of less than a second", 900*time.Millisecond, 500*time.Millisecond, 100*time.Millisecond, "LeaseDuration"),
		Entry("a deadline that leaves no time for a second try", 10*time.Second, 1200*time.Millisecond, time.Second, "RenewDeadline"),
		Entry("no deadline", 10*time.Second, time.Duration(0), time.Second, "RenewDeadline"),
		Entry("no period", 10*time.Second, 5*time.Second, time.Duration(0), "RetryPeriod"),
		Entry("a negative period", 10*time.Second, 5*time.Second, -time.Second, "RetryPeriod"),
	)
})

var _ = Describe("Identity", func() {
	It("begins with the name", func() {
		Expect(kata.Identity("pod-7")).To(HavePrefix("pod-7_"), "the identity of pod-7, for whoever reads the Lease at night")
	})

	It("is another one each time, with the same name", func() {
		Expect(kata.Identity("pod-7")).NotTo(Equal(kata.Identity("pod-7")), "two identities of pod-7: two holders with one identity both believe that the lease is theirs")
	})
})
