// Package admission judges what an admission webhook answers as the API server does, without an API server.
//
//	review := admission.Review(pod, nil, admission.DryRun())
//	verdict := admission.Post(ctx, admission.Mutating(handler), review)
//	Expect(verdict.Allowed).To(BeTrue())
//	Expect(verdict.Object.GetLabels()).To(HaveKey("team"))
//
// [Review] builds the question, [Post] asks it, and fails the spec in the API server's words when the server would not accept the
// answer; [Try] returns those words as an error instead. [Verdict] is what would come of an acceptable answer: for the client, and for
// the object.
//
// The rules are those of k8s.io/apiserver v0.37 (pkg/admission/plugin/webhook and pkg/util/webhook), which this package does not import;
// each one names its source. The transport is client-go's, with the codec with which the API server calls webhooks. So what the server tolerates,
// is tolerated here: any Content-Type that can be parsed, any code from 200 to 206, fields that nobody knows. A kata that wants more of its
// handler looks at Verdict.Exchange.
//
// Not in here: rules, selectors and match conditions, the failure policy and reinvocation. They decide whether a webhook is called, and
// only the server knows them.
package admission
