package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	finalizeroperator "github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/api"
	"github.com/kubekata/kubekata/katas/stage3/08-finalizer-operator/bucket"
)

// operator runs the learner's controller until ctx ends.
func (s *stage) operator(ctx context.Context) error {
	again := true // the program starts it twice
	mgr, err := ctrl.NewManager(s.config, ctrl.Options{
		Scheme:     s.scheme,
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{s.namespace: {}}},
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: &again},
	})
	if err != nil {
		return err
	}
	r := &finalizeroperator.Reconciler{Storage: bucket.NewClient(s.url, &http.Client{Timeout: 5 * time.Second})}
	if err := r.SetupWithManager(mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// start runs the operator, and returns what ends it and waits for its end. The context that it returns ends with the operator.
func (s *stage) start(ctx context.Context) (running context.Context, end func() error) {
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- s.operator(running)
	}()
	return running, sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// play lets a deletion get stuck, twice, and shows the two ways out.
func (s *stage) play(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	run, end := s.start(ctx)
	defer func() { err = errors.Join(err, end()) }()

	s.say("a Bucket of 10")
	if err := s.client.Create(ctx, s.bucket()); err != nil {
		return err
	}
	if err := s.until(run, api.ReasonProvisioned, 1); err != nil {
		return err
	}
	s.say("3 objects are put into the bucket; somebody wants 20")
	s.service.Fill("ada", 3)
	if err := s.change(ctx, `{"spec":{"quota":20}}`); err != nil {
		return err
	}
	if err := s.until(run, api.ReasonProvisioned, 2); err != nil {
		return err
	}
	s.say("somebody deletes the Bucket")
	if err := s.client.Delete(ctx, s.bucket()); err != nil {
		return err
	}
	if err := s.until(run, api.ReasonNotEmpty, 3); err != nil {
		return err
	}
	s.say("the service has a bad day; somebody sets spec.force")
	s.service.Fail(bucket.OpDelete, -1, "the disk is on fire")
	if err := s.change(ctx, `{"spec":{"force":true}}`); err != nil {
		return err
	}
	if err := s.until(run, api.ReasonCleanupFailed, 4); err != nil {
		return err
	}
	if err := s.events(ctx); err != nil {
		return err
	}
	if err := end(); err != nil {
		return err
	}
	s.say("the operator has ended; the fire is out")
	s.service.Mend()
	s.say("the operator starts again")
	run, again := s.start(ctx)
	defer func() { err = errors.Join(err, again()) }()
	return s.until(run, "", 0)
}

func (s *stage) change(ctx context.Context, patch string) error {
	return s.client.Patch(ctx, s.bucket(), client.RawPatch("application/merge-patch+json", []byte(patch)))
}

// until shows the Bucket and the service's bucket whenever they change, until the condition has a reason for a generation; with no
// reason, until the Bucket is gone.
func (s *stage) until(ctx context.Context, reason string, generation int64) error {
	shown := ""
	return s.poll(ctx, func(ctx context.Context) (bool, error) {
		b := &api.Bucket{}
		err := s.client.Get(ctx, s.key(), b)
		if apierrors.IsNotFound(err) {
			s.say("  gone; the service has %v", s.service.Buckets())
			if reason != "" {
				return false, errors.New("the Bucket is gone, and ought not to be")
			}
			return true, nil
		}
		if err != nil {
			return false, err
		}
		line, done := "no condition", false
		if c := meta.FindStatusCondition(b.Status.Conditions, api.Ready); c != nil {
			line = fmt.Sprintf("Ready=%-5s %-13s generation %d of %d", c.Status, c.Reason, c.ObservedGeneration, b.Generation)
			done = c.Reason == reason && c.ObservedGeneration == generation
		}
		line += fmt.Sprintf("  finalizers %v", b.Finalizers)
		if line != shown {
			shown = line
			s.say("  %s", line)
		}
		return done, nil
	})
}

// events shows what kubectl describe would.
func (s *stage) events(ctx context.Context) error {
	var list eventsv1.EventList
	return s.poll(ctx, func(ctx context.Context) (bool, error) {
		if err := s.client.List(ctx, &list, client.InNamespace(s.namespace)); err != nil {
			return false, err
		}
		seen := false
		for _, e := range list.Items {
			seen = seen || e.Regarding.Kind == "Bucket" && e.Reason == api.ReasonCleanupFailed && e.EventTime.After(s.begun)
		}
		if !seen {
			return false, nil
		}
		for _, e := range list.Items {
			if e.Regarding.Kind == "Bucket" && e.EventTime.After(s.begun) {
				s.say("  event: %s %s: %s", e.Type, e.Reason, e.Note)
			}
		}
		return true, nil
	})
}

func (s *stage) poll(ctx context.Context, done wait.ConditionWithContextFunc) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, done)
}
