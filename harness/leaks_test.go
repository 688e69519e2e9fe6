package harness

import (
	"strings"
	"testing"
)

// What goleak has printed on a loaded machine, when the certificate's watcher started its goroutines after the spec's beginning.
const stacks = `Goroutine 40 in state select, with k8s.io/apimachinery/pkg/util/wait.waitForWithContext on top of the stack:
k8s.io/apimachinery/pkg/util/wait.waitForWithContext({0x2869e28, 0x13dd042a47e0}, 0x13dd04178f50, 0x13dd04178f98)
	wait/wait.go:210 +0xd3
created by k8s.io/client-go/transport.(*dynamicClientCert).run in goroutine 27
	transport/cert_rotation.go:146 +0x29a
 Goroutine 41 in state select, with k8s.io/apimachinery/pkg/util/wait.PollImmediateUntilWithContext.poller.func1.1 on top of the stack:
k8s.io/apimachinery/pkg/util/wait.PollImmediateUntilWithContext.poller.func1.1()
	wait/poll.go:300 +0x11
created by k8s.io/apimachinery/pkg/util/wait.PollImmediateUntilWithContext.poller.func1 in goroutine 40
	wait/poll.go:290 +0x91
`

const leaked = ` Goroutine 52 in state chan receive, with example.Run.func1 on top of the stack:
example.Run.func1()
	example/run.go:7 +0x11
created by example.Run in goroutine 50
	example/run.go:6 +0x91
`

// between is what the runtime prints of goroutine 40, and of its neighbours.
const between = `goroutine 7 [running]:
main.main()
	main.go:1 +0x1

goroutine 40 [select]:
k8s.io/apimachinery/pkg/util/wait.waitForWithContext({0x2869e28, 0x13dd042a47e0}, 0x13dd04178f50, 0x13dd04178f98)
	wait/wait.go:210 +0xd3
created by k8s.io/client-go/transport.(*dynamicClientCert).run in goroutine 27
	transport/cert_rotation.go:146 +0x29a
`

func TestWithoutDescendants(t *testing.T) {
	if got := withoutDescendants(stacks, ""); len(got) != 0 {
		t.Errorf("the watcher's goroutines are reported: %q", got)
	}
	// The one between was there before the spec, so that goleak does not report it.
	_, poller, _ := strings.Cut(stacks, "\n Goroutine 41")
	if got := withoutDescendants("Goroutine 41"+poller, between); len(got) != 0 {
		t.Errorf("the watcher's grandchild is reported: %q", got)
	}
	got := withoutDescendants(stacks+leaked, between)
	if len(got) != 1 || got[0] != leaked[1:len(leaked)-1] {
		t.Errorf("got %q, want the leaked goroutine alone", got)
	}
}
