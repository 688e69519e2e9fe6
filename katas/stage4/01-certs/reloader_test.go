package certs_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	certs "github.com/kubekata/kubekata/katas/stage4/01-certs"
	"github.com/kubekata/kubekata/katas/stage4/01-certs/serving"
)

var _ = Describe("The Reloader", func() {
	var (
		f           files
		ca          certs.Pair
		first, next certs.Pair
	)

	BeforeEach(func() {
		f, ca = newFiles(), newCA(now)
		first, next = newServing(ca, now), newServing(ca, now.Add(61*day))
		f.put(first)
	})

	It("serves the pair that is in its files", func(ctx SpecContext) {
		Expect(handshake(ctx, served(f))).To(is(first), "the certificate in a handshake")
	})

	It("serves a new pair without a restart", func(ctx SpecContext) {
		url := served(f)
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake")
		f.put(next)
		Expect(handshake(ctx, url)).To(is(next), "the certificate in a handshake after a new pair was written")
		f.put(first)
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake after the first pair was written again")
	})

	It("serves the old pair until the new one is complete", func(ctx SpecContext) {
		url := served(f)
		put(f.cert, next.Cert)
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake, where tls.crt is new and tls.key is not")
		put(f.key, next.Key)
		Expect(handshake(ctx, url)).To(is(next), "the certificate in a handshake, when tls.key is new as well")
		put(f.key, first.Key)
		Expect(handshake(ctx, url)).To(is(next), "the certificate in a handshake, where tls.key is new and tls.crt is not")
		put(f.cert, first.Cert)
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake, when tls.crt is new as well")
	})

	It("serves the last pair that it had while the files are no pair", func(ctx SpecContext) {
		url := served(f)
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake")
		put(f.cert, next.Cert[:200])
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake, where tls.crt is half a file")
		Expect(os.Remove(f.cert)).To(Succeed())
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake, where tls.crt is gone")
		Expect(os.Remove(f.key)).To(Succeed())
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake, where both files are gone")
		f.put(next)
		Expect(handshake(ctx, url)).To(is(next), "the certificate in a handshake, when there is a pair again")
	})

	It("follows the symbolic links of a Secret's volume", func(ctx SpecContext) {
		// The kubelet writes a new directory, and turns one link from the old one to it.
		volume := GinkgoT().TempDir()
		publish := func(name string, pair certs.Pair) {
			GinkgoHelper()
			Expect(os.Mkdir(filepath.Join(volume, name), 0o700)).To(Succeed())
			filesIn(filepath.Join(volume, name)).put(pair)
			Expect(os.Symlink(name, filepath.Join(volume, "..data_tmp"))).To(Succeed())
			Expect(os.Rename(filepath.Join(volume, "..data_tmp"), filepath.Join(volume, "..data"))).To(Succeed())
		}
		publish("..2031_03_01", first)
		for _, name := range []string{certs.CertFile, certs.KeyFile} {
			Expect(os.Symlink(filepath.Join("..data", name), filepath.Join(volume, name))).To(Succeed())
		}
		url := served(filesIn(volume))
		Expect(handshake(ctx, url)).To(is(first), "the certificate in a handshake")
		publish("..2031_05_01", next)
		Expect(handshake(ctx, url)).To(is(next), "the certificate in a handshake, when ..data points to a new directory")
	})

	It("gives many connections at once a certificate with its key, while new pairs are written", func() {
		r := reloader(f)
		stop := make(chan struct{})
		wrong := make(chan string, 4)
		var connections sync.WaitGroup
		for range cap(wrong) {
			connections.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if text := badPair(r.GetCertificate(&tls.ClientHelloInfo{ServerName: "hook.napoli.svc"})); text != "" {
						wrong <- text
						return
					}
				}
			})
		}
		for i := range 20 {
			f.put([]certs.Pair{next, first}[i%2])
		}
		close(stop)
		connections.Wait()
		close(wrong)
		Expect(<-wrong).To(BeEmpty(), "what was wrong with the result of GetCertificate, called by four at once")
	})

	DescribeTable("is an error to begin with where", func(spoil func(f files)) {
		spoil(f)
		_, err := certs.NewReloader(f.cert, f.key)
		Expect(err).To(HaveOccurred(), "NewReloader")
		Expect(err.Error()).NotTo(HaveSuffix("is not implemented"), "the error")
	},
		Entry("there are no files", func(f files) {
			Expect(os.Remove(f.cert)).To(Succeed())
			Expect(os.Remove(f.key)).To(Succeed())
		}),
		Entry("the key is another one's", func(f files) { put(f.key, newCA(now).Key) }),
	)
})

// reloader calls the learner's NewReloader.
func reloader(f files) *certs.Reloader {
	GinkgoHelper()
	r, err := certs.NewReloader(f.cert, f.key)
	Expect(err).NotTo(HaveOccurred(), "NewReloader")
	return r
}

// badPair says what is wrong with a result of GetCertificate.
func badPair(pair *tls.Certificate, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case pair == nil || len(pair.Certificate) == 0:
		return "there is no certificate"
	}
	c, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return err.Error()
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return "there is no key"
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(c.PublicKey) {
		return "the key is not the certificate's"
	}
	return ""
}

// served serves with the learner's Reloader until the spec ends, and returns the server's URL.
func served(f files) string {
	GinkgoHelper()
	server, err := serving.Start(http.NotFoundHandler(), reloader(f).GetCertificate)
	Expect(err).NotTo(HaveOccurred(), "serve for the spec")
	DeferCleanup(server.Close)
	return server.URL
}

// handshake returns the certificate that a server shows.
func handshake(ctx context.Context, url string) *x509.Certificate {
	GinkgoHelper()
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: "hook.napoli.svc"}} // the specs look at it themselves
	connection, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(url, "https://"))
	Expect(err).NotTo(HaveOccurred(), "a TLS handshake with the server")
	defer connection.Close()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// is matches the certificate of a pair.
func is(pair certs.Pair) OmegaMatcher {
	GinkgoHelper()
	want := leaf("a pair", pair)
	return WithTransform(func(c *x509.Certificate) string {
		return "serial number " + c.SerialNumber.String() + ", valid until " + c.NotAfter.String()
	},
		Equal("serial number "+want.SerialNumber.String()+", valid until "+want.NotAfter.String()))
}
