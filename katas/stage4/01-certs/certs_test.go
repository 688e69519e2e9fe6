package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	certs "github.com/kubekata/kubekata/katas/stage4/01-certs"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestCerts(t *testing.T) {
	harness.RunSpecs(t, "Stage 4 · 01-certs")
}

const day = 24 * time.Hour

var (
	// now is when the specs' certificates are made.
	now  = time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)
	hook = certs.Service{Name: "hook", Namespace: "napoli", IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP("fd00::80")}}
)

// newCA calls the learner's NewCA.
func newCA(at time.Time) certs.Pair {
	GinkgoHelper()
	ca, err := certs.NewCA(at)
	Expect(err).NotTo(HaveOccurred(), "NewCA")
	return ca
}

// newServing calls the learner's NewServing.
func newServing(ca certs.Pair, at time.Time) certs.Pair {
	GinkgoHelper()
	pair, err := certs.NewServing(ca, hook, at)
	Expect(err).NotTo(HaveOccurred(), "NewServing")
	return pair
}

// all parses the certificates of a PEM, and fails when there is anything else in it.
func all(what string, data []byte) []*x509.Certificate {
	GinkgoHelper()
	var list []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		Expect(block.Type).To(Equal("CERTIFICATE"), "the type of a PEM block in %s", what)
		c, err := x509.ParseCertificate(block.Bytes)
		Expect(err).NotTo(HaveOccurred(), "parse a certificate in %s", what)
		list = append(list, c)
	}
	Expect(list).NotTo(BeEmpty(), "the certificates in %s:\n%s", what, data)
	return list
}

// leaf parses the first certificate of a pair, of which the key must be.
func leaf(what string, pair certs.Pair) *x509.Certificate {
	GinkgoHelper()
	all(what, pair.Cert)
	parsed, err := tls.X509KeyPair(pair.Cert, pair.Key)
	Expect(err).NotTo(HaveOccurred(), "%s: certificate and key", what)
	return parsed.Leaf
}

// verify asks what a TLS client, as the API server is one, asks about a certificate: does somebody in the bundle vouch for it, for
// this name, now, as a server?
func verify(c *x509.Certificate, bundle []byte, name string, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := c.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

// expectVouched expects a certificate to be good for hook.napoli.svc.
func expectVouched(c *x509.Certificate, bundle []byte, at time.Time, format string, args ...any) {
	GinkgoHelper()
	Expect(verify(c, bundle, "hook.napoli.svc", at)).To(Succeed(), append([]any{format}, args...)...)
}

// files are the two files of a pair.
type files struct{ cert, key string }

// newFiles returns files in a directory of the spec's own; there are none yet.
func newFiles() files {
	GinkgoHelper()
	return filesIn(GinkgoT().TempDir())
}

func filesIn(dir string) files {
	return files{filepath.Join(dir, certs.CertFile), filepath.Join(dir, certs.KeyFile)}
}

// put writes a file without the learner's help, by rename. The times of the specs' files differ, as they do when somebody renews a certificate
// once in two months.
func put(name string, data []byte) {
	GinkgoHelper()
	temporary := name + ".new"
	Expect(os.WriteFile(temporary, data, 0o600)).To(Succeed())
	written = written.Add(time.Minute)
	Expect(os.Chtimes(temporary, written, written)).To(Succeed())
	Expect(os.Rename(temporary, name)).To(Succeed())
}

var written = now

func (f files) put(pair certs.Pair) {
	GinkgoHelper()
	put(f.key, pair.Key)
	put(f.cert, pair.Cert)
}

// read returns the files' contents.
func (f files) read() certs.Pair {
	GinkgoHelper()
	return certs.Pair{Cert: contents(f.cert), Key: contents(f.key)}
}

func contents(name string) []byte {
	GinkgoHelper()
	data, err := os.ReadFile(name)
	Expect(err).NotTo(HaveOccurred(), "read %s", filepath.Base(name))
	return data
}
