package credentialplugin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"

	kata "github.com/kubekata/kubekata/katas/stage6/07-credential-plugin"
)

var _ = Describe("Run", func() {
	It("logs in, and answers with the token", func(ctx SpecContext) {
		p := newPlugin(numbered())
		Expect(p.ask(ctx, server)).To(Equal("token-1"), "the token")
		Expect(p.logins).To(ConsistOf("nonna at "+server), "who was logged in where")
	})

	It("answers in the version that was asked for", func(ctx SpecContext) {
		p, out := newPlugin(numbered()), new(bytes.Buffer)
		Expect(p.Run(ctx, info(v1beta1, server, false), out)).To(Succeed())
		Expect(answer(out)).To(HaveKeyWithValue("apiVersion", v1beta1), "the answer to a request in %s", v1beta1)
	})

	It("tells client-go when the token expires, whether it is new or was kept", func(ctx SpecContext) {
		p := newPlugin(numbered())
		for range 2 {
			out := new(bytes.Buffer)
			Expect(p.Run(ctx, info(v1, server, false), out)).To(Succeed())
			Expect(answer(out)).To(HaveKeyWithValue("status", HaveKeyWithValue("expirationTimestamp", "2026-11-02T12:15:00Z")), "the answer")
		}
	})

	It("logs in once as long as the token is good", func(ctx SpecContext) {
		p := newPlugin(numbered())
		Expect(p.ask(ctx, server)).To(Equal("token-1"), "the first token")
		p.clock.SetTime(noon.Add(10 * time.Minute))
		Expect(p.ask(ctx, server)).To(Equal("token-1"), "the token five minutes before it expires")
		Expect(p.logins).To(HaveLen(1), "the logins")
	})

	It("logs in again when it is not", func(ctx SpecContext) {
		tokens := numbered()
		var p *plugin
		p = newPlugin(func() (kata.Token, error) {
			t, err := tokens()
			t.Expires = p.clock.Now().Add(15 * time.Minute)
			return t, err
		})
		Expect(p.ask(ctx, server)).To(Equal("token-1"), "the first token")
		p.clock.SetTime(noon.Add(15 * time.Minute))
		Expect(p.ask(ctx, server)).To(Equal("token-2"), "the token when the first has expired")
		Expect(p.ask(ctx, server)).To(Equal("token-2"), "the token after that, which was kept")
	})

	It("takes no token to another server", func(ctx SpecContext) {
		p := newPlugin(numbered())
		Expect(p.ask(ctx, server)).To(Equal("token-1"), "the token for %s", server)
		Expect(p.ask(ctx, "https://harbour.example:6443")).To(Equal("token-2"), "the token for another server")
	})

	It("hands no token to another user", func(ctx SpecContext) {
		p := newPlugin(numbered())
		Expect(p.ask(ctx, server)).To(Equal("token-1"), "nonna's token")
		p.User = "nonno"
		Expect(p.ask(ctx, server)).To(Equal("token-2"), "nonno's token, with the same cache")
	})

	It("is not confused by a user with a server's name", func(ctx SpecContext) {
		p := newPlugin(numbered())
		p.User = "nonna https://a"
		Expect(p.ask(ctx, "https://b")).To(Equal("token-1"))
		for i, other := range [][2]string{{"nonna", "https://a https://b"}, {"nonna https://a ", "https://b"}, {"nonna https://ahttps", "://b"}} {
			p.User = other[0]
			Expect(p.ask(ctx, other[1])).To(Equal(fmt.Sprint("token-", i+2)), "the token of %q at %q", other[0], other[1])
		}
	})

	It("answers although the token could not be kept, and says so on the log", func(ctx SpecContext) {
		p := newPlugin(numbered())
		Expect(os.MkdirAll(filepath.Dir(p.Cache.Dir), 0o700)).To(Succeed())
		Expect(os.WriteFile(p.Cache.Dir, nil, 0o600)).To(Succeed()) // a file where the folder should be
		Expect(p.ask(ctx, server)).To(Equal("token-1"), "the token")
		Expect(p.log.String()).To(MatchRegexp(`^[^\n]+\n$`), "the log: one line")
	})

	It("says nothing on the log when all is well", func(ctx SpecContext) {
		p := newPlugin(numbered())
		p.ask(ctx, server)
		p.ask(ctx, server)
		Expect(p.log.String()).To(BeEmpty(), "the log")
	})

	DescribeTable("writes nothing but an error when", func(login func() (kata.Token, error), request string, because any) {
		p, out := newPlugin(login), new(bytes.Buffer)
		Expect(p.Run(context.Background(), request, out)).To(MatchError(because))
		Expect(out.String()).To(BeEmpty(), "what client-go would read")
		if _, err := os.Stat(p.Cache.Dir); err == nil {
			Expect(inside(p.Cache.Dir)).To(BeEmpty(), "what was kept")
		}
	},
		Entry("the login fails", func() (kata.Token, error) { return kata.Token{}, io.ErrUnexpectedEOF }, info(v1, server, false), io.ErrUnexpectedEOF),
		Entry("the login gives no token", func() (kata.Token, error) { return kata.Token{Expires: noon.Add(time.Hour)}, nil }, info(v1, server, false),
			And(ContainSubstring("token"), Not(ContainSubstring("not implemented")))),
		Entry("the token is good for a minute only", func() (kata.Token, error) { return kata.Token{Value: "t", Expires: noon.Add(time.Minute)}, nil },
			info(v1, server, false), ContainSubstring("expire")),
		Entry("nobody has asked", numbered(), "", kata.ErrNotAPlugin),
		Entry("no cluster is named", numbered(), info(v1, "", false), kata.ErrNoCluster),
	)

	It("hands on a token that does not expire", func(ctx SpecContext) {
		p := newPlugin(func() (kata.Token, error) { return kata.Token{Value: "forever"}, nil })
		Expect(p.ask(ctx, server)).To(Equal("forever"), "the token")
	})

	It("gives Login its context", func(ctx SpecContext) {
		p := newPlugin(numbered())
		var got error
		p.Login = func(ctx context.Context, _ string, _ *kata.Request) (kata.Token, error) {
			got = ctx.Err()
			return kata.Token{}, ctx.Err()
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		Expect(p.Run(ended, info(v1, server, false), io.Discard)).To(MatchError(context.Canceled))
		Expect(got).To(MatchError(context.Canceled), "the context that Login had, when Run's had ended")
	})
})

// The environment of a process that is to be the plugin: a folder, whose file token has the token that a login gives. The cache is there, and
// logins has a line for each login.
const asPlugin = "KUBEKATA_SPEC_PLUGIN"

func beThePlugin() int {
	dir := os.Getenv(asPlugin)
	p := &kata.Plugin{
		User:  "nonna",
		Cache: &kata.Cache{Dir: filepath.Join(dir, "cache"), Clock: clock.RealClock{}},
		Log:   os.Stderr,
		Login: func(context.Context, string, *kata.Request) (kata.Token, error) {
			token, err := os.ReadFile(filepath.Join(dir, "token"))
			logins, openErr := os.OpenFile(filepath.Join(dir, "logins"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err := errors.Join(err, openErr); err != nil {
				return kata.Token{}, err
			}
			_, err = fmt.Fprintln(logins, "nonna")
			return kata.Token{Value: string(token), Expires: time.Now().Add(10 * time.Minute)}, errors.Join(err, logins.Close())
		},
	}
	if err := p.Run(context.Background(), os.Getenv("KUBERNETES_EXEC_INFO"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

// desk hands out the tokens of a service account, nonna, in a namespace. Its kubeconfig logs in with this test's own binary as the plugin.
type desk struct {
	ns, dir string
}

func newDesk(ctx context.Context) *desk {
	GinkgoHelper()
	d := &desk{ns: api.Namespace(ctx), dir: GinkgoT().TempDir()}
	_, err := api.Judge().CoreV1().ServiceAccounts(d.ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "nonna"}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "make service account %s/nonna for the spec", d.ns)
	review, err := api.Judge().CoreV1().ServiceAccounts(d.ns).CreateToken(ctx, "nonna", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred(), "ask for a token of %s/nonna for the spec", d.ns)
	Expect(os.WriteFile(filepath.Join(d.dir, "token"), []byte(review.Status.Token), 0o600)).To(Succeed())
	return d
}

// kubeconfig writes one. The number makes it another one to client-go, which starts no plugin twice in a process for the same configuration.
func (d *desk) kubeconfig(version string, number int) string {
	GinkgoHelper()
	config, err := clientcmd.LoadFromFile(api.Kubeconfig())
	Expect(err).NotTo(HaveOccurred(), "read the server's kubeconfig")
	current := config.Contexts[config.CurrentContext]
	current.Namespace, current.AuthInfo = d.ns, "nonna"
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{"nonna": {Exec: &clientcmdapi.ExecConfig{
		APIVersion:         version,
		Command:            os.Args[0],
		Env:                []clientcmdapi.ExecEnvVar{{Name: asPlugin, Value: d.dir}, {Name: "NUMBER", Value: fmt.Sprint(number)}},
		ProvideClusterInfo: true,
		InteractiveMode:    clientcmdapi.NeverExecInteractiveMode,
	}}}
	path := filepath.Join(d.dir, fmt.Sprint("kubeconfig-", number))
	Expect(clientcmd.WriteToFile(*config, path)).To(Succeed())
	return path
}

func (d *desk) logins() string {
	data, err := os.ReadFile(filepath.Join(d.dir, "logins"))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// foo executes kubectl foo.
func foo(ctx context.Context, kubeconfig string, args ...string) (out, errOut string, err error) {
	GinkgoHelper()
	config := genericclioptions.NewConfigFlags(true)
	config.CacheDir = new(GinkgoT().TempDir())
	streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
	cmd := kata.NewFoo(config, streams)
	if kubeconfig != "" {
		args = append(args, "--kubeconfig="+kubeconfig)
	}
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(ctx)
	return stdout.String(), stderr.String(), err
}

var _ = Describe("kubectl foo", func() {
	for _, version := range []string{v1, v1beta1} {
		It("is logged in by the plugin, in "+version, func(ctx SpecContext) {
			d := newDesk(ctx)
			out, _, err := foo(ctx, d.kubeconfig(version, 1))
			Expect(err).NotTo(HaveOccurred())
			Expect(out).To(HavePrefix("user       system:serviceaccount:"+d.ns+":nonna\n"), "the output")
		})
	}

	It("shows user, groups and namespace", func(ctx SpecContext) {
		d := newDesk(ctx)
		out, _, err := foo(ctx, d.kubeconfig(v1, 1))
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Split(out, "\n")).To(HaveExactElements(
			"user       system:serviceaccount:"+d.ns+":nonna",
			"groups     system:serviceaccounts, system:serviceaccounts:"+d.ns+", system:authenticated",
			"namespace  "+d.ns,
			"",
		), "the output")
	})

	It("finds the token that a process before it has got", func(ctx SpecContext) {
		d := newDesk(ctx)
		for n := range 3 {
			_, _, err := foo(ctx, d.kubeconfig(v1, n))
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(d.logins()).To(Equal("nonna\n"), "the logins, when the plugin was started three times")
	})

	It("takes the namespace of -n", func(ctx SpecContext) {
		out, _, err := foo(ctx, api.Kubeconfig(), "-n", "kitchen")
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(ContainSubstring("namespace  kitchen\n"), "the output of kubectl foo -n kitchen")
	})

	It("asks as whom --as says", func(ctx SpecContext) {
		out, _, err := foo(ctx, api.Kubeconfig(), "--as", "nonno", "--as-group", "bakers")
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(ContainSubstring("user       nonno\ngroups     bakers, system:authenticated\n"), "the output of kubectl foo --as nonno --as-group bakers")
	})

	It("returns an error when the plugin fails, and writes nothing", func(ctx SpecContext) {
		d := newDesk(ctx)
		Expect(os.Remove(filepath.Join(d.dir, "token"))).To(Succeed())
		out, errOut, err := foo(ctx, d.kubeconfig(v1, 1))
		Expect(err).To(MatchError(ContainSubstring("getting credentials")), "client-go's own error is in it")
		Expect(out+errOut).To(BeEmpty(), "what was written")
	})

	It("returns an error when there are arguments", func(ctx SpecContext) {
		out, errOut, err := foo(ctx, api.Kubeconfig(), "bar")
		Expect(err).To(MatchError(ContainSubstring(`"bar"`)))
		Expect(out+errOut).To(BeEmpty(), "what was written")
	})

	It("returns an error for a flag that it does not have", func(ctx SpecContext) {
		out, errOut, err := foo(ctx, api.Kubeconfig(), "--bar")
		Expect(err).To(MatchError(ContainSubstring("--bar")))
		Expect(out+errOut).To(BeEmpty(), "what was written")
	})

	It("ends with its context", func(ctx SpecContext) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, _, err := foo(ended, api.Kubeconfig())
		Expect(err).To(MatchError(context.Canceled))
	})

	It("is called kubectl foo in its help", func(ctx SpecContext) {
		out, _, err := foo(ctx, "", "--help")
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(And(ContainSubstring("kubectl foo"), Not(ContainSubstring("kubectl-foo"))), "the help")
	})
})
