package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/onsi/ginkgo/v2"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/ephemeral"
	"github.com/kubekata/kubekata/harness/loopback"
)

// startTimeout is far above the two or three seconds that it takes: two suites may compile and start at once.
const startTimeout = 60 * time.Second

// startEnvtest starts etcd and kube-apiserver for this process. They end with the suite; should the process die, the
// runner or the next suite ends them.
func (c *Cluster) startEnvtest(stock bool) {
	paths, err := binaries.Find(root(), binaries.API())
	stop(err)
	stop(ephemeral.Sweep())
	dir, done, err := ephemeral.New()
	stop(err)
	ginkgo.DeferCleanup(done)

	env := &envtest.Environment{
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  startTimeout,
	}
	etcd := &envtest.Etcd{Path: paths[binaries.Etcd.Name], DataDir: filepath.Join(dir, "etcd")}
	if !stock {
		// The store need not survive a power cut, and it has no peers to be patient with.
		etcd.Configure().Set("unsafe-no-fsync", "true").Set("heartbeat-interval", "10").Set("election-timeout", "100")
	}
	env.ControlPlane.Etcd = etcd
	server := env.ControlPlane.GetAPIServer()
	server.Path = paths[binaries.APIServer.Name]
	server.CertDir = filepath.Join(dir, "apiserver")
	for _, d := range []string{etcd.DataDir, server.CertDir} {
		stop(os.MkdirAll(d, 0o700))
	}
	config, err := env.Start()
	if err != nil {
		stop(errors.Join(err, env.Stop()))
	}
	ginkgo.DeferCleanup(env.Stop)
	stop(loopback.Check(config.Host))

	c.kubeconfig = filepath.Join(dir, "kubeconfig")
	stop(os.WriteFile(c.kubeconfig, env.KubeConfig, 0o600))
	c.use(config)
	c.makeNamespaces()
}
