package filter_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	filter "github.com/kubekata/kubekata/katas/stage5/02-filter"

	"github.com/kubekata/kubekata/harness/scheduler"
)

const maxBody = 1 << 20

// asked is a filter that keeps what it was asked.
type asked struct {
	questions []extenderv1.ExtenderArgs
	result    *extenderv1.ExtenderFilterResult
}

func (a *asked) filter(args extenderv1.ExtenderArgs) *extenderv1.ExtenderFilterResult {
	a.questions = append(a.questions, args)
	return a.result
}

var _ = Describe("The handler", func() {
	It("shows the filter the question as the scheduler has asked it, by NodeNames", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderFilterResult{NodeNames: names("a", "b")}}
		scheduler.Oracle{Handler: filter.NewHandler(a.filter, maxBody), Extender: byName}.Filter(ctx, pod("web", 400), node("a", "r1"), node("b", "r1"))
		Expect(a.questions).To(HaveLen(1), "how often the filter was asked")
		Expect(a.questions[0].Pod).To(HaveValue(HaveField("Annotations", HaveKeyWithValue(filter.WattsAnnotation, "400"))), "Pod of the question")
		Expect(a.questions[0].NodeNames).To(HaveValue(Equal([]string{"a", "b"})), "NodeNames of the question")
		Expect(a.questions[0].Nodes).To(BeNil(), "Nodes of the question")
	})

	It("shows the filter the question as the scheduler has asked it, by Nodes", func(ctx SpecContext) {
		all := &corev1.NodeList{Items: []corev1.Node{*node("a", "r1")}}
		a := &asked{result: &extenderv1.ExtenderFilterResult{Nodes: all}}
		scheduler.Oracle{Handler: filter.NewHandler(a.filter, maxBody), Extender: byNode}.Filter(ctx, pod("web", 400), node("a", "r1"))
		Expect(a.questions).To(HaveLen(1), "how often the filter was asked")
		Expect(a.questions[0].Nodes).To(HaveValue(HaveField("Items", ConsistOf(HaveField("Name", "a")))), "Nodes of the question")
		Expect(a.questions[0].NodeNames).To(BeNil(), "NodeNames of the question")
	})

	It("writes the filter's answer as it is, as JSON", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderFilterResult{
			NodeNames: names("a"), FailedNodes: extenderv1.FailedNodesMap{"b": "no"}, FailedAndUnresolvableNodes: extenderv1.FailedNodesMap{"c": "never"},
		}}
		v := scheduler.Oracle{Handler: filter.NewHandler(a.filter, maxBody), Extender: byName}.Filter(ctx, pod("web", 400), node("a", ""), node("b", ""), node("c", ""))
		Expect(v.Result).To(Equal(*a.result), "the answer, decoded")
		Expect(v.Exchange.Header.Get("Content-Type")).To(HavePrefix("application/json"), "the Content-Type of the answer")
	})

	It("answers with 200 when the filter has an Error, so that the scheduler reads it", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderFilterResult{Error: "the informer has stopped"}}
		v, err := scheduler.Oracle{Handler: filter.NewHandler(a.filter, maxBody), Extender: byName}.TryFilter(ctx, pod("web", 400), node("a", "r1"))
		Expect(err).To(MatchError("the informer has stopped"), "what the scheduler says to %s", v.Exchange)
	})

	It("answers with 500 when the filter has no answer", func(ctx SpecContext) {
		a := &asked{}
		e := scheduler.Post(ctx, filter.NewHandler(a.filter, maxBody), http.MethodPost, "/filter", question(0))
		Expect(e.Code).To(Equal(http.StatusInternalServerError), "the code, when the filter returns nil; the body is %q", e.Body)
	})

	for what, body := range map[string]string{"no JSON": "pod: web", "half a question": `{"Pod": {"metadata": {"name": "web"}`, "empty": "", "JSON of something else": `["a", "b"]`} {
		It("answers with 400 when the body is "+what, func(ctx SpecContext) {
			a := &asked{result: &extenderv1.ExtenderFilterResult{}}
			e := scheduler.Post(ctx, filter.NewHandler(a.filter, maxBody), http.MethodPost, "/filter", body)
			Expect(e.Code).To(Equal(http.StatusBadRequest), "the code for the body %q", body)
			Expect(a.questions).To(BeEmpty(), "what the filter was asked")
		})
	}

	It("answers with 413 when the body has one byte more than it may", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderFilterResult{NodeNames: &[]string{}}}
		handler := filter.NewHandler(a.filter, maxBody)
		e := scheduler.Post(ctx, handler, http.MethodPost, "/filter", question(maxBody))
		Expect(e.Code).To(Equal(http.StatusOK), "the code for a body of maxBody bytes, which it may have")
		Expect(a.questions).To(HaveLen(1), "how often the filter was asked")
		e = scheduler.Post(ctx, handler, http.MethodPost, "/filter", question(maxBody+1))
		Expect(e.Code).To(Equal(http.StatusRequestEntityTooLarge), "the code for a body of maxBody+1 bytes")
		Expect(a.questions).To(HaveLen(1), "how often the filter was asked")
	})

	It("answers with 405 to another method, and names the right one", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderFilterResult{}}
		handler := filter.NewHandler(a.filter, maxBody)
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			e := scheduler.Post(ctx, handler, method, "/filter", question(0))
			Expect(e.Code).To(Equal(http.StatusMethodNotAllowed), "the code for %s /filter", method)
			Expect(e.Header.Get("Allow")).To(Equal(http.MethodPost), "Allow of the answer to %s /filter", method)
		}
		Expect(a.questions).To(BeEmpty(), "what the filter was asked")
	})

	It("answers with 404 to another path", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderFilterResult{}}
		for _, path := range []string{"/", "/prioritize", "/filter/more", "/scheduler/filter"} {
			e := scheduler.Post(ctx, filter.NewHandler(a.filter, maxBody), http.MethodPost, path, question(0))
			Expect(e.Code).To(Equal(http.StatusNotFound), "the code for POST %s", path)
		}
		Expect(a.questions).To(BeEmpty(), "what the filter was asked")
	})

	It("says that it is healthy without asking the filter", func(ctx SpecContext) {
		a := &asked{}
		e := scheduler.Post(ctx, filter.NewHandler(a.filter, maxBody), http.MethodGet, "/healthz", "")
		Expect(e.Code).To(Equal(http.StatusOK), "the code for GET /healthz")
		Expect(strings.TrimSpace(e.Body)).To(Equal("ok"), "the body of GET /healthz")
		Expect(a.questions).To(BeEmpty(), "what the filter was asked")
	})
})

// question is a body of some bytes, or of as many as it takes.
func question(bytes int) string {
	GinkgoHelper()
	body, err := json.Marshal(extenderv1.ExtenderArgs{Pod: pod("web", 400), NodeNames: names("a")})
	Expect(err).NotTo(HaveOccurred())
	rest := fmt.Sprintf(`,"More":"%s"}`, strings.Repeat("x", max(0, bytes-len(body)-len(`,"More":""}`)+1)))
	return strings.TrimSuffix(string(body), "}") + rest
}
