package kubebuilderwebhook_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What cert-manager.io/v1 has, as far as the lesson needs it. What may be there and makes no difference here is an any.
type (
	issuer struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			SelfSigned *struct {
				CRLDistributionPoints []string `json:"crlDistributionPoints"`
			} `json:"selfSigned"`
			CA *struct {
				SecretName            string   `json:"secretName"`
				CRLDistributionPoints []string `json:"crlDistributionPoints"`
				OCSPServers           []string `json:"ocspServers"`
				IssuingCertificateURL []string `json:"issuingCertificateURLs"`
			} `json:"ca"`
		} `json:"spec"`
	}

	certificate struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			CommonName  string           `json:"commonName"`
			DNSNames    []string         `json:"dnsNames"`
			IPAddresses []string         `json:"ipAddresses"`
			URIs        []string         `json:"uris"`
			Emails      []string         `json:"emailAddresses"`
			Duration    *metav1.Duration `json:"duration"`
			RenewBefore *metav1.Duration `json:"renewBefore"`
			SecretName  string           `json:"secretName"`
			IsCA        bool             `json:"isCA"`
			Usages      []string         `json:"usages"`
			IssuerRef   struct {
				Name  string `json:"name"`
				Kind  string `json:"kind"`
				Group string `json:"group"`
			} `json:"issuerRef"`
			PrivateKey *struct {
				RotationPolicy string `json:"rotationPolicy"`
				Algorithm      string `json:"algorithm"`
				Encoding       string `json:"encoding"`
				Size           int    `json:"size"`
			} `json:"privateKey"`
			Subject               any `json:"subject"`
			RenewBeforePercentage any `json:"renewBeforePercentage"`
			SecretTemplate        any `json:"secretTemplate"`
			RevisionHistoryLimit  any `json:"revisionHistoryLimit"`
			SignatureAlgorithm    any `json:"signatureAlgorithm"`
			EncodeUsages          any `json:"encodeUsagesInRequest"`
			NameConstraints       any `json:"nameConstraints"`
		} `json:"spec"`
	}
)

// lifetime is how long a Certificate is valid that does not say it.
const lifetime = 90 * 24 * time.Hour

func (c *certificate) duration() time.Duration {
	if c.Spec.Duration == nil {
		return lifetime
	}
	return c.Spec.Duration.Duration
}

// usages are those that a Certificate may have, with what is extended key usage in X.509, and 0 for all others.
var usages = map[string]x509.ExtKeyUsage{
	"signing": 0, "digital signature": 0, "content commitment": 0, "key encipherment": 0, "key agreement": 0, "data encipherment": 0, "cert sign": 0, "crl sign": 0,
	"encipher only": 0, "decipher only": 0, "any": x509.ExtKeyUsageAny, "server auth": x509.ExtKeyUsageServerAuth, "client auth": x509.ExtKeyUsageClientAuth,
	"code signing": x509.ExtKeyUsageCodeSigning, "email protection": x509.ExtKeyUsageEmailProtection,
}

// pair is what is in the Secret of a Certificate: tls.crt and tls.key, and ca.crt.
type pair struct {
	tls    tls.Certificate
	bundle []byte
}

// certManager does what cert-manager does with the learner's file, in memory: it is not installed here.
type certManager struct {
	issuers      map[string]*issuer
	certificates map[string]*certificate
	secrets      map[string]*pair
	names        []string // of the Certificates, in the order of the file
}

// newCertManager reads the learner's file as strictly as cert-manager does, and makes all certificates.
func newCertManager(replace ...string) *certManager {
	GinkgoHelper()
	m := &certManager{issuers: map[string]*issuer{}, certificates: map[string]*certificate{}, secrets: map[string]*pair{}}
	own := strings.NewReplacer(replace...).Replace(namespace)
	writers := map[string]string{}
	for _, object := range objects(certificatesFile, replace...) {
		what := fmt.Sprintf("the %s %s in %s", object.GetKind(), object.GetName(), certificatesFile)
		Expect(object.GetAPIVersion()).To(Equal("cert-manager.io/v1"), "the apiVersion of %s", what)
		Expect(object.GetNamespace()).To(Equal(own), "the namespace of %s", what)
		Expect(object.GetName()).NotTo(BeEmpty(), "the name of %s", what)
		switch object.GetKind() {
		case "Issuer":
			var i issuer
			strictly(object, &i, what)
			Expect((i.Spec.SelfSigned != nil) != (i.Spec.CA != nil)).To(BeTrue(), "%s has either selfSigned or ca", what)
			m.issuers[i.Name] = &i
		case "Certificate":
			var c certificate
			strictly(object, &c, what)
			admit(&c, what)
			Expect(writers).NotTo(HaveKey(c.Spec.SecretName), "spec.secretName of %s: another Certificate writes into the same Secret", what)
			writers[c.Spec.SecretName] = c.Name
			m.certificates[c.Name], m.names = &c, append(m.names, c.Name)
		default:
			Fail(fmt.Sprintf("%s: the specs know the Issuer and the Certificate, and no %s", what, object.GetKind()))
		}
	}
	Expect(m.names).NotTo(BeEmpty(), "Certificates in %s", certificatesFile)
	for _, name := range m.names {
		if m.secrets[m.certificates[name].Spec.SecretName] == nil {
			m.issue(name)
		}
	}
	return m
}

