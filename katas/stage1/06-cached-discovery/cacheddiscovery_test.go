package cacheddiscovery_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	cacheddiscovery "github.com/kubekata/kubekata/katas/stage1/06-cached-discovery"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var api = cluster.API()

func TestCachedDiscovery(t *testing.T) { harness.RunSpecs(t, "Stage 1 · 06-cached-discovery") }

var (
	pod = schema.GroupKind{Kind: "Pod"}
	hpa = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
)

var _ = Describe("Memory", func() {
	It("asks for /api and /apis, once", func(ctx SpecContext) {
		client := inMemory()
		for range 3 {
			groups(ctx, client)
		}
		_, err := client.ServerResourcesForGroupVersionWithContext(ctx, "apps/v1")
		Expect(err).NotTo(HaveOccurred())
		Expect(asked()).To(ConsistOf("/api", "/apis"), "what three calls ask for")
	})

	It("asks again after it was invalidated", func(ctx SpecContext) {
		client := inMemory()
		groups(ctx, client)
		before := looks()
		client.InvalidateWithContext(ctx)
		groups(ctx, client)
		Expect(looks()-before).To(Equal(1), "looks at the server after the cache was invalidated")
	})

	It("gives each client a memory of its own", func(ctx SpecContext) {
		groups(ctx, inMemory())
		before := looks()
		groups(ctx, inMemory())
		Expect(looks()-before).To(Equal(1), "looks at the server by a second client, which may be another server's")
	})

	It("leaves the caller's configuration as it is", func() {
		config := api.Config()
		_, err := cacheddiscovery.Memory(config)
		Expect(err).NotTo(HaveOccurred())
		untouched(config)
	})

	It("reports a configuration that it cannot use", func() {
		config := api.Config()
		config.Host = "http://[::1"
		client, err := cacheddiscovery.Memory(config)
		Expect(err).To(MatchError(ContainSubstring(config.Host)), "the error names the host, which is none")
		Expect(client == nil).To(BeTrue(), "a client together with an error")
	})
})

var _ = Describe("Folder", func() {
	It("gives a host the same folder each time, directly below", func() {
		dir := GinkgoT().TempDir()
		for _, host := range []string{"127.0.0.1:6443", "https://127.0.0.1:6443", "https://proxy.example.com/k8s/clusters/a", "https://x/../../up", "..", "", "https://proxy.example.com/" + strings.Repeat("long/", 100)} {
			got := cacheddiscovery.Folder(dir, host)
			Expect(cacheddiscovery.Folder(dir, host)).To(Equal(got), "the folder of %s, asked for again", host)
			Expect(filepath.Dir(got)).To(Equal(dir), "the parent of the folder of %q, which is %s", host, got)
			Expect(len(filepath.Base(got))).To(BeNumerically("<=", 255), "the length of the folder's name, for %q: no file system takes longer ones", host)
		}
	})

	DescribeTable("never gives two hosts the same folder", func(one, other string) {
		Expect(cacheddiscovery.Folder("cache", one)).NotTo(Equal(cacheddiscovery.Folder("cache", other)), "the folder of %s and of %s", one, other)
	},
		Entry("when they differ in the name", "https://a.example.com", "https://b.example.com"),
		Entry("when they differ in the port", "https://127.0.0.1:6443", "https://127.0.0.1:6444"),
		Entry("when they differ in the path", "https://proxy.example.com/k8s/clusters/a", "https://proxy.example.com/k8s/clusters/b"),
		Entry("when they differ in the scheme", "http://a.example.com", "https://a.example.com"),
		Entry("when they differ in upper and lower case of the path", "https://a.example.com/clusters/A", "https://a.example.com/clusters/a"),
		Entry("when they differ in punctuation alone", "https://a-b.example.com", "https://a.b.example.com"),
		Entry("when one has a dash where the other has an underscore", "https://a.example.com/prod-eu", "https://a.example.com/prod_eu"),
		Entry("when one has a slash where the other has an underscore", "https://a.example.com/x_y", "https://a.example.com/x/y"),
	)
})

