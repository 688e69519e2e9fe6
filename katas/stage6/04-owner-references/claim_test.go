package ownerreferences_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	kata "github.com/kubekata/kubekata/katas/stage6/04-owner-references"
)

// web selects app=web.
var web = labels.SelectorFromSet(labels.Set{"app": "web"})

// claim calls Claim for a controller and candidates, all of which are in the cache.
func claim(ctx SpecContext, controller *corev1.ConfigMap, candidates ...*corev1.ConfigMap) ([]*corev1.ConfigMap, error) {
	return kata.Claim(ctx, learner(append(candidates, controller)...), live(), controller, web, candidates)
}

var _ = Describe("Claim", func() {
	It("adopts what matches and has no controller", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("web")))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed")
		Expect(get(ctx, claimed[0]).OwnerReferences).To(Equal([]metav1.OwnerReference{refer(shop, controls)}), "the references of configmap menu, which was adopted")
	})

	It("returns what it has adopted as the server has it then", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("web")))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(claimed).To(HaveLen(1), "what Claim has claimed")
		now := get(ctx, claimed[0])
		Expect(claimed[0].OwnerReferences).To(Equal(now.OwnerReferences), "the references of what Claim returns, and of what the server has")
		Expect(claimed[0].ResourceVersion).To(Equal(now.ResourceVersion), "the resource version of what Claim returns, and of what the server has")
	})

	It("leaves the plain owners of what it adopts", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		menu := create(ctx, ns, "menu", label("web"), owned(other))
		claimed, err := claim(ctx, shop, menu)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed")
		Expect(owners(ctx, menu)).To(ConsistOf("other", "shop*"), "the owners of configmap menu (* is the controller)")
	})

	It("makes the controller of what was a plain owner", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", label("web"), owned(shop))
		claimed, err := claim(ctx, shop, menu)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed")
		Expect(owners(ctx, menu)).To(Equal([]string{"shop*"}), "the owners of configmap menu (* is the controller)")
	})

	It("claims what it controls and what matches, and writes nothing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("web"), owned(shop, controls)))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed")
		Expect(writes()).To(BeEmpty(), "what Claim has written")
		Expect(reads("shop")).To(BeZero(), "how often the controller was read from the server, when there was nothing to adopt")
	})

	It("releases what it controls and what does not match any more, and leaves other owners", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		menu := create(ctx, ns, "menu", label("db"), owned(shop, controls), owned(other))
		claimed, err := claim(ctx, shop, menu)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed")
		Expect(owners(ctx, menu)).To(Equal([]string{"other"}), "the owners of configmap menu, whose label has changed")
	})

	It("leaves alone what another one controls, even if it matches", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		claimed, err := claim(ctx, shop,
			create(ctx, ns, "menu", label("web"), owned(other, controls)), create(ctx, ns, "wine", label("db"), owned(other, controls)))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed")
		Expect(writes()).To(BeEmpty(), "what Claim has written")
	})

	It("leaves alone what another one of the same name controls", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		secret, err := api.Judge().CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		of := func(m *corev1.ConfigMap) {
			m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Secret", Name: "shop", UID: secret.UID, Controller: ptr.To(true)}}
		}
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("web"), of), create(ctx, ns, "wine", label("db"), of))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(BeEmpty(), "what configmap shop has claimed of what secret shop controls")
		Expect(writes()).To(BeEmpty(), "what Claim has written")
	})

	It("leaves alone what matches not and has no controller, even if it is a plain owner of it", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("db")), create(ctx, ns, "wine", label("db"), owned(shop)))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed")
		Expect(writes()).To(BeEmpty(), "what Claim has written")
	})

	It("returns what it has claimed in the order of the candidates", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		claimed, err := claim(ctx, shop,
			create(ctx, ns, "z", label("web")), create(ctx, ns, "y", label("web"), owned(shop, controls)),
			create(ctx, ns, "x", label("db")), create(ctx, ns, "a", label("web")))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"z", "y", "a"}), "what Claim has claimed, of z (to be adopted), y (its own), x (no match), a (to be adopted)")
	})

	It("does not adopt what is being deleted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", label("web"), finalized)
		remove(ctx, menu)
		claimed, err := claim(ctx, shop, get(ctx, menu))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed, where the only candidate is being deleted")
		Expect(owners(ctx, menu)).To(BeEmpty(), "the owners of configmap menu")
	})

	It("still claims what it controls while that is being deleted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", label("web"), owned(shop, controls), finalized)
		remove(ctx, menu)
		claimed, err := claim(ctx, shop, get(ctx, menu))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed, where its only dependant is being deleted")
	})

	It("does not adopt what is in another namespace", func(ctx SpecContext) {
		shop := create(ctx, api.Namespace(ctx), "shop")
		menu := create(ctx, api.Namespace(ctx), "menu", label("web"))
		claimed, err := claim(ctx, shop, menu)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed, where the only candidate is in another namespace")
		Expect(owners(ctx, menu)).To(BeEmpty(), "the owners of configmap menu")
	})

	It("adopts for a controller that is in no namespace", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		menu := create(ctx, ns, "menu", label("web"))
		controller, err := api.Judge().CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		claimed, err := kata.Claim(ctx, learner(menu), live(), controller, web, []*corev1.ConfigMap{menu})
		Expect(err).NotTo(HaveOccurred(), "what Claim returns, with a Namespace as the controller")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed")
		Expect(owners(ctx, menu)).To(Equal([]string{ns + "*"}), "the owners of configmap menu (* is the controller)")
	})

	It("does not change what it is given, which may be a cache's", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		menu := create(ctx, ns, "menu", label("web"), owned(other))
		wine := create(ctx, ns, "wine", label("db"), owned(shop, controls), owned(other))
		var given []*corev1.ConfigMap
		for _, m := range []*corev1.ConfigMap{shop, menu, wine} {
			given = append(given, m.DeepCopy())
		}
		_, err := claim(ctx, given[0], given[1:]...)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(given).To(Equal([]*corev1.ConfigMap{shop, menu, wine}), "the controller and the candidates, one of which was adopted, and one released")
	})

	It("serves a kind of a CustomResourceDefinition", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		_, err := claim(ctx, shop)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns, without candidates")
		menu := custom(ctx, ns, "menu", map[string]string{"app": "web"}, refer(other))
		wine := custom(ctx, ns, "wine", map[string]string{"app": "db"}, refer(shop, controls), refer(other))
		claimed, err := kata.Claim(ctx, learner(shop), live(), shop, web, []*unstructured.Unstructured{menu, wine})
		Expect(err).NotTo(HaveOccurred(), "what Claim returns for custom resources")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed")
		Expect(nameOwners(latest(ctx, menu))).To(ConsistOf("other", "shop*"), "the owners of shop menu, a custom resource that was to be adopted")
		Expect(nameOwners(latest(ctx, wine))).To(Equal([]string{"other"}), "the owners of shop wine, a custom resource that was to be released")
	})
})

