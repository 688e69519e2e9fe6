package harness

import (
	"fmt"
	"regexp"
	"runtime"
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
		_, stacks, _ := strings.Cut(err.Error(), "\n")
		left := withoutDescendants(strings.Trim(stacks, "[]"), allStacks())
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("goroutines are still running %v after the spec: whatever starts one ends it, and waits for that\n%s", leakBound, strings.Join(left, "\n"))
		}
	}
}

// watcher is a function whose goroutine is no leak, and starts others. On a loaded machine it may do so only after goleak has
// been told which goroutines there are; goleak cannot be told to ignore a goroutine by who has created it.
const watcher = "k8s.io/client-go/transport.(*dynamicClientCert).run"

var (
	goroutine = regexp.MustCompile(`(?m)^\s*Goroutine (\d+) in state `)
	header    = regexp.MustCompile(`^goroutine (\d+) `)
	creator   = regexp.MustCompile(`(?m)^created by (\S+)(?: in goroutine (\d+))?`)
)

// allStacks are the stacks of all goroutines, as the runtime prints them: goleak's are only those that it reports, and a
// goroutine that was there before may have started one that was not.
func allStacks() string {
	buf := make([]byte, 4<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// withoutDescendants splits goleak's stacks, and leaves out the goroutines that the watcher has started, and theirs. Who has
// started whom is looked up in all stacks.
func withoutDescendants(stacks, everybody string) []string {
	starts := goroutine.FindAllStringSubmatchIndex(stacks, -1)
	all := make(map[string]string, len(starts)) // by the goroutine's number
	var order []string
	parents := map[string][2]string{} // by the goroutine's number: the function that has created it, and on which goroutine
	for stack := range strings.SplitSeq(everybody, "\n\n") {
		id, by := header.FindStringSubmatch(stack), creator.FindStringSubmatch(stack)
		if id != nil && by != nil {
			parents[id[1]] = [2]string{by[1], by[2]}
		}
	}
	for i, at := range starts {
		end := len(stacks)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		id := stacks[at[2]:at[3]]
		all[id] = strings.Trim(stacks[at[0]:end], " \n")
		order = append(order, id)
		if by := creator.FindStringSubmatch(all[id]); by != nil {
			parents[id] = [2]string{by[1], by[2]}
		}
	}
	watched := func(id string) bool {
		for range parents { // a chain is no longer than there are goroutines
			by, ok := parents[id]
			if !ok {
				return false
			}
			if by[0] == watcher {
				return true
			}
			id = by[1]
		}
		return false
	}
	var left []string
	for _, id := range order {
		if !watched(id) {
			left = append(left, all[id])
		}
	}
	return left
}
