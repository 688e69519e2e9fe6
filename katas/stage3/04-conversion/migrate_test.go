package conversion_test

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	conversion "github.com/kubekata/kubekata/katas/stage3/04-conversion"

	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = Describe("Migrate", func() {
	It("stores each object again, in all namespaces", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		p := oldParcels(ctx, 4, ns, api.Namespace(ctx))
		p.remove(ctx, "p-2")
		store(ctx, p.name, ns)
		Expect(p.migrate(ctx, 10)).To(Succeed(), "migrate %s", p.name)
		Expect(p.unwritten(ctx)).To(BeEmpty(), "parcels that are still stored as v1alpha1")
		Expect(p.storedVersions(ctx)).To(Equal([]string{"v1beta1"}), "status.storedVersions of %s", p.name)
	})

	It("leaves the objects as they are", func(ctx SpecContext) {
		p := newParcels(ctx, 2, api.Namespace(ctx))
		Expect(p.migrate(ctx, 10)).To(Succeed(), "migrate %s", p.name)
		now := p.now(ctx)
		for name, before := range p.before {
			Expect(now).To(HaveKey(name), "the parcels")
			Expect(now[name].Object["spec"]).To(same(before.Object["spec"]), "the spec of %s", name)
			Expect(now[name].GetLabels()).To(Equal(before.GetLabels()), "the labels of %s", name)
			Expect(now[name].GetAnnotations()).To(Equal(before.GetAnnotations()), "the annotations of %s", name)
			Expect(now[name].GetGeneration()).To(Equal(before.GetGeneration()), "the generation of %s", name)
			Expect(now[name].GetUID()).To(Equal(before.GetUID()), "the UID of %s", name)
		}
	})

	It("lists in pages, and forgets none", func(ctx SpecContext) {
		p := newParcels(ctx, 5, api.Namespace(ctx))
		Expect(p.migrate(ctx, 2)).To(Succeed(), "migrate %s", p.name)
		Expect(p.unwritten(ctx)).To(BeEmpty(), "parcels that are still stored as v1alpha1")
		var limits []string
		for _, r := range api.Requests() {
			if r.Verb == "list" && r.Resource == "parcels" {
				limits = append(limits, r.Query.Get("limit"))
			}
		}
		Expect(limits).To(Equal([]string{"2", "2", "2"}), "the limits of the learner's lists: three pages of 5 parcels")
	})

	It("sets status.storedVersions after the last object", func(ctx SpecContext) {
		p := newParcels(ctx, 3, api.Namespace(ctx))
		Expect(p.migrate(ctx, 2)).To(Succeed(), "migrate %s", p.name)
		var order []string
		for _, r := range api.Requests() {
			if isWrite(r) && !slices.Contains(order, r.Resource) {
				order = append(order, r.Resource)
			}
		}
		last := api.Requests()[len(api.Requests())-1]
		Expect(order).To(Equal([]string{"parcels", "customresourcedefinitions"}), "what the learner writes, in order")
		Expect(last.Resource+"/"+last.Subresource).To(Equal("customresourcedefinitions/status"), "the learner's last request")
	})

	It("sets status.storedVersions when there is no object at all", func(ctx SpecContext) {
		p := newParcels(ctx, 0, api.Namespace(ctx))
		Expect(p.migrate(ctx, 10)).To(Succeed(), "migrate %s", p.name)
		Expect(p.storedVersions(ctx)).To(Equal([]string{"v1beta1"}), "status.storedVersions of %s", p.name)
	})

	It("does nothing when all is migrated", func(ctx SpecContext) {
		p := newParcels(ctx, 2, api.Namespace(ctx))
		change := []byte(`{"status": {"storedVersions": ["v1beta1"]}}`)
		_, err := api.JudgeDynamic().Resource(cluster.Definitions).Patch(ctx, p.name, types.MergePatchType, change, metav1.PatchOptions{}, "status")
		Expect(err).NotTo(HaveOccurred(), "set status.storedVersions for the spec")
		Expect(p.migrate(ctx, 10)).To(Succeed(), "migrate %s", p.name)
		Expect(append(writes("parcels"), writes("customresourcedefinitions")...)).To(BeEmpty(), "what the learner has asked the server to change")
	})

	It("does not mind that somebody else writes an object meanwhile, and keeps what they wrote", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		p := newParcels(ctx, 3, ns)
		beforeFirstWrite("p-1", func() {
			_, err := api.JudgeDynamic().Resource(p.resource()).Namespace(ns).
				Patch(ctx, "p-1", types.MergePatchType, []byte(`{"spec": {"weight": 99}}`), metav1.PatchOptions{})
			Expect(err).NotTo(HaveOccurred(), "write p-1 for the spec")
		})
		Expect(p.migrate(ctx, 10)).To(Succeed(), "migrate %s", p.name)
		Expect(p.now(ctx)["p-1"].Object["spec"]).To(HaveKeyWithValue("weight", int64(99)), "the spec of p-1, which somebody has written meanwhile")
		Expect(p.unwritten(ctx)).To(BeEmpty(), "parcels that are still stored as v1alpha1")
		Expect(p.storedVersions(ctx)).To(Equal([]string{"v1beta1"}), "status.storedVersions of %s", p.name)
	})

	It("does not mind that somebody deletes an object meanwhile, and does not make it again", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		p := newParcels(ctx, 3, ns)
		beforeFirstWrite("p-1", func() {
			Expect(api.JudgeDynamic().Resource(p.resource()).Namespace(ns).Delete(ctx, "p-1", metav1.DeleteOptions{})).To(Succeed(), "delete p-1 for the spec")
		})
		Expect(p.migrate(ctx, 10)).To(Succeed(), "migrate %s", p.name)
		Expect(p.now(ctx)).NotTo(HaveKey("p-1"), "the parcels, of which somebody has deleted p-1")
		Expect(p.unwritten(ctx)).To(BeEmpty(), "parcels that are still stored as v1alpha1")
		Expect(p.storedVersions(ctx)).To(Equal([]string{"v1beta1"}), "status.storedVersions of %s", p.name)
	})

	It("leaves status.storedVersions alone when an object cannot be written", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		p := newParcels(ctx, 3, ns)
		answer := broken
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if isWrite(r) && r.Resource == "parcels" && r.Name == "p-1" {
				return &cluster.Answer{Status: &answer}
			}
			return nil
		})
		for _, answer = range []metav1.Status{broken, invalid, forbidden} {
			err := p.migrate(ctx, 10)
			Expect(apierrors.ReasonForError(err)).To(Equal(answer.Reason), "the error's reason, when p-1 cannot be written: %v", err)
			Expect(err).To(MatchError(ContainSubstring(ns+"/p-1")), "the error names the object")
			Expect(err).To(MatchError(ContainSubstring(p.name)), "the error names the definition")
			Expect(lastWrite()).To(Equal("parcels/p-1"), "the learner's last write: it ends at once")
		}
		Expect(p.storedVersions(ctx)).To(Equal([]string{"v1alpha1", "v1beta1"}), "status.storedVersions of %s", p.name)
		Expect(writes("customresourcedefinitions")).To(BeEmpty(), "what the learner has asked the server to change in the definition")
	})

	It("leaves status.storedVersions alone when a page cannot be listed", func(ctx SpecContext) {
		p := newParcels(ctx, 3, api.Namespace(ctx))
		answer, first := broken, false
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == "list" && r.Resource == "parcels" && (first || r.Query.Get("continue") != "") {
				return &cluster.Answer{Status: &answer}
			}
			return nil
		})
		for _, first = range []bool{false, true} {
			for _, answer = range []metav1.Status{broken, expired, notFound} {
				err := p.migrate(ctx, 2)
				Expect(apierrors.ReasonForError(err)).To(Equal(answer.Reason), "the error's reason, when a page cannot be listed (the first: %t): %v", first, err)
				Expect(err).To(MatchError(ContainSubstring(p.name)), "the error names the definition")
			}
		}
		Expect(p.storedVersions(ctx)).To(Equal([]string{"v1alpha1", "v1beta1"}), "status.storedVersions of %s", p.name)
		Expect(writes("customresourcedefinitions")).To(BeEmpty(), "what the learner has asked the server to change in the definition")
	})

	It("does not mind that somebody annotates the definition meanwhile", func(ctx SpecContext) {
		p := newParcels(ctx, 2, api.Namespace(ctx))
		beforeFirstWrite("", func() {
			change(ctx, p.name, func(crd *apiextensionsv1.CustomResourceDefinition) {
				metav1.SetMetaDataAnnotation(&crd.ObjectMeta, "kubekata.dev/seen", "yes")
			})
		})
		Expect(p.migrate(ctx, 10)).To(Succeed(), "migrate %s, which somebody annotates meanwhile", p.name)
		Expect(p.storedVersions(ctx)).To(Equal([]string{"v1beta1"}), "status.storedVersions of %s", p.name)
		Expect(definition(ctx, p.name).Annotations).To(HaveKeyWithValue("kubekata.dev/seen", "yes"), "the annotations of %s", p.name)
	})

	It("leaves status.storedVersions alone when somebody changes the storage version meanwhile", func(ctx SpecContext) {
		p := newParcels(ctx, 2, api.Namespace(ctx))
		beforeFirstWrite("", func() { setStorage(ctx, p.name, "v1alpha1") })
		err := p.migrate(ctx, 10)
		Expect(err).To(MatchError(conversion.ErrChanged), "migrate %s, whose storage version somebody changes meanwhile", p.name)
		Expect(err).To(MatchError(ContainSubstring(p.name)), "the error names the definition")
		Expect(p.storedVersions(ctx)).To(ConsistOf("v1alpha1", "v1beta1"), "status.storedVersions of %s", p.name)
	})

	It("leaves status.storedVersions alone when somebody has changed the storage version for a while", func(ctx SpecContext) {
		p := newParcels(ctx, 2, api.Namespace(ctx))
		beforeFirstWrite("", func() {
			setStorage(ctx, p.name, "v1alpha1")
			setStorage(ctx, p.name, "v1beta1")
		})
		Expect(p.migrate(ctx, 10)).To(MatchError(conversion.ErrChanged), "migrate %s, which somebody stores as v1alpha1 for a while", p.name)
		Expect(p.storedVersions(ctx)).To(ConsistOf("v1alpha1", "v1beta1"), "status.storedVersions of %s", p.name)
	})

	It("leaves status.storedVersions alone when somebody has deleted the definition and made it again", func(ctx SpecContext) {
		p := newParcels(ctx, 2, api.Namespace(ctx))
		another := definition(ctx, p.name)
		another.TypeMeta = metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition"}
		another.UID, another.ResourceVersion = "another", another.ResourceVersion+"0"
		begun := false
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			switch {
			case r.Resource == "customresourcedefinitions" && isWrite(r):
				begun = true
				return &cluster.Answer{Status: &conflict}
			case r.Resource == "customresourcedefinitions" && begun:
				return &cluster.Answer{Body: []byte(asJSON(another))}
			}
			return nil
		})
		Expect(p.migrate(ctx, 10)).To(MatchError(conversion.ErrChanged), "migrate %s, which is another one of the same generation by now", p.name)
		Expect(writes("customresourcedefinitions")).To(HaveLen(1), "what the learner has asked the server to change in the definition: nothing more after a conflict")
	})

	It("says that a definition is not there", func(ctx SpecContext) {
		err := conversion.Migrate(ctx, learners("kubekata.dev", "Letter"), "letters.kubekata.dev", 10)
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the error for a definition that is not there: %v", err)
	})
})