var _ = Describe("Disk", func() {
	var dir string
	BeforeEach(func() { dir = filepath.Join(GinkgoT().TempDir(), "discovery") })

	It("answers the next program without a request", func(ctx SpecContext) {
		resources(ctx, onDisk(dir, time.Hour))
		before := len(asked())
		Expect(before).NotTo(BeZero(), "requests of the first client, whose cache is empty")
		resources(ctx, onDisk(dir, time.Hour))
		Expect(asked()[before:]).To(BeEmpty(), "what the second client asks, when all is on disk")
	})

	It("asks again when what it has is older than the ttl", func(ctx SpecContext) {
		resources(ctx, onDisk(dir, time.Hour))
		age(dir, 2*time.Hour)
		before := looks()
		resources(ctx, onDisk(dir, time.Hour))
		Expect(looks()-before).To(Equal(1), "looks at the server, with files two hours old and a ttl of one")
	})

	It("does not ask when what it has is younger than the ttl", func(ctx SpecContext) {
		resources(ctx, onDisk(dir, 48*time.Hour))
		age(dir, 24*time.Hour)
		before := looks()
		resources(ctx, onDisk(dir, 48*time.Hour))
		Expect(looks()-before).To(BeZero(), "looks at the server, with files a day old and a ttl of two")
	})

	It("writes into the host's folder, and nowhere else", func(ctx SpecContext) {
		config := api.Config()
		resources(ctx, onDisk(dir, time.Hour))
		entries, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred(), "read %s", dir)
		Expect(entries).To(HaveExactElements(WithTransform(os.DirEntry.Name, Equal(filepath.Base(cacheddiscovery.Folder(dir, config.Host))))), "the entries of %s", dir)
		Expect(cacheddiscovery.Folder(dir, config.Host)).To(BeADirectory())
	})

	It("creates the folders for the user alone", func(ctx SpecContext) {
		resources(ctx, onDisk(dir, time.Hour))
		for _, folder := range []string{dir, cacheddiscovery.Folder(dir, api.Config().Host)} {
			info, err := os.Stat(folder)
			Expect(err).NotTo(HaveOccurred(), "the cache's folder")
			Expect(info.Mode().Perm().String()).To(Equal("-rwx------"), "the mode of %s", filepath.Base(folder))
		}
	})

	It("leaves the mode of a folder that was there", func(ctx SpecContext) {
		Expect(os.Mkdir(dir, 0o755)).To(Succeed())
		Expect(os.Chmod(dir, 0o755)).To(Succeed())
		resources(ctx, onDisk(dir, time.Hour))
		info, err := os.Stat(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm().String()).To(Equal("-rwxr-xr-x"), "the mode of a folder that the user had made before")
	})

	It("reports a folder that it cannot create", func() {
		Expect(os.WriteFile(dir, nil, 0o600)).To(Succeed(), "put a file in the way, for the spec")
		client, err := cacheddiscovery.Disk(api.Config(), dir, time.Hour)
		Expect(err).To(MatchError(ContainSubstring(dir)), "without a folder there is no cache, and client-go does not say so")
		Expect(client == nil).To(BeTrue(), "a client together with an error")
	})

	It("reports a configuration that it cannot use", func() {
		config := api.Config()
		config.Host = "http://[::1"
		client, err := cacheddiscovery.Disk(config, dir, time.Hour)
		Expect(err).To(MatchError(ContainSubstring(config.Host)), "the error names the host, which is none")
		Expect(client == nil).To(BeTrue(), "a client together with an error: a nil pointer in an interface is not nil")
	})

	It("leaves the caller's configuration as it is", func() {
		config := api.Config()
		_, err := cacheddiscovery.Disk(config, dir, time.Hour)
		Expect(err).NotTo(HaveOccurred())
		untouched(config)
	})
})

