package configuration_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/scheduler"
	configuration "github.com/kubekata/kubekata/katas/stage5/06-configuration"
	"github.com/kubekata/kubekata/katas/stage5/06-configuration/extender"
)

const (
	namespace     = "kubekata-scheduler"
	schedulerName = "kubekata"
	service       = "extender.kubekata-scheduler.svc"
	resourceName  = "kubekata.dev/solver"
)

var _ = harness.NoLeaks()

var api = cluster.Lab()

func TestConfiguration(t *testing.T) { harness.RunSpecs(t, "Stage 5 · 06-configuration") }

var _ = Describe("scheduler.yaml", func() {
	It("is read by the strict decoder, and names two extenders", func() {
		config, err := decode()
		Expect(err).NotTo(HaveOccurred(), "kube-scheduler would say this of scheduler.yaml, and end")
		Expect(config.Extenders).To(HaveLen(2), "extenders: the licences and the prices")
	})

	It("is a configuration that kube-scheduler v1.37 starts with", func(ctx SpecContext) {
		Expect(extenders()).To(HaveLen(2), "extenders: the licences and the prices")
		profile() // without one it would be everybody's scheduler, on the lab as well
		scheduler.Start(ctx, api, adapted(configuration.Local{CAFile: issue().file, SchedulerName: api.Namespace(ctx)}))
	})

	It("has one profile, for the schedulerName kubekata", func() {
		profile := profile()
		Expect(*profile.SchedulerName).To(Equal(schedulerName), "profiles[0].schedulerName: default-scheduler would be a second one for everybody's pods")
	})

	It("has its plugins as they are by default", func() {
		Expect(profile().Plugins).To(Or(BeNil(), HaveValue(BeZero())), "profiles[0].plugins: what is disabled there is missing for all pods, and a strategy is the business of pluginConfig")
	})

	It("fills nodes by cpu and memory alike", func() {
		var found []configv1.NodeResourcesFitArgs
		for _, c := range profile().PluginConfig {
			Expect(c.Name).To(Equal("NodeResourcesFit"), "the plugin that profiles[0].pluginConfig is about; the others stay as they are")
			args, ok := c.Args.Object.(*configv1.NodeResourcesFitArgs)
			Expect(ok).To(BeTrue(), "args of NodeResourcesFit: %s", c.Args.Raw)
			found = append(found, *args)
		}
		Expect(found).To(HaveLen(1), "profiles[0].pluginConfig for NodeResourcesFit")
		Expect(found[0].ScoringStrategy).NotTo(BeNil(), "scoringStrategy")
		Expect(found[0].ScoringStrategy.Type).To(Equal(configv1.MostAllocated), "scoringStrategy.type")
		weights := map[string]int64{}
		for _, r := range found[0].ScoringStrategy.Resources {
			weights[r.Name] = r.Weight
		}
		Expect(weights).To(Or(BeEmpty(), Equal(map[string]int64{"cpu": 1, "memory": 1})), "the weights in scoringStrategy.resources")
	})

	It("looks at all nodes before the extenders do", func() {
		config := decoded()
		percentage := config.PercentageOfNodesToScore
		if own := profile().PercentageOfNodesToScore; own != nil {
			percentage = own
		}
		Expect(percentage).To(HaveValue(BeEquivalentTo(100)), "percentageOfNodesToScore: by default the scheduler stops at about half of 500 nodes, and the two with the solver may be in the other half")
	})

	It("elects a leader, by a Lease that is its own", func() {
		election := decoded().LeaderElection
		Expect(election.LeaderElect).To(HaveValue(BeTrue()), "leaderElection.leaderElect: there are two replicas")
		Expect(election.ResourceNamespace+"/"+election.ResourceName).To(Equal(namespace+"/kubekata-scheduler"),
			"leaderElection's resourceNamespace/resourceName: by default it is kube-system/kube-scheduler, which the cluster's own scheduler holds")
		Expect(election.ResourceLock).To(Or(BeEmpty(), Equal("leases")), "leaderElection.resourceLock")
	})

	It("gets its access to the API server from the pod", func() {
		Expect(extenders()).To(HaveLen(2), "extenders, without which the file is not complete")
		Expect(decoded().ClientConnection.Kubeconfig).To(BeEmpty(), "clientConnection.kubeconfig: there is no such file in the pod, which has a ServiceAccount")
	})

	Describe("extenders", func() {
		It("are at the extender's Service, over HTTPS", func() {
			for _, e := range both() {
				u := address(e)
				Expect(u.Scheme).To(Equal("https"), "the scheme of urlPrefix %s: enableHTTPS does not change it", e.URLPrefix)
				Expect(u.Host).To(Equal(service+":8443"), "the host of urlPrefix %s", e.URLPrefix)
				Expect(e.EnableHTTPS).To(BeTrue(), "enableHTTPS of %s", e.URLPrefix)
				Expect(e.TLSConfig).NotTo(BeNil(), "tlsConfig of %s: without a CA, enableHTTPS means that the certificate is not looked at", e.URLPrefix)
				Expect(e.TLSConfig.CAFile).To(Equal("/etc/extender/ca.crt"), "tlsConfig.caFile of %s", e.URLPrefix)
			}
		})

		It("have verbs for which the server has a route", func(ctx SpecContext) {
			for _, e := range both() {
				for field, verb := range verbs(e) {
					if verb == "" {
						continue
					}
					path := route(e, verb)
					code := ask(ctx, path)
					Expect(code).NotTo(Or(Equal(http.StatusNotFound), Equal(http.StatusMovedPermanently), Equal(http.StatusTemporaryRedirect), Equal(http.StatusPermanentRedirect), Equal(http.StatusMethodNotAllowed)),
						"the extender's answer to POST %s, which is what becomes of urlPrefix %s and %s %s", path, e.URLPrefix, field, verb)
				}
			}
		})

		It("are asked for licences by filter, bind and preempt", func() {
			Expect(routes(licences())).To(Equal(map[string]string{
				"filterVerb": "/licences/filter", "bindVerb": "/licences/bind", "preemptVerb": "/licences/preempt",
			}), "where the verbs of the licences' extender lead")
		})

		It("are asked for prices by filter and prioritize, so that one of them binds", func() {
			Expect(routes(prices())).To(Equal(map[string]string{
				"filterVerb": "/prices/filter", "prioritizeVerb": "/prices/prioritize",
			}), "where the verbs of the prices' extender lead; two extenders with a bindVerb are refused, and bind by the wrong one gives no licence away")
		})

		It("have 5 seconds for licences, and one for prices", func() {
			Expect(licences().HTTPTimeout.Duration).To(Equal(5*time.Second), "httpTimeout of the licences")
			Expect(prices().HTTPTimeout.Duration).To(Equal(time.Second), "httpTimeout of the prices: all pods wait for it, one after the other")
		})
	})
})

