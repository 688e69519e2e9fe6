package configuration_test

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	configuration "github.com/kubekata/kubekata/katas/stage5/06-configuration"
)

const (
	schedulerImage = "registry.k8s.io/kube-scheduler:v1.37.2"
	extenderImage  = "kubekata.dev/extender:e2e"
)

var _ = Describe("The manifests", func() {
	It("have the configuration in a ConfigMap, under the name that --config says", func() {
		c := containerOf(schedulerPod(), "kube-scheduler")
		file := mounted(schedulerPod(), c, flags(c)["config"])
		Expect(file).To(HavePrefix("configmap scheduler-config"), "what kube-scheduler finds at --config=%s", flags(c)["config"])
		_, key, _ := strings.Cut(file, ": ")
		data := configMap().Data
		Expect(data).To(HaveKey(key), "the keys of the ConfigMap, of which %s is mounted at --config=%s", key, flags(c)["config"])
		Expect(data[key]).To(Equal(string(configuration.Scheduler)), "what is in there, and scheduler.yaml")
	})

	It("have a hash in that ConfigMap's name, so that another configuration starts other pods", func() {
		Expect(configMap().Name).To(MatchRegexp(`^scheduler-config-[a-z0-9]{10}$`), "the ConfigMap's name: kube-scheduler reads its file once, and never again")
		Expect(configMap().Namespace).To(Equal(namespace), "the ConfigMap's namespace")
		var names []string
		for _, v := range schedulerPod().Volumes {
			if v.ConfigMap != nil {
				names = append(names, v.ConfigMap.Name)
			}
		}
		Expect(names).To(Equal([]string{configMap().Name}), "the ConfigMaps in the scheduler's volumes")
	})

	It("are taken by the API server, field by field", func(ctx SpecContext) {
		Expect(schedulerPod().Containers).NotTo(BeEmpty(), "containers of the Deployment scheduler")
		ns := api.Namespace(ctx)
		for _, o := range renamed(ns) {
			if o.GetKind() == "Namespace" {
				continue
			}
			Expect(create(ctx, o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})).To(Succeed(),
				"the API server's answer to %s %s", o.GetKind(), o.GetName())
		}
	})

	DescribeTable("have pods that their Namespace lets in", func(ctx SpecContext, deployment, container string) {
		spec := podOf(deployment)
		containerOf(spec, container)
		ns := api.Namespace(ctx)
		core := api.Judge().CoreV1()
		live, err := core.Namespaces().Get(ctx, ns, metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		live.Labels["pod-security.kubernetes.io/enforce"], live.Labels["pod-security.kubernetes.io/enforce-version"] = "restricted", "v1.37"
		_, err = core.Namespaces().Update(ctx, live, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		spec.ServiceAccountName = "default" // the spec's Namespace has no other
		Eventually(func() error {           // admission learns of the label by a watch
			open := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "open"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "open"}}}}
			_, err := core.Pods(ns).Create(ctx, open, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		}).WithContext(ctx).Should(Satisfy(apierrors.IsForbidden), "the answer to a pod without any restriction, in a restricted Namespace")
		_, err = core.Pods(ns).Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "mine"}, Spec: spec}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		Expect(err).NotTo(HaveOccurred(), "the answer to a pod of the Deployment %s, in a Namespace with the label pod-security.kubernetes.io/enforce: restricted", deployment)
		for _, c := range spec.Containers {
			Expect(c.SecurityContext).NotTo(BeNil(), "securityContext of container %s", c.Name)
			Expect(c.SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()), "readOnlyRootFilesystem of container %s", c.Name)
			user := c.SecurityContext.RunAsUser
			if user == nil && spec.SecurityContext != nil {
				user = spec.SecurityContext.RunAsUser
			}
			Expect(user).To(HaveValue(BeNumerically(">", 0)), "runAsUser of container %s: with runAsNonRoot and an image that says nothing, the kubelet refuses to start it", c.Name)
			Expect(c.Resources.Requests).To(And(HaveKey(corev1.ResourceCPU), HaveKey(corev1.ResourceMemory)), "resources.requests of container %s", c.Name)
		}
	},
		Entry("the scheduler's", "scheduler", "kube-scheduler"),
		Entry("the extender's", "extender", "extender"),
	)

	It("run kube-scheduler v1.37.2 with the configuration, and no flag that overrules it or is not read", func() {
		c := containerOf(schedulerPod(), "kube-scheduler")
		Expect(c.Image).To(Equal(schedulerImage), "image of the container kube-scheduler")
		Expect(c.Command).NotTo(BeEmpty(), "command of the container kube-scheduler: the image's own entrypoint is another program, which logs")
		Expect(path.Base(c.Command[0])).To(Equal("kube-scheduler"), "command of the container kube-scheduler")
		harmless := []string{"config", "v", "vmodule", "logging-format"}
		for name := range flags(c) {
			Expect(harmless).To(ContainElement(name), "flags of kube-scheduler: beside --config, --leader-elect… overrule the file, --kubeconfig and its like are not read, and --bind-address or --secure-port move it away from its probes")
		}
	})

	It("ask kube-scheduler over HTTPS whether it lives, and whether it is ready", func() {
		pod := schedulerPod()
		c := containerOf(pod, "kube-scheduler")
		probes(c, c.LivenessProbe, "livenessProbe", "/livez", 10259)
		probes(c, c.ReadinessProbe, "readinessProbe", "/readyz", 10259)
		Expect(pod.HostNetwork).To(BeFalse(), "hostNetwork: the node's port 10259 is the cluster's own scheduler's")
	})

	It("give kube-scheduler the extender's CA where scheduler.yaml looks for it, and not its key", func() {
		pod := schedulerPod()
		c := containerOf(pod, "kube-scheduler")
		for _, e := range both() {
			Expect(e.TLSConfig).NotTo(BeNil(), "tlsConfig of %s", e.URLPrefix)
			Expect(mounted(pod, c, e.TLSConfig.CAFile)).To(Equal("secret extender-tls: ca.crt"), "what kube-scheduler finds at tlsConfig.caFile %s", e.TLSConfig.CAFile)
		}
		for _, v := range pod.Volumes {
			if v.Secret != nil {
				Expect(keys(v.Secret.Items)).To(Equal([]string{"ca.crt"}), "items of the volume %s: without any, all of the Secret is mounted, and who has tls.key is the extender", v.Name)
			}
		}
	})

	It("have ServiceAccounts with the rights of a scheduler, and no more", func(ctx SpecContext) {
		Expect(podOf("scheduler").ServiceAccountName).To(Equal("scheduler"), "serviceAccountName of the Deployment scheduler")
		ns := api.Namespace(ctx)
		applyRights(ctx, ns)
		user := "system:serviceaccount:" + ns + ":scheduler"
		for _, r := range needed(ns) {
			allowed, err := may(ctx, user, ns, r)
			Expect(err).NotTo(HaveOccurred())
			Expect(allowed).To(BeTrue(), "may the ServiceAccount scheduler %s? kube-scheduler does, or waits for it for ever", r)
		}
		for _, r := range forbidden(ns) {
			allowed, err := may(ctx, user, ns, r)
			Expect(err).NotTo(HaveOccurred())
			Expect(allowed).To(BeFalse(), "may the ServiceAccount scheduler %s? No scheduler has to", r)
		}
	})

	It("leave their own pods to the cluster's scheduler", func() {
		for deployment, container := range map[string]string{"scheduler": "kube-scheduler", "extender": "extender"} {
			pod := podOf(deployment)
			containerOf(pod, container)
			Expect(pod.SchedulerName).To(Or(BeEmpty(), Equal("default-scheduler")), "schedulerName of the Deployment %s: our scheduler cannot schedule itself, nor what it waits for", deployment)
		}
	})

	It("run the extender, with its certificate", func() {
		pod := podOf("extender")
		c := containerOf(pod, "extender")
		Expect(c.Image).To(Equal(extenderImage), "image of the container extender")
		Expect(c.ImagePullPolicy).To(Equal(corev1.PullIfNotPresent), "imagePullPolicy: the image was loaded into the nodes, and no registry has it")
		Expect(c.Command).To(BeEmpty(), "command of the container extender: the image has an ENTRYPOINT")
		given := flags(c)
		Expect(given).To(HaveKeyWithValue("listen", ":8443"), "flags of the extender: on 127.0.0.1 nobody outside of the pod reaches it")
		Expect(mounted(pod, c, given["tls-cert-file"])).To(Equal("secret extender-tls: tls.crt"), "what the extender finds at -tls-cert-file=%s", given["tls-cert-file"])
		Expect(mounted(pod, c, given["tls-private-key-file"])).To(Equal("secret extender-tls: tls.key"), "what the extender finds at -tls-private-key-file=%s", given["tls-private-key-file"])
		probes(c, c.ReadinessProbe, "readinessProbe", "/healthz", 8443)
	})

	It("lead the extender's address to its pods", func() {
		pod := podOf("extender")
		c := containerOf(pod, "extender")
		s := typed[corev1.Service]("Service", "extender")
		template := typed[appsv1.Deployment]("Deployment", "extender").Spec.Template.Labels
		Expect(s.Spec.Selector).NotTo(BeEmpty(), "selector of the Service extender")
		for key, value := range s.Spec.Selector {
			Expect(template).To(HaveKeyWithValue(key, value), "labels of the extender's pods, which the Service's selector asks for")
		}
		for _, e := range both() {
			u := address(e)
			Expect(u.Hostname()).To(Equal(s.Name+"."+s.Namespace+".svc"), "the host of urlPrefix %s, and the Service", e.URLPrefix)
			var ports []string
			for _, p := range s.Spec.Ports {
				ports = append(ports, strconv.Itoa(int(p.Port)))
				if strconv.Itoa(int(p.Port)) == u.Port() {
					target := p.TargetPort
					if target == (intstr.IntOrString{}) {
						target = intstr.FromInt32(p.Port)
					}
					Expect(portOf(c, target)).To(BeEquivalentTo(8443), "the port of the extender's pods to which port %d of the Service leads", p.Port)
				}
			}
			Expect(ports).To(ContainElement(u.Port()), "ports of the Service, for urlPrefix %s", e.URLPrefix)
		}
	})
})