var _ = Describe("Mapper", func() {
	It("asks nothing before it is asked", func() {
		cacheddiscovery.NewMapper(inMemory())
		Expect(asked()).To(BeEmpty(), "requests of a Mapper that nobody has used")
	})

	It("asks the server once, however many goroutines ask first", func(ctx SpecContext) {
		mapper := cacheddiscovery.NewMapper(inMemory())
		var asking sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			asking.Go(func() {
				defer GinkgoRecover()
				_, errs[i] = mapper.ForKind(ctx, pod)
			})
		}
		asking.Wait()
		Expect(errs).To(HaveEach(BeNil()), "the errors of all that asked")
		Expect(looks()).To(Equal(1), "looks at the server")
	})

	It("does not ask again for what it knows", func(ctx SpecContext) {
		mapper := warm(ctx)
		before := len(asked())
		for range 5 {
			_, err := mapper.ForKind(ctx, hpa)
			Expect(err).NotTo(HaveOccurred())
			_, err = mapper.ForName(ctx, "deploy")
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(asked()[before:]).To(BeEmpty(), "what ten calls for known resources ask for")
	})

	It("looks once more for a kind that it does not know, and then goes on from its cache", func(ctx SpecContext) {
		mapper := warm(ctx)
		before := looks()
		_, err := mapper.ForKind(ctx, schema.GroupKind{Group: "nobody.example.com", Kind: "Nobody"})
		Expect(err).To(Satisfy(meta.IsNoMatchError), "want an error that meta.IsNoMatchError recognises, got: %v", err)
		Expect(looks()-before).To(Equal(1), "looks at the server for a kind that nobody has, by a Mapper whose memory was full")
		_, err = mapper.ForKind(ctx, pod)
		Expect(err).NotTo(HaveOccurred())
		Expect(looks()-before).To(Equal(1), "looks at the server, once a known kind was asked for as well")
	})

	It("looks once more for a name that it does not know", func(ctx SpecContext) {
		mapper := warm(ctx)
		before := looks()
		_, err := mapper.ForName(ctx, "nobodies.v1.nobody.example.com")
		Expect(err).To(Satisfy(meta.IsNoMatchError), "want an error that meta.IsNoMatchError recognises, got: %v", err)
		Expect(err).To(MatchError(ContainSubstring("nobodies.v1.nobody.example.com")), "the message says what was typed")
		Expect(looks()-before).To(Equal(1), "looks at the server for a name that nobody has, by a Mapper whose memory was full")
	})

	It("passes on a server that fails, without asking again", func(ctx SpecContext) {
		mapper := cacheddiscovery.NewMapper(inMemory())
		refuse()
		_, err := mapper.ForKind(ctx, pod)
		Expect(err).To(Satisfy(apierrors.IsInternalError), "the server said 500 InternalError, got: %v", err)
		_, err = mapper.ForKind(ctx, pod)
		Expect(err).To(Satisfy(apierrors.IsInternalError), "the server said 500 InternalError, got: %v", err)
		Expect(asked()).To(HaveExactElements("/api", "/api"), "requests of two calls, each of which the server refuses")
	})

	It("says that the server fails when it cannot look again", func(ctx SpecContext) {
		mapper := warm(ctx)
		refuse()
		mapping, err := mapper.ForKind(ctx, schema.GroupKind{Group: "nobody.example.com", Kind: "Nobody"})
		Expect(err).To(Satisfy(apierrors.IsInternalError), "nobody knows whether there is such a kind by now; got: %v", err)
		Expect(mapping).To(BeNil(), "a mapping together with an error")
	})

	It("says that the server fails when it cannot look for a name again", func(ctx SpecContext) {
		mapper := warm(ctx)
		refuse()
		_, err := mapper.ForName(ctx, "nobodies.v1.nobody.example.com")
		Expect(err).To(Satisfy(apierrors.IsInternalError), "nobody knows whether there is such a resource by now; got: %v", err)
	})

	It("asks with the caller's context", func(ctx SpecContext) {
		mapper := cacheddiscovery.NewMapper(inMemory())
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := mapper.ForKind(ended, pod)
		Expect(err).To(MatchError(context.Canceled))
		_, err = mapper.ForName(ended, "pods")
		Expect(err).To(MatchError(context.Canceled))
		_, err = mapper.ForKind(ctx, pod)
		Expect(err).NotTo(HaveOccurred(), "a call after those whose context had ended")
	})

	It("maps a kind to its resource, the preferred version and the scope", func(ctx SpecContext) {
		mapper := warm(ctx)
		got, err := mapper.ForKind(ctx, hpa)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Resource).To(Equal(hpa.WithVersion("v2").GroupVersion().WithResource("horizontalpodautoscalers")))
		Expect(got.Scope.Name()).To(Equal(meta.RESTScopeNameNamespace))
		got, err = mapper.ForKind(ctx, schema.GroupKind{Kind: "Node"})
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Scope.Name()).To(Equal(meta.RESTScopeNameRoot), "the scope of nodes")
	})

	It("takes the first of the versions that the server has", func(ctx SpecContext) {
		got, err := warm(ctx).ForKind(ctx, hpa, "v9", "v1")
		Expect(err).NotTo(HaveOccurred())
		Expect(got.GroupVersionKind).To(Equal(hpa.WithVersion("v1")))
	})

	It("has no match when the server has none of the versions", func(ctx SpecContext) {
		mapping, err := warm(ctx).ForKind(ctx, hpa, "v9", "v8")
		Expect(err).To(Satisfy(meta.IsNoMatchError), "want an error that meta.IsNoMatchError recognises, got: %v", err)
		Expect(mapping).To(BeNil(), "a mapping together with an error")
	})

	DescribeTable("finds the resource that is meant by", func(ctx SpecContext, name string) {
		Expect(warm(ctx).ForName(ctx, name)).To(Equal(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}))
	},
		Entry("the plural", "deployments"),
		Entry("the singular", "deployment"),
		Entry("the short name", "deploy"),
		Entry("the plural and the group", "deployments.apps"),
		Entry("the plural, the version and the group", "deployments.v1.apps"),
	)
})

