// Command look shows objects of the lab, or of files, with the kata's code: make run KATA=cli-runtime ARGS='pods -A -o name'.
package main

import (
	"fmt"
	"os"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"github.com/kubekata/kubekata/harness/loopback"
	cliruntime "github.com/kubekata/kubekata/katas/stage1/13-cli-runtime"
)

func main() {
	// make run sets KUBECONFIG to the lab's, and KUBECACHEDIR, where discovery is kept. Without the former, ConfigFlags would
	// take ~/.kube/config.
	if os.Getenv("KUBECONFIG") == "" {
		fail("KUBECONFIG is not set (start it with make run)")
	}
	// Whatever KUBECONFIG or a flag may name, this program stays on this machine.
	config := genericclioptions.NewConfigFlags(true).WithWrapConfigFn(func(c *rest.Config) *rest.Config {
		if err := loopback.Check(c.Host); err != nil {
			fail(err)
		}
		return c
	})
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	if err := cliruntime.New(config, streams).Execute(); err != nil {
		os.Exit(1) // the command has said why
	}
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, "error:", why)
	os.Exit(1)
}
