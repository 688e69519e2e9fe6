package graduation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/featuregate"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	graduation "github.com/kubekata/kubekata/katas/stage6/08-graduation"
	"github.com/kubekata/kubekata/katas/stage6/08-graduation/api"
)

func sample(change ...func(*api.Line)) *api.Line {
	l := &api.Line{
		TypeMeta:   metav1.TypeMeta{APIVersion: "lines.kubekata.dev/v1", Kind: "Line"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: "desk"},
		Spec:       api.LineSpec{Area: "030"},
	}
	for _, f := range change {
		f(l)
	}
	return l
}

func inArea(area string) func(*api.Line) { return func(l *api.Line) { l.Spec.Area = area } }

func numbered(number string) func(*api.Line) { return func(l *api.Line) { l.Status.Number = number } }

func deleted(l *api.Line) { l.DeletionTimestamp = ptr.To(metav1.Now()) }

func kept(value string) func(*api.Line) {
	return func(l *api.Line) { l.Annotations = map[string]string{api.KeepAnnotation: value} }
}

// fields are those that an Invalid complains of, or what else an error is.
func fields(err error) []string {
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return []string{fmt.Sprintf("%v, which is no Invalid", err)}
	}
	var names []string
	for _, cause := range status.Status().Details.Causes {
		names = append(names, strings.TrimPrefix(string(cause.Type), "FieldValue")+" "+cause.Field)
	}
	slices.Sort(names)
	return names
}

// switched is a gate in which Voicemail is on or off.
func switched(on bool) featuregate.MutableVersionedFeatureGate {
	GinkgoHelper()
	gate, err := graduation.NewGate()
	Expect(err).NotTo(HaveOccurred(), "NewGate")
	Expect(gate.Set(fmt.Sprintf("Voicemail=%t", on))).To(Succeed(), "set Voicemail to %t", on)
	return gate
}

