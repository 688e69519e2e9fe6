package credentialplugin_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	kata "github.com/kubekata/kubekata/katas/stage6/07-credential-plugin"
)

// folder is a place for a cache that is not there yet.
func folder() string { return filepath.Join(GinkgoT().TempDir(), "cache", "tokens") }

// cached is a cache with a token under a key, good for an hour, and the one file in it.
func cached(key string) (*kata.Cache, *clocktesting.FakePassiveClock, string) {
	GinkgoHelper()
	clock := clocktesting.NewFakePassiveClock(noon)
	c := &kata.Cache{Dir: folder(), Clock: clock}
	Expect(c.Put(key, kata.Token{Value: "open-sesame", Expires: noon.Add(time.Hour)})).To(Succeed())
	files := inside(c.Dir)
	Expect(files).To(HaveLen(1), "the files of the cache, in which there is one token")
	return c, clock, filepath.Join(c.Dir, files[0])
}

func inside(dir string) []string {
	GinkgoHelper()
	entries, err := os.ReadDir(dir)
	Expect(err).NotTo(HaveOccurred())
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func mode(path string) fs.FileMode {
	GinkgoHelper()
	info, err := os.Stat(path)
	Expect(err).NotTo(HaveOccurred())
	return info.Mode().Perm()
}

var _ = Describe("The cache", func() {
	It("has what was put into it, also for another process", func(ctx SpecContext) {
		c, clock, _ := cached("nonna")
		another := &kata.Cache{Dir: c.Dir, Clock: clock}
		got, ok := another.Get("nonna")
		Expect(ok).To(BeTrue(), "whether the token is there")
		Expect(got.Value).To(Equal("open-sesame"), "the token")
		Expect(got.Expires).To(BeTemporally("==", noon.Add(time.Hour)), "when it expires")
	})

	It("has nothing under another key", func(ctx SpecContext) {
		c, _, _ := cached("nonna")
		_, ok := c.Get("nonno")
		Expect(ok).To(BeFalse(), "whether there is a token for nonno, when one was put there for nonna")
	})

	It("has nothing before anything was put into it, and makes no folder for looking", func(ctx SpecContext) {
		c := &kata.Cache{Dir: folder(), Clock: clocktesting.NewFakePassiveClock(noon)}
		_, ok := c.Get("nonna")
		Expect(ok).To(BeFalse(), "whether there is a token in a folder that is not there")
		Expect(c.Dir).NotTo(BeADirectory(), "the folder")
	})

	It("takes any text for a key, and leaves its folder never", func(ctx SpecContext) {
		clock := clocktesting.NewFakePassiveClock(noon)
		c := &kata.Cache{Dir: folder(), Clock: clock}
		keys := []string{"../../nonna", "https://kitchen.example:6443/a", "https:__kitchen.example:6443_a", "https---kitchen-example-6443-a", strings.Repeat("n", 300), "", ".", "Nonna", "nonna"}
		for i, key := range keys {
			Expect(c.Put(key, kata.Token{Value: fmt.Sprint("token-", i), Expires: noon.Add(time.Hour)})).To(Succeed(), "put a token under the key %q", key)
		}
		for i, key := range keys {
			got, ok := c.Get(key)
			Expect(ok).To(BeTrue(), "whether there is a token under the key %q", key)
			Expect(got.Value).To(Equal(fmt.Sprint("token-", i)), "the token under the key %q", key)
		}
		Expect(inside(filepath.Dir(c.Dir))).To(ConsistOf("tokens"), "what is beside the cache's folder")
		Expect(inside(c.Dir)).To(HaveLen(len(keys)), "the files of the cache, with %d keys", len(keys))
	})

	It("tells nobody in a file's name whose token is in it", func(ctx SpecContext) {
		_, _, file := cached("nonna@kitchen")
		Expect(filepath.Base(file)).NotTo(Or(ContainSubstring("nonna"), ContainSubstring("kitchen"), ContainSubstring("sesame")), "the file's name")
	})

	It("has files that nobody else can read", func(ctx SpecContext) {
		_, _, file := cached("nonna")
		Expect(mode(file)).To(Equal(fs.FileMode(0o600)), "the mode of the token's file")
	})

	It("has a folder that nobody else can look into", func(ctx SpecContext) {
		c, _, _ := cached("nonna")
		Expect(mode(c.Dir)).To(Equal(fs.FileMode(0o700)), "the mode of the cache's folder")
	})

	It("makes a file safe that was not, and never writes into it", func(ctx SpecContext) {
		c, _, file := cached("nonna")
		Expect(os.Chmod(file, 0o644)).To(Succeed())
		open, err := os.Open(file) // somebody has it open, from before
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(open.Close)
		Expect(c.Put("nonna", kata.Token{Value: "open-barley", Expires: noon.Add(time.Hour)})).To(Succeed())
		Expect(mode(file)).To(Equal(fs.FileMode(0o600)), "the mode of the token's file, which was 0644")
		text := make([]byte, 1000)
		n, _ := open.Read(text)
		Expect(string(text[:n])).NotTo(ContainSubstring("open-barley"), "what somebody reads who had the old file open")
	})

	for _, loose := range []fs.FileMode{0o640, 0o604, 0o620} {
		It(fmt.Sprintf("does not believe a file with the mode %#o", loose), func(ctx SpecContext) {
			c, _, file := cached("nonna")
			Expect(os.Chmod(file, loose)).To(Succeed())
			_, ok := c.Get("nonna")
			Expect(ok).To(BeFalse(), "whether a token is taken from a file with the mode %#o", loose)
		})
	}

	for what, content := range map[string]string{
		"half a file":  `{"Value":"open-se`,
		"an empty one": ``,
		"another JSON": `{}`,
		"a list":       `[1,2]`,
	} {
		It("takes "+what+" for nothing", func(ctx SpecContext) {
			c, _, file := cached("nonna")
			Expect(os.WriteFile(file, []byte(content), 0o600)).To(Succeed())
			_, ok := c.Get("nonna")
			Expect(ok).To(BeFalse(), "whether there is a token in a file with the content %q", content)
		})
	}

	It("keeps a token until it is good for a minute and no longer", func(ctx SpecContext) {
		c, clock, _ := cached("nonna")
		clock.SetTime(noon.Add(time.Hour - kata.Margin - time.Second))
		_, ok := c.Get("nonna")
		Expect(ok).To(BeTrue(), "whether there is a token that is good for 61 s")
		clock.SetTime(noon.Add(time.Hour - kata.Margin))
		_, ok = c.Get("nonna")
		Expect(ok).To(BeFalse(), "whether there is a token that is good for 60 s")
	})

	It("keeps no token that does not expire", func(ctx SpecContext) {
		c := &kata.Cache{Dir: folder(), Clock: clocktesting.NewFakePassiveClock(noon)}
		Expect(c.Put("nonna", kata.Token{Value: "open-sesame"})).To(Succeed(), "put a token that does not expire")
		_, ok := c.Get("nonna")
		Expect(ok).To(BeFalse(), "whether it is there")
		if _, err := os.Stat(c.Dir); err == nil {
			Expect(inside(c.Dir)).To(BeEmpty(), "the files of the cache")
		}
	})

	It("shows the old token or the new one, and never half of one, whoever else puts one there", func(ctx SpecContext) {
		c, _, file := cached("nonna")
		long := strings.Repeat("x", 1<<16)
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				defer GinkgoRecover()
				for range 70 {
					Expect(c.Put("nonna", kata.Token{Value: long, Expires: noon.Add(time.Hour)})).To(Succeed(), "put a token, while other processes do")
				}
			})
		}
		defer writers.Wait()
		for range 2000 {
			_, ok := c.Get("nonna")
			Expect(ok).To(BeTrue(), "whether there is a token, while other processes put one there")
		}
		writers.Wait()
		Expect(inside(c.Dir)).To(ConsistOf(filepath.Base(file)), "the files of the cache: nothing is left behind")
	})

	It("leaves nothing behind when it cannot put the token there", func(ctx SpecContext) {
		c, _, file := cached("nonna")
		Expect(os.Remove(file)).To(Succeed())
		Expect(os.MkdirAll(filepath.Join(file, "in", "the", "way"), 0o700)).To(Succeed())
		err := c.Put("nonna", kata.Token{Value: "open-sesame", Expires: noon.Add(time.Hour)})
		Expect(err).To(MatchError(ContainSubstring(filepath.Base(file))), "put a token where a folder stands")
		Expect(inside(c.Dir)).To(ConsistOf(filepath.Base(file)), "the files of the cache")
	})
})
