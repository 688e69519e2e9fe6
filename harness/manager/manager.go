// Package manager runs a learner's controllers beside a spec, in controller-runtime's manager.
//
// controller-runtime is patient: an error or a panic in Reconcile is logged, and Reconcile is tried again. On the stub that would
// be a timeout, and a puzzle. So [Start] ends the spec at once when Reconcile panics or is not implemented, and what the manager
// logs as an error is shown with a red spec.
package manager

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	"github.com/kubekata/kubekata/harness/crash"
)

// stopBound is how long the manager waits for its controllers, a little less than harness.Start waits for the manager.
const stopBound = 4 * time.Second

func init() { ctrl.SetLogger(logr.Discard()) } // what does not have our logger; controller-runtime complains without one

// Client returns a client for the spec's own set-up and judgement: not recorded, and without a cache. Call it in a spec.
func Client(api *cluster.Cluster, scheme *runtime.Scheme) client.WithWatch {
	ginkgo.GinkgoHelper()
	c, err := client.NewWithWatch(api.JudgeConfig(), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred(), "make a client for the spec")
	return c
}

// Start runs controllers, which setup adds to a manager, until the spec ends or the loop is stopped. The manager's cache holds
// the namespace alone, its requests are recorded, and it elects no leader and serves nothing.
//
// Pass the returned context to every Eventually that waits for what the controllers do: it ends with ctx, when the manager
// returns (which fails the spec, with setup's error), and when Reconcile panics or is not implemented. Call Start in the It; to
// start a controller again, stop the loop before.
func Start(ctx context.Context, api *cluster.Cluster, scheme *runtime.Scheme, namespace string, setup func(ctrl.Manager) error) (context.Context, *harness.Loop) {
	ginkgo.GinkgoHelper()
	judge, recorded := api.JudgeConfig(), api.Config()
	recorded.QPS = -1 // as controller-runtime's own GetConfig has it: the server keeps order, and a hot loop is seen
	broken, giveUp := context.WithCancel(ctx)
	logger := Logger(giveUp)
	wait, loop := harness.Start(broken, "the manager", func(ctx context.Context) error {
		mgr, err := ctrl.NewManager(recorded, ctrl.Options{
			Scheme: scheme,
			Cache:  cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
			// What the mapper asks for is not the learner's.
			MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) {
				plain, err := rest.HTTPClientFor(judge)
				if err != nil {
					return nil, err
				}
				return apiutil.NewDynamicRESTMapper(judge, plain)
			},
			Logger:                  logger,
			Metrics:                 metricsserver.Options{BindAddress: "0"},
			HealthProbeBindAddress:  "0",
			GracefulShutdownTimeout: ptr.To(stopBound),
			Controller:              config.Controller{SkipNameValidation: ptr.To(true)}, // a name is unique in a process otherwise
		})
		if err != nil {
			return fmt.Errorf("make a manager: %w", err)
		}
		if err := setup(mgr); err != nil {
			return err
		}
		return mgr.Start(ctx)
	})
	ginkgo.DeferCleanup(giveUp)
	return crash.Guard(wait), loop
}

// Logger returns a logger for a manager that the learner makes: what it logs as an error is shown with a red spec, and when Reconcile is not implemented,
// the spec fails at once, and giveUp is called, which should end what the spec waits for.
func Logger(giveUp func()) logr.Logger { return logr.New(&sink{giveUp: giveUp}) }

// sink is a logger that shows errors with a red spec, and ends the spec that waits for something that is not implemented.
type sink struct {
	giveUp func()
	values []any
}

var _ logr.LogSink = &sink{}

func (*sink) Init(logr.RuntimeInfo)          {}
func (*sink) Enabled(level int) bool         { return false } // errors are always logged
func (*sink) Info(int, string, ...any)       {}
func (s *sink) WithName(string) logr.LogSink { return s }

func (s *sink) WithValues(values ...any) logr.LogSink {
	return &sink{giveUp: s.giveUp, values: append(s.values[:len(s.values):len(s.values)], values...)}
}

// Error is called with what a controller's Reconcile has returned, among others.
func (s *sink) Error(err error, msg string, values ...any) {
	text := fmt.Sprintf("%s: %v", msg, err)
	if at := s.object(); at != "" {
		text = fmt.Sprintf("%s: %s: %v", msg, at, err)
	}
	say(text)
	if err != nil && strings.Contains(err.Error(), "is not implemented") {
		defer s.giveUp()
		defer ginkgo.GinkgoRecover()
		ginkgo.Fail(err.Error())
	}
}

// object is the name of what was reconciled.
func (s *sink) object() string {
	var namespace, name string
	for i := 0; i+1 < len(s.values); i += 2 {
		switch s.values[i] {
		case "namespace":
			namespace = fmt.Sprint(s.values[i+1])
		case "name":
			name = fmt.Sprint(s.values[i+1])
		}
	}
	if name == "" {
		return ""
	}
	return namespace + "/" + name
}

var (
	mu   sync.Mutex
	last string
)

// uid is what makes two messages about the same thing differ.
var uid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// say writes a line to the spec's output, once when it comes again and again.
func say(text string) {
	mu.Lock()
	defer mu.Unlock()
	if text = uid.ReplaceAllString(text, "…"); text == last {
		return
	}
	last = text
	fmt.Fprintln(ginkgo.GinkgoWriter, text)
}
