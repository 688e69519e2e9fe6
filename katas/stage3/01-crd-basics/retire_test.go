package crdbasics_test

import (
	"context"
	"net/http"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	crdbasics "github.com/kubekata/kubekata/katas/stage3/01-crd-basics"

	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = Describe("Retire", func() {
	It("takes a version away in which nothing is stored", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1beta1", "v1alpha1")
		before := w.get(ctx)
		Expect(w.retire(ctx, "v1alpha1")).To(Succeed(), "retire v1alpha1 of %s, which stores v1", w.name)
		Expect(versions(w.get(ctx))).To(Equal([]string{"v1", "v1beta1"}), "spec.versions of %s", w.name)
		Expect(w.get(ctx).Annotations).To(Equal(before.Annotations), "the annotations of %s", w.name)
		Expect(writes()).To(HaveLen(1), "what the learner has asked the server to change: one write does it")
		Eventually(w.served("v1alpha1")).WithContext(ctx).Should(BeFalse(), "the server serves v1alpha1 of %s", w.name)
		Eventually(w.served("v1beta1")).WithContext(ctx).Should(BeTrue(), "the server serves v1beta1 of %s", w.name)
	})

	It("takes a version away whose name is the beginning of one that is stored", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1alpha1", "v1")
		Expect(w.retire(ctx, "v1")).To(Succeed(), "retire v1 of %s, which stores v1alpha1, and has nothing else in status.storedVersions", w.name)
		Expect(versions(w.get(ctx))).To(Equal([]string{"v1alpha1"}), "spec.versions of %s", w.name)
	})

	It("leaves all else as it is", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1alpha1", "v1", "v1beta1")
		w.store(ctx, "v1")
		w.migrated(ctx, "v1")
		w.annotate(ctx, "kubekata.dev/bought", "Tuesday")
		before := w.get(ctx)
		Expect(w.retire(ctx, "v1beta1")).To(Succeed(), "retire v1beta1 of %s, which stores v1", w.name)
		after := w.get(ctx)
		want := before.DeepCopy()
		want.Spec.Versions = want.Spec.Versions[:2]
		Expect(after.Spec).To(Equal(want.Spec), "the spec of %s, without v1beta1", w.name)
		Expect(after.Annotations).To(Equal(before.Annotations), "the annotations of %s", w.name)
		Expect(after.Labels).To(Equal(before.Labels), "the labels of %s", w.name)
		Expect(after.Status.StoredVersions).To(Equal([]string{"v1"}), "status.storedVersions of %s", w.name)
	})

	It("takes the first storage version away when all objects are migrated", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1alpha1", "v1")
		w.store(ctx, "v1")
		w.migrated(ctx, "v1")
		Expect(w.retire(ctx, "v1alpha1")).To(Succeed(), "retire v1alpha1 of %s, which stores v1, and has nothing else in status.storedVersions", w.name)
		Expect(versions(w.get(ctx))).To(Equal([]string{"v1"}), "spec.versions of %s", w.name)
	})

	It("takes a version away that was not served any more", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1alpha1", "v1beta1")
		w.change(ctx, func(crd *apiextensionsv1.CustomResourceDefinition) {
			crd.Spec.Versions[1].Served, crd.Spec.Versions[2].Served = false, false
		})
		Expect(w.retire(ctx, "v1alpha1")).To(Succeed(), "retire v1alpha1 of %s, which is not served", w.name)
		Expect(versions(w.get(ctx))).To(Equal([]string{"v1", "v1beta1"}), "spec.versions of %s, of which v1beta1 is not served either", w.name)
	})

	It("refuses the storage version", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1alpha1")
		before := w.get(ctx)
		err := w.retire(ctx, "v1")
		Expect(err).To(MatchError(crdbasics.ErrStorage), "retire v1 of %s, which stores v1", w.name)
		Expect(err).To(MatchError(And(ContainSubstring(w.name), ContainSubstring("v1"))), "the error names the definition and the version")
		Expect(w.get(ctx)).To(Equal(before), "the definition, which is not to be touched")
		Expect(writes()).To(BeEmpty(), "what the learner has asked the server to change")
	})

	It("refuses a version that is in status.storedVersions", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1alpha1", "v1")
		w.store(ctx, "v1")
		before := w.get(ctx)
		Expect(before.Status.StoredVersions).To(Equal([]string{"v1alpha1", "v1"}), "status.storedVersions of %s, whose storage version was v1alpha1", w.name)
		err := w.retire(ctx, "v1alpha1")
		Expect(err).To(MatchError(crdbasics.ErrStored), "retire v1alpha1 of %s, with v1alpha1 in status.storedVersions", w.name)
		Expect(err).To(MatchError(And(ContainSubstring(w.name), ContainSubstring("v1alpha1"))), "the error names the definition and the version")
		Expect(w.get(ctx)).To(Equal(before), "the definition, which is not to be touched, nor its status")
		w.change(ctx, func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions[0].Served = false })
		Expect(w.retire(ctx, "v1alpha1")).To(MatchError(crdbasics.ErrStored), "retire v1alpha1 of %s, when it is not served, and still in status.storedVersions", w.name)
		Expect(writes()).To(BeEmpty(), "what the learner has asked the server to change")
	})

	It("has nothing to do when the version is not there", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1")
		before := w.get(ctx)
		Expect(w.retire(ctx, "v1alpha1")).To(Succeed(), "retire v1alpha1 of %s, which has v1 alone", w.name)
		Expect(w.get(ctx)).To(Equal(before), "the definition, which is not to be touched")
		Expect(writes()).To(BeEmpty(), "what the learner has asked the server to change")
	})

	It("says that a definition is not there", func(ctx SpecContext) {
		err := crdbasics.Retire(ctx, learners(), "spoons.kubekata.dev", "v1alpha1")
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the error for a definition that is not there: %v", err)
		Expect(err).To(MatchError(And(ContainSubstring("spoons.kubekata.dev"), ContainSubstring("v1alpha1"))), "the error names the definition and the version")
	})

	It("begins anew when somebody else has written in between, and keeps what they wrote", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1alpha1")
		times := 0
		beforeWrite(func() *cluster.Answer {
			if times++; times <= 2 {
				w.annotate(ctx, "kubekata.dev/bought", []string{"Tuesday", "Wednesday"}[times-1])
			}
			return nil
		})
		Expect(w.retire(ctx, "v1alpha1")).To(Succeed(), "retire v1alpha1 of %s, which somebody annotates twice meanwhile", w.name)
		Expect(versions(w.get(ctx))).To(Equal([]string{"v1"}), "spec.versions of %s", w.name)
		Expect(w.get(ctx).Annotations).To(HaveKeyWithValue("kubekata.dev/bought", "Wednesday"), "the annotations of %s", w.name)
	})

	It("refuses a version that somebody makes the storage version meanwhile", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1alpha1")
		once := true
		beforeWrite(func() *cluster.Answer {
			if once {
				once = false
				w.store(ctx, "v1alpha1")
			}
			return nil
		})
		Expect(w.retire(ctx, "v1alpha1")).To(MatchError(crdbasics.ErrStorage), "retire v1alpha1 of %s, which somebody makes the storage version meanwhile", w.name)
		Expect(versions(w.get(ctx))).To(Equal([]string{"v1", "v1alpha1"}), "spec.versions of %s", w.name)
		Expect(storage(w.get(ctx))).To(Equal("v1alpha1"), "the storage version of %s", w.name)
	})

	It("refuses a version in which somebody stores objects meanwhile", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1alpha1")
		once := true
		beforeWrite(func() *cluster.Answer {
			if once {
				once = false
				w.store(ctx, "v1alpha1")
				w.store(ctx, "v1")
			}
			return nil
		})
		Expect(w.retire(ctx, "v1alpha1")).To(MatchError(crdbasics.ErrStored), "retire v1alpha1 of %s, which somebody stores for a while meanwhile", w.name)
		Expect(versions(w.get(ctx))).To(Equal([]string{"v1", "v1alpha1"}), "spec.versions of %s", w.name)
	})

	It("gives up when each attempt is a conflict", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1alpha1")
		beforeWrite(func() *cluster.Answer {
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "somebody was faster"}}
		})
		err := w.retire(ctx, "v1alpha1")
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "the error when each attempt is a conflict: %v", err)
		Expect(err).To(MatchError(And(ContainSubstring(w.name), ContainSubstring("v1alpha1"))), "the error names the definition and the version")
		Expect(len(writes())).To(And(BeNumerically(">=", 3), BeNumerically("<=", 20)), "attempts: a few")
	})

	It("begins anew no more when its context has ended", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1alpha1")
		until, end := context.WithCancel(ctx)
		defer end()
		beforeWrite(func() *cluster.Answer {
			end()
			return &cluster.Answer{Status: &metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "somebody was faster"}}
		})
		err := w.retire(until, "v1alpha1")
		Expect(err).To(MatchError(And(ContainSubstring(w.name), ContainSubstring("v1alpha1"))), "the error, which names the definition and the version")
		Expect(len(writes())).To(BeNumerically("<=", 1), "attempts: none after the context's end")
	})

	It("ends with any other error at once", func(ctx SpecContext) {
		w := newWhisks(ctx, "v1", "v1alpha1")
		var answer metav1.Status
		failing := "update"
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			verb := r.Verb
			if verb == "patch" {
				verb = "update"
			}
			if r.Resource == "customresourcedefinitions" && verb == failing {
				return &cluster.Answer{Status: &answer}
			}
			return nil
		})
		for _, failing = range []string{"update", "get"} {
			for _, answer = range []metav1.Status{
				{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "not on a Friday"},
				{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: "the server is having a bad day"},
				{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonServerTimeout, Message: "not now"},
				{Code: http.StatusTooManyRequests, Reason: metav1.StatusReasonTooManyRequests, Message: "one after the other"},
				{Code: http.StatusServiceUnavailable, Reason: metav1.StatusReasonServiceUnavailable, Message: "closed"},
			} {
				before := asked(failing)
				err := w.retire(ctx, "v1alpha1")
				Expect(apierrors.ReasonForError(err)).To(Equal(answer.Reason), "the error's reason when the server answers a %s with %s: %v", failing, answer.Reason, err)
				Expect(err).To(MatchError(And(ContainSubstring(w.name), ContainSubstring("v1alpha1"))), "the error names the definition and the version")
				Expect(asked(failing)-before).To(Equal(1), "how often the learner asks, when the server answers a %s with %s", failing, answer.Reason)
			}
		}
	})
})

// asked is how often the learner has asked for definitions, or for a change of one.
func asked(verb string) int {
	if verb != "get" {
		return len(writes())
	}
	times := 0
	for _, r := range api.Requests() {
		if r.Resource == "customresourcedefinitions" && r.Verb == "get" {
			times++
		}
	}
	return times
}

func versions(crd *apiextensionsv1.CustomResourceDefinition) []string {
	var all []string
	for _, v := range crd.Spec.Versions {
		all = append(all, v.Name)
	}
	return all
}

func storage(crd *apiextensionsv1.CustomResourceDefinition) string {
	i := slices.IndexFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Storage })
	return crd.Spec.Versions[i].Name
}
