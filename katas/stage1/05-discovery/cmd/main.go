// Command discovery prints what the lab's API server serves, as a table: make run KATA=discovery.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"k8s.io/client-go/discovery"

	"github.com/kubekata/kubekata/harness/loopback"
	discover "github.com/kubekata/kubekata/katas/stage1/05-discovery"
)

// every stands for all groups, because the empty one is the core group.
const every = "*"

func main() {
	group := flag.String("group", every, "print the resources of this group alone; empty is the core group")
	kind := flag.String("kind", "", "print the resources of this kind instead, and whether they can do -verb")
	verb := flag.String("verb", "watch", "the verb that -kind asks about")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *group, *kind, *verb); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, group, kind, verb string) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	if kind != "" {
		return who(ctx, os.Stdout, client, kind, verb)
	}
	return table(ctx, os.Stdout, client, group)
}

// table prints the preferred resources of a group. What it could not find out it says at the end, as kubectl does.
func table(ctx context.Context, out io.Writer, client discovery.DiscoveryInterfaceWithContext, group string) error {
	groups, err := discover.Groups(ctx, client)
	if err != nil {
		return err
	}
	resources, partial := discover.Preferred(ctx, client)
	if len(resources) == 0 {
		return partial
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RESOURCE\tGROUP/VERSION\tKIND\tNAMESPACED\tVERBS")
	for _, r := range resources {
		if group == every || group == r.Group {
			fmt.Fprintf(w, "%s\t%s\t%s\t%t\t%s\n", r.Resource, r.GroupVersion(), r.Kind, r.Namespaced, strings.Join(r.Verbs, ","))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe server has %d resources in %d groups.\n", len(resources), len(groups))
	return partial
}

// who prints the resources of a kind.
func who(ctx context.Context, out io.Writer, client discovery.DiscoveryInterfaceWithContext, kind, verb string) error {
	found, err := discover.ForKind(ctx, client, kind)
	if err != nil {
		return err
	}
	for _, gvr := range found {
		ok, err := discover.Supports(ctx, client, gvr, verb)
		if err != nil {
			return err
		}
		answer := "no"
		if ok {
			answer = "yes"
		}
		fmt.Fprintf(out, "%s in %s: %s? %s\n", gvr.Resource, gvr.GroupVersion(), verb, answer)
	}
	return nil
}
