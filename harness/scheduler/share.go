package scheduler

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/onsi/ginkgo/v2"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"github.com/kubekata/kubekata/harness/cluster"
)

// Shared is one kube-scheduler for all specs of a suite. Its extenders are answered by the [World] of the pod in question.
type Shared struct {
	// Name is the schedulerName of its pods, which no other scheduler on the lab has.
	Name string

	api       *cluster.Cluster
	configure func(*configv1.KubeSchedulerConfiguration)
	server    *server
	launched  chan *Process

	mu       sync.Mutex
	starting *starting
}

// Share registers a scheduler of the suite, which starts when the first spec calls [Shared.World], and ends after the suite. Call it at the level of
// the package, once for each configuration.
//
// configure changes a configuration that has one profile with the defaults, and no extenders. An extender whose urlPrefix is empty, or only a path like
// /cached, gets the harness's URL before it: the learner's handler sees /filter, or /cached/filter. What is asked about a pod goes to the handler of its namespace's
// World.
func Share(api *cluster.Cluster, configure func(*configv1.KubeSchedulerConfiguration)) *Shared {
	s := &Shared{Name: "kata-" + random(), api: api, configure: configure, launched: make(chan *Process)}
	s.server = serve()
	// Goroutines from before the first spec are nobody's leaks.
	go func() {
		for p := range s.launched {
			p.wait()
		}
	}()
	ginkgo.ReportAfterSuite("the schedulers end", func(ginkgo.Report) { s.end() })
	return s
}

// Own starts a scheduler for the running spec alone, which ends with it: for specs whose subject is the configuration. write returns it, as YAML, for a schedulerName that no
// other scheduler on the lab has, and for the URL of the harness's server, at which the World's handler is asked. What [Start] fills in is filled in, and an extender for probes
// comes before the others; the rest stays as it is. A configuration that the scheduler refuses fails the spec.
func Own(ctx context.Context, api *cluster.Cluster, write func(name, url string) []byte) *Shared {
	ginkgo.GinkgoHelper()
	s := &Shared{Name: "kata-" + random(), api: api, server: serve()}
	ginkgo.DeferCleanup(s.server.close)
	if s.server.err != nil {
		ginkgo.Fail(s.server.err.Error())
	}
	s.starting = &starting{process: Start(ctx, api, withProbe(write(s.Name, s.server.url), s.server.url)), ready: true}
	return s
}

func random() string {
	b := make([]byte, 4)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand does not fail
	}
	return hex.EncodeToString(b)
}

// Up starts the scheduler where it does not run yet, and waits for it, which World does as well. Called in a BeforeEach, it has that node's time, and the spec has all of its own.
func (s *Shared) Up(ctx context.Context) {
	ginkgo.GinkgoHelper()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.wait(ctx)
	if _, refused := errors.AsType[*RefusedError](err); refused {
		ginkgo.Fail("start the suite's scheduler: " + err.Error())
	}
	// On a machine that does a lot else it may take longer. World waits once more.
}

// up returns the process, after starting it where there is none. One that has ended is not replaced: that is a finding.
func (s *Shared) up(ctx context.Context) *Process {
	ginkgo.GinkgoHelper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.wait(ctx); err != nil {
		ginkgo.Fail("start the suite's scheduler: " + err.Error())
	}
	return s.starting.process
}

func (s *Shared) wait(ctx context.Context) error {
	if s.starting == nil {
		config, err := Encode(s.configuration())
		if err != nil {
			return err
		}
		s.starting = &starting{kubeconfig: s.api.Kubeconfig(), config: config, reap: func(p *Process) { s.launched <- p }}
	}
	return s.starting.wait(ctx)
}

// configuration is the suite's, with an extender before the others that only probes are sent to: see [World.Sync].
func (s *Shared) configuration() *configv1.KubeSchedulerConfiguration {
	config := &configv1.KubeSchedulerConfiguration{
		// A pod that was refused is tried again at the next event, for which it waits a second at most while others are tried.
		PodInitialBackoffSeconds: new(int64(1)), PodMaxBackoffSeconds: new(int64(1)),
		Profiles: []configv1.KubeSchedulerProfile{{SchedulerName: new(s.Name)}},
	}
	if s.configure != nil {
		s.configure(config)
	}
	for i, e := range config.Extenders {
		if e.URLPrefix == "" || e.URLPrefix[0] == '/' {
			config.Extenders[i].URLPrefix = s.server.url + e.URLPrefix
		}
	}
	config.Extenders = append([]configv1.Extender{probeExtender(s.server.url)}, config.Extenders...)
	return config
}

func (s *Shared) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting != nil && s.starting.process != nil {
		if err := s.starting.process.Stop(); err != nil {
			ginkgo.Fail("end the suite's scheduler: " + err.Error())
		}
	}
	close(s.launched)
	s.server.close()
}

// URL is where the suite's extenders are reached, without a slash at the end.
func (s *Shared) URL() string { return s.server.url }

// String is for failure messages.
func (s *Shared) String() string { return fmt.Sprintf("scheduler %s", s.Name) }
