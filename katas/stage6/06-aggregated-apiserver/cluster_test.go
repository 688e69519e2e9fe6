package aggregated_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"
	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/till"
)

// service is the name of the Service in a spec's namespace.
const service = "till"

// listen serves a handler with the learner's TLSConfig, for the name till.NAMESPACE.svc, and returns the port and the bundle.
func listen(ns string, handler http.Handler) (int, []byte) {
	GinkgoHelper()
	ca := authority("till-ca")
	config := aggregated.TLSConfig(must(ca.Server(service + "." + ns + ".svc")))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := &http.Server{Handler: handler, TLSConfig: config, ReadHeaderTimeout: bound, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(listener, "", "") }()
	DeferCleanup(func() {
		Expect(server.Close()).To(Succeed())
		Expect(<-done).To(MatchError(http.ErrServerClosed))
	})
	return listener.Addr().(*net.TCPAddr).Port, ca.Bundle
}

// call asks a server without the API server in between, with a certificate or without.
func call(ctx context.Context, ns string, port int, bundle []byte, certificate *tls.Certificate, path string, headers ...string) answer {
	GinkgoHelper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	config := &tls.Config{RootCAs: pool, ServerName: service + "." + ns + ".svc"}
	if certificate != nil {
		// Whatever the server says it would like to see.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	request := must(http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", port, path), nil))
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := (&http.Client{Transport: transport, Timeout: bound}).Do(request)
	Expect(err).NotTo(HaveOccurred(), "GET %s: there is an answer, whatever certificate a client has", path)
	defer response.Body.Close()
	return read("GET "+path, response.StatusCode, response.Header, must(io.ReadAll(response.Body)))
}

var _ = Describe("TLSConfig", func() {
	// desk is the learner's handler with the learner's gate, behind TLS.
	desk := func() (int, []byte, *restaurant) {
		GinkgoHelper()
		h, err := aggregated.ParseRequestHeader(configMap(published))
		Expect(err).NotTo(HaveOccurred(), "ParseRequestHeader")
		r := open()
		handler := aggregated.NewHandler(aggregated.Options{
			Group: group, Till: r.till, Now: func() time.Time { return now }, Authenticate: h.Authenticate,
			Authorize: func(context.Context, *authenticationv1.UserInfo, authorizationv1.SubjectAccessReviewSpec) error {
				return nil
			},
		})
		port, bundle := listen("osteria", handler)
		return port, bundle, r
	}
	headers := []string{"X-Remote-User", "nonna", "X-Remote-Group", "system:masters"}

	It("lets the front proxy show its certificate", func(ctx SpecContext) {
		port, bundle, _ := desk()
		certificate := must(proxies.Client("front-proxy-client"))
		call(ctx, "osteria", port, bundle, &certificate, tabs, headers...).expectKind(200, apiVersion, "TabList")
	})

	It("lets those through who have no certificate, so that they are answered", func(ctx SpecContext) {
		port, bundle, _ := desk()
		call(ctx, "osteria", port, bundle, nil, tabs, headers...).expectRefusal(401, metav1.StatusReasonUnauthorized)
		Expect(call(ctx, "osteria", port, bundle, nil, "/readyz").text).To(Equal("ok"), "the answer to GET /readyz, without a certificate")
	})

	It("lets those through whose certificate nobody vouches for, so that they are answered", func(ctx SpecContext) {
		port, bundle, _ := desk()
		for name, certificate := range map[string]tls.Certificate{
			"a user's": must(users.Client("front-proxy-client")), "a made up": must(authority("front-proxy-ca").Client("front-proxy-client")),
		} {
			By("with " + name + " certificate")
			call(ctx, "osteria", port, bundle, &certificate, tabs, headers...).expectRefusal(401, metav1.StatusReasonUnauthorized)
		}
	})

	It("speaks no TLS that is older than 1.2", func() {
		Expect(aggregated.TLSConfig(tls.Certificate{}).MinVersion).To(BeNumerically(">=", tls.VersionTLS12), "MinVersion")
	})
})

// served is an API behind the lab's API server.
type served struct {
	ns, group string
	till      *till.Till
	resource  schema.GroupVersionResource
}

// register serves the learner's API, from the learner's parts, and has the API server pass on what is asked of its group, which is the spec's own. The APIService goes before its
// server does: without one, no namespace of the lab could be deleted.
func register(ctx context.Context) *served {
	GinkgoHelper()
	ns := api.Namespace(ctx)
	s := &served{ns: ns, group: ns + ".kubekata.dev"}
	s.resource = schema.GroupVersionResource{Group: s.group, Version: "v1", Resource: "tabs"}
	s.till = till.New(s.group, func() time.Time { return opened })
	config := must(api.Judge().CoreV1().ConfigMaps(aggregated.AuthenticationNamespace).Get(ctx, aggregated.AuthenticationConfigMap, metav1.GetOptions{}))
	h, err := aggregated.ParseRequestHeader(config)
	Expect(err).NotTo(HaveOccurred(), "ParseRequestHeader of the lab's ConfigMap")
	c := api.Clientset()
	handler := aggregated.NewHandler(aggregated.Options{
		Group: s.group, Till: s.till, Now: func() time.Time { return now }, Authenticate: h.Authenticate,
		Authorize: func(ctx context.Context, user *authenticationv1.UserInfo, ask authorizationv1.SubjectAccessReviewSpec) error {
			return aggregated.Authorize(ctx, c, user, ask)
		},
	})
	port, bundle := listen(ns, handler)
	must(api.Judge().CoreV1().Services(ns).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: service}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}, metav1.CreateOptions{}))
	object, err := aggregated.APIService(s.group, ns, service, int32(port), bundle)
	Expect(err).NotTo(HaveOccurred(), "APIService")
	Expect(object.GetName()).To(Equal("v1."+s.group), "the name of the APIService")
	api.Own(object)
	services := api.JudgeDynamic().Resource(apiServices)
	_, err = services.Create(ctx, object, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create the APIService %s", object.GetName())
	DeferCleanup(func(ctx context.Context) {
		Expect(services.Delete(ctx, object.GetName(), metav1.DeleteOptions{})).To(Succeed())
		Eventually(func(ctx context.Context) bool {
			_, err := services.Get(ctx, object.GetName(), metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		}).WithContext(ctx).WithTimeout(bound).WithPolling(poll).Should(BeTrue(), "the APIService %s is gone", object.GetName())
	})
	Eventually(func(ctx context.Context) (string, error) {
		got, err := services.Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		return available(got), nil
	}).WithContext(ctx).WithTimeout(bound).WithPolling(poll).Should(HavePrefix("True"), "the condition Available of the APIService %s: the API server asks for /apis/%s/v1, as system:kube-aggregator", object.GetName(), s.group)
	// The condition is written by one part of the API server, and read by another, which passes nothing on until it has.
	Eventually(func(ctx context.Context) bool {
		_, err := api.Judge().Discovery().RESTClient().Get().AbsPath("/apis", s.group, "v1").Do(ctx).Raw()
		return apierrors.IsServiceUnavailable(err)
	}).WithContext(ctx).WithTimeout(bound).WithPolling(poll).Should(BeFalse(), "GET /apis/%s/v1 is answered with 503 by the API server, which does not pass it on yet", s.group)
	return s
}

// available is the condition, with what the API server says about it.
func available(object *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		condition := c.(map[string]any)
		if condition["type"] == "Available" {
			return fmt.Sprintf("%v %v: %v", condition["status"], condition["reason"], condition["message"])
		}
	}
	return "there is no condition"
}

