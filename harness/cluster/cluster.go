// Package cluster gives specs a real API server.
//
//	var api = cluster.API()
//
//	var _ = Describe("Scale", func() {
//		It("sets the replicas", func(ctx SpecContext) {
//			ns := api.Namespace(ctx)
//			Expect(scale.Scale(ctx, api.Clientset(), ns, "web", 3)).To(Succeed())
//			got, err := api.Judge().AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
//			…
//
// There are two tiers. [API] is etcd and kube-apiserver: the lab when it is up, else a pair that envtest starts for this
// test process, which [Separate] always does. [Lab] is the lab, which is started when it is not up: it adds the controllers, the scheduler and nodes.
//
// The clients for the learner's code ([Cluster.Config], [Cluster.Clientset], …) record what they ask the server for. A
// red spec shows that transcript. Clients for the spec's own set-up and judgement ([Cluster.Judge], …) do not.
//
// Only a server on loopback is ever spoken to. Nothing here reads the learner's KUBECONFIG or ~/.kube.
package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/lab"
	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/workbook"
)

// TierEnv forces what [API] uses: "lab" joins the lab and nothing else, "envtest" never joins it, and "stock" is envtest
// with its own defaults, which the bench compares with.
const TierEnv = "KUBEKATA_API"

// Cluster is the API server of a suite. Its methods may be called from when the suite begins until it ends.
type Cluster struct {
	admin      *rest.Config
	kubeconfig string
	run        string
	// controllers says that the namespace controller and its like run: on the lab.
	controllers bool
	// prefetched holds a namespace that waits for its spec; namespaces are those to delete when the suite ends.
	prefetched chan namespace
	namespaces []string
	// definitions are the resources of the CustomResourceDefinitions to delete when the suite ends.
	definitions []schema.GroupVersionResource
	rec         *recorder
	judge       kubernetes.Interface
	dyn         dynamic.Interface
}

// API registers a suite that needs an API server, and returns it. Call it once, at the level of the package.
func API() *Cluster {
	c := &Cluster{rec: &recorder{}}
	ginkgo.BeforeSuite(func(ctx ginkgo.SpecContext) {
		wanted := os.Getenv(TierEnv)
		if wanted != "envtest" && wanted != "stock" {
			if state, up := lab.Join(ctx); up {
				c.join(state)
				return
			}
			if wanted == "lab" {
				ginkgo.Fail(TierEnv + "=lab, and the lab is not up\nhint: make lab")
			}
		}
		c.startEnvtest(wanted == "stock")
	})
	c.register()
	return c
}

// Separate registers a suite that needs an API server of its own, with the lab up or not, and returns it: its objects have names that
// two suites cannot have at the same time. Call it once, at the level of the package.
func Separate() *Cluster {
	c := &Cluster{rec: &recorder{}}
	ginkgo.BeforeSuite(func() { c.startEnvtest(false) })
	c.register()
	return c
}

// Lab registers a suite that needs the whole control plane, and returns it. Call it once, at the level of the package.
func Lab() *Cluster {
	c := &Cluster{rec: &recorder{}}
	ginkgo.BeforeSuite(func(ctx ginkgo.SpecContext) {
		state, err := lab.Up(ctx, root(), nil)
		stop(err)
		c.join(state)
	})
	c.register()
	return c
}

// register adds what every spec needs: an empty record before it, the transcript after a red one.
func (c *Cluster) register() {
	ginkgo.BeforeEach(func() { c.rec.reset() })
	ginkgo.AfterEach(func() {
		if ginkgo.CurrentSpecReport().Failed() {
			if text := c.rec.transcript(); text != "" {
				ginkgo.AddReportEntry(harness.TranscriptEntry, ginkgo.ReportEntryVisibilityFailureOrVerbose, text)
			}
		}
	})
}

// root finds the workbook from the folder that the test runs in.
func root() string {
	dir, err := os.Getwd()
	stop(err)
	w, err := workbook.Find(dir)
	stop(err)
	return w.Root
}

// stop fails the suite with an error and, on a line of its own, what to do about it.
func stop(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	if h, ok := err.(interface{ Hint() string }); ok && h.Hint() != "" {
		text += "\nhint: " + h.Hint()
	}
	ginkgo.Fail(text, 1)
}

// join uses the lab, and records that this process does: what an aborted run leaves on it is swept by the next.
func (c *Cluster) join(state lab.State) {
	c.connect(state.Kubeconfig)
	c.controllers = true
	done, err := lab.RegisterRun(c.run)
	stop(err)
	ginkgo.DeferCleanup(done)
	c.makeNamespaces() // its clean-up runs before done
}

// connect reads a kubeconfig of ours and checks where it points.
func (c *Cluster) connect(kubeconfig string) {
	config, err := loopback.Config(kubeconfig)
	stop(err)
	c.kubeconfig = kubeconfig
	c.use(config)
}

func (c *Cluster) use(config *rest.Config) {
	// The judge's requests must not wait behind one another; the learner's clients get client-go's own limits.
	config.QPS = -1
	c.admin = config
	c.run = runID()
	var err error
	c.judge, err = kubernetes.NewForConfig(c.JudgeConfig())
	stop(err)
	c.dyn, err = dynamic.NewForConfig(c.JudgeConfig())
	stop(err)
}