// strictly decodes an object, and fails when there is a field that cert-manager does not know.
func strictly(object *unstructured.Unstructured, into any, what string) {
	GinkgoHelper()
	data, err := yaml.Marshal(object.Object)
	Expect(err).NotTo(HaveOccurred())
	Expect(yaml.UnmarshalStrict(data, into)).To(Succeed(), "cert-manager reads %s", what)
}

// admit is what cert-manager's own webhook says to a Certificate.
func admit(c *certificate, what string) {
	GinkgoHelper()
	s := c.Spec
	Expect(s.SecretName).NotTo(BeEmpty(), "spec.secretName of %s", what)
	Expect(s.IssuerRef.Name).NotTo(BeEmpty(), "spec.issuerRef.name of %s", what)
	Expect(s.IssuerRef.Kind).To(BeElementOf("", "Issuer"), "spec.issuerRef.kind of %s", what)
	Expect(s.IssuerRef.Group).To(BeElementOf("", "cert-manager.io"), "spec.issuerRef.group of %s", what)
	Expect(s.CommonName == "" && len(s.DNSNames)+len(s.IPAddresses)+len(s.URIs)+len(s.Emails) == 0).To(BeFalse(), "%s has neither a commonName nor any other name", what)
	Expect(len(s.CommonName)).To(BeNumerically("<=", 64), "the length of spec.commonName of %s", what)
	Expect(c.duration()).To(BeNumerically(">=", time.Hour), "spec.duration of %s", what)
	if s.RenewBefore != nil {
		Expect(s.RenewBefore.Duration).To(And(BeNumerically(">=", 5*time.Minute), BeNumerically("<", c.duration())), "spec.renewBefore of %s", what)
	}
	for _, u := range s.Usages {
		Expect(usages).To(HaveKey(u), "spec.usages of %s", what)
	}
}

// issue makes the certificate of a Certificate, or makes it again, and writes it into its Secret.
func (m *certManager) issue(name string) {
	GinkgoHelper()
	c := m.certificates[name]
	what := fmt.Sprintf("the Certificate %s", name)
	by := m.issuers[c.Spec.IssuerRef.Name]
	Expect(by).NotTo(BeNil(), "%s is never issued: there is no Issuer %q", what, c.Spec.IssuerRef.Name)

	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: c.Spec.CommonName}, DNSNames: c.Spec.DNSNames,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(c.duration()),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, BasicConstraintsValid: true, IsCA: c.Spec.IsCA,
	}
	if c.Spec.IsCA {
		template.KeyUsage |= x509.KeyUsageCertSign
	}
	for _, u := range c.Spec.Usages {
		if extended, ok := usages[u]; ok && (extended != 0 || u == "any") {
			template.ExtKeyUsage = append(template.ExtKeyUsage, extended)
		}
	}
	key := m.key(c)
	if by.Spec.SelfSigned != nil {
		m.secrets[c.Spec.SecretName] = sign(template, template, key, key, nil)
		return
	}
	authority := m.authority(by)
	m.secrets[c.Spec.SecretName] = sign(template, authority.tls.Leaf, key, authority.tls.PrivateKey.(crypto.Signer), authority.tls.Certificate)
}

// authority is the Secret of an Issuer that signs with one.
func (m *certManager) authority(by *issuer) *pair {
	GinkgoHelper()
	secret := by.Spec.CA.SecretName
	for _, name := range m.names {
		if c := m.certificates[name]; c.Spec.SecretName == secret && m.secrets[secret] == nil {
			Expect(c.Spec.IssuerRef.Name).NotTo(Equal(by.Name), "the Issuer %s signs with the Secret of a Certificate that waits for the Issuer %s", by.Name, by.Name)
			m.issue(name)
		}
	}
	found := m.secrets[secret]
	Expect(found).NotTo(BeNil(), "the Issuer %s is never ready: no Certificate writes a Secret %q", by.Name, secret)
	Expect(found.tls.Leaf.IsCA).To(BeTrue(), "the Issuer %s is never ready: what is in the Secret %q may sign nothing, it is no CA", by.Name, secret)
	return found
}