var _ = It("Mapper takes the version that is part of a name", func(ctx SpecContext) {
	Expect(warm(ctx).ForName(ctx, "horizontalpodautoscalers.v1.autoscaling")).To(Equal(hpa.WithVersion("v1").GroupVersion().WithResource("horizontalpodautoscalers")),
		"the server prefers v2, and somebody asks for v1")
})

var _ = Describe("A CRD that appears", func() {
	It("is found by its kind", func(ctx SpecContext) {
		mapper := warm(ctx)
		gvr := define(ctx)
		got, err := mapper.ForKind(ctx, schema.GroupKind{Group: gvr.Group, Kind: "Calzone"})
		Expect(err).NotTo(HaveOccurred(), "the CRD is there, and the cache is older than the CRD")
		Expect(got.Resource).To(Equal(gvr))
	})

	It("is found after it was asked for too early", func(ctx SpecContext) {
		mapper := warm(ctx)
		gvr := named()
		_, err := mapper.ForKind(ctx, schema.GroupKind{Group: gvr.Group, Kind: "Calzone"})
		Expect(err).To(Satisfy(meta.IsNoMatchError), "before the CRD: %v", err)
		create(ctx, gvr)
		got, err := mapper.ForKind(ctx, schema.GroupKind{Group: gvr.Group, Kind: "Calzone"})
		Expect(err).NotTo(HaveOccurred(), "the CRD has appeared since the last call")
		Expect(got.Resource).To(Equal(gvr))
	})

	It("is found by its short name", func(ctx SpecContext) {
		mapper := warm(ctx)
		gvr := define(ctx)
		got, err := mapper.ForName(ctx, short(gvr))
		Expect(err).NotTo(HaveOccurred(), "the CRD is there, and the cache is older than the CRD")
		Expect(got).To(Equal(gvr))
	})

	It("is found by a name whose group has dots, and from then on without a request", func(ctx SpecContext) {
		mapper := warm(ctx)
		gvr := define(ctx)
		got, err := mapper.ForName(ctx, gvr.GroupResource().String())
		Expect(err).NotTo(HaveOccurred(), "the CRD is there, and the cache is older than the CRD")
		Expect(got).To(Equal(gvr))
		before := len(asked())
		Expect(mapper.ForName(ctx, gvr.GroupResource().String())).To(Equal(gvr))
		Expect(asked()[before:]).To(BeEmpty(), "what a second call for %s asks for", gvr.GroupResource())
	})

	It("is found although the disk has answers from before", func(ctx SpecContext) {
		dir := filepath.Join(GinkgoT().TempDir(), "discovery")
		resources(ctx, onDisk(dir, time.Hour))
		gvr := define(ctx)
		got, err := cacheddiscovery.NewMapper(onDisk(dir, time.Hour)).ForKind(ctx, schema.GroupKind{Group: gvr.Group, Kind: "Calzone"})
		Expect(err).NotTo(HaveOccurred(), "the CRD is there, and the files on disk are older than the CRD")
		Expect(got.Resource).To(Equal(gvr))
	})

	It("is found although this program itself has written the answers on disk", func(ctx SpecContext) {
		mapper := cacheddiscovery.NewMapper(onDisk(filepath.Join(GinkgoT().TempDir(), "discovery"), time.Hour))
		_, err := mapper.ForKind(ctx, pod)
		Expect(err).NotTo(HaveOccurred())
		gvr := define(ctx)
		got, err := mapper.ForKind(ctx, schema.GroupKind{Group: gvr.Group, Kind: "Calzone"})
		Expect(err).NotTo(HaveOccurred(), "the CRD is there, and the cache is older than the CRD")
		Expect(got.Resource).To(Equal(gvr))
	})
})

// inMemory returns a client that the learner's Memory has made, empty yet.
func inMemory() discovery.CachedDiscoveryInterfaceWithContext {
	GinkgoHelper()
	client, err := cacheddiscovery.Memory(api.Config())
	Expect(err).NotTo(HaveOccurred())
	return client
}

func onDisk(dir string, ttl time.Duration) discovery.CachedDiscoveryInterfaceWithContext {
	GinkgoHelper()
	client, err := cacheddiscovery.Disk(api.Config(), dir, ttl)
	Expect(err).NotTo(HaveOccurred())
	return client
}

// warm returns a Mapper whose memory has been filled.
func warm(ctx context.Context) *cacheddiscovery.Mapper {
	GinkgoHelper()
	mapper := cacheddiscovery.NewMapper(inMemory())
	_, err := mapper.ForKind(ctx, pod)
	Expect(err).NotTo(HaveOccurred())
	return mapper
}

