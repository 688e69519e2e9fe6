package credentialplugin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	kata "github.com/kubekata/kubekata/katas/stage6/07-credential-plugin"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = harness.NoLeaks()

var api = cluster.API()

func TestCredentialPlugin(t *testing.T) {
	if os.Getenv(asPlugin) != "" { // client-go has started this binary: see plugin_test.go
		os.Exit(beThePlugin())
	}
	harness.RunSpecs(t, "Stage 6 · 07-credential-plugin")
}

const (
	v1      = "client.authentication.k8s.io/v1"
	v1beta1 = "client.authentication.k8s.io/v1beta1"
	server  = "https://kitchen.example:6443"
)

// noon is when the specs are.
var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// info is what client-go puts into KUBERNETES_EXEC_INFO.
func info(apiVersion, server string, interactive bool) string {
	spec := map[string]any{"interactive": interactive}
	if server != "" {
		spec["cluster"] = map[string]any{"server": server}
	}
	data, err := json.Marshal(map[string]any{"kind": "ExecCredential", "apiVersion": apiVersion, "spec": spec})
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

// answer parses what a plugin has written: one JSON document and nothing else.
func answer(out *bytes.Buffer) map[string]any {
	GinkgoHelper()
	var got map[string]any
	Expect(json.Unmarshal(out.Bytes(), &got)).To(Succeed(), "the answer is JSON: %q", out)
	return got
}

var _ = Describe("ParseRequest", func() {
	for _, version := range []string{v1, v1beta1} {
		It("reads a request in "+version, func(ctx SpecContext) {
			got, err := kata.ParseRequest(info(version, server, false))
			Expect(err).NotTo(HaveOccurred())
			Expect(got).To(HaveValue(Equal(kata.Request{APIVersion: version, Server: server})), "the request that client-go has made")
		})

		It("sees in "+version+" that somebody can be asked", func(ctx SpecContext) {
			got, err := kata.ParseRequest(info(version, server, true))
			Expect(err).NotTo(HaveOccurred())
			Expect(got).To(HaveField("Interactive", true), "the request, whose spec.interactive is true")
		})

		It("refuses a request in "+version+" that names no cluster", func(ctx SpecContext) {
			_, err := kata.ParseRequest(info(version, "", false))
			Expect(err).To(MatchError(kata.ErrNoCluster), "a request of a kubeconfig without provideClusterInfo")
		})
	}

	It("says that nobody has asked when there is no request", func(ctx SpecContext) {
		_, err := kata.ParseRequest("")
		Expect(err).To(MatchError(kata.ErrNotAPlugin))
	})

	DescribeTable("refuses", func(text string, quoted ...string) {
		_, err := kata.ParseRequest(text)
		Expect(err).To(MatchError(And(ContainSubstring(quoted[0]), ContainSubstring(quoted[len(quoted)-1]))), "the request %s: the error quotes apiVersion and kind", text)
		Expect(err).NotTo(MatchError(kata.ErrNoCluster), "the request %s", text)
	},
		Entry("a version that it does not speak", info("client.authentication.k8s.io/v1alpha1", server, false), "client.authentication.k8s.io/v1alpha1", "ExecCredential"),
		Entry("a version that it does not speak, without a cluster", info("client.authentication.k8s.io/v2", "", false), "client.authentication.k8s.io/v2", "ExecCredential"),
		Entry("another group", info("v1", server, false), `"v1"`, "ExecCredential"),
		Entry("another kind", fmt.Sprintf(`{"apiVersion":%q,"kind":"Cluster","server":%q}`, v1, server), v1, "Cluster"),
	)

	It("refuses what is no JSON", func(ctx SpecContext) {
		_, err := kata.ParseRequest("token please")
		Expect(err).To(MatchError(ContainSubstring("invalid character")), "the parser's own error is in it")
	})
})

var _ = Describe("Write", func() {
	write := func(version string, t kata.Token) map[string]any {
		GinkgoHelper()
		var out bytes.Buffer
		Expect((&kata.Request{APIVersion: version, Server: server}).Write(&out, t)).To(Succeed())
		return answer(&out)
	}

	for _, version := range []string{v1, v1beta1} {
		It("answers in "+version+" when it was asked in that", func(ctx SpecContext) {
			got := write(version, kata.Token{Value: "open-sesame"})
			Expect(got).To(And(HaveKeyWithValue("apiVersion", version), HaveKeyWithValue("kind", "ExecCredential")), "the answer")
		})

		It("puts token and expiry into the status, in "+version, func(ctx SpecContext) {
			got := write(version, kata.Token{Value: "open-sesame", Expires: noon})
			Expect(got).To(HaveKeyWithValue("status", map[string]any{"token": "open-sesame", "expirationTimestamp": "2026-11-02T12:00:00Z"}), "the answer")
		})
	}

	It("leaves the expiry out when there is none", func(ctx SpecContext) {
		Expect(write(v1, kata.Token{Value: "open-sesame"})).To(HaveKeyWithValue("status", map[string]any{"token": "open-sesame"}), "the answer")
	})

	It("refuses a token without a value, and writes nothing", func(ctx SpecContext) {
		var out bytes.Buffer
		err := (&kata.Request{APIVersion: v1, Server: server}).Write(&out, kata.Token{Expires: noon})
		Expect(err).To(MatchError(And(ContainSubstring("token"), Not(ContainSubstring("not implemented")))))
		Expect(out.String()).To(BeEmpty(), "what was written")
	})

	It("writes the answer in one piece", func(ctx SpecContext) {
		var out pieces
		Expect((&kata.Request{APIVersion: v1, Server: server}).Write(&out, kata.Token{Value: "open-sesame"})).To(Succeed())
		Expect(out).To(HaveLen(1), "the pieces in which the answer was written")
	})

	It("says when the answer could not be written", func(ctx SpecContext) {
		err := (&kata.Request{APIVersion: v1, Server: server}).Write(full{}, kata.Token{Value: "open-sesame"})
		Expect(err).To(MatchError(os.ErrClosed), "the writer's own error is in it")
	})
})

// pieces are what was written, each time.
type pieces []string

func (p *pieces) Write(data []byte) (int, error) {
	*p = append(*p, string(data))
	return len(data), nil
}

// full is a pipe that nobody reads any longer.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

// plugin is one of nonna's, with a cache of its own and a clock that stands at noon. Login hands out what the spec says, and counts.
type plugin struct {
	kata.Plugin
	clock  *clocktesting.FakePassiveClock
	log    bytes.Buffer
	logins []string
}

func newPlugin(login func() (kata.Token, error)) *plugin {
	GinkgoHelper()
	p := &plugin{clock: clocktesting.NewFakePassiveClock(noon)}
	p.Plugin = kata.Plugin{
		User:  "nonna",
		Cache: &kata.Cache{Dir: folder(), Clock: p.clock},
		Login: func(_ context.Context, user string, r *kata.Request) (kata.Token, error) {
			p.logins = append(p.logins, user+" at "+r.Server)
			return login()
		},
		Log: &p.log,
	}
	return p
}

// ask runs the plugin, and returns the token.
func (p *plugin) ask(ctx context.Context, server string) string {
	GinkgoHelper()
	var out bytes.Buffer
	Expect(p.Run(ctx, info(v1, server, false), &out)).To(Succeed(), "Run for %s at %s", p.User, server)
	status, _ := answer(&out)["status"].(map[string]any)
	token, _ := status["token"].(string)
	return token
}

// numbered hands out another token each time, each good for a quarter of an hour from noon.
func numbered() func() (kata.Token, error) {
	n := 0
	return func() (kata.Token, error) {
		n++
		return kata.Token{Value: fmt.Sprintf("token-%d", n), Expires: noon.Add(15 * time.Minute)}, nil
	}
}