// rendered is what kubectl apply -k would send.
func rendered() []*unstructured.Unstructured {
	GinkgoHelper()
	disk := filesys.MakeFsInMemory()
	Expect(fs.WalkDir(configuration.Manifests, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := configuration.Manifests.ReadFile(name)
		if err != nil {
			return err
		}
		return disk.WriteFile("/"+name, data)
	})).To(Succeed())
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/")
	Expect(err).NotTo(HaveOccurred(), "kubectl kustomize says so")
	var objects []*unstructured.Unstructured
	for _, r := range all.Resources() {
		fields, err := r.Map()
		Expect(err).NotTo(HaveOccurred())
		objects = append(objects, &unstructured.Unstructured{Object: fields})
	}
	return objects
}

// typed returns the object of a kind and a name. Fields that the type does not know are the API server's to refuse.
func typed[T any](kind, name string) *T {
	GinkgoHelper()
	var names []string
	for _, o := range rendered() {
		if o.GetKind() != kind {
			continue
		}
		names = append(names, o.GetName())
		if o.GetName() == name && o.GetNamespace() == namespace {
			object := new(T)
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, object)).To(Succeed(), "%s %s", kind, name)
			return object
		}
	}
	Fail(fmt.Sprintf("there is no %s %s in the Namespace %s, only %v", kind, name, namespace, names))
	return nil
}

