package kindconfig_test

import (
	"bytes"
	_ "embed"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/kubekata/kubekata/harness"
)

//go:embed kind-config.yaml
var source []byte

func TestKindConfig(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 01-kind-config") }

var _ = Describe("kind-config.yaml", func() {
	var config *v1alpha4.Cluster

	BeforeEach(func() {
		config = load()
	})

	It("is a configuration that kind accepts, field by field", Label("given"), func() {
		Expect(config.APIVersion).To(Equal("kind.x-k8s.io/v1alpha4"))
		Expect(config.Kind).To(Equal("Cluster"))
		Expect(config.Name).To(Equal("kubekata"), "the cluster's name, which its kubectl context takes over as kind-kubekata")
	})

	Describe("nodes", func() {
		It("are one control plane and three workers", func() {
			Expect(nodes(config, v1alpha4.ControlPlaneRole)).To(HaveLen(1), "nodes with the role control-plane")
			Expect(nodes(config, v1alpha4.WorkerRole)).To(HaveLen(3), "nodes with the role worker")
			Expect(config.Nodes).To(HaveLen(4), "all nodes")
		})

		It("carry the label kubekata.dev/disk=ssd on exactly one worker", func() {
			var labelled []v1alpha4.Node
			for _, n := range config.Nodes {
				if n.Labels["kubekata.dev/disk"] == "ssd" {
					labelled = append(labelled, n)
				}
			}
			Expect(labelled).To(HaveLen(1), "nodes with that label")
			Expect(labelled[0].Role).To(Equal(v1alpha4.WorkerRole), "the role of the labelled node")
		})

		It("mount /tmp/kubekata, read-only, into the worker with the label and no other", func() {
			mounted := 0
			for _, n := range config.Nodes {
				for _, m := range n.ExtraMounts {
					mounted++
					Expect(n.Labels).To(HaveKeyWithValue("kubekata.dev/disk", "ssd"), "labels of the node that has the mount")
					Expect(m.HostPath).To(Equal("/tmp/kubekata"), "hostPath: the folder on this machine")
					Expect(m.ContainerPath).To(Equal("/var/lib/kubekata"), "containerPath: the folder in the node")
					Expect(m.Readonly).To(BeTrue(), "readOnly: a pod must not write to this machine's disk")
				}
			}
			Expect(mounted).To(Equal(1), "mounts in all nodes")
		})

		It("lead port 8080 of this machine to 30080 of the control plane, and 8443 to 30443", func() {
			ports := map[int32]int32{}
			for _, m := range portMappings(config) {
				ports[m.HostPort] = m.ContainerPort
				Expect(m.Protocol).To(Or(BeEmpty(), Equal(v1alpha4.PortMappingProtocolTCP)), "protocol of host port %d", m.HostPort)
			}
			Expect(portMappings(config)).To(HaveLen(2), "port mappings of the control plane: a port of this machine can lead to one place only")
			Expect(ports).To(Equal(map[int32]int32{8080: 30080, 8443: 30443}), "hostPort: containerPort; 30080 and 30443 are node ports, the only ones that kube-proxy opens")
		})

		It("open these ports on the loopback of this machine only", func() {
			mappings := portMappings(config)
			Expect(mappings).NotTo(BeEmpty(), "port mappings of the control plane")
			for _, m := range mappings {
				Expect(isLoopback(m.ListenAddress)).To(BeTrue(),
					"listenAddress of host port %d is %q: without one, kind listens on all of this machine's addresses, the café's network included", m.HostPort, m.ListenAddress)
			}
		})

		It("have port mappings on the control plane alone", func() {
			Expect(portMappings(config)).NotTo(BeEmpty(), "port mappings of the control plane")
			for _, n := range nodes(config, v1alpha4.WorkerRole) {
				Expect(n.ExtraPortMappings).To(BeEmpty(), "port mappings of a worker")
			}
		})
	})

	Describe("networking", func() {
		It("is dual-stack", func() {
			Expect(config.Networking.IPFamily).To(Equal(v1alpha4.DualStackFamily), "networking.ipFamily")
		})

		It("has a pod subnet of each family, IPv4 first", func() {
			Expect(config.Networking.IPFamily).To(Equal(v1alpha4.DualStackFamily), "networking.ipFamily")
			four, six := subnets("podSubnet", config.Networking.PodSubnet)
			Expect(four.Bits()).To(BeNumerically("<=", 22), "podSubnet %s: each of four nodes takes a /24", four)
			Expect(six.Bits()).To(BeNumerically("<", 64), "podSubnet %s: each node takes a /64, so that the subnet must be larger", six)
		})

		It("has a service subnet of each family that the API server accepts", func() {
			Expect(config.Networking.IPFamily).To(Equal(v1alpha4.DualStackFamily), "networking.ipFamily")
			four, six := subnets("serviceSubnet", config.Networking.ServiceSubnet)
			Expect(32-four.Bits()).To(BeNumerically("<=", 20), "serviceSubnet %s: the API server takes at most 20 bits, a /12", four)
			Expect(128-six.Bits()).To(BeNumerically("<=", 20), "serviceSubnet %s: the API server takes at most 20 bits, a /108", six)
		})

		It("keeps pods and services apart", func() {
			Expect(config.Networking.IPFamily).To(Equal(v1alpha4.DualStackFamily), "networking.ipFamily")
			pods4, pods6 := subnets("podSubnet", config.Networking.PodSubnet)
			services4, services6 := subnets("serviceSubnet", config.Networking.ServiceSubnet)
			Expect(pods4.Overlaps(services4)).To(BeFalse(), "pod subnet %s and service subnet %s overlap", pods4, services4)
			Expect(pods6.Overlaps(services6)).To(BeFalse(), "pod subnet %s and service subnet %s overlap", pods6, services6)
		})

		It("runs kube-proxy in IPVS mode, as production does", func() {
			Expect(config.Networking.KubeProxyMode).To(Equal(v1alpha4.IPVSProxyMode), "networking.kubeProxyMode")
		})

		It("has kind's own network plugin", func() {
			Expect(config.Networking.IPFamily).To(Equal(v1alpha4.DualStackFamily), "networking.ipFamily, without which the section is not complete")
			Expect(config.Networking.DisableDefaultCNI).To(BeFalse(), "networking.disableDefaultCNI: without a network plugin no node becomes Ready")
		})

		It("is complete, and leaves the API server on loopback", func() {
			Expect(config.Networking.IPFamily).To(Equal(v1alpha4.DualStackFamily), "networking.ipFamily, without which the section is not complete")
			Expect(isLoopback(config.Networking.APIServerAddress)).To(BeTrue(),
				"networking.apiServerAddress is %s: an address of this machine's network changes with the network, and lets others in", config.Networking.APIServerAddress)
		})
	})

	Describe("features", func() {
		It("turn the gate InPlacePodVerticalScalingExclusiveCPUs on", func() {
			Expect(config.FeatureGates).To(Equal(map[string]bool{"InPlacePodVerticalScalingExclusiveCPUs": true}), "featureGates: kind does not check the names")
		})

		It("serve the alpha APIs", func() {
			Expect(config.RuntimeConfig).To(Equal(map[string]string{"api/alpha": "true"}), "runtimeConfig: kind does not check the keys")
		})
	})

	Describe("kubeadm patches", func() {
		It("name a kind and a version of configuration that kind writes", func() {
			patches := kubeadmPatches(config)
			Expect(patches).NotTo(BeEmpty(), "kubeadmConfigPatches")
			for _, p := range patches {
				Expect(p.APIVersion).To(Equal("kubeadm.k8s.io/v1beta4"), "apiVersion of the patch: kind drops a patch of another version without a word")
				Expect(p.Kind).To(Equal("ClusterConfiguration"), "kind of the patch: kind drops a patch of an unknown kind without a word")
			}
		})

		It("hold no field that kubeadm does not know", func() {
			patches := rawPatches(config)
			Expect(patches).NotTo(BeEmpty(), "kubeadmConfigPatches")
			for _, raw := range patches {
				Expect(strictly(raw, &clusterConfiguration{})).To(Succeed(), "kubeadm would warn of it, deep in a log, and go on:\n%s", raw)
			}
		})

		It("set the cluster's DNS domain to kata.local", func() {
			var domains []string
			for _, p := range kubeadmPatches(config) {
				if p.Networking.DNSDomain != "" {
					domains = append(domains, p.Networking.DNSDomain)
				}
			}
			Expect(domains).To(Equal([]string{"kata.local"}), "networking.dnsDomain in the patches of ClusterConfiguration")
		})

		It("leave the subnets to the networking section", func() {
			patches := kubeadmPatches(config)
			Expect(patches).NotTo(BeEmpty(), "kubeadmConfigPatches")
			for _, p := range patches {
				Expect(p.Networking.PodSubnet).To(BeEmpty(), "networking.podSubnet in a kubeadm patch, which contradicts what kind has told the other nodes")
				Expect(p.Networking.ServiceSubnet).To(BeEmpty(), "networking.serviceSubnet in a kubeadm patch, which contradicts what kind has told the other nodes")
			}
		})

		It("give the API server its extra arguments as a list of name and value", func() {
			found := 0
			for _, p := range kubeadmPatches(config) {
				if p.APIServer.ExtraArgs.Kind == 0 {
					continue
				}
				found++
				Expect(p.APIServer.ExtraArgs.Kind).To(Equal(yaml.SequenceNode),
					"apiServer.extraArgs is not a list: v1beta4 wants items with name and value, and kind drops the map of older tutorials")
			}
			Expect(found).To(BeNumerically(">", 0), "patches with apiServer.extraArgs")
		})

		It("keep Events for 24 hours", func() {
			Expect(extraArgs(config)).To(HaveKey("event-ttl"), "names in apiServer.extraArgs; the flag's dashes are not part of the name")
			ttl, err := time.ParseDuration(extraArgs(config)["event-ttl"])
			Expect(err).NotTo(HaveOccurred(), "the API server reads event-ttl as a duration")
			Expect(ttl).To(Equal(24*time.Hour), "event-ttl")
		})
	})
})

// load decodes the configuration as kind does (pkg/internal/apis/config/encoding): unknown fields are errors, then the
// defaults.
func load() *v1alpha4.Cluster {
	GinkgoHelper()
	config := &v1alpha4.Cluster{}
	Expect(strictly(string(source), config)).To(Succeed(), "kind refuses kind-config.yaml")
	v1alpha4.SetDefaultsCluster(config)
	return config
}

// strictly decodes one YAML document, in which every field must be known.
func strictly(text string, into any) error {
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	return d.Decode(into)
}

func nodes(config *v1alpha4.Cluster, role v1alpha4.NodeRole) []v1alpha4.Node {
	return slices.DeleteFunc(slices.Clone(config.Nodes), func(n v1alpha4.Node) bool { return n.Role != role })
}

// portMappings returns those of the control plane.
func portMappings(config *v1alpha4.Cluster) []v1alpha4.PortMapping {
	var mappings []v1alpha4.PortMapping
	for _, n := range nodes(config, v1alpha4.ControlPlaneRole) {
		mappings = append(mappings, n.ExtraPortMappings...)
	}
	return mappings
}

func isLoopback(address string) bool {
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}

// subnets returns the IPv4 and the IPv6 subnet of a list like "10.20.0.0/16,fd00:10:20::/56".
func subnets(field, list string) (four, six netip.Prefix) {
	GinkgoHelper()
	parts := strings.Split(list, ",")
	Expect(parts).To(HaveLen(2), "networking.%s is %q: dual-stack takes two subnets, with a comma and no blank between them", field, list)
	for i, part := range parts {
		prefix, err := netip.ParsePrefix(part)
		Expect(err).NotTo(HaveOccurred(), "networking.%s", field)
		Expect(prefix.Addr().Is4()).To(Equal(i == 0), "networking.%s is %q: one subnet of each family, and IPv4 first", field, list)
		Expect(prefix.Masked()).To(Equal(prefix), "networking.%s: %s has bits beyond its mask", field, prefix)
		if i == 0 {
			four = prefix
		} else {
			six = prefix
		}
	}
	return four, six
}

// clusterConfiguration is kubeadm's, as of v1beta4 (k8s.io/kubernetes cmd/kubeadm/app/apis/kubeadm/v1beta4).
type clusterConfiguration struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Networking struct {
		ServiceSubnet string `yaml:"serviceSubnet"`
		PodSubnet     string `yaml:"podSubnet"`
		DNSDomain     string `yaml:"dnsDomain"`
	} `yaml:"networking"`
	APIServer struct {
		ExtraArgs    yaml.Node `yaml:"extraArgs"`
		ExtraVolumes yaml.Node `yaml:"extraVolumes"`
		ExtraEnvs    yaml.Node `yaml:"extraEnvs"`
		CertSANs     []string  `yaml:"certSANs"`
	} `yaml:"apiServer"`
	Metadata                    yaml.Node `yaml:"metadata"`
	Etcd                        yaml.Node `yaml:"etcd"`
	KubernetesVersion           string    `yaml:"kubernetesVersion"`
	ControlPlaneEndpoint        string    `yaml:"controlPlaneEndpoint"`
	ControllerManager           yaml.Node `yaml:"controllerManager"`
	Scheduler                   yaml.Node `yaml:"scheduler"`
	DNS                         yaml.Node `yaml:"dns"`
	Proxy                       yaml.Node `yaml:"proxy"`
	CertificatesDir             string    `yaml:"certificatesDir"`
	ImageRepository             string    `yaml:"imageRepository"`
	FeatureGates                yaml.Node `yaml:"featureGates"`
	ClusterName                 string    `yaml:"clusterName"`
	EncryptionAlgorithm         string    `yaml:"encryptionAlgorithm"`
	CertificateValidityPeriod   yaml.Node `yaml:"certificateValidityPeriod"`
	CACertificateValidityPeriod yaml.Node `yaml:"caCertificateValidityPeriod"`
}

