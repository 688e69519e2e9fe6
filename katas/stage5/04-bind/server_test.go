package bind_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	bind "github.com/kubekata/kubekata/katas/stage5/04-bind"

	"github.com/kubekata/kubekata/harness/scheduler"
)

const maxBody = 1 << 16

// asked is a bind that keeps what it was asked.
type asked struct {
	ctx       context.Context
	questions []extenderv1.ExtenderBindingArgs
	result    *extenderv1.ExtenderBindingResult
}

func (a *asked) bind(ctx context.Context, args extenderv1.ExtenderBindingArgs) *extenderv1.ExtenderBindingResult {
	a.ctx, a.questions = ctx, append(a.questions, args)
	return a.result
}

func (a *asked) oracle() scheduler.Oracle {
	return scheduler.Oracle{Handler: bind.NewHandler(a.bind, maxBody), Extender: configv1.Extender{BindVerb: "bind"}}
}

var _ = Describe("The handler", func() {
	It("shows bind the question as the scheduler has asked it", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderBindingResult{}}
		a.oracle().Bind(ctx, scheduler.Pod("web"), "a")
		Expect(a.questions).To(Equal([]extenderv1.ExtenderBindingArgs{{PodNamespace: "default", PodName: "web", PodUID: "uid-of-web", Node: "a"}}), "what bind was asked")
	})

	It("writes the result as JSON", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderBindingResult{}}
		b := a.oracle().Bind(ctx, scheduler.Pod("web"), "a")
		Expect(b.Exchange.Body).To(MatchJSON(`{"Error": ""}`), "the answer")
		Expect(b.Exchange.Header.Get("Content-Type")).To(HavePrefix("application/json"), "the Content-Type of the answer")
	})

	It("answers with 200 when the result has an Error, so that the scheduler reads it", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderBindingResult{Error: "bind: pod default/web is gone"}}
		b, err := a.oracle().TryBind(ctx, scheduler.Pod("web"), "a")
		Expect(err).To(MatchError("bind: pod default/web is gone"), "what the scheduler says to\n%s", b.Exchange)
	})

	It("answers with 500 when bind has no answer: an empty one would be a success", func(ctx SpecContext) {
		a := &asked{}
		b, err := a.oracle().TryBind(ctx, scheduler.Pod("web"), "a")
		Expect(b.Exchange.Code).To(Equal(http.StatusInternalServerError), "the code, when bind returns nil\n%s", b.Exchange)
		Expect(err).To(HaveOccurred(), "the scheduler takes the answer for an error\n%s", b.Exchange)
	})

	It("lets bind know when the scheduler hangs up", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderBindingResult{}}
		hangingUp, hangUp := context.WithCancel(ctx)
		defer hangUp()
		var before, after error
		handler := bind.NewHandler(func(ctx context.Context, args extenderv1.ExtenderBindingArgs) *extenderv1.ExtenderBindingResult {
			before = ctx.Err()
			hangUp()
			after = ctx.Err()
			return a.bind(ctx, args)
		}, maxBody)
		scheduler.Post(hangingUp, handler, http.MethodPost, "/bind", body(0))
		Expect(before).NotTo(HaveOccurred(), "the context that bind has, before the scheduler hangs up")
		Expect(after).To(MatchError(context.Canceled), "the context that bind has, after the scheduler has hung up")
	})

	for what, text := range map[string]string{"no JSON": "pod: web", "half a question": `{"PodName": "web"`, "empty": "", "JSON of something else": `["web", "a"]`} {
		It("answers with 400 when the body is "+what, func(ctx SpecContext) {
			a := &asked{result: &extenderv1.ExtenderBindingResult{}}
			e := scheduler.Post(ctx, bind.NewHandler(a.bind, maxBody), http.MethodPost, "/bind", text)
			Expect(e.Code).To(Equal(http.StatusBadRequest), "the code for the body %q", text)
			Expect(a.questions).To(BeEmpty(), "what bind was asked")
		})
	}

	It("answers with 413 when the body has one byte more than it may", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderBindingResult{}}
		handler := bind.NewHandler(a.bind, maxBody)
		e := scheduler.Post(ctx, handler, http.MethodPost, "/bind", body(maxBody))
		Expect(e.Code).To(Equal(http.StatusOK), "the code for a body of maxBody bytes, which it may have")
		Expect(a.questions).To(HaveLen(1), "how often bind was asked")
		e = scheduler.Post(ctx, handler, http.MethodPost, "/bind", body(maxBody+1))
		Expect(e.Code).To(Equal(http.StatusRequestEntityTooLarge), "the code for a body of maxBody+1 bytes")
		Expect(a.questions).To(HaveLen(1), "how often bind was asked")
	})

	It("answers with 405 to another method, and names the right one", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderBindingResult{}}
		handler := bind.NewHandler(a.bind, maxBody)
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			e := scheduler.Post(ctx, handler, method, "/bind", body(0))
			Expect(e.Code).To(Equal(http.StatusMethodNotAllowed), "the code for %s /bind", method)
			Expect(e.Header.Get("Allow")).To(Equal(http.MethodPost), "Allow of the answer to %s /bind", method)
		}
		Expect(a.questions).To(BeEmpty(), "what bind was asked")
	})

	It("answers with 404 to another path", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderBindingResult{}}
		for _, path := range []string{"/", "/filter", "/bind/more", "/scheduler/bind"} {
			e := scheduler.Post(ctx, bind.NewHandler(a.bind, maxBody), http.MethodPost, path, body(0))
			Expect(e.Code).To(Equal(http.StatusNotFound), "the code for POST %s", path)
		}
		Expect(a.questions).To(BeEmpty(), "what bind was asked")
	})
})

// body is a question of some bytes, or of as many as it takes.
func body(bytes int) string {
	GinkgoHelper()
	text, err := json.Marshal(args(scheduler.Pod("web"), "a"))
	Expect(err).NotTo(HaveOccurred())
	rest := fmt.Sprintf(`,"More":"%s"}`, strings.Repeat("x", max(0, bytes-len(text)-len(`,"More":""}`)+1)))
	return strings.TrimSuffix(string(text), "}") + rest
}
