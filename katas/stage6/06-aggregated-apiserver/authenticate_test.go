package aggregated_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	aggregated "github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver"
	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/pki"
)

func parse(der []byte) *x509.Certificate {
	GinkgoHelper()
	return must(x509.ParseCertificate(der))
}

// proxies is the authority of the front proxy, and users one for everybody else.
var proxies, users = func() (*pki.Authority, *pki.Authority) {
	proxies, err := pki.NewAuthority("front-proxy-ca")
	if err != nil {
		panic(err)
	}
	users, err := pki.NewAuthority("kubernetes-ca")
	if err != nil {
		panic(err)
	}
	return proxies, users
}()

// published is what an API server writes into the ConfigMap.
var published = map[string]string{
	"client-ca-file":                     string(users.Bundle),
	"requestheader-client-ca-file":       string(proxies.Bundle),
	"requestheader-allowed-names":        `["front-proxy-client","old-front-proxy"]`,
	"requestheader-username-headers":     `["X-Remote-User","X-User"]`,
	"requestheader-uid-headers":          `["X-Remote-Uid"]`,
	"requestheader-group-headers":        `["X-Remote-Group","X-Group"]`,
	"requestheader-extra-headers-prefix": `["X-Remote-Extra-","X-More-"]`,
}

// configMap is one with these data, in which the keys that are named are missing.
func configMap(data map[string]string, without ...string) *corev1.ConfigMap {
	data = copyOf(data)
	for _, key := range without {
		delete(data, key)
	}
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: aggregated.AuthenticationNamespace, Name: aggregated.AuthenticationConfigMap}, Data: data}
}