// rawPatches returns the documents of all patches: those of the cluster, and those of the control plane's node.
func rawPatches(config *v1alpha4.Cluster) []string {
	var documents []string
	patches := slices.Clone(config.KubeadmConfigPatches)
	for _, n := range nodes(config, v1alpha4.ControlPlaneRole) {
		patches = append(patches, n.KubeadmConfigPatches...)
	}
	for _, p := range patches {
		for document := range strings.SplitSeq("\n"+p, "\n---") {
			if strings.TrimSpace(document) != "" {
				documents = append(documents, document)
			}
		}
	}
	return documents
}

// kubeadmPatches decodes the patches without minding unknown fields, of which a spec of its own takes care.
func kubeadmPatches(config *v1alpha4.Cluster) []clusterConfiguration {
	GinkgoHelper()
	var patches []clusterConfiguration
	for _, raw := range rawPatches(config) {
		var p clusterConfiguration
		Expect(yaml.Unmarshal([]byte(raw), &p)).To(Succeed(), "a kubeadm patch is not the YAML that it must be:\n%s", raw)
		patches = append(patches, p)
	}
	return patches
}

// extraArgs returns the API server's extra arguments; a later one wins, as kind merges them.
func extraArgs(config *v1alpha4.Cluster) map[string]string {
	GinkgoHelper()
	args := map[string]string{}
	for _, p := range kubeadmPatches(config) {
		if p.APIServer.ExtraArgs.Kind != yaml.SequenceNode {
			continue
		}
		var list []struct {
			Name  string `yaml:"name"`
			Value string `yaml:"value"`
		}
		Expect(p.APIServer.ExtraArgs.Decode(&list)).To(Succeed(), "apiServer.extraArgs holds items with name and value, both text")
		for _, a := range list {
			args[a.Name] = a.Value
		}
	}
	return args
}