// as is a client for the API server, for somebody; for the administrator, when that is "".
func as(user string) dynamic.Interface {
	GinkgoHelper()
	config := api.JudgeConfig()
	if user != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: user}
	}
	return must(dynamic.NewForConfig(config))
}

// tabOf is a Tab of the spec's group.
func (s *served) tabOf(name string, cents int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": s.group + "/v1", "kind": "Tab", "metadata": map[string]any{"name": name}, "spec": map[string]any{"guest": "Ada", "cents": cents},
	}}
}

var _ = Describe("Through the API server", func() {
	It("client-go creates, gets, lists and deletes", func(ctx SpecContext) {
		s := register(ctx)
		client := as("").Resource(s.resource).Namespace(s.ns)
		_, err := client.Create(ctx, s.tabOf("ada", 1205), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create tab %s/ada", s.ns)
		got, err := client.Get(ctx, "ada", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "get tab %s/ada", s.ns)
		Expect(nestedString(got.Object, "spec", "guest")).To(Equal("Ada"), "spec.guest of tab %s/ada", s.ns)
		list, err := as("").Resource(s.resource).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred(), "list tabs")
		Expect(list.Items).To(ConsistOf(HaveField("GetName()", "ada")), "the tabs of all namespaces")
		Expect(client.Delete(ctx, "ada", metav1.DeleteOptions{})).To(Succeed(), "delete tab %s/ada", s.ns)
		_, err = client.Get(ctx, "ada", metav1.GetOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the error of get tab %s/ada is NotFound. It is %s", s.ns, quoted(err))
	})

	It("client-go reads the causes of an Invalid tab", func(ctx SpecContext) {
		s := register(ctx)
		_, err := as("").Resource(s.resource).Namespace(s.ns).Create(ctx, s.tabOf("ada", -1), metav1.CreateOptions{})
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "the error of create tab %s/ada is Invalid. It is %s", s.ns, quoted(err))
		cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
		Expect(ok).To(BeTrue(), "there is a cause in %s", quoted(err))
		Expect(cause.Field).To(Equal("spec.cents"), "the field of the cause")
	})

	It("discovery finds tabs, also in the one document for all groups", func(ctx SpecContext) {
		s := register(ctx)
		client := must(discovery.NewDiscoveryClientForConfig(api.JudgeConfig()))
		list, err := client.ServerResourcesForGroupVersion(s.group + "/v1")
		Expect(err).NotTo(HaveOccurred(), "discovery of %s/v1", s.group)
		Expect(list.APIResources).To(ConsistOf(HaveField("Name", "tabs")), "the resources of %s/v1", s.group)
		s.discovered(ctx)
	})

	It("kubectl prints a Table", func(ctx SpecContext) {
		s := register(ctx)
		must(s.till.Create(till.Tab{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "ada"}, Spec: till.TabSpec{Guest: "Ada", Cents: 1205}}, false))
		data, err := api.Judge().Discovery().RESTClient().Get().AbsPath("/apis", s.group, "v1", "namespaces", s.ns, "tabs").SetHeader("Accept", asTable+",application/json").Do(ctx).Raw()
		Expect(err).NotTo(HaveOccurred(), "list the tabs of namespace %s as a Table", s.ns)
		table := &metav1.Table{}
		Expect(json.Unmarshal(data, table)).To(Succeed(), "read the Table:\n%s", data)
		var out bytes.Buffer
		Expect(printers.NewTablePrinter(printers.PrintOptions{}).PrintObj(table, &out)).To(Succeed(), "print the Table:\n%s", data)
		Expect(out.String()).To(Equal("NAME   GUEST   OWES    AGE\nada    Ada     12.05   5m\n"), "what kubectl get tabs prints")
	})

	It("somebody without a role is Forbidden, until there is one", func(ctx SpecContext) {
		s := register(ctx)
		guest := as("guest-of-" + s.ns).Resource(s.resource).Namespace(s.ns)
		_, err := guest.List(ctx, metav1.ListOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error of list tabs as guest-of-%s is Forbidden. It is %s", s.ns, quoted(err))
		s.allow(ctx, "list")
		Eventually(func(ctx context.Context) error {
			_, err := guest.List(ctx, metav1.ListOptions{})
			return err
		}).WithContext(ctx).WithTimeout(bound).WithPolling(poll).Should(Succeed(), "list tabs as guest-of-%s, who has a role that says so", s.ns)
		_, err = guest.Create(ctx, s.tabOf("ada", 1205), metav1.CreateOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error of create tab %s/ada as guest-of-%s, whose role says list, is Forbidden. It is %s", s.ns, s.ns, quoted(err))
		_, err = as("guest-of-"+s.ns).Resource(s.resource).List(ctx, metav1.ListOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error of list the tabs of all namespaces as guest-of-%s, whose role is in one, is Forbidden. It is %s", s.ns, quoted(err))
	})

	It("a namespace is emptied of its tabs, in the way of the namespace controller", func(ctx SpecContext) {
		s := register(ctx)
		s.discovered(ctx)
		for namespace, name := range map[string]string{s.ns: "ada", "elsewhere": "bob"} {
			must(s.till.Create(till.Tab{
				TypeMeta:   metav1.TypeMeta{Kind: "Tab", APIVersion: s.group + "/v1"},
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: till.TabSpec{Guest: "Ada", Cents: 1205},
			}, false))
		}
		// What can be in a namespace? A group of which this cannot be found out keeps all of them.
		lists, err := must(discovery.NewDiscoveryClientForConfig(api.JudgeConfig())).ServerPreferredNamespacedResources()
		failed, _ := discovery.GroupDiscoveryFailedErrorGroups(err)
		Expect(failed).NotTo(HaveKey(s.resource.GroupVersion()), "the groups whose discovery has failed")
		var found []string
		for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"delete", "list"}}, lists) {
			if list.GroupVersion == s.group+"/v1" {
				for _, resource := range list.APIResources {
					found = append(found, resource.Name)
				}
			}
		}
		Expect(found).To(ConsistOf("tabs"), "the resources of %s/v1 that are in namespaces, and can be listed and deleted", s.group)
		// It wants metadata only, and takes the whole where there is no such form.
		tabs := must(metadata.NewForConfig(api.JudgeConfig())).Resource(s.resource).Namespace(s.ns)
		list, err := tabs.List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred(), "list the metadata of the tabs in namespace %s", s.ns)
		Expect(list.Items).To(ConsistOf(HaveField("Name", "ada")), "the tabs in namespace %s", s.ns)
		Expect(tabs.Delete(ctx, "ada", metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)})).To(Succeed(), "delete tab %s/ada", s.ns)
		list, err = tabs.List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred(), "list the metadata of the tabs in namespace %s, after they were deleted", s.ns)
		Expect(list.Items).To(BeEmpty(), "the tabs in namespace %s, after they were deleted", s.ns)
		left, _ := s.till.List("")
		Expect(left).To(ConsistOf(HaveField("Namespace", "elsewhere")), "the tabs in the till")
	})

	It("somebody who comes past it, with the names of others, is Unauthorized", func(ctx SpecContext) {
		s := register(ctx)
		object := must(api.JudgeDynamic().Resource(apiServices).Get(ctx, "v1."+s.group, metav1.GetOptions{}))
		port, _, _ := unstructured.NestedInt64(object.Object, "spec", "service", "port")
		bundle := must(base64.StdEncoding.DecodeString(nestedString(object.Object, "spec", "caBundle")))
		path := "/apis/" + s.group + "/v1/tabs"
		call(ctx, s.ns, int(port), bundle, nil, path, "X-Remote-User", "system:admin", "X-Remote-Group", "system:masters").expectRefusal(401, metav1.StatusReasonUnauthorized)
		stranger := must(authority("kwok-ca").Client("kwok-admin"))
		call(ctx, s.ns, int(port), bundle, &stranger, path, "X-Remote-User", "system:admin", "X-Remote-Group", "system:masters").expectRefusal(401, metav1.StatusReasonUnauthorized)
	})
})