// arrive is a request with a certificate, or without one, and with headers.
func arrive(ctx SpecContext, certificate *tls.Certificate, headers ...string) *http.Request {
	GinkgoHelper()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, tabs, nil)
	r.TLS = &tls.ConnectionState{}
	if certificate != nil {
		r.TLS = connection(*certificate)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// known is who the learner says has sent a request through the front proxy.
func known(ctx SpecContext, headers ...string) *authenticationv1.UserInfo {
	GinkgoHelper()
	h, err := aggregated.ParseRequestHeader(configMap(published))
	Expect(err).NotTo(HaveOccurred(), "ParseRequestHeader")
	certificate := must(proxies.Client("front-proxy-client"))
	user, err := h.Authenticate(arrive(ctx, &certificate, headers...))
	Expect(err).NotTo(HaveOccurred(), "Authenticate, with the front proxy's certificate and the headers %q", headers)
	return user
}

var _ = Describe("ParseRequestHeader", func() {
	It("reads the names of the headers", func() {
		h, err := aggregated.ParseRequestHeader(configMap(published))
		Expect(err).NotTo(HaveOccurred())
		Expect(h.AllowedNames).To(Equal([]string{"front-proxy-client", "old-front-proxy"}), "AllowedNames")
		Expect(h.Users).To(Equal([]string{"X-Remote-User", "X-User"}), "Users")
		Expect(h.UIDs).To(Equal([]string{"X-Remote-Uid"}), "UIDs")
		Expect(h.Groups).To(Equal([]string{"X-Remote-Group", "X-Group"}), "Groups")
		Expect(h.ExtraPrefixes).To(Equal([]string{"X-Remote-Extra-", "X-More-"}), "ExtraPrefixes")
	})

	It("takes the front proxy's authorities, and not those of users", func() {
		h, err := aggregated.ParseRequestHeader(configMap(published))
		Expect(err).NotTo(HaveOccurred())
		Expect(vouches(h.Roots, proxies)).To(BeTrue(), "Roots vouch for a certificate by the authority in requestheader-client-ca-file")
		Expect(vouches(h.Roots, users)).To(BeFalse(), "Roots vouch for a certificate by the authority in client-ca-file: every user would be a front proxy")
	})

	It("takes all certificates of a bundle", func() {
		h, err := aggregated.ParseRequestHeader(configMap(copyOf(published, "requestheader-client-ca-file", string(users.Bundle)+string(proxies.Bundle))))
		Expect(err).NotTo(HaveOccurred())
		Expect(vouches(h.Roots, proxies)).To(BeTrue(), "Roots vouch for a certificate by the second authority in requestheader-client-ca-file")
	})

	It("does without the lists that may be missing", func() {
		h, err := aggregated.ParseRequestHeader(configMap(published, "requestheader-allowed-names", "requestheader-uid-headers", "requestheader-group-headers", "requestheader-extra-headers-prefix"))
		Expect(err).NotTo(HaveOccurred(), "ParseRequestHeader, without what may be missing")
		Expect(h.AllowedNames).To(BeEmpty(), "AllowedNames")
		Expect(h.Groups).To(BeEmpty(), "Groups")
	})

	DescribeTable("is an error", func(config *corev1.ConfigMap, about string) {
		_, err := aggregated.ParseRequestHeader(config)
		Expect(err).To(MatchError(ContainSubstring(about)), "ParseRequestHeader of a ConfigMap with the data %q", config.Data)
	},
		Entry("without the bundle", configMap(published, "requestheader-client-ca-file"), "requestheader-client-ca-file"),
		Entry("with a bundle without a certificate", configMap(copyOf(published, "requestheader-client-ca-file", "a certificate")), "requestheader-client-ca-file"),
		Entry("without a header for the user", configMap(published, "requestheader-username-headers"), "requestheader-username-headers"),
		Entry("with an empty list of headers for the user", configMap(copyOf(published, "requestheader-username-headers", "[]")), "requestheader-username-headers"),
		Entry("with allowed names that cannot be read", configMap(copyOf(published, "requestheader-allowed-names", "front-proxy-client")), "requestheader-allowed-names"),
		Entry("with groups that cannot be read", configMap(copyOf(published, "requestheader-group-headers", `{"a":1}`)), "requestheader-group-headers"),
	)

	It("reads what the lab's API server has published", func(ctx SpecContext) {
		config := must(api.Judge().CoreV1().ConfigMaps(aggregated.AuthenticationNamespace).Get(ctx, aggregated.AuthenticationConfigMap, metav1.GetOptions{}))
		h, err := aggregated.ParseRequestHeader(config)
		Expect(err).NotTo(HaveOccurred(), "ParseRequestHeader of the lab's ConfigMap")
		Expect(h.Users).To(Equal([]string{"X-Remote-User"}), "Users")
	})
})

// vouches reports whether a pool knows an authority.
func vouches(pool *x509.CertPool, a *pki.Authority) bool {
	GinkgoHelper()
	certificate := must(a.Client("front-proxy-client"))
	_, err := certificate.Leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

var _ = Describe("Authenticate", func() {
	It("knows whom the front proxy speaks for", func(ctx SpecContext) {
		user := known(ctx, "X-Remote-User", "ada", "X-Remote-Uid", "42", "X-Remote-Group", "guests", "X-Remote-Group", "system:authenticated")
		Expect(user.Username).To(Equal("ada"), "the name of the user")
		Expect(user.UID).To(Equal("42"), "the uid of the user")
		Expect(user.Groups).To(Equal([]string{"guests", "system:authenticated"}), "the groups of the user")
	})

	It("takes the first header for the user that is not empty", func(ctx SpecContext) {
		Expect(known(ctx, "X-User", "ada").Username).To(Equal("ada"), "the user, when only the second of the headers is there")
		Expect(known(ctx, "X-Remote-User", "", "X-User", "ada").Username).To(Equal("ada"), "the user, when the first of the headers is empty")
		Expect(known(ctx, "X-Remote-User", "nonna", "X-User", "ada").Username).To(Equal("nonna"), "the user, when both of the headers are there")
	})

	It("takes the groups from all headers for groups", func(ctx SpecContext) {
		user := known(ctx, "X-Remote-User", "ada", "X-Remote-Group", "guests", "X-Remote-Group", "regulars", "X-Group", "bridge-club")
		Expect(user.Groups).To(ContainElements("guests", "regulars", "bridge-club"), "the groups of the user")
	})

	It("takes extras by their prefixes, and decodes their keys", func(ctx SpecContext) {
		user := known(ctx, "X-Remote-User", "ada", "X-Remote-Extra-Table", "7", "X-Remote-Extra-Table", "8", "X-Remote-Extra-Example.com%2fHall", "Blue", "X-More-100%", "yes", "X-Other", "no")
		Expect(user.Extra).To(Equal(map[string]authenticationv1.ExtraValue{"table": {"7", "8"}, "example.com/hall": {"Blue"}, "100%": {"yes"}}), "the extras of the user")
	})

	It("adds those who are known to system:authenticated, once", func(ctx SpecContext) {
		Expect(known(ctx, "X-Remote-User", "system:kube-aggregator").Groups).To(ConsistOf("system:authenticated"), "the groups of system:kube-aggregator, which comes without any")
		Expect(known(ctx, "X-Remote-User", "ada", "X-Remote-Group", "guests").Groups).To(ConsistOf("guests", "system:authenticated"), "the groups of ada, who is in guests")
		Expect(known(ctx, "X-Remote-User", "ada", "X-Remote-Group", "system:authenticated").Groups).To(ConsistOf("system:authenticated"), "the groups of ada, who is in system:authenticated")
	})

	It("does not add those who are not known to system:authenticated", func(ctx SpecContext) {
		Expect(known(ctx, "X-Remote-User", "system:anonymous", "X-Remote-Group", "system:unauthenticated").Groups).To(ConsistOf("system:unauthenticated"), "the groups of system:anonymous, who is in system:unauthenticated")
		Expect(known(ctx, "X-Remote-User", "system:anonymous").Groups).To(BeEmpty(), "the groups of system:anonymous, who comes without any")
		Expect(known(ctx, "X-Remote-User", "stranger", "X-Remote-Group", "system:unauthenticated").Groups).To(ConsistOf("system:unauthenticated"), "the groups of stranger, who is in system:unauthenticated")
	})

	It("accepts another of the allowed names", func(ctx SpecContext) {
		h, err := aggregated.ParseRequestHeader(configMap(published))
		Expect(err).NotTo(HaveOccurred())
		certificate := must(proxies.Client("old-front-proxy"))
		user, err := h.Authenticate(arrive(ctx, &certificate, "X-Remote-User", "ada"))
		Expect(err).NotTo(HaveOccurred(), "Authenticate, with a certificate for old-front-proxy")
		Expect(user.Username).To(Equal("ada"), "the name of the user")
	})

	It("accepts any name of the right authority when none is named", func(ctx SpecContext) {
		h, err := aggregated.ParseRequestHeader(configMap(published, "requestheader-allowed-names"))
		Expect(err).NotTo(HaveOccurred())
		certificate := must(proxies.Client("any"))
		_, err = h.Authenticate(arrive(ctx, &certificate, "X-Remote-User", "ada"))
		Expect(err).NotTo(HaveOccurred(), "Authenticate, with a certificate for any, when there are no allowed names")
	})

	It("accepts a certificate that an intermediate authority vouches for", func(ctx SpecContext) {
		h, err := aggregated.ParseRequestHeader(configMap(published))
		Expect(err).NotTo(HaveOccurred())
		certificate := must(must(proxies.Intermediate("front-proxy-ca-2")).Client("front-proxy-client"))
		_, err = h.Authenticate(arrive(ctx, &certificate, "X-Remote-User", "ada"))
		Expect(err).NotTo(HaveOccurred(), "Authenticate, with a certificate by an intermediate authority, which the client has sent along")
	})

	DescribeTable("trusts no header", func(ctx SpecContext, certificate func() *tls.Certificate) {
		h, err := aggregated.ParseRequestHeader(configMap(published))
		Expect(err).NotTo(HaveOccurred())
		user, err := h.Authenticate(arrive(ctx, certificate(), "X-Remote-User", "system:admin", "X-Remote-Group", "system:masters"))
		Expect(apierrors.IsUnauthorized(err)).To(BeTrue(), "the error is Unauthorized. It is %s, and the user is %v", quoted(err), user)
	},
		Entry("without a certificate", func() *tls.Certificate { return nil }),
		Entry("with a certificate by an authority that the client has made up, of the same name", func() *tls.Certificate {
			return new(must(must(pki.NewAuthority("front-proxy-ca")).Client("front-proxy-client")))
		}),
		Entry("with a user's certificate, even if its name is the front proxy's", func() *tls.Certificate { return new(must(users.Client("front-proxy-client"))) }),
		Entry("with a certificate by the right authority for another name", func() *tls.Certificate { return new(must(proxies.Client("metrics-client"))) }),
		Entry("with a certificate whose name is nearly allowed", func() *tls.Certificate { return new(must(proxies.Client("front-proxy-client-2"))) }),
		Entry("with a certificate that has expired", func() *tls.Certificate {
			return new(must(proxies.ClientUntil("front-proxy-client", time.Now().Add(-time.Hour))))
		}),
		Entry("with a certificate that is for servers", func() *tls.Certificate { return new(must(proxies.Server("front-proxy-client"))) }),
		Entry("with a chain that has the authority's own certificate after a false one", func() *tls.Certificate {
			false1 := must(must(pki.NewAuthority("front-proxy-ca")).Client("front-proxy-client"))
			false1.Certificate = append(false1.Certificate, must(proxies.Client("front-proxy-client")).Certificate[0])
			return &false1
		}),
	)

	It("knows nobody without TLS", func(ctx SpecContext) {
		h, err := aggregated.ParseRequestHeader(configMap(published))
		Expect(err).NotTo(HaveOccurred())
		r := arrive(ctx, nil, "X-Remote-User", "ada")
		r.TLS = nil
		_, err = h.Authenticate(r)
		Expect(apierrors.IsUnauthorized(err)).To(BeTrue(), "the error is Unauthorized. It is %s", quoted(err))
	})

	It("knows nobody when the front proxy names nobody", func(ctx SpecContext) {
		h, err := aggregated.ParseRequestHeader(configMap(published))
		Expect(err).NotTo(HaveOccurred())
		certificate := must(proxies.Client("front-proxy-client"))
		user, err := h.Authenticate(arrive(ctx, &certificate, "X-Remote-User", "", "X-Remote-Group", "system:masters"))
		Expect(apierrors.IsUnauthorized(err)).To(BeTrue(), "the error is Unauthorized. It is %s, and the user is %v", quoted(err), user)
	})
})
