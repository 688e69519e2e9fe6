package prioritize_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	prioritize "github.com/kubekata/kubekata/katas/stage5/03-prioritize"

	"github.com/kubekata/kubekata/harness/scheduler"
)

const maxBody = 1 << 20

// asked keeps what it was asked, and what it was told about failures.
type asked struct {
	questions []extenderv1.ExtenderArgs
	list      extenderv1.HostPriorityList
	err       error
	failures  []error
}

func (a *asked) prioritize(args extenderv1.ExtenderArgs) (extenderv1.HostPriorityList, error) {
	a.questions = append(a.questions, args)
	return a.list, a.err
}

func (a *asked) handler() http.Handler {
	return prioritize.NewHandler(a.prioritize, maxBody, func(err error) { a.failures = append(a.failures, err) })
}

var _ = Describe("The handler", func() {
	It("shows prioritize the question as the scheduler has asked it, by NodeNames", func(ctx SpecContext) {
		a := &asked{list: extenderv1.HostPriorityList{{Host: "a", Score: 1}, {Host: "b", Score: 2}}}
		scheduler.Oracle{Handler: a.handler(), Extender: byName}.Prioritize(ctx, scheduler.Pod("web"), node("a", "", ""), node("b", "", ""))
		Expect(a.questions).To(HaveLen(1), "how often prioritize was asked")
		Expect(a.questions[0].Pod).To(HaveValue(HaveField("Name", "web")), "Pod of the question")
		Expect(a.questions[0].NodeNames).To(HaveValue(Equal([]string{"a", "b"})), "NodeNames of the question")
		Expect(a.questions[0].Nodes).To(BeNil(), "Nodes of the question")
	})

	It("shows prioritize the question as the scheduler has asked it, by Nodes", func(ctx SpecContext) {
		a := &asked{list: extenderv1.HostPriorityList{{Host: "a", Score: 1}}}
		scheduler.Oracle{Handler: a.handler(), Extender: byNode}.Prioritize(ctx, scheduler.Pod("web"), node("a", "west", ""))
		Expect(a.questions).To(HaveLen(1), "how often prioritize was asked")
		Expect(a.questions[0].Nodes).To(HaveValue(HaveField("Items", ConsistOf(HaveField("Labels", HaveKeyWithValue("topology.kubernetes.io/zone", "west"))))),
			"Nodes of the question")
		Expect(a.questions[0].NodeNames).To(BeNil(), "NodeNames of the question")
	})

	It("writes the list, and nothing around it", func(ctx SpecContext) {
		a := &asked{list: extenderv1.HostPriorityList{{Host: "b", Score: 10}, {Host: "a", Score: 0}}}
		v := scheduler.Oracle{Handler: a.handler(), Extender: byName}.Prioritize(ctx, scheduler.Pod("web"), node("a", "", ""), node("b", "", ""))
		Expect(v.Exchange.Body).To(MatchJSON(`[{"Host": "b", "Score": 10}, {"Host": "a", "Score": 0}]`), "the answer")
		Expect(v.Exchange.Header.Get("Content-Type")).To(HavePrefix("application/json"), "the Content-Type of the answer")
		Expect(a.failures).To(BeEmpty(), "what failed was called with")
	})

	It("answers with 500 when prioritize fails, and tells failed, since the scheduler tells nobody", func(ctx SpecContext) {
		a := &asked{err: errDown}
		v, err := scheduler.Oracle{Handler: a.handler(), Extender: byName}.TryPrioritize(ctx, scheduler.Pod("web"), node("a", "", ""), node("b", "", ""))
		Expect(err).To(HaveOccurred(), "the scheduler takes the answer for an error:\n%s", v.Exchange)
		Expect(v.Exchange.Code).To(Equal(http.StatusInternalServerError), "the code of the answer:\n%s", v.Exchange)
		Expect(strings.TrimSpace(v.Exchange.Body)).To(Equal(errDown.Error()), "the body of the answer")
		Expect(a.failures).To(ConsistOf(MatchError(errDown)), "what failed was called with")
	})

	It("answers with 500 when prioritize fails, whatever list it has returned beside the error", func(ctx SpecContext) {
		a := &asked{list: extenderv1.HostPriorityList{{Host: "a", Score: 1}, {Host: "b", Score: 2}}, err: errDown}
		v, err := scheduler.Oracle{Handler: a.handler(), Extender: byName}.TryPrioritize(ctx, scheduler.Pod("web"), node("a", "", ""), node("b", "", ""))
		Expect(err).To(HaveOccurred(), "the scheduler takes the answer for an error:\n%s", v.Exchange)
		Expect(v.Exchange.Code).To(Equal(http.StatusInternalServerError), "the code of the answer:\n%s", v.Exchange)
	})

	It("tells failed before it answers", func(ctx SpecContext) {
		order := []string{}
		handler := prioritize.NewHandler(func(extenderv1.ExtenderArgs) (extenderv1.HostPriorityList, error) { return nil, errDown }, maxBody,
			func(error) { order = append(order, "failed") })
		scheduler.Post(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(writer{w, func() { order = append(order, "answer") }}, r)
		}), http.MethodPost, "/prioritize", body(0))
		Expect(order).To(Equal([]string{"failed", "answer"}), "what has happened, in its order")
	})

	for what, text := range map[string]string{"no JSON": "pod: web", "half a question": `{"Pod": {"metadata": {"name": "web"}`, "empty": "", "JSON of something else": `["a", "b"]`} {
		It("answers with 400 when the body is "+what, func(ctx SpecContext) {
			a := &asked{list: extenderv1.HostPriorityList{}}
			e := scheduler.Post(ctx, a.handler(), http.MethodPost, "/prioritize", text)
			Expect(e.Code).To(Equal(http.StatusBadRequest), "the code for the body %q", text)
			Expect(a.questions).To(BeEmpty(), "what prioritize was asked")
			Expect(a.failures).To(BeEmpty(), "what failed was called with")
		})
	}

	It("answers with 413 when the body has one byte more than it may", func(ctx SpecContext) {
		a := &asked{list: extenderv1.HostPriorityList{}}
		handler := a.handler()
		e := scheduler.Post(ctx, handler, http.MethodPost, "/prioritize", body(maxBody))
		Expect(e.Code).To(Equal(http.StatusOK), "the code for a body of maxBody bytes, which it may have")
		Expect(a.questions).To(HaveLen(1), "how often prioritize was asked")
		e = scheduler.Post(ctx, handler, http.MethodPost, "/prioritize", body(maxBody+1))
		Expect(e.Code).To(Equal(http.StatusRequestEntityTooLarge), "the code for a body of maxBody+1 bytes")
		Expect(a.questions).To(HaveLen(1), "how often prioritize was asked")
		Expect(a.failures).To(BeEmpty(), "what failed was called with")
	})

	It("answers with 405 to another method, and names the right one", func(ctx SpecContext) {
		a := &asked{list: extenderv1.HostPriorityList{}}
		handler := a.handler()
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			e := scheduler.Post(ctx, handler, method, "/prioritize", body(0))
			Expect(e.Code).To(Equal(http.StatusMethodNotAllowed), "the code for %s /prioritize", method)
			Expect(e.Header.Get("Allow")).To(Equal(http.MethodPost), "Allow of the answer to %s /prioritize", method)
		}
		Expect(a.questions).To(BeEmpty(), "what prioritize was asked")
	})

	It("answers with 404 to another path", func(ctx SpecContext) {
		a := &asked{list: extenderv1.HostPriorityList{}}
		for _, path := range []string{"/", "/filter", "/prioritize/more", "/scheduler/prioritize"} {
			e := scheduler.Post(ctx, a.handler(), http.MethodPost, path, body(0))
			Expect(e.Code).To(Equal(http.StatusNotFound), "the code for POST %s", path)
		}
		Expect(a.questions).To(BeEmpty(), "what prioritize was asked")
	})

	It("serves Prioritize: what has failed is told with the criterion's name", func(ctx SpecContext) {
		down := byPrice(1)
		down.Table = func() (map[string]int64, error) { return nil, errDown }
		var failures []error
		handler := prioritize.NewHandler(extender(nil, down).Prioritize, maxBody, func(err error) { failures = append(failures, err) })
		e := scheduler.Post(ctx, handler, http.MethodPost, "/prioritize", body(0))
		Expect(e.Code).To(Equal(http.StatusInternalServerError), "the code; the body is %q", e.Body)
		Expect(failures).To(HaveExactElements(And(MatchError(errDown), MatchError(ContainSubstring("price")))), "what failed was called with")
	})
})

// body is a question of some bytes, or of as many as it takes.
func body(bytes int) string {
	GinkgoHelper()
	text, err := json.Marshal(question("a"))
	Expect(err).NotTo(HaveOccurred())
	rest := fmt.Sprintf(`,"More":"%s"}`, strings.Repeat("x", max(0, bytes-len(text)-len(`,"More":""}`)+1)))
	return strings.TrimSuffix(string(text), "}") + rest
}

// writer tells when the answer begins.
type writer struct {
	http.ResponseWriter
	begins func()
}

// WriteHeader implements [http.ResponseWriter].
func (w writer) WriteHeader(code int) {
	w.begins()
	w.ResponseWriter.WriteHeader(code)
}