// discovered waits until the API server has our resource in its one document for all groups.
func (s *served) discovered(ctx context.Context) {
	GinkgoHelper()
	client := must(discovery.NewDiscoveryClientForConfig(api.JudgeConfig()))
	Eventually(func(ctx context.Context) ([]metav1.APIResource, error) {
		_, resources, _, err := client.GroupsAndMaybeResourcesWithContext(ctx)
		if err != nil || resources[s.resource.GroupVersion()] == nil {
			return nil, err
		}
		return resources[s.resource.GroupVersion()].APIResources, nil
	}).WithContext(ctx).WithTimeout(bound).WithPolling(poll).Should(ConsistOf(HaveField("Name", "tabs")),
		"the resources of %s/v1 in the API server's aggregated discovery, for which it asks us as system:kube-aggregator, who has no groups", s.group)
}

// allow gives the spec's guest a role in the spec's namespace.
func (s *served) allow(ctx context.Context, verbs ...string) {
	GinkgoHelper()
	must(api.Judge().RbacV1().Roles(s.ns).Create(ctx, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "guest"}, Rules: []rbacv1.PolicyRule{{Verbs: verbs, APIGroups: []string{s.group}, Resources: []string{"tabs"}}},
	}, metav1.CreateOptions{}))
	must(api.Judge().RbacV1().RoleBindings(s.ns).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "guest"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "guest"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "guest-of-" + s.ns}},
	}, metav1.CreateOptions{}))
}
