package certs_test

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	certs "github.com/kubekata/kubekata/katas/stage4/01-certs"
)

var _ = Describe("Due", func() {
	serving := func() []byte {
		GinkgoHelper()
		return newServing(newCA(now), now).Cert // valid from now-5m to now+90d
	}

	DescribeTable("says", func(at time.Time, want bool) {
		got, err := certs.Due(serving(), at)
		Expect(err).NotTo(HaveOccurred(), "Due")
		Expect(got).To(Equal(want), "whether a certificate of ninety days is due %s after it was made", at.Sub(now))
	},
		Entry("no for a new certificate", now, false),
		Entry("no before two thirds of its life are over", now.Add(60*day-time.Hour), false),
		Entry("yes when two thirds of its life are over", now.Add(60*day+time.Hour), true),
		Entry("yes when it has expired", now.Add(91*day), true),
		Entry("yes before it is valid", now.Add(-time.Hour), true),
	)

	It("looks at the first of several certificates", func() {
		bundle := append(newCA(now.Add(-9*365*day)).Cert, serving()...)
		got, err := certs.Due(bundle, now)
		Expect(err).NotTo(HaveOccurred(), "Due")
		Expect(got).To(BeTrue(), "whether a bundle is due of which the first certificate is nine years old")
	})

	DescribeTable("returns an error for", func(make func() []byte) {
		_, err := certs.Due(make(), now)
		Expect(err).To(HaveOccurred(), "Due")
		Expect(err.Error()).NotTo(HaveSuffix("is not implemented"), "the error")
	},
		Entry("nothing", func() []byte { return nil }),
		Entry("what is no PEM", func() []byte { return []byte("a certificate, honestly") }),
		Entry("a key", func() []byte { return newServing(newCA(now), now).Key }),
	)
})