var _ = Describe("The webhook", func() {
	Describe("Default", func() {
		It("gives a Line without an area the area 030, and changes nothing else", func() {
			l := sample(inArea(""), diverted("+43123456789"), spoken("hello"), kept("true"))
			want := l.DeepCopy()
			want.Spec.Area = "030"
			Expect(graduation.Defaulter{}.Default(context.Background(), l)).To(Succeed(), "Default")
			Expect(l).To(Equal(want), "the line after Default")
		})

		It("leaves an area as it is", func() {
			l := sample(inArea("089"))
			Expect(graduation.Defaulter{}.Default(context.Background(), l)).To(Succeed(), "Default")
			Expect(l).To(Equal(sample(inArea("089"))), "the line after Default")
			l = sample(inArea("nonsense"))
			Expect(graduation.Defaulter{}.Default(context.Background(), l)).To(Succeed(), "Default")
			Expect(l.Spec.Area).To(Equal("nonsense"), "an area that is none: the validator judges it")
			Expect(graduation.Defaulter{}.Default(context.Background(), sample(inArea("")))).To(Succeed(), "Default")
		})
	})

	DescribeTable("ValidateCreate",
		func(on bool, want []string, change ...func(*api.Line)) {
			l := sample(change...)
			before := l.DeepCopy()
			_, err := graduation.Validator{Gate: switched(on)}.ValidateCreate(context.Background(), l)
			Expect(fields(err)).To(Equal(want), "what is wrong with %s, with Voicemail=%t", asJSON(l.Spec), on)
			Expect(l).To(Equal(before), "the line, which a validator does not change")
		},
		Entry("refuses an area without a 0, and a divert without a +, at once", false, []string{"Invalid spec.area", "Invalid spec.divert"}, inArea("89"), diverted("0301234567")),
		Entry("refuses an area that is too long", false, []string{"Invalid spec.area"}, inArea("030303")),
		Entry("refuses an area with something behind it", false, []string{"Invalid spec.area"}, inArea("030 or so")),
		Entry("refuses no area", false, []string{"Invalid spec.area"}, inArea("")),
		Entry("refuses a divert that is too short", false, []string{"Invalid spec.divert"}, diverted("+4930")),
		Entry("refuses a divert with something before it", false, []string{"Invalid spec.divert"}, diverted("tel:+43123456789")),
		Entry("refuses a voicemail while the gate is off, and all the rest with it", false,
			[]string{"Forbidden spec.voicemail", "Invalid spec.area", "Invalid spec.divert"}, spoken("hello"), inArea("x"), diverted("y")),
	)

	It("takes a Line with all that it may have", func() {
		_, err := graduation.Validator{Gate: switched(true)}.ValidateCreate(context.Background(), sample(inArea("06841"), diverted("+43123456789"), spoken("hello")))
		Expect(err).NotTo(HaveOccurred(), "ValidateCreate, with Voicemail=true")
		_, err = graduation.Validator{Gate: switched(false)}.ValidateCreate(context.Background(), sample())
		Expect(err).NotTo(HaveOccurred(), "ValidateCreate of a line without anything, with Voicemail=false")
		_, err = graduation.Validator{Gate: switched(false)}.ValidateCreate(context.Background(), sample(inArea("9")))
		Expect(fields(err)).To(Equal([]string{"Invalid spec.area"}), "ValidateCreate of a line with the area 9")
	})

	DescribeTable("ValidateUpdate",
		func(on bool, want []string, before, after *api.Line) {
			old, line := before.DeepCopy(), after.DeepCopy()
			_, err := graduation.Validator{Gate: switched(on)}.ValidateUpdate(context.Background(), old, line)
			Expect(fields(err)).To(Equal(want), "what is wrong with %s after %s, with Voicemail=%t", asJSON(after.Spec), asJSON(before.Spec), on)
			Expect(old).To(Equal(before), "the old line, which a validator does not change")
			Expect(line).To(Equal(after), "the line, which a validator does not change")
			// The same line is no reason to let anything through.
			_, err = graduation.Validator{Gate: switched(on)}.ValidateUpdate(context.Background(), sample(), sample(diverted("nobody")))
			Expect(fields(err)).To(Equal([]string{"Invalid spec.divert"}), "what is wrong with the divert nobody")
		},
		Entry("refuses another area", false, []string{"Invalid spec.area"}, sample(), sample(inArea("089"))),
		Entry("refuses another area and a divert to its own number at once", false, []string{"Invalid spec.area", "Invalid spec.divert"},
			sample(numbered("+49300000001")), sample(numbered("+49300000001"), inArea("089"), diverted("+49300000001"))),
		Entry("refuses what ValidateCreate refuses", false, []string{"Forbidden spec.voicemail", "Invalid spec.divert"}, sample(), sample(spoken("hello"), diverted("0"))),
		Entry("takes another divert", false, nil, sample(numbered("+49300000001")), sample(numbered("+49300000001"), diverted("+49300000002"))),
		Entry("takes a voicemail that was there when the gate was on, and a change of it", false, nil, sample(spoken("hello")), sample(spoken("good day"))),
		Entry("takes a voicemail while the gate is on", true, nil, sample(), sample(spoken("hello"))),
		Entry("takes anything of a Line that is being deleted", false, nil, sample(deleted), sample(deleted, inArea("x"), diverted("y"), spoken("z"))),
	)

	It("refuses to delete a Line that is to be kept, and no other", func() {
		v := graduation.Validator{Gate: switched(false)}
		_, err := v.ValidateDelete(context.Background(), sample(kept("true")))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "ValidateDelete of a line with %s=true is Forbidden, and it is: %v", api.KeepAnnotation, err)
		for _, l := range []*api.Line{sample(), sample(kept("false")), sample(inArea("x"))} {
			_, err = v.ValidateDelete(context.Background(), l)
			Expect(err).NotTo(HaveOccurred(), "ValidateDelete of a line with the annotations %v and the area %s", l.Annotations, l.Spec.Area)
		}
	})

	When("the API server calls it", func() {
		var w *world
		BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

		DescribeTable("fills in and refuses, served by",
			func(ctx SpecContext, pick func(leader, candidate *replica) *replica) {
				leader := w.start(ctx, "ada")
				Eventually(w.lease).WithContext(leader.wait).ShouldNot(BeEmpty(), "the holder of the lease %s/%s", w.ns, api.Lease)
				r := pick(leader, w.start(ctx, "bob"))
				w.install(ctx, r)
				w.make(ctx, "desk", inArea(""))
				Expect(w.get(ctx, "desk").Spec.Area).To(Equal("030"), "spec.area of line %s/desk, which was made without one", w.ns)
				err := w.judge.Create(ctx, w.line("bad", inArea("89"), diverted("nobody")))
				Expect(fields(err)).To(Equal([]string{"Invalid spec.area", "Invalid spec.divert"}), "what the API server says to a bad line, with the webhook of %s", r.name)
				w.patch(ctx, "desk", `{"metadata":{"annotations":{"`+api.KeepAnnotation+`":"true"}}}`)
				err = w.judge.Delete(ctx, w.line("desk"))
				Expect(apierrors.IsForbidden(err)).To(BeTrue(), "to delete line %s/desk, which is to be kept, is Forbidden with the webhook of %s, and it is: %v", w.ns, r.name, err)
				w.patch(ctx, "desk", `{"metadata":{"annotations":null}}`)
			},
			Entry("the leader", func(leader, _ *replica) *replica { return leader }),
			Entry("a candidate", func(_, candidate *replica) *replica { return candidate }),
		)

		It("lets the operator itself through, to the end", func(ctx SpecContext) {
			r := w.start(ctx, "ada")
			w.install(ctx, r)
			l := w.connected(ctx, r, "desk", inArea(""))
			Expect(l.Spec.Area).To(Equal("030"), "spec.area of line %s/desk", w.ns)
			w.delete(ctx, "desk")
			w.gone(r, "desk")
			Expect(w.rented()).To(BeEmpty(), "what the exchange has")
		})
	})
})