var _ = Describe("A controller that is being deleted", func() {
	// leaving is a controller that is being deleted, and the copy of it that a cache has that does not know.
	leaving := func(ctx SpecContext, ns string) (leaving, cached *corev1.ConfigMap) {
		GinkgoHelper()
		cached = create(ctx, ns, "shop", finalized)
		remove(ctx, cached)
		return get(ctx, cached), cached
	}

	It("adopts nothing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, _ := leaving(ctx, ns)
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("web")))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed")
		Expect(writes()).To(BeEmpty(), "what Claim has written")
	})

	It("releases nothing", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, _ := leaving(ctx, ns)
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("db"), owned(shop, controls)))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed")
		Expect(writes()).To(BeEmpty(), "what Claim has written")
	})

	It("keeps what it controls", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, _ := leaving(ctx, ns)
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("web"), owned(shop, controls)))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed")
	})

	It("adopts nothing when only the server knows", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, shop := leaving(ctx, ns)
		menu := create(ctx, ns, "menu", label("web"))
		claimed, err := claim(ctx, shop, menu, create(ctx, ns, "wine", label("web"), owned(shop, controls)))
		Expect(err).To(MatchError(kata.ErrControllerGone), "what Claim returns when the cache has not yet seen that the controller is being deleted")
		Expect(owners(ctx, menu)).To(BeEmpty(), "the owners of configmap menu")
		Expect(names(claimed)).To(Equal([]string{"wine"}), "what Claim has claimed: what was the controller's before")
	})
})