// decode reads scheduler.yaml as kube-scheduler does (pkg/scheduler/apis/config/scheme): unknown fields, in this spelling, and doubled ones are errors.
func decode() (*configv1.KubeSchedulerConfiguration, error) {
	scheme := runtime.NewScheme()
	if err := configv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	object, _, err := decoder.Decode(configuration.Scheduler, nil, nil)
	if err != nil {
		return nil, err
	}
	config, ok := object.(*configv1.KubeSchedulerConfiguration)
	if !ok {
		return nil, runtime.NewNotRegisteredErrForKind("kubescheduler.config.k8s.io/v1", object.GetObjectKind().GroupVersionKind())
	}
	return config, config.DecodeNestedObjects(decoder)
}

func decoded() *configv1.KubeSchedulerConfiguration {
	GinkgoHelper()
	config, err := decode()
	Expect(err).NotTo(HaveOccurred(), "kube-scheduler would say this of scheduler.yaml, and end")
	return config
}

func profile() configv1.KubeSchedulerProfile {
	GinkgoHelper()
	profiles := decoded().Profiles
	Expect(profiles).To(HaveLen(1), "profiles")
	Expect(profiles[0].SchedulerName).NotTo(BeNil(), "profiles[0].schedulerName")
	return profiles[0]
}

func extenders() []configv1.Extender {
	GinkgoHelper()
	return decoded().Extenders
}

func both() []configv1.Extender {
	GinkgoHelper()
	return []configv1.Extender{licences(), prices()}
}

func licences() configv1.Extender { GinkgoHelper(); return one("licences") }
func prices() configv1.Extender   { GinkgoHelper(); return one("prices") }

// one returns the extender that is about something, as the path of its verbs says.
func one(about string) configv1.Extender {
	GinkgoHelper()
	var found []configv1.Extender
	for _, e := range extenders() {
		if strings.Contains(route(e, e.FilterVerb), "/"+about) {
			found = append(found, e)
		}
	}
	Expect(found).To(HaveLen(1), "extenders whose urlPrefix and filterVerb lead to /%s", about)
	return found[0]
}

func address(e configv1.Extender) *url.URL {
	GinkgoHelper()
	u, err := url.Parse(e.URLPrefix)
	Expect(err).NotTo(HaveOccurred(), "urlPrefix of an extender")
	return u
}

// route is what HTTPExtender.send makes of a prefix and a verb, without the host.
func route(e configv1.Extender, verb string) string {
	GinkgoHelper()
	return strings.TrimRight(address(e).Path, "/") + "/" + verb
}

func verbs(e configv1.Extender) map[string]string {
	return map[string]string{"filterVerb": e.FilterVerb, "prioritizeVerb": e.PrioritizeVerb, "bindVerb": e.BindVerb, "preemptVerb": e.PreemptVerb}
}

func routes(e configv1.Extender) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	for field, verb := range verbs(e) {
		if verb != "" {
			all[field] = route(e, verb)
		}
	}
	return all
}

// ask returns the code of the extender's answer to an empty question.
func ask(ctx context.Context, path string) int {
	answer := httptest.NewRecorder()
	(&extender.Extender{}).Handler().ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader([]byte(`not json`))))
	return answer.Code
}