// install lets the API server call a copy's webhook for the Lines of this namespace, and waits until it does.
func (w *world) install(ctx context.Context, r *replica) {
	GinkgoHelper()
	path := strings.ReplaceAll(group, ".", "-") + "-v1-line"
	config := func(kind string) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{URL: ptr.To(fmt.Sprintf("https://127.0.0.1:%d/%s-%s", r.port, kind, path)), CABundle: r.bundle}
	}
	rules := func(operations ...admissionregistrationv1.OperationType) []admissionregistrationv1.RuleWithOperations {
		return []admissionregistrationv1.RuleWithOperations{{
			Operations: operations,
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{"lines"}},
		}}
	}
	here := &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": w.ns}}
	name := w.ns + ".lines.kubekata.dev"
	mutating := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "mutate.lines.kubekata.dev", ClientConfig: config("mutate"), Rules: rules(admissionregistrationv1.Create, admissionregistrationv1.Update),
			NamespaceSelector: here, SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"}, TimeoutSeconds: ptr.To[int32](20),
		}},
	}
	validating := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "validate.lines.kubekata.dev", ClientConfig: config("validate"),
			Rules:             rules(admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete),
			NamespaceSelector: here, SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"}, TimeoutSeconds: ptr.To[int32](20),
		}},
	}
	for _, object := range []client.Object{mutating, validating} {
		server.Own(object)
		Expect(w.judge.Create(ctx, object)).To(Succeed(), "install the webhook of %s for the spec", r.name)
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(w.judge.Delete(ctx, object))).To(Succeed()) })
	}
	// The API server takes a moment until it has noticed. A dry run is filled in by the one and refused by the other then.
	Eventually(func() string {
		l := w.line("probe", inArea(""))
		if err := w.judge.Create(ctx, l, client.DryRunAll); err != nil {
			return "the default is refused: " + err.Error()
		}
		if l.Spec.Area == "" {
			return "the area is not filled in"
		}
		if err := w.judge.Create(ctx, w.line("probe", inArea("x")), client.DryRunAll); err == nil {
			return "the area x is not refused"
		}
		return ""
	}).WithContext(r.wait).WithTimeout(20*time.Second).Should(BeEmpty(), "what is wrong with the webhook of %s", r.name)
}
