package certs_test

import (
	"crypto/x509"
	"encoding/pem"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	certs "github.com/kubekata/kubekata/katas/stage4/01-certs"
)

var _ = Describe("NewCA", func() {
	It("makes a certificate that may sign others, and says so twice", func() {
		c := leaf("the CA", newCA(now))
		Expect(c.BasicConstraintsValid && c.IsCA).To(BeTrue(), "the basic constraints of the CA's certificate are there, and say CA:TRUE")
		Expect(c.KeyUsage&x509.KeyUsageCertSign).NotTo(BeZero(), "the CA's key usage has certSign: without it Go is content, and OpenSSL is not")
	})

	It("signs it itself", func() {
		c := leaf("the CA", newCA(now))
		Expect(c.CheckSignatureFrom(c)).To(Succeed(), "the CA's signature under its own certificate")
	})

	It("makes it valid from five minutes ago, and for ten years", func() {
		c := leaf("the CA", newCA(now))
		Expect(c.NotBefore).To(BeTemporally("==", now.Add(-certs.Skew)), "the CA's notBefore, made at %s", now)
		Expect(c.NotAfter).To(BeTemporally("==", now.Add(certs.CALife)), "the CA's notAfter, made at %s", now)
	})

	It("makes another key each time", func() {
		Expect(leaf("one CA", newCA(now)).PublicKey).NotTo(Equal(leaf("another CA", newCA(now)).PublicKey), "the keys of two CAs")
	})
})

