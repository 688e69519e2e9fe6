// Command cached-discovery finds resources by their names on the lab, with a cache in memory and on disk, and counts what that
// costs: make run KATA=cached-discovery.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/harness/loopback"
	cacheddiscovery "github.com/kubekata/kubekata/katas/stage1/06-cached-discovery"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "arguments: names of resources, as kubectl takes them")
	}
	flag.Parse()
	names := flag.Args()
	if len(names) == 0 {
		names = []string{"po", "deploy", "hpa.autoscaling", "pod", "deployments.v1.apps"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, names); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cached-discovery-")
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.RemoveAll(dir); err == nil {
			err = removeErr
		}
	}()
	var requests atomic.Int64
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counter{&requests, next} })
	onDisk := func(config *rest.Config) (discovery.CachedDiscoveryInterfaceWithContext, error) {
		return cacheddiscovery.Disk(config, dir, 6*time.Hour)
	}
	for _, cache := range []struct {
		name string
		make func(*rest.Config) (discovery.CachedDiscoveryInterfaceWithContext, error)
	}{{"memory", cacheddiscovery.Memory}, {"disk, empty", onDisk}, {"disk, the next program", onDisk}} {
		client, err := cache.make(config)
		if err != nil {
			return err
		}
		fmt.Println(cache.name)
		if err := find(ctx, cacheddiscovery.NewMapper(client), &requests, names); err != nil {
			return err
		}
	}
	return nil
}

// find prints what each name means, and how many requests it took to know.
func find(ctx context.Context, mapper *cacheddiscovery.Mapper, requests *atomic.Int64, names []string) error {
	for _, name := range names {
		before := requests.Load()
		gvr, err := mapper.ForName(ctx, name)
		if err != nil {
			return err
		}
		fmt.Printf("  %-20s %-50s %d requests\n", name, gvr.GroupVersion().String()+" "+gvr.Resource, requests.Load()-before)
	}
	return nil
}

// counter counts requests.
type counter struct {
	n    *atomic.Int64
	next http.RoundTripper
}

func (c counter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.RoundTrip(req)
}
