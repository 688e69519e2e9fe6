package preemption_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	preemption "github.com/kubekata/kubekata/katas/stage5/05-preemption"

	"github.com/kubekata/kubekata/harness/scheduler"
)

const maxBody = 1 << 20

// asked is a process that keeps what it was asked.
type asked struct {
	questions []extenderv1.ExtenderPreemptionArgs
	result    *extenderv1.ExtenderPreemptionResult
}

func (a *asked) process(args extenderv1.ExtenderPreemptionArgs) *extenderv1.ExtenderPreemptionResult {
	a.questions = append(a.questions, args)
	return a.result
}

func (a *asked) oracle(extender configv1.Extender) scheduler.Oracle {
	return scheduler.Oracle{Handler: preemption.NewHandler(a.process, maxBody), Extender: extender}
}

// meta is an answer with one node and one victim.
func meta(violations int64) map[string]*extenderv1.MetaVictims {
	return map[string]*extenderv1.MetaVictims{"a": {Pods: []*extenderv1.MetaPod{{UID: "uid-of-test"}}, NumPDBViolations: violations}}
}

var _ = Describe("The handler", func() {
	It("shows process the question as the scheduler has asked it, with UIDs", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: meta(1)}}
		a.oracle(byUID).Preempt(ctx, pod("web", 500), violating(1, "a", pod("test", 0)))
		Expect(a.questions).To(HaveLen(1), "how often process was asked")
		Expect(a.questions[0].Pod).To(HaveValue(HaveField("Spec.Priority", HaveValue(BeEquivalentTo(500)))), "Pod of the question")
		Expect(a.questions[0].NodeNameToMetaVictims).To(Equal(meta(1)), "NodeNameToMetaVictims of the question")
		Expect(a.questions[0].NodeNameToVictims).To(BeNil(), "NodeNameToVictims of the question")
	})

	It("shows process the question as the scheduler has asked it, with pods", func(ctx SpecContext) {
		a := &asked{result: &extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: meta(0)}}
		a.oracle(byPod).Preempt(ctx, pod("web", 500), on("a", pod("test", 0, stay("true"))))
		Expect(a.questions).To(HaveLen(1), "how often process was asked")
		Expect(a.questions[0].NodeNameToVictims).To(HaveKeyWithValue("a", HaveValue(HaveField("Pods", ConsistOf(HaveField("Annotations", HaveKeyWithValue(preemption.StayAnnotation, "true")))))), "NodeNameToVictims of the question")
		Expect(a.questions[0].NodeNameToMetaVictims).To(BeNil(), "NodeNameToMetaVictims of the question")
	})

	for way, extender := range map[string]configv1.Extender{"UIDs": byUID, "pods": byPod} {
		It("writes process' answer as it is, as JSON, asked with "+way, func(ctx SpecContext) {
			a := &asked{result: &extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: meta(1)}}
			v := a.oracle(extender).Preempt(ctx, pod("web", 500), violating(1, "a", pod("test", 0)), on("b", pod("other", 0)))
			Expect(v.Exchange.Code).To(Equal(http.StatusOK), "the code of the answer")
			Expect(v.Result).To(Equal(*a.result), "the answer, decoded; it is %s", v.Exchange.Body)
			Expect(v.Exchange.Header.Get("Content-Type")).To(HavePrefix("application/json"), "the Content-Type of the answer")
		})
	}

	It("writes an answer without nodes as one, and no error", func(ctx SpecContext) {
		a := &asked{result: none()}
		v := a.oracle(byUID).Preempt(ctx, pod("web", 500), on("a", pod("test", 0)))
		Expect(v.Exchange.Body).To(MatchJSON(`{"NodeNameToMetaVictims": {}}`), "the answer")
	})

	It("answers with 500 when process has no answer, so that the scheduler takes it for an error", func(ctx SpecContext) {
		a := &asked{}
		v, err := a.oracle(byUID).TryPreempt(ctx, pod("web", 500), on("a", pod("test", 0)))
		Expect(v.Exchange.Code).To(Equal(http.StatusInternalServerError), "the code, when process returns nil; the body is %q", v.Exchange.Body)
		Expect(err).To(MatchError(ContainSubstring("code 500")), "what the scheduler says to %s", v.Exchange)
	})

	for what, body := range map[string]string{"no JSON": "pod: web", "half a question": `{"Pod": {"metadata": {"name": "web"}`, "empty": "", "JSON of something else": `["a", "b"]`} {
		It("answers with 400 when the body is "+what, func(ctx SpecContext) {
			a := &asked{result: none()}
			e := scheduler.Post(ctx, preemption.NewHandler(a.process, maxBody), http.MethodPost, "/preempt", body)
			Expect(e.Code).To(Equal(http.StatusBadRequest), "the code for the body %q", body)
			Expect(a.questions).To(BeEmpty(), "what process was asked")
		})
	}

	It("answers with 413 when the body has one byte more than it may", func(ctx SpecContext) {
		a := &asked{result: none()}
		handler := preemption.NewHandler(a.process, maxBody)
		e := scheduler.Post(ctx, handler, http.MethodPost, "/preempt", question(maxBody))
		Expect(e.Code).To(Equal(http.StatusOK), "the code for a body of maxBody bytes, which it may have")
		Expect(a.questions).To(HaveLen(1), "how often process was asked")
		e = scheduler.Post(ctx, handler, http.MethodPost, "/preempt", question(maxBody+1))
		Expect(e.Code).To(Equal(http.StatusRequestEntityTooLarge), "the code for a body of maxBody+1 bytes")
		Expect(a.questions).To(HaveLen(1), "how often process was asked")
	})

	It("answers with 405 to another method, and names the right one", func(ctx SpecContext) {
		a := &asked{result: none()}
		handler := preemption.NewHandler(a.process, maxBody)
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			e := scheduler.Post(ctx, handler, method, "/preempt", question(0))
			Expect(e.Code).To(Equal(http.StatusMethodNotAllowed), "the code for %s /preempt", method)
			Expect(e.Header.Get("Allow")).To(Equal(http.MethodPost), "Allow of the answer to %s /preempt", method)
		}
		Expect(a.questions).To(BeEmpty(), "what process was asked")
	})

	It("answers with 404 to another path", func(ctx SpecContext) {
		a := &asked{result: none()}
		for _, path := range []string{"/", "/filter", "/preemption", "/preempt/more", "/scheduler/preempt"} {
			e := scheduler.Post(ctx, preemption.NewHandler(a.process, maxBody), http.MethodPost, path, question(0))
			Expect(e.Code).To(Equal(http.StatusNotFound), "the code for POST %s", path)
		}
		Expect(a.questions).To(BeEmpty(), "what process was asked")
	})

	It("says that it is healthy without asking process", func(ctx SpecContext) {
		a := &asked{}
		e := scheduler.Post(ctx, preemption.NewHandler(a.process, maxBody), http.MethodGet, "/healthz", "")
		Expect(e.Code).To(Equal(http.StatusOK), "the code for GET /healthz")
		Expect(strings.TrimSpace(e.Body)).To(Equal("ok"), "the body of GET /healthz")
		Expect(a.questions).To(BeEmpty(), "what process was asked")
	})
})

// question is a body of some bytes, or of as many as it takes.
func question(bytes int) string {
	GinkgoHelper()
	body, err := json.Marshal(extenderv1.ExtenderPreemptionArgs{Pod: pod("web", 500), NodeNameToMetaVictims: meta(0)})
	Expect(err).NotTo(HaveOccurred())
	rest := fmt.Sprintf(`,"More":"%s"}`, strings.Repeat("x", max(0, bytes-len(body)-len(`,"More":""}`)+1)))
	return strings.TrimSuffix(string(body), "}") + rest
}