var _ = Describe("An old cache", func() {
	It("has a controller that is gone: nothing is adopted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, menu := create(ctx, ns, "shop"), create(ctx, ns, "menu", label("web"))
		remove(ctx, shop)
		claimed, err := claim(ctx, shop, menu)
		Expect(err).To(MatchError(kata.ErrControllerGone), "what Claim returns for a controller that is gone")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed")
		Expect(writes()).To(BeEmpty(), "what Claim has written")
	})

	It("has a controller whose name another one has: nothing is adopted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, menu := create(ctx, ns, "shop"), create(ctx, ns, "menu", label("web"))
		remove(ctx, shop)
		create(ctx, ns, "shop")
		claimed, err := claim(ctx, shop, menu)
		Expect(err).To(MatchError(kata.ErrControllerGone), "what Claim returns for a controller that was deleted, and made again with its name and another UID")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed")
		Expect(writes()).To(BeEmpty(), "what Claim has written")
	})

	It("is not enough for an adoption: the server is asked for the controller, once", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		claimed, err := claim(ctx, shop, create(ctx, ns, "menu", label("web")), create(ctx, ns, "wine", label("web")))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"menu", "wine"}), "what Claim has claimed")
		Expect(reads("shop")).To(Equal(1), "how often the controller was read from the server, with two to adopt")
	})

	It("is enough for a release: the server is not asked for the controller", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		_, err := claim(ctx, shop, create(ctx, ns, "menu", label("db"), owned(shop, controls)), create(ctx, ns, "wine", label("db")))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(reads("shop")).To(BeZero(), "how often the controller was read from the server, with none to adopt")
	})

	It("is not believed when the server does not answer: nothing is adopted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, menu := create(ctx, ns, "shop"), create(ctx, ns, "menu", label("web"))
		refuse("get", "shop")
		claimed, err := claim(ctx, shop, menu)
		Expect(err).To(Satisfy(apierrors.IsForbidden), "what Claim returns when it may not read the controller: apierrors.IsForbidden")
		Expect(err).NotTo(MatchError(kata.ErrControllerGone), "what Claim returns when it may not read the controller")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed")
		Expect(owners(ctx, menu)).To(BeEmpty(), "the owners of configmap menu")
	})

	It("has a candidate whose name another one has: that one is not adopted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, menu := create(ctx, ns, "shop"), create(ctx, ns, "menu", label("web"))
		remove(ctx, menu)
		successor := create(ctx, ns, "menu", label("db"))
		claimed, _ := claim(ctx, shop, menu) // whether this is an error is not said
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed, where the only candidate was deleted, and made again with its name and another UID")
		Expect(owners(ctx, successor)).To(BeEmpty(), "the owners of the other configmap menu")
		claimed, err := claim(ctx, shop, successor)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns when the cache is up to date")
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed when the cache is up to date: the other configmap menu does not match")
	})

	It("has a candidate whose name another one has: that one is not released", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", label("db"), owned(shop, controls))
		remove(ctx, menu)
		successor := create(ctx, ns, "menu", label("web"), owned(shop, controls))
		claimed, _ := claim(ctx, shop, menu)
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed, where the only candidate was deleted, and made again with its name and another UID")
		Expect(owners(ctx, successor)).To(Equal([]string{"shop*"}), "the owners of the other configmap menu (* is the controller)")
		claimed, err := claim(ctx, shop, successor)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns when the cache is up to date")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed when the cache is up to date: the other configmap menu matches")
	})

	It("does not know an owner that somebody has added: it is not lost when the candidate is adopted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		menu := create(ctx, ns, "menu", label("web"))
		adds(ctx, menu, other)
		_, _ = claim(ctx, shop, menu) // adopted, or refused, as it has changed
		Expect(owners(ctx, menu)).To(ContainElement("other"), "the owners of configmap menu, to which somebody has added other since it was read")
		claimed, err := claim(ctx, shop, get(ctx, menu))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns when the cache is up to date")
		Expect(names(claimed)).To(Equal([]string{"menu"}), "what Claim has claimed when the cache is up to date")
		Expect(owners(ctx, menu)).To(ConsistOf("other", "shop*"), "the owners of configmap menu (* is the controller)")
	})

	It("does not know an owner that somebody has added: it is not lost when the candidate is released", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		menu := create(ctx, ns, "menu", label("db"), owned(shop, controls))
		adds(ctx, menu, other)
		_, _ = claim(ctx, shop, menu)
		Expect(owners(ctx, menu)).To(ContainElement("other"), "the owners of configmap menu, to which somebody has added other since it was read")
		_, err := claim(ctx, shop, get(ctx, menu))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns when the cache is up to date")
		Expect(owners(ctx, menu)).To(Equal([]string{"other"}), "the owners of configmap menu")
	})

	It("does not know that another one controls a candidate by now: that one stays the controller", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, other := create(ctx, ns, "shop"), create(ctx, ns, "other")
		menu := create(ctx, ns, "menu", label("web"))
		before("menu", func() {
			patch(ctx, menu, fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"other","uid":%q,"controller":true}]}}`, other.UID))
		})
		claimed, err := claim(ctx, shop, menu)
		Expect(names(claimed)).To(BeEmpty(), "what Claim has claimed, where another one was faster")
		Expect(err).To(MatchError(ContainSubstring("menu")), "what Claim returns, where another one was faster")
		Expect(owners(ctx, menu)).To(Equal([]string{"other*"}), "the owners of configmap menu (* is the controller)")
	})
})

var _ = Describe("What fails", func() {
	It("does not keep other candidates from being claimed, and is returned with the candidates' names", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		refuse("write", "bad-")
		claimed, err := claim(ctx, shop,
			create(ctx, ns, "bad-menu", label("web")), create(ctx, ns, "bad-wine", label("db"), owned(shop, controls)),
			create(ctx, ns, "menu", label("web")), create(ctx, ns, "wine", label("web"), owned(shop, controls)))
		Expect(names(claimed)).To(Equal([]string{"menu", "wine"}), "what Claim has claimed: the two that the server did not refuse to change, or that need no change")
		Expect(err).To(MatchError(And(ContainSubstring("bad-menu"), ContainSubstring("bad-wine"))), "what Claim returns: all that went wrong")
		Expect(err).To(Satisfy(apierrors.IsForbidden), "what Claim returns: apierrors.IsForbidden")
	})

	It("is not that a candidate is gone which was to be adopted", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop, menu := create(ctx, ns, "shop"), create(ctx, ns, "menu", label("web"))
		remove(ctx, menu)
		claimed, err := claim(ctx, shop, menu, create(ctx, ns, "wine", label("web")))
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
		Expect(names(claimed)).To(Equal([]string{"wine"}), "what Claim has claimed, of menu, which is gone, and wine")
	})

	It("is not that a candidate is gone which was to be released", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		shop := create(ctx, ns, "shop")
		menu := create(ctx, ns, "menu", label("db"), owned(shop, controls))
		remove(ctx, menu)
		_, err := claim(ctx, shop, menu)
		Expect(err).NotTo(HaveOccurred(), "what Claim returns")
	})
})
