package configuration_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/kubekata/kubekata/harness/scheduler"
	configuration "github.com/kubekata/kubekata/katas/stage5/06-configuration"
)

const decideBound = 15 * time.Second

var _ = Describe("HTTPS", func() {
	It("leads to the extender that has the Service's certificate", func(ctx SpecContext) {
		Expect(both()).To(HaveLen(2))
		certificate := issue()
		condition, calls := schedule(ctx, certificate, certificate.file)
		Expect(calls).To(BeNumerically(">", 0), "calls of the extender, when kube-scheduler schedules a pod that asks for %s; the pod's condition: %s", resourceName, condition)
		Expect(condition).To(ContainSubstring("the spec's extender fits nowhere"), "the pod's condition PodScheduled")
	})

	It("does not speak to a server with a certificate of somebody else's", func(ctx SpecContext) {
		Expect(both()).To(HaveLen(2))
		condition, calls := schedule(ctx, issue(), issue().file)
		Expect(calls).To(BeZero(), "calls of a server whose certificate is not of the CA in tlsConfig.caFile: it was sent pods and nodes, and could have bound them")
		Expect(condition).To(ContainSubstring("x509"), "the pod's condition PodScheduled")
	})
})

// issued is a certificate for the extender's Service.
type issued struct {
	pair tls.Certificate
	file string // of the CA
}

func issue() issued {
	GinkgoHelper()
	chain, key, err := cert.GenerateSelfSignedCertKey(service, nil, nil)
	Expect(err).NotTo(HaveOccurred())
	pair, err := tls.X509KeyPair(chain, key)
	Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(GinkgoT().TempDir(), "ca.crt")
	Expect(os.WriteFile(file, chain, 0o600)).To(Succeed()) // the CA is the second in the chain
	return issued{pair: pair, file: file}
}

// schedule starts kube-scheduler with scheduler.yaml, the extenders' address exchanged for a server of the spec's. It returns what the scheduler says of a pod
// that wants a licence, and how often the server was asked.
func schedule(ctx context.Context, certificate issued, caFile string) (condition string, calls int64) {
	GinkgoHelper()
	var asked atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var args extenderv1.ExtenderArgs
		_ = json.NewDecoder(r.Body).Decode(&args)
		refused := extenderv1.FailedNodesMap{}
		if args.Nodes != nil {
			for _, n := range args.Nodes.Items {
				refused[n.Name] = "the spec's extender fits nowhere"
			}
		}
		_ = json.NewEncoder(w).Encode(extenderv1.ExtenderFilterResult{Nodes: &corev1.NodeList{}, NodeNames: &[]string{}, FailedAndUnresolvableNodes: refused})
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate.pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.SetKeepAlivesEnabled(false)
	server.StartTLS()
	DeferCleanup(server.Close)

	profile() // without one it would be everybody's scheduler, on the lab as well
	ns := api.Namespace(ctx)
	scheduler.Start(ctx, api, adapted(configuration.Local{Address: server.Listener.Addr().String(), CAFile: caFile, SchedulerName: ns}))
	pods := api.Judge().CoreV1().Pods(ns)
	p := scheduler.Pod("solve", scheduler.Asks(resourceName, "1"))
	p.Namespace, p.UID, p.Spec.SchedulerName = ns, "", ns
	_, err := pods.Create(ctx, p, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) error {
		return pods.Delete(ctx, "solve", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	})
	Eventually(func(ctx context.Context) (string, error) {
		got, err := pods.Get(ctx, "solve", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		for _, c := range got.Status.Conditions {
			if c.Type == corev1.PodScheduled {
				condition = c.Reason + ": " + c.Message
			}
		}
		if got.Spec.NodeName != "" {
			condition = "bound to " + got.Spec.NodeName
		}
		return condition, nil
	}).WithContext(ctx).WithTimeout(decideBound).WithPolling(20*time.Millisecond).ShouldNot(BeEmpty(), "the decision about pod %s/solve, by a scheduler with this configuration", ns)
	return condition, asked.Load()
}

// adapted is scheduler.yaml for this machine.
func adapted(local configuration.Local) []byte {
	GinkgoHelper()
	out, err := local.Adapt(configuration.Scheduler)
	Expect(err).NotTo(HaveOccurred())
	return out
}