var _ = Describe("Ensure", func() {
	var d directory

	BeforeEach(func() { d = directory(GinkgoT().TempDir()) })

	When("the directory is empty", func() {
		It("makes a CA and a certificate for which the bundle vouches", func() {
			bundle := d.ensure(now)
			Expect(names(string(d))).To(ConsistOf("ca.crt", "ca.key", "tls.crt", "tls.key"), "the files in the directory")
			leaf("the CA", d.ca().read())
			expectVouched(leaf("the serving certificate", d.serving().read()), bundle, now, "the serving certificate, to who trusts the bundle")
		})

		It("returns what is in ca.crt, which is CAs and nothing else", func() {
			bundle := d.ensure(now)
			Expect(string(bundle)).To(Equal(string(contents(d.ca().cert))), "the bundle and ca.crt")
			for _, c := range all("the bundle", bundle) {
				Expect(c.IsCA).To(BeTrue(), "a certificate in the bundle, %s, is a CA's", c.Subject)
			}
		})

		It("lets nobody but the owner read the keys", func() {
			d.ensure(now)
			Expect(permissions(d.ca().key)).To(Equal("0600"), "the mode of ca.key")
			Expect(permissions(d.serving().key)).To(Equal("0600"), "the mode of tls.key")
		})
	})

	When("all is well", func() {
		It("writes nothing", func() {
			bundle := d.ensure(now)
			before := d.infos()
			for _, at := range []time.Time{now, now.Add(59 * day)} {
				Expect(string(d.ensure(at))).To(Equal(string(bundle)), "the bundle, %s later", at.Sub(now))
				for name, info := range d.infos() {
					Expect(os.SameFile(info, before[name]) && info.ModTime().Equal(before[name].ModTime())).To(BeTrue(), "%s is the file of the first time, %s later", name, at.Sub(now))
				}
			}
		})
	})

	When("the serving certificate is due", func() {
		It("makes another one of the same CA", func() {
			bundle := d.ensure(now)
			old := leaf("the serving certificate", d.serving().read())
			later := now.Add(61 * day)
			Expect(string(d.ensure(later))).To(Equal(string(bundle)), "the bundle, after 61 days")
			c := leaf("the serving certificate", d.serving().read())
			Expect(c.SerialNumber).NotTo(Equal(old.SerialNumber), "the serial numbers of the first certificate and of the one after 61 days")
			Expect(c.NotAfter).To(BeTemporally("==", later.Add(certs.ServingLife)), "the new certificate's notAfter")
			expectVouched(c, bundle, later, "the new certificate, to who trusts the first bundle")
		})
	})

	DescribeTable("makes another serving certificate, of the same CA", func(spoil func(d directory) certs.Service) {
		bundle := d.ensure(now)
		service := spoil(d)
		got, err := certs.Ensure(string(d), service, now)
		Expect(err).NotTo(HaveOccurred(), "Ensure")
		Expect(string(got)).To(Equal(string(bundle)), "the bundle")
		c := leaf("the serving certificate", d.serving().read())
		for _, name := range []string{service.Name + "." + service.Namespace + ".svc", service.IPs[len(service.IPs)-1].String()} {
			Expect(verify(c, bundle, name, now)).To(Succeed(), "who trusts the bundle calls %s, and gets a certificate for %q and %s", name, c.DNSNames, c.IPAddresses)
		}
	},
		Entry("when there is no key", func(d directory) certs.Service {
			Expect(os.Remove(d.serving().key)).To(Succeed())
			return hook
		}),
		Entry("when there is no certificate", func(d directory) certs.Service {
			Expect(os.Remove(d.serving().cert)).To(Succeed())
			return hook
		}),
		Entry("when the key is another one's", func(d directory) certs.Service {
			put(d.serving().key, newServing(newCA(now), now).Key)
			return hook
		}),
		Entry("when the certificate is half a file", func(d directory) certs.Service {
			put(d.serving().cert, contents(d.serving().cert)[:300])
			return hook
		}),
		Entry("when nobody in the bundle vouches for it", func(d directory) certs.Service {
			d.serving().put(newServing(newCA(now), now))
			return hook
		}),
		Entry("when the service has another name", func(directory) certs.Service {
			return certs.Service{Name: "oven", Namespace: hook.Namespace, IPs: hook.IPs}
		}),
		Entry("when the service has moved to another namespace", func(directory) certs.Service {
			return certs.Service{Name: hook.Name, Namespace: "bari", IPs: hook.IPs}
		}),
		Entry("when the service has one more address", func(directory) certs.Service {
			return certs.Service{Name: hook.Name, Namespace: hook.Namespace, IPs: append(append([]net.IP{}, hook.IPs...), net.IPv4(10, 0, 0, 80))}
		}),
	)

	When("the CA is due", func() {
		const late = 7 * 365 * day // of ten years

		It("makes another one, and keeps the old one in the bundle behind it", func() {
			old := all("the bundle", d.ensure(now))
			bundle := all("the bundle", d.ensure(now.Add(late)))
			Expect(ends(bundle)).To(Equal([]string{date(now.Add(late + certs.CALife)), date(now.Add(certs.CALife))}), "until when the CAs in the bundle are valid, after seven years")
			Expect(bundle[1].Equal(old[0])).To(BeTrue(), "the second CA in the bundle is the old one")
			leaf("the new CA", d.ca().read())
		})

		It("leaves a serving certificate alone that is not due", func() {
			d.ensure(now)
			shortly := now.Add(late - 400*day) // the CA is not due yet
			d.ensure(shortly)
			d.serving().put(newServing(d.ca().read(), now.Add(late-10*day)))
			before := d.serving().read()
			bundle := d.ensure(now.Add(late))
			Expect(d.serving().read()).To(Equal(before), "tls.crt and tls.key, which are ten days old, after the CA was renewed")
			expectVouched(leaf("the serving certificate", before), bundle, now.Add(late), "a serving certificate of the old CA, to who trusts the new bundle")
		})

		It("lets the new one sign the next serving certificate", func() {
			d.ensure(now)
			bundle := all("the bundle", d.ensure(now.Add(late)))
			d.ensure(now.Add(late + 61*day))
			c := leaf("the serving certificate", d.serving().read())
			Expect(c.CheckSignatureFrom(bundle[0])).To(Succeed(), "the signature of the serving certificate that was made after the CA was renewed")
		})

		It("drops from the bundle what has expired", func() {
			d.ensure(now)
			second := all("the bundle", d.ensure(now.Add(late)))[0]
			bundle := all("the bundle", d.ensure(now.Add(2*late)))
			Expect(ends(bundle)).To(Equal([]string{date(now.Add(2*late + certs.CALife)), date(now.Add(late + certs.CALife))}),
				"until when the CAs in the bundle are valid after fourteen years, with one renewal after seven: the first CA has expired after ten")
			Expect(bundle[1].Equal(second)).To(BeTrue(), "the second CA in the bundle is the one of seven years ago")
		})
	})

	DescribeTable("makes another CA", func(spoil func(d directory), wantOld bool) {
		d.ensure(now)
		old, serving := all("ca.crt", contents(d.ca().cert))[0], d.serving().read()
		spoil(d)
		bundle := d.ensure(now)
		first := leaf("the new CA", d.ca().read())
		Expect(first.IsCA).To(BeTrue(), "the first certificate in ca.crt is a CA's")
		Expect(first.Equal(old)).To(BeFalse(), "the first CA in the bundle is the old one")
		for _, c := range all("the bundle", bundle) {
			Expect(c.IsCA).To(BeTrue(), "a certificate in the bundle, %s, is a CA's", c.Subject)
		}
		expectVouched(leaf("the serving certificate", d.serving().read()), bundle, now, "the serving certificate, to who trusts the bundle")
		if wantOld {
			Expect(slices.ContainsFunc(all("the bundle", bundle), old.Equal)).To(BeTrue(), "the old CA is in the bundle")
			Expect(d.serving().read()).To(Equal(serving), "tls.crt and tls.key, for which the old CA still vouches")
		}
	},
		Entry("when its key is gone, and keeps the old one in the bundle", func(d directory) { Expect(os.Remove(d.ca().key)).To(Succeed()) }, true),
		Entry("when its key is another one's, and keeps the old one in the bundle", func(d directory) { put(d.ca().key, newCA(now).Key) }, true),
		Entry("when its certificate is nonsense", func(d directory) { put(d.ca().cert, []byte("a certificate, honestly")) }, false),
		Entry("when it is no CA", func(d directory) { d.ca().put(d.serving().read()) }, false),
	)

	It("returns an error for a file that it cannot read, and leaves it", func() {
		d.ensure(now)
		Expect(os.Remove(d.ca().key)).To(Succeed())
		Expect(os.Symlink(certs.CAKeyFile, d.ca().key)).To(Succeed())
		before := contents(d.ca().cert)
		_, err := certs.Ensure(string(d), hook, now)
		Expect(err).To(HaveOccurred(), "Ensure, where ca.key is a symbolic link to itself")
		Expect(err.Error()).NotTo(HaveSuffix("is not implemented"), "the error")
		Expect(contents(d.ca().cert)).To(Equal(before), "ca.crt")
	})
})

// directory is where Ensure has its files.
type directory string

// ensure calls the learner's Ensure.
func (d directory) ensure(at time.Time) []byte {
	GinkgoHelper()
	bundle, err := certs.Ensure(string(d), hook, at)
	Expect(err).NotTo(HaveOccurred(), "Ensure")
	return bundle
}

func (d directory) ca() files {
	return files{filepath.Join(string(d), certs.CACertFile), filepath.Join(string(d), certs.CAKeyFile)}
}

func (d directory) serving() files { return filesIn(string(d)) }

// ends is until when certificates are valid.
func ends(list []*x509.Certificate) []string {
	var dates []string
	for _, c := range list {
		dates = append(dates, date(c.NotAfter))
	}
	return dates
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (d directory) infos() map[string]os.FileInfo {
	GinkgoHelper()
	infos := map[string]os.FileInfo{}
	for _, name := range names(string(d)) {
		info, err := os.Stat(filepath.Join(string(d), name))
		Expect(err).NotTo(HaveOccurred())
		infos[name] = info
	}
	return infos
}