func groups(ctx context.Context, client discovery.DiscoveryInterfaceWithContext) {
	GinkgoHelper()
	list, err := client.ServerGroupsWithContext(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(list.Groups).To(ContainElement(HaveField("Name", "apps")))
}

// resources asks for all groups and for the resources of one.
func resources(ctx context.Context, client discovery.DiscoveryInterfaceWithContext) {
	GinkgoHelper()
	groups(ctx, client)
	list, err := client.ServerResourcesForGroupVersionWithContext(ctx, "apps/v1")
	Expect(err).NotTo(HaveOccurred())
	Expect(list.APIResources).To(ContainElement(HaveField("Name", "deployments")))
}

// asked returns the paths of the requests.
func asked() []string {
	var paths []string
	for _, r := range api.Requests() {
		paths = append(paths, r.Path)
	}
	return paths
}

// looks counts how often the server was asked for all its groups.
func looks() int {
	n := 0
	for _, path := range asked() {
		if path == "/apis" {
			n++
		}
	}
	return n
}

func untouched(config *rest.Config) {
	GinkgoHelper()
	fresh := api.Config()
	Expect(config.Timeout).To(Equal(fresh.Timeout), "Timeout of the caller's configuration")
	Expect(config.Burst).To(Equal(fresh.Burst), "Burst of the caller's configuration")
	Expect(config.QPS).To(Equal(fresh.QPS), "QPS of the caller's configuration")
	Expect(config.UserAgent).To(Equal(fresh.UserAgent), "UserAgent of the caller's configuration")
	Expect(config.WarningHandler == nil && config.WarningHandlerWithContext == nil).To(BeTrue(), "there is no handler of warnings in the caller's configuration")
	Expect(config.RateLimiter).To(BeNil(), "RateLimiter of the caller's configuration")
	Expect(config.ContentConfig).To(Equal(fresh.ContentConfig), "ContentConfig of the caller's configuration")
	Expect(config.TLSClientConfig).To(Equal(fresh.TLSClientConfig), "TLSClientConfig of the caller's configuration")
}

// age lets all files in the folder be older.
func age(dir string, by time.Duration) {
	GinkgoHelper()
	then := time.Now().Add(-by)
	Expect(filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chtimes(path, then, then)
	})).To(Succeed(), "make the files in %s older, for the spec", dir)
}

// refuse lets the server fail at every request.
func refuse() {
	api.Intercept(func(cluster.Request) *cluster.Answer {
		return &cluster.Answer{Status: &metav1.Status{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "not today"}}
	})
}

// named returns the resource of a CRD that is this spec's own.
func named() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "k" + rand.String(8) + ".cached.example.com", Version: "v1", Resource: "calzoni"}
}

// short is the short name of such a resource, which is the spec's own too.
func short(gvr schema.GroupVersionResource) string {
	name, _, _ := strings.Cut(gvr.Group, ".")
	return name
}

func define(ctx context.Context) schema.GroupVersionResource {
	GinkgoHelper()
	gvr := named()
	create(ctx, gvr)
	return gvr
}

// create defines the CRD, and waits until the server's discovery has it.
func create(ctx context.Context, gvr schema.GroupVersionResource) {
	GinkgoHelper()
	crds := api.JudgeDynamic().Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": gvr.GroupResource().String()},
		"spec": map[string]any{
			"group": gvr.Group,
			"scope": "Namespaced",
			"names": map[string]any{"plural": gvr.Resource, "singular": "calzone", "kind": "Calzone", "shortNames": []any{short(gvr)}},
			"versions": []any{map[string]any{
				"name": gvr.Version, "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
			}},
		},
	}}
	api.Own(crd)
	_, err := crds.Create(ctx, crd, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "create the CRD %s, for the spec", crd.GetName())
	DeferCleanup(func(ctx SpecContext) error { return crds.Delete(ctx, crd.GetName(), metav1.DeleteOptions{}) })
	judge, err := discovery.NewDiscoveryClientForConfig(api.JudgeConfig())
	Expect(err).NotTo(HaveOccurred(), "make the spec's own discovery client")
	Eventually(func(ctx context.Context) (bool, error) {
		_, lists, _, err := judge.GroupsAndMaybeResourcesWithContext(ctx)
		list := lists[gvr.GroupVersion()]
		return list != nil && len(list.APIResources) > 0, err
	}).WithContext(ctx).WithTimeout(15*time.Second).WithPolling(50*time.Millisecond).Should(BeTrue(), "the server's discovery has %s", gvr.GroupResource())
}