func podOf(deployment string) corev1.PodSpec {
	GinkgoHelper()
	return typed[appsv1.Deployment]("Deployment", deployment).Spec.Template.Spec
}

func schedulerPod() corev1.PodSpec { GinkgoHelper(); return podOf("scheduler") }

// configMap returns the one of the configuration, whatever its name ends with.
func configMap() *corev1.ConfigMap {
	GinkgoHelper()
	var found []*corev1.ConfigMap
	for _, o := range rendered() {
		if o.GetKind() == "ConfigMap" && strings.HasPrefix(o.GetName(), "scheduler-config") {
			object := &corev1.ConfigMap{}
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, object)).To(Succeed())
			found = append(found, object)
		}
	}
	Expect(found).To(HaveLen(1), "ConfigMaps whose name begins with scheduler-config")
	return found[0]
}

func containerOf(pod corev1.PodSpec, name string) corev1.Container {
	GinkgoHelper()
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == name })
	Expect(i).To(BeNumerically(">=", 0), "the place of the container %s among the pod's %d", name, len(pod.Containers))
	return pod.Containers[i]
}

// flags are those of a container's command and args, without dashes.
func flags(c corev1.Container) map[string]string {
	all := map[string]string{}
	words := slices.Concat(c.Command, c.Args)
	for i, word := range words {
		if !strings.HasPrefix(word, "-") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !ok && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
			value = words[i+1]
		}
		all[name] = value
	}
	return all
}