var _ = Describe("NewServing", func() {
	DescribeTable("makes a certificate that is good for", func(name string) {
		ca := newCA(now)
		c := leaf("the serving certificate", newServing(ca, now))
		Expect(verify(c, ca.Cert, name, now)).To(Succeed(), "who trusts the CA calls %s, and gets a certificate for %q and %s", name, c.DNSNames, c.IPAddresses)
	},
		Entry("the service's name", "hook"),
		Entry("the name with the namespace", "hook.napoli"),
		Entry("the name by which the API server calls", "hook.napoli.svc"),
		Entry("an IPv4 address", "127.0.0.1"),
		Entry("an IPv6 address", "fd00::80"),
	)

	DescribeTable("makes a certificate that is not good for", func(name string) {
		ca := newCA(now)
		c := leaf("the serving certificate", newServing(ca, now))
		Expect(verify(c, ca.Cert, name, now)).To(BeAssignableToTypeOf(x509.HostnameError{}), "who trusts the CA calls %s, and gets a certificate for %q and %s", name, c.DNSNames, c.IPAddresses)
	},
		Entry("another service", "oven.napoli.svc"),
		Entry("its namesake in another namespace", "hook.bari.svc"),
		Entry("another address", "127.0.0.2"),
		Entry("localhost", "localhost"),
	)

	It("makes a certificate for a service without IPs", func() {
		ca := newCA(now)
		pair, err := certs.NewServing(ca, certs.Service{Name: "hook", Namespace: "napoli"}, now)
		Expect(err).NotTo(HaveOccurred(), "NewServing of a service without IPs")
		c := leaf("the serving certificate", pair)
		expectVouched(c, ca.Cert, now, "the serving certificate of a service without IPs")
		Expect(c.IPAddresses).To(BeEmpty(), "its IPs")
	})

	It("makes a certificate that cannot sign others", func() {
		c := leaf("the serving certificate", newServing(newCA(now), now))
		Expect(c.IsCA).To(BeFalse(), "the serving certificate is a CA's")
		Expect(c.KeyUsage&x509.KeyUsageCertSign).To(BeZero(), "the serving certificate's key usage has certSign")
	})

	It("makes a certificate for servers", func() {
		c := leaf("the serving certificate", newServing(newCA(now), now))
		Expect(c.ExtKeyUsage).To(ContainElement(x509.ExtKeyUsageServerAuth), "the extended key usages: without any, Go takes it for everything, and others for nothing")
		Expect(c.ExtKeyUsage).NotTo(ContainElement(x509.ExtKeyUsageAny), "the extended key usages")
	})

	It("makes it valid from five minutes ago, and for ninety days", func() {
		at := now.Add(200 * day)
		c := leaf("the serving certificate", newServing(newCA(now), at))
		Expect(c.NotBefore).To(BeTemporally("==", at.Add(-certs.Skew)), "the serving certificate's notBefore, made at %s", at)
		Expect(c.NotAfter).To(BeTemporally("==", at.Add(certs.ServingLife)), "the serving certificate's notAfter, made at %s", at)
	})

	It("does not let it live longer than its CA", func() {
		ca := newCA(now)
		end := leaf("the CA", ca).NotAfter
		c := leaf("the serving certificate", newServing(ca, end.Add(-10*day)))
		Expect(c.NotAfter).To(BeTemporally("==", end), "the notAfter of a serving certificate that is made ten days before its CA ends")
	})

	It("gives each its own serial number, however many are made at a time", func() {
		ca := newCA(now)
		seen := map[string]string{leaf("the CA", ca).SerialNumber.String(): "the CA"}
		for range 20 {
			c := leaf("a serving certificate", newServing(ca, now))
			Expect(c.SerialNumber.Sign()).To(Equal(1), "the sign of the serial number %s", c.SerialNumber)
			Expect(seen).NotTo(HaveKey(c.SerialNumber.String()), "the serial numbers that there are, and who has them")
			seen[c.SerialNumber.String()] = "a serving certificate"
		}
	})

	It("gives each its own key", func() {
		ca := newCA(now)
		one, two := leaf("a serving certificate", newServing(ca, now)), leaf("a serving certificate", newServing(ca, now))
		Expect(one.PublicKey).NotTo(Equal(leaf("the CA", ca).PublicKey), "the keys of a serving certificate and of its CA")
		Expect(one.PublicKey).NotTo(Equal(two.PublicKey), "the keys of two serving certificates")
	})

	It("puts one private key into Key, and nothing but its certificate into Cert", func() {
		pair := newServing(newCA(now), now)
		Expect(all("the serving pair's Cert", pair.Cert)[0].IsCA).To(BeFalse(), "the first certificate in Cert is a CA's")
		block, rest := pem.Decode(pair.Key)
		Expect(block).NotTo(BeNil(), "the PEM in Key")
		Expect(block.Type).To(HaveSuffix("PRIVATE KEY"), "the type of the PEM block in Key")
		Expect(string(rest)).To(BeEmpty(), "what comes after the key in Key")
	})

	It("signs with the first of several CAs", func() {
		ca, older := newCA(now), newCA(now.Add(-100*day))
		both := certs.Pair{Cert: append(append([]byte{}, ca.Cert...), older.Cert...), Key: ca.Key}
		expectVouched(leaf("the serving certificate", newServing(both, now)), ca.Cert, now, "the serving certificate of a pair whose Cert has two CAs, to who trusts the first")
	})

	DescribeTable("returns an error", func(make func(ca certs.Pair) (certs.Pair, time.Time)) {
		ca, at := make(newCA(now))
		pair, err := certs.NewServing(ca, hook, at)
		Expect(err).To(HaveOccurred(), "NewServing")
		Expect(err.Error()).NotTo(HaveSuffix("is not implemented"), "the error")
		Expect(pair).To(Equal(certs.Pair{}), "the pair beside the error %q", err)
	},
		Entry("without a CA", func(certs.Pair) (certs.Pair, time.Time) { return certs.Pair{}, now }),
		Entry("for a CA's certificate with the key of another one", func(ca certs.Pair) (certs.Pair, time.Time) {
			return certs.Pair{Cert: ca.Cert, Key: newCA(now).Key}, now
		}),
		Entry("for a CA that is none", func(ca certs.Pair) (certs.Pair, time.Time) { return newServing(ca, now), now }),
		Entry("for a CA that has expired", func(ca certs.Pair) (certs.Pair, time.Time) { return ca, now.Add(certs.CALife + time.Minute) }),
	)
})
