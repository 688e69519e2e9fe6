package certs_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	certs "github.com/kubekata/kubekata/katas/stage4/01-certs"
)

var _ = Describe("Write", func() {
	var (
		f    files
		pair = certs.Pair{Cert: []byte("-- the new certificate --\n"), Key: []byte("-- the new key --\n")}
	)

	BeforeEach(func() { f = newFiles() })

	// write calls the learner's Write.
	write := func(pair certs.Pair) {
		GinkgoHelper()
		Expect(certs.Write(f.cert, f.key, pair)).To(Succeed(), "Write")
	}

	It("writes certificate and key to their files", func() {
		write(pair)
		Expect(f.read()).To(Equal(pair), "what is in tls.crt and tls.key")
	})

	It("lets nobody but the owner read the key", func() {
		write(pair)
		Expect(permissions(f.key)).To(Equal("0600"), "the mode of tls.key")
	})

	It("lets nobody but the owner read the key where there was a file that anybody could read", func() {
		Expect(os.WriteFile(f.key, []byte("the old key"), 0o600)).To(Succeed())
		Expect(os.Chmod(f.key, 0o644)).To(Succeed())
		write(pair)
		Expect(permissions(f.key)).To(Equal("0600"), "the mode of tls.key, which was 0644")
	})

	It("lets anybody read the certificate", func() {
		write(pair)
		Expect(permissions(f.cert)).To(HaveSuffix("44"), "the mode of tls.crt")
	})

	It("leaves the old contents to who has the old files open", func() {
		f.put(certs.Pair{Cert: []byte("the old certificate"), Key: []byte("the old key")})
		readers := map[string]*os.File{}
		for _, name := range []string{f.cert, f.key} {
			reader, err := os.Open(name)
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(reader.Close)
			readers[name] = reader
		}
		write(pair)
		for name, want := range map[string]string{f.cert: "the old certificate", f.key: "the old key"} {
			data, err := io.ReadAll(readers[name])
			Expect(err).NotTo(HaveOccurred())
			Expect(string(data)).To(Equal(want), "what who has opened the old %s reads after Write: it was written into the old file", filepath.Base(name))
		}
	})

	It("never lets a reader find no file, or a part of one", func() {
		long := func(b byte) certs.Pair {
			data := bytes.Repeat([]byte{b}, 1<<16)
			return certs.Pair{Cert: data, Key: data}
		}
		write(long('a'))
		found := meanwhile(func() {
			for i := range 100 {
				write(long('a' + byte(i%2)))
			}
		}, func() string {
			for _, name := range []string{f.cert, f.key} {
				if data, err := os.ReadFile(name); err != nil || len(data) != 1<<16 || data[0] != data[1<<16-1] {
					return filepath.Base(name)
				}
			}
			return ""
		})
		Expect(found).To(BeEmpty(), "the file that a reader found missing or in parts while it was written a hundred times")
	})

	It("never lets others read the key, not even while it is being written", func() {
		secret := certs.Pair{Cert: []byte("the certificate"), Key: bytes.Repeat([]byte("secret"), 1<<16)}
		found := meanwhile(func() {
			for range 50 {
				write(secret)
			}
		}, func() string {
			entries, _ := os.ReadDir(filepath.Dir(f.key))
			for _, entry := range entries {
				if info, err := entry.Info(); err == nil && info.Mode().Perm()&0o077 != 0 && info.Size() > 1000 {
					return fmt.Sprintf("%s, of the mode %o", entry.Name(), info.Mode().Perm())
				}
			}
			return ""
		})
		Expect(found).To(BeEmpty(), "the file with the key in it that others could read while it was written fifty times")
	})

	It("leaves nothing else in the directory", func() {
		write(pair)
		write(pair)
		Expect(names(filepath.Dir(f.cert))).To(ConsistOf(certs.CertFile, certs.KeyFile), "the files in the directory")
	})

	It("returns an error when there is no directory", func() {
		gone := filesIn(filepath.Join(filepath.Dir(f.cert), "gone"))
		err := certs.Write(gone.cert, gone.key, pair)
		Expect(err).To(MatchError(os.ErrNotExist), "Write to a directory that there is not")
	})

	It("returns an error when a file cannot be replaced, and leaves nothing else in the directory", func() {
		Expect(os.MkdirAll(filepath.Join(f.cert, "in the way"), 0o700)).To(Succeed())
		err := certs.Write(f.cert, f.key, pair)
		Expect(err).To(HaveOccurred(), "Write, where tls.crt is a directory")
		Expect(err.Error()).NotTo(HaveSuffix("is not implemented"), "the error")
		Expect(names(filepath.Dir(f.cert))).To(HaveEach(BeElementOf(certs.CertFile, certs.KeyFile)), "the files in the directory")
	})
})

// meanwhile looks again and again while something is being done, until there is something to see, and returns that.
func meanwhile(do func(), look func() string) string {
	GinkgoHelper()
	done, seen := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(seen)
		for {
			if text := look(); text != "" {
				seen <- text
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	func() {
		defer close(done)
		do()
	}()
	return <-seen
}

// permissions are a file's, as chmod takes them.
func permissions(name string) string {
	GinkgoHelper()
	info, err := os.Stat(name)
	Expect(err).NotTo(HaveOccurred())
	return fmt.Sprintf("%04o", info.Mode().Perm())
}

// names are the names of what is in a directory, hidden files too.
func names(dir string) []string {
	GinkgoHelper()
	entries, err := os.ReadDir(dir)
	Expect(err).NotTo(HaveOccurred())
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}