// mounted says what a container finds at a path: "configmap NAME: KEY", or "secret NAME: KEY". It is empty where nothing is mounted.
func mounted(pod corev1.PodSpec, c corev1.Container, file string) string {
	for _, m := range c.VolumeMounts {
		key, below := strings.CutPrefix(file, strings.TrimSuffix(m.MountPath, "/")+"/")
		switch {
		case m.SubPath != "" && file == m.MountPath:
			key = m.SubPath
		case m.SubPath != "" || !below:
			continue
		}
		for _, v := range pod.Volumes {
			switch {
			case v.Name != m.Name:
			case v.ConfigMap != nil:
				return "configmap " + v.ConfigMap.Name + ": " + keyOf(v.ConfigMap.Items, key)
			case v.Secret != nil:
				return "secret " + v.Secret.SecretName + ": " + keyOf(v.Secret.Items, key)
			}
		}
	}
	return ""
}

// keyOf is the key that a volume's items put at a path; without items each is at its own name.
func keyOf(items []corev1.KeyToPath, at string) string {
	for _, i := range items {
		if i.Path == at {
			return i.Key
		}
	}
	if len(items) > 0 {
		return ""
	}
	return at
}

func keys(items []corev1.KeyToPath) []string {
	var all []string
	for _, i := range items {
		all = append(all, i.Key)
	}
	return all
}

func probes(c corev1.Container, probe *corev1.Probe, field, at string, port int32) {
	GinkgoHelper()
	Expect(probe).NotTo(BeNil(), "%s of the container %s", field, c.Name)
	Expect(probe.HTTPGet).NotTo(BeNil(), "%s.httpGet of the container %s", field, c.Name)
	Expect(probe.HTTPGet.Scheme).To(Equal(corev1.URISchemeHTTPS), "scheme of the %s of the container %s, which speaks nothing else; the default is HTTP", field, c.Name)
	Expect(probe.HTTPGet.Path).To(Equal(at), "path of the %s of the container %s", field, c.Name)
	Expect(portOf(c, probe.HTTPGet.Port)).To(Equal(port), "port of the %s of the container %s", field, c.Name)
	Expect(probe.HTTPGet.Host).To(BeEmpty(), "host of the %s of the container %s: the kubelet asks at the pod's address", field, c.Name)
}

func portOf(c corev1.Container, port intstr.IntOrString) int32 {
	if port.Type == intstr.Int {
		return port.IntVal
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return p.ContainerPort
		}
	}
	return 0
}

// renamed are the rendered objects for another namespace, with names of cluster-scoped ones, and of those in kube-system, that nobody else has.
func renamed(ns string) []*unstructured.Unstructured {
	GinkgoHelper()
	var all []*unstructured.Unstructured
	own := map[string]bool{}
	objects := rendered()
	for _, o := range objects {
		if o.GetKind() == "ClusterRole" {
			own[o.GetName()] = true
		}
	}
	for _, o := range objects {
		if o.GetNamespace() == namespace {
			o.SetNamespace(ns)
		} else {
			o.SetName(ns + "-" + strings.ReplaceAll(o.GetName(), ":", "-"))
			api.Own(o)
		}
		if subjects, ok, _ := unstructured.NestedSlice(o.Object, "subjects"); ok {
			for _, s := range subjects {
				if subject, ok := s.(map[string]any); ok && subject["namespace"] == namespace {
					subject["namespace"] = ns
				}
			}
			_ = unstructured.SetNestedSlice(o.Object, subjects, "subjects") // it was one
			role, _, _ := unstructured.NestedString(o.Object, "roleRef", "name")
			if own[role] {
				_ = unstructured.SetNestedField(o.Object, ns+"-"+role, "roleRef", "name")
			}
		}
		all = append(all, o)
	}
	return all
}