// key is a new key, or the one that is there if the Certificate says so.
func (m *certManager) key(c *certificate) crypto.Signer {
	GinkgoHelper()
	if old := m.secrets[c.Spec.SecretName]; old != nil && c.Spec.PrivateKey != nil && c.Spec.PrivateKey.RotationPolicy == "Never" {
		return old.tls.PrivateKey.(crypto.Signer)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	return key
}

// sign makes a Secret: the certificate with those that lead to its authority, and the authority's as the bundle.
func sign(template, parent *x509.Certificate, key, by crypto.Signer, chain [][]byte) *pair {
	GinkgoHelper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	Expect(err).NotTo(HaveOccurred())
	leaf, err := x509.ParseCertificate(der)
	Expect(err).NotTo(HaveOccurred())
	all := append([][]byte{der}, chain...)
	top := all[len(all)-1]
	if root, err := x509.ParseCertificate(top); len(all) > 1 && err == nil && root.CheckSignatureFrom(root) == nil {
		all = all[:len(all)-1]
	}
	return &pair{
		tls:    tls.Certificate{Certificate: all, PrivateKey: key, Leaf: leaf},
		bundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: top}),
	}
}

// serving is the name of the Certificate whose Secret the Deployment mounts.
func (m *certManager) serving() string {
	GinkgoHelper()
	_, secret := mounted()
	for _, name := range m.names {
		if m.certificates[name].Spec.SecretName == secret {
			return name
		}
	}
	Fail(fmt.Sprintf("the Deployment in %s mounts the Secret %q, which no Certificate in %s writes", managerFile, secret, certificatesFile))
	return ""
}

// served is what the Deployment's server shows.
func (m *certManager) served() *pair {
	GinkgoHelper()
	return m.secrets[m.certificates[m.serving()].Spec.SecretName]
}

// injected is what the cainjector writes into a configuration's caBundle.
func (m *certManager) injected(kind string, replace ...string) []byte {
	GinkgoHelper()
	for _, object := range objects(injectionFile, replace...) {
		if object.GetKind() != kind {
			continue
		}
		from, ok := object.GetAnnotations()["cert-manager.io/inject-ca-from"]
		Expect(ok).To(BeTrue(), "the patch for the %s in %s has no annotation cert-manager.io/inject-ca-from: %v", kind, injectionFile, object.GetAnnotations())
		own := strings.NewReplacer(replace...).Replace(namespace)
		name, found := strings.CutPrefix(from, own+"/")
		Expect(found).To(BeTrue(), "cert-manager.io/inject-ca-from of the %s is a namespace and a name, %s/…, and it is: %s", kind, own, from)
		Expect(m.certificates).To(HaveKey(name), "cert-manager.io/inject-ca-from of the %s: nothing is injected, since there is no Certificate of this name", kind)
		return m.secrets[m.certificates[name].Spec.SecretName].bundle
	}
	Fail(fmt.Sprintf("there is no patch for a %s in %s", kind, injectionFile))
	return nil
}

// mounted is where the Deployment mounts the Secret with the certificate, and which.
func mounted() (mount struct {
	Path              string
	ReadOnly, SubPath bool
}, secret string) {
	GinkgoHelper()
	pod := deployment().Spec.Template.Spec
	Expect(pod.Containers).To(HaveLen(1), "containers of the Deployment")
	for _, v := range pod.Volumes {
		if v.Secret == nil {
			continue
		}
		for _, at := range pod.Containers[0].VolumeMounts {
			if at.Name == v.Name {
				mount.Path, mount.ReadOnly, mount.SubPath = at.MountPath, at.ReadOnly, at.SubPath != "" || at.SubPathExpr != ""
				return mount, v.Secret.SecretName
			}
		}
	}
	Fail(fmt.Sprintf("the container in %s mounts no volume that is a Secret", managerFile))
	return mount, ""
}

// trust says why a client that has a bundle does not trust a server for a name.
func trust(bundle []byte, server *pair, name string) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return fmt.Errorf("there is no certificate in the bundle %q", bundle)
	}
	for _, der := range server.tls.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	_, err := server.tls.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}
