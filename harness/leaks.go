package harness

import (
	"fmt"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	"go.uber.org/goleak"
)

// leakBound is how long a goroutine may take to end after the spec's clean-ups.
const leakBound = 5 * time.Second

// notLeaks are functions of goroutines that a spec may leave behind: an idle connection belongs to its transport, which
// keeps it for the next request, so does the goroutine that watches its certificate, and Ginkgo and this package run the check itself in goroutines.
var notLeaks = []string{
	"k8s.io/client-go/transport.(*dynamicClientCert).run",
	"k8s.io/client-go/transport.(*dynamicClientCert).runWorker",
	"net/http.(*persistConn).readLoop",
	"net/http.(*persistConn).writeLoop",
	"net/http.(*http2clientConnReadLoop).run",
	"net/http/internal/http2.(*clientConnReadLoop).run",
	"golang.org/x/net/http2.(*clientConnReadLoop).run",
	"github.com/kubekata/kubekata/harness.bounded",
	"github.com/onsi/ginkgo/v2/internal.(*Suite).runNode",
}

// NoLeaks fails a spec that leaves goroutines behind, with their stacks: a controller that was not stopped goes on reading
// and writing while the next specs run. Call it once, as the first variable of the package, so that its check comes after
// every other clean-up:
//
//	var _ = harness.NoLeaks()
//
// A goroutine has five seconds to end after the spec's last clean-up. One that was reported is not reported again by the
// specs that follow.
func NoLeaks() bool {
	return ginkgo.BeforeEach(func() {
		options := []goleak.Option{goleak.IgnoreCurrent()}
		for _, f := range notLeaks {
			options = append(options, goleak.IgnoreAnyFunction(f))
		}
		ginkgo.DeferCleanup(func() {
			if ginkgo.CurrentSpecReport().Failed() {
				return // one thing at a time: what went wrong first explains what is left behind
			}
			if err := leaks(time.Now().Add(leakBound), options); err != nil {
				ginkgo.Fail(err.Error())
			}
		})
	})
}

// leaks looks until nothing is left or the time is over; goleak itself looks for under half a second.
func leaks(until time.Time, options []goleak.Option) error {
	for {
		err := goleak.Find(options...)
		if err == nil {
			return nil
		}
		if time.Now().After(until) {
			_, stacks, _ := strings.Cut(err.Error(), "\n")
			return fmt.Errorf("goroutines are still running %v after the spec: whatever starts one ends it, and waits for that\n%s", leakBound, strings.Trim(stacks, "[]"))
		}
	}
}
