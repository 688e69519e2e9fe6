package byservice_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	byservice "github.com/kubekata/kubekata/katas/stage4/05-by-service"
)

var _ = Describe("The manifests", func() {
	DescribeTable("are taken by the API server, field by field", func(ctx SpecContext, file string) {
		ns := api.Namespace(ctx)
		n := 0
		for _, object := range objects(ns, "manifests", file) {
			if object.GetKind() == "Namespace" {
				continue
			}
			_, err := resource(object).Create(ctx, object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
			Expect(err).NotTo(HaveOccurred(), "create %s %s of manifests/%s, as a dry run", object.GetKind(), object.GetName(), file)
			n++
			for _, field := range []string{"spec", "rules", "webhooks", "subjects", "type"} {
				if _, ok := object.Object[field]; ok {
					n += 100
				}
			}
		}
		Expect(n).To(BeNumerically(">=", 200), "manifests/%s has what is to be written in it", file)
	},
		Entry("the server's", "server.yaml"),
		Entry("its rights", "rbac.yaml"),
		Entry("the configurations", "webhooks.yaml"),
	)

	Describe("of the Deployment", func() {
		container := func() corev1.Container {
			GinkgoHelper()
			Expect(deployment().Spec.Template.Spec.Containers).To(HaveLen(1), "containers of the Deployment")
			return deployment().Spec.Template.Spec.Containers[0]
		}

		It("run two replicas, so that one may be missing", func() {
			Expect(ptr.Deref(deployment().Spec.Replicas, 1)).To(BeNumerically(">=", 2), "spec.replicas")
		})

		It("name the image, and pull it only where it is not there", func() {
			Expect(container().Image).To(Equal("kubekata.dev/webhook:e2e"), "the container's image")
			Expect(container().ImagePullPolicy).To(Equal(corev1.PullIfNotPresent), "the container's imagePullPolicy")
		})

		It("let the program listen on 8443, and allow it the API server", func() {
			Expect(container().Args).To(ContainElement("-listen=:8443"), "the container's args")
			Expect(container().Env).To(ContainElement(corev1.EnvVar{Name: "KUBEKATA_ALLOW_REMOTE", Value: "$(KUBERNETES_SERVICE_HOST)"}), "the container's env")
			Expect(deployment().Spec.Template.Spec.ServiceAccountName).To(Equal(byservice.Name), "the pods' serviceAccountName")
			Expect(ptr.Deref(deployment().Spec.Template.Spec.AutomountServiceAccountToken, true)).To(BeTrue(), "the pods' automountServiceAccountToken: without a token the API server does not know the program")
		})

		It("are ready when the server answers over HTTPS, and not before", func() {
			probe := container().ReadinessProbe
			Expect(probe).NotTo(BeNil(), "the container's readinessProbe")
			Expect(probe.HTTPGet).NotTo(BeNil(), "the readinessProbe's httpGet")
			Expect(probe.HTTPGet.Scheme).To(Equal(corev1.URISchemeHTTPS), "the readinessProbe's scheme: the server speaks TLS only")
			Expect(probe.HTTPGet.Path).To(Equal("/readyz"), "the readinessProbe's path")
			Expect(portOf(container(), probe.HTTPGet.Port.String())).To(BeEquivalentTo(8443), "the readinessProbe's port")
			if probe := container().LivenessProbe; probe != nil && probe.HTTPGet != nil {
				Expect(probe.HTTPGet.Scheme).To(Equal(corev1.URISchemeHTTPS), "the livenessProbe's scheme: the server speaks TLS only, and would be started again for ever")
			}
		})

		It("run as nobody in particular", func() {
			s, pod := container().SecurityContext, deployment().Spec.Template.Spec
			Expect(s).NotTo(BeNil(), "the container's securityContext")
			ps := ptr.Deref(pod.SecurityContext, corev1.PodSecurityContext{}) // what the container does not say, the pod may
			Expect(ptr.Deref(s.RunAsNonRoot, ptr.Deref(ps.RunAsNonRoot, false))).To(BeTrue(), "runAsNonRoot")
			Expect(ptr.Deref(s.RunAsUser, ptr.Deref(ps.RunAsUser, -1))).NotTo(BeZero(), "runAsUser: 0 is root, which runAsNonRoot does not let start")
			Expect(ptr.Deref(s.ReadOnlyRootFilesystem, false)).To(BeTrue(), "readOnlyRootFilesystem")
			Expect(ptr.Deref(s.AllowPrivilegeEscalation, true)).To(BeFalse(), "allowPrivilegeEscalation")
			Expect(ptr.Deref(s.Privileged, false)).To(BeFalse(), "privileged")
			Expect(s.Capabilities).NotTo(BeNil(), "capabilities")
			Expect(s.Capabilities.Drop).To(Equal([]corev1.Capability{"ALL"}), "capabilities that are dropped")
			Expect(s.Capabilities.Add).To(BeEmpty(), "capabilities that are added")
			seccomp := s.SeccompProfile
			if seccomp == nil {
				seccomp = ps.SeccompProfile
			}
			Expect(seccomp).NotTo(BeNil(), "seccompProfile")
			Expect(seccomp.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault), "seccompProfile.type")
			Expect([]bool{pod.HostNetwork, pod.HostPID, pod.HostIPC}).To(HaveEach(false), "hostNetwork, hostPID and hostIPC")
			Expect(pod.InitContainers).To(BeEmpty(), "initContainers: nothing has to run before the server")
			Expect(pod.Volumes).NotTo(ContainElement(HaveField("HostPath", Not(BeNil()))), "volumes with a hostPath")
			Expect(container().Ports).To(HaveEach(HaveField("HostPort", BeZero())), "the container's ports on the host")
		})
	})

	It("lead the Service's port 443 to the port of the Deployment's pods", func() {
		s, d := service(), deployment()
		Expect(s.Spec.Selector).NotTo(BeEmpty(), "the Service's selector")
		Expect(labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels))).To(BeTrue(), "the Service's selector %v selects the Deployment's pods, which have the labels %v", s.Spec.Selector, d.Spec.Template.Labels)
		Expect(d.Spec.Template.Labels).To(HaveKeyWithValue("app.kubernetes.io/name", "labels"), "the labels of the Deployment's pods")
		Expect(s.Spec.ClusterIP).NotTo(Equal(corev1.ClusterIPNone), "the Service's clusterIP: the API server calls no webhook behind a headless Service")
		Expect(s.Spec.Type).To(BeElementOf(corev1.ServiceType(""), corev1.ServiceTypeClusterIP), "the Service's type: nobody calls from outside of the cluster")
		Expect(s.Spec.Ports).To(HaveLen(1), "the Service's ports")
		Expect(s.Spec.Ports[0].Port).To(BeEquivalentTo(443), "the Service's port")
		target := s.Spec.Ports[0].TargetPort.String()
		Expect(target).NotTo(Equal("0"), "the Service's targetPort: without one it is the port itself, 443")
		Expect(d.Spec.Template.Spec.Containers).To(HaveLen(1), "containers of the Deployment")
		Expect(portOf(d.Spec.Template.Spec.Containers[0], target)).To(BeEquivalentTo(8443), "the container's port that the targetPort %s means", target)
		Expect(d.Spec.Template.Spec.Containers[0].Ports).To(ContainElement(HaveField("Name", target)), "the container's ports: the Service names its port")
	})

	Describe("of the webhooks", func() {
		It("call the Service at the paths of the two reviewers", func() {
			m, v := mutating(), validating()
			for path, c := range map[string]admissionregistrationv1.WebhookClientConfig{"/mutate": m.ClientConfig, "/validate": v.ClientConfig} {
				Expect(c.URL).To(BeNil(), "clientConfig.url, beside a service")
				Expect(c.Service).NotTo(BeNil(), "clientConfig.service for %s", path)
				Expect(c.Service.Namespace+"/"+c.Service.Name).To(Equal(byservice.Namespace+"/"+byservice.Name), "the service for %s", path)
				Expect(ptr.Deref(c.Service.Path, "")).To(Equal(path), "the service's path")
				Expect(ptr.Deref(c.Service.Port, 443)).To(BeEquivalentTo(443), "the service's port: the Service has no other")
				Expect(c.CABundle).To(BeEmpty(), "clientConfig.caBundle, which the server writes")
			}
			Expect(m.Name).To(Equal("mutate."+byservice.Configuration), "the mutating webhook's name")
			Expect(v.Name).To(Equal("validate."+byservice.Configuration), "the validating webhook's name")
		})

		It("have nobody wait for long", func() {
			Expect(ptr.Deref(mutating().TimeoutSeconds, 10)).To(BeNumerically("<=", 5), "the mutating webhook's timeoutSeconds")
			Expect(ptr.Deref(validating().TimeoutSeconds, 10)).To(BeNumerically("<=", 5), "the validating webhook's timeoutSeconds")
		})

		It("let kube-system alone, whatever its labels are", func() {
			system := labels.Set{"kubernetes.io/metadata.name": "kube-system", optIn: "enabled"}
			Expect(matches(mutating().NamespaceSelector, system)).To(BeFalse(), "the mutating webhook's namespaceSelector selects kube-system")
			Expect(matches(validating().NamespaceSelector, system)).To(BeFalse(), "the validating webhook's namespaceSelector selects kube-system")
			for _, name := range []string{"default", "kube-public"} {
				people := labels.Set{"kubernetes.io/metadata.name": name, optIn: "enabled"}
				Expect(matches(mutating().NamespaceSelector, people)).To(BeTrue(), "the mutating webhook's namespaceSelector selects %s, which has opted in", name)
				Expect(matches(validating().NamespaceSelector, people)).To(BeTrue(), "the validating webhook's namespaceSelector selects %s, which has opted in", name)
			}
		})

		It("ask for what they need, and for nothing by a star", func() {
			for name, rules := range map[string][]admissionregistrationv1.RuleWithOperations{"mutating": mutating().Rules, "validating": validating().Rules} {
				Expect(rules).NotTo(BeEmpty(), "the %s webhook's rules", name)
				for _, rule := range rules {
					for _, list := range [][]string{rule.APIGroups, rule.APIVersions, rule.Resources} {
						Expect(list).NotTo(ContainElement(ContainSubstring("*")), "a rule of the %s webhook", name)
					}
					Expect(rule.Operations).NotTo(ContainElement(BeElementOf(admissionregistrationv1.OperationAll, admissionregistrationv1.Delete, admissionregistrationv1.Connect)), "operations of the %s webhook", name)
				}
			}
		})

		It("ask for nothing that they do not need", func() {
			Expect(asked(mutating().Rules)).To(HaveEach(BeElementOf("CREATE apps/deployments", "CREATE /pods")), "what the mutating webhook is asked about")
			Expect(asked(validating().Rules)).To(HaveEach(BeElementOf("CREATE apps/deployments", "UPDATE apps/deployments", "CREATE apps/deployments/scale", "UPDATE apps/deployments/scale",
				"CREATE /pods", "UPDATE /pods")), "what the validating webhook is asked about")
		})
	})
})

// asked are the operations and resources of rules, each with each.
func asked(rules []admissionregistrationv1.RuleWithOperations) (all []string) {
	for _, rule := range rules {
		for _, operation := range rule.Operations {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					all = append(all, string(operation)+" "+group+"/"+resource)
				}
			}
		}
	}
	return all
}

// portOf is the number of a container's port that a name, or a number, means; 0 if there is none.
func portOf(c corev1.Container, port string) int32 {
	for _, p := range c.Ports {
		if p.Name == port || port != "" && p.ContainerPort > 0 && port == itoa(p.ContainerPort) {
			return p.ContainerPort
		}
	}
	return 0
}