func runID() string {
	b := make([]byte, 6)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand does not fail
	}
	return hex.EncodeToString(b)
}

// Config returns a fresh configuration for the learner's code, as administrator. What is asked through it is recorded.
func (c *Cluster) Config() *rest.Config {
	config := rest.CopyConfig(c.admin)
	config.QPS, config.Burst = 0, 0
	config.ContentType = runtime.ContentTypeJSON // so that a transcript, and a spec, can read what was sent
	config.Wrap(c.rec.wrap)
	return config
}

// Clientset returns a recorded typed client for the learner's code.
func (c *Cluster) Clientset() kubernetes.Interface {
	client, err := kubernetes.NewForConfig(c.unlimited())
	stop(err)
	return client
}

// Dynamic returns a recorded dynamic client for the learner's code.
func (c *Cluster) Dynamic() dynamic.Interface {
	client, err := dynamic.NewForConfig(c.unlimited())
	stop(err)
	return client
}

func (c *Cluster) unlimited() *rest.Config {
	config := c.Config()
	config.QPS = -1
	return config
}

// Judge returns a typed client for the spec's own set-up and judgement. It is not recorded.
func (c *Cluster) Judge() kubernetes.Interface { return c.judge }

// JudgeDynamic is Judge's dynamic client.
func (c *Cluster) JudgeDynamic() dynamic.Interface { return c.dyn }

// JudgeConfig is Judge's configuration, as a fresh copy.
func (c *Cluster) JudgeConfig() *rest.Config { return rest.CopyConfig(c.admin) }

// HasControllers reports whether controllers act on what a spec makes: true on the lab. A spec that counts requests or
// conflicts lets them settle first.
func (c *Cluster) HasControllers() bool { return c.controllers }

// Kubeconfig returns the path of a kubeconfig for the server, mode 0600, for code that loads one and for programs.
func (c *Cluster) Kubeconfig() string { return c.kubeconfig }

// Namespace returns a fresh namespace for the running spec. It is deleted when the suite ends, and nobody waits for that:
// emptying a namespace keeps the controllers busy for a while, which would slow the next specs down.
func (c *Cluster) Namespace(ctx context.Context) string {
	ginkgo.GinkgoHelper()
	select {
	case made := <-c.prefetched:
		if made.err != nil {
			ginkgo.Fail("make a namespace for the spec: " + made.err.Error())
		}
		c.rec.setNamespace(made.name)
		return made.name
	case <-ctx.Done():
		ginkgo.Fail("wait for a namespace for the spec: " + context.Cause(ctx).Error())
		return ""
	}
}

// namespace is one that was made ahead.
type namespace struct {
	name string
	err  error
}

// makeNamespaces keeps a namespace ready for the next spec, because on the lab it takes a while until it is.
func (c *Cluster) makeNamespaces() {
	c.prefetched = make(chan namespace, 1)
	prefix := prefix()
	ctx, cancel := context.WithCancel(context.Background())
	var making sync.WaitGroup
	making.Go(func() {
		for {
			name, err := c.makeNamespace(ctx, prefix)
			if name != "" {
				c.namespaces = append(c.namespaces, name)
			}
			select {
			case c.prefetched <- namespace{name, err}:
			case <-ctx.Done():
				return
			}
		}
	})
	ginkgo.DeferCleanup(func(clean context.Context) error {
		cancel()
		making.Wait()
		return errors.Join(c.undefine(clean), c.deleteNamespaces(clean))
	})
}

func (c *Cluster) makeNamespace(ctx context.Context, prefix string) (string, error) {
	ns, err := c.judge.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: prefix,
		Labels:       map[string]string{lab.RunLabel: c.run},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	if !c.controllers {
		return ns.Name, nil
	}
	// On the lab, admission refuses a pod before the namespace has its default ServiceAccount. envtest's API server does
	// not ask for one.
	err = wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, 15*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := c.judge.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return ns.Name, fmt.Errorf("wait for the default ServiceAccount of %s: %w", ns.Name, err)
	}
	return ns.Name, nil
}

// deleteNamespaces asks for all of them at once.
func (c *Cluster) deleteNamespaces(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(8)
	for _, ns := range c.namespaces {
		group.Go(func() error {
			err := c.judge.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete the specs' namespaces: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// prefix names namespaces after the kata's folder: "clientset-".
func prefix() string {
	dir, err := os.Getwd()
	stop(err)
	name := filepath.Base(dir)
	if _, after, ok := strings.Cut(name, "-"); ok {
		name = after
	}
	return strings.ToLower(name) + "-"
}

// Own puts the run's label on an object that is not in a namespace, before the spec creates it: if the run dies, the next
// one removes it. The spec itself deletes it, with DeferCleanup.
func (c *Cluster) Own(obj metav1.Object) {
	labels := obj.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[lab.RunLabel] = c.run
	obj.SetLabels(labels)
}

// Requests returns what the learner's clients have asked for in the running spec, in the order in which the answers
// came. A watch is there once it has begun.
func (c *Cluster) Requests() []Request { return c.rec.list() }

// Intercept lets a spec stand between the learner's clients and the server until the spec ends: see [Interceptor].
func (c *Cluster) Intercept(i Interceptor) { c.rec.intercept(i) }
