package operatortesting_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/kubekata/kubekata/harness"
	"github.com/kubekata/kubekata/harness/cluster"
	operatortesting "github.com/kubekata/kubekata/katas/stage3/09-operator-testing"
	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/bench"
	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/operator"
	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/site"
)

var _ = harness.NoLeaks()

// A Deployment's status is the spec's to write here: there must be no controller that does it as well.
var api = cluster.Separate()

func TestOperatorTesting(t *testing.T) {
	harness.RunSpecs(t, "Stage 3 · 09-operator-testing")
}

// bound is how long one of the learner's specs may take. They need some hundredths of a second.
const bound = 10 * time.Second

var _ = Describe("Your specs", func() {
	Context("with the operator as it ought to be", func() {
		It("pass", func(ctx SpecContext) {
			for _, r := range runAll(ctx, specs(), operator.New) {
				passed(r, "fails on an operator that keeps the contract")
			}
		})

		It("pass with one that does the same in another way", func(ctx SpecContext) {
			for _, r := range runAll(ctx, specs(), operator.Another) {
				passed(r, "fails on an operator that keeps the contract in another way: it patches, and adds what nobody has forbidden")
			}
		})

		It("pass in any order, and again", func(ctx SpecContext) {
			all := specs()
			ns := api.Namespace(ctx)
			for range 2 {
				for i := range all {
					s := all[len(all)-1-i]
					r := runOne(ctx, s, operator.New, ns)
					passed(r, "fails when the specs are run from the last to the first, in the same namespace, twice")
				}
			}
		})

		It("pass at the same time", func(ctx SpecContext) {
			all, ns := specs(), api.Namespace(ctx)
			results := make([]bench.Result, len(all))
			var running sync.WaitGroup
			for i, s := range all {
				running.Go(func() { results[i] = runOne(ctx, s, operator.New, ns) })
			}
			running.Wait()
			for _, r := range results {
				passed(r, "fails when all of them run at the same time")
			}
		})
	})

	It("have names that tell them apart", func() {
		names := map[string]bool{}
		for _, s := range specs() {
			Expect(len(strings.Fields(s.Name))).To(BeNumerically(">=", 3), "the words in the name of a spec: %q", s.Name)
			Expect(names).NotTo(HaveKey(s.Name), "two specs have this name")
			names[s.Name] = true
		}
	})

	Describe("find an operator that", func() {
		for _, fault := range operator.Faults {
			It(string(fault), func(ctx SpecContext) {
				Expect(found(runAll(ctx, specs(), operator.With(fault)))).NotTo(BeEmpty(),
					"your specs that fail on an operator that %s: there must be one", fault)
			})
		}
	})

	It("find what is wrong with the operator that was handed in", func(ctx SpecContext) {
		Expect(len(found(runAll(ctx, specs(), operator.HandedIn)))).To(BeNumerically(">=", 3),
			"how many of your specs fail on the operator that was handed in: it has three bugs, and a spec is about one thing")
	})
})

// specs are the learner's.
func specs() []bench.Spec {
	GinkgoHelper()
	all := operatortesting.Specs()
	Expect(all).NotTo(BeEmpty(), "your specs")
	return all
}

// runAll runs specs against an operator, in a namespace of their own.
func runAll(ctx context.Context, specs []bench.Spec, maker operator.Maker) (results []bench.Result) {
	GinkgoHelper()
	ns := api.Namespace(ctx)
	for _, s := range specs {
		results = append(results, runOne(ctx, s, maker, ns))
	}
	return results
}

func runOne(ctx context.Context, s bench.Spec, maker operator.Maker, ns string) bench.Result {
	GinkgoHelper()
	scheme, config := runtime.NewScheme(), api.Config()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	site.AddToScheme(scheme, group(ctx))
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("a spec has %v", bound))
	defer cancel()
	return bench.Run(ctx, s, bench.Bench{Operator: maker, Scheme: scheme, Config: config, Namespace: ns})
}

// passed fails, with what the learner's own spec says, unless it has passed.
func passed(r bench.Result, when string) {
	GinkgoHelper()
	if r.Failure != nil {
		Fail(fmt.Sprintf("your spec %q %s:\n\n%v", r.Name, when, r.Failure))
	}
}

// found are the names of the specs that have failed.
func found(results []bench.Result) (names []string) {
	for _, r := range results {
		if r.Failure != nil {
			names = append(names, r.Name)
		}
	}
	return names
}

var defined struct {
	sync.Mutex
	group string
}

// group is the suite's own API group for Sites, which the server serves.
func group(ctx context.Context) string {
	GinkgoHelper()
	defined.Lock()
	defer defined.Unlock()
	if defined.group == "" {
		group := api.Namespace(ctx) + ".kubekata.dev"
		api.Define(ctx, site.Definition(group))
		defined.group = group
	}
	return defined.group
}
