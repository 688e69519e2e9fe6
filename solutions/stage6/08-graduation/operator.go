// Package graduation is the final exam: an operator that rents a telephone number for each Line, in as many copies as you like, of which one works. Begin
// with [Run], which puts it together; [Reconciler] is what the leader does, [Defaulter] and [Validator] are the webhook, [NewGate] and [NewMetrics] say
// what is on and what has been done.
package graduation

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/featuregate"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/exchange"
)

// Options are what a copy of the operator is given.
type Options struct {
	// Scheme has the Line and Kubernetes' own kinds.
	Scheme *runtime.Scheme
	// Namespace is the only one that the operator looks at. The lease is in it, too.
	Namespace string
	// LeaseDuration, RenewDeadline and RetryPeriod are the election's.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
	// Exchange rents the numbers.
	Exchange *exchange.Client
	// Gate says which features are on. It is asked when something is done, since it may change.
	Gate featuregate.FeatureGate
	// Registry takes the metrics.
	Registry prometheus.Registerer
	// Webhook says where the webhook is served, and with which certificate.
	Webhook webhook.Options
	// Logger is the manager's.
	Logger logr.Logger
}

// Run runs a copy of the operator until ctx ends; that is no error. It is one when something cannot be put together, and when
// this copy has led, and does not any more: the program ends then, and comes back as a candidate.
//
//   - All copies in a namespace stand for the lease [api.Lease]. Only the one that holds it reconciles. One that is asked to end gives the lease back when
//     its work is over, so that the next one need not wait.
//   - All copies serve the webhook, as o.Webhook says: an API server may call any of them.
//   - It looks at o.Namespace and nothing else, and serves neither metrics nor probes: that is for whoever has the registry.
//   - Its controller's name need not be unique in the process (SkipNameValidation).
func Run(ctx context.Context, cfg *rest.Config, o Options) error {
	// kata:begin The metrics; a manager with election, webhook server, and a cache of one namespace; the reconciler; the webhook; start.
	metrics, err := NewMetrics(o.Registry)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                        o.Scheme,
		Logger:                        o.Logger,
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{o.Namespace: {}}},
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:        "0",
		WebhookServer:                 webhook.NewServer(o.Webhook),
		Controller:                    config.Controller{SkipNameValidation: ptr.To(true)},
		LeaderElection:                true,
		LeaderElectionID:              api.Lease,
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &o.LeaseDuration,
		RenewDeadline:                 &o.RenewDeadline,
		RetryPeriod:                   &o.RetryPeriod,
	})
	if err != nil {
		return fmt.Errorf("make a manager: %w", err)
	}
	r := &Reconciler{Client: mgr.GetClient(), Exchange: o.Exchange, Gate: o.Gate, Metrics: metrics}
	if err := r.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("set the reconciler up: %w", err)
	}
	err = ctrl.NewWebhookManagedBy(mgr, &api.Line{}).WithDefaulter(Defaulter{}).WithValidator(Validator{Gate: o.Gate}).Complete()
	if err != nil {
		return fmt.Errorf("set the webhook up: %w", err)
	}
	return mgr.Start(ctx)
	// kata:end
}
