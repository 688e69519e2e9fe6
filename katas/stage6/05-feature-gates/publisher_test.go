package featuregates_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/featuregate"

	kata "github.com/kubekata/kubekata/katas/stage6/05-feature-gates"
)

var dishes = []kata.Dish{{Name: "Lasagne", Price: "12", Translation: "layers"}, {Name: "Zuppa", Price: "7", Translation: "soup"}}

// fixed is a gate with these features on, which notes what it is asked. It is not the learner's: the specs are about the publisher.
type fixed struct {
	featuregate.FeatureGate
	on    map[featuregate.Feature]bool
	asked int
}

func (f *fixed) Enabled(feature featuregate.Feature) bool {
	f.asked++
	return f.on[feature]
}

// menu reads what is on the server.
func menu(ctx context.Context, ns string) map[string]string {
	GinkgoHelper()
	cm, err := api.Judge().CoreV1().ConfigMaps(ns).Get(ctx, kata.Name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred(), "get configmap %s/%s", ns, kata.Name)
	return cm.Data
}

var _ = Describe("The publisher", func() {
	publish := func(ctx context.Context, gate featuregate.FeatureGate) map[string]string {
		GinkgoHelper()
		ns := api.Namespace(ctx)
		Expect(kata.NewPublisher(api.Clientset(), gate).Publish(ctx, ns, dishes)).To(Succeed())
		return menu(ctx, ns)
	}

	DescribeTable("writes", func(ctx SpecContext, on featuregate.Feature, want map[string]string) {
		Expect(publish(ctx, &fixed{on: map[featuregate.Feature]bool{on: true}})).To(Equal(want), "the menu with %q on", on)
	},
		Entry("the dishes, when everything is off", featuregate.Feature(""), map[string]string{"dishes": "Lasagne\nZuppa"}),
		Entry("the prices, with Prices", kata.Prices, map[string]string{"dishes": "Lasagne\nZuppa", "prices": "Lasagne: 12\nZuppa: 7"}),
		Entry("the translations, with Translations", kata.Translations, map[string]string{"dishes": "Lasagne\nZuppa", "translations": "Lasagne: layers\nZuppa: soup"}),
		Entry("what is read aloud, with Voice", kata.Voice, map[string]string{"dishes": "Lasagne\nZuppa", "voice": "layers\nsoup"}),
		Entry("capitals, with Chalk", kata.Chalk, map[string]string{"dishes": "LASAGNE\nZUPPA"}),
	)

	It("writes capitals into the dishes alone, with Chalk", func(ctx SpecContext) {
		Expect(publish(ctx, &fixed{on: map[featuregate.Feature]bool{kata.Chalk: true, kata.Prices: true}})).To(HaveKeyWithValue("prices", "Lasagne: 12\nZuppa: 7"), "the menu with Chalk and Prices")
	})

	It("asks nothing before it publishes", func(ctx SpecContext) {
		gate := &fixed{}
		p := kata.NewPublisher(api.Clientset(), gate)
		Expect(gate.asked).To(BeZero(), "how often the gate was asked, before flags are parsed")
		Expect(p.Publish(ctx, api.Namespace(ctx), dishes)).To(Succeed())
		Expect(gate.asked).NotTo(BeZero(), "how often the gate was asked when the menu was published")
	})

	It("asks each time", func(ctx SpecContext) {
		ns, gate := api.Namespace(ctx), &fixed{on: map[featuregate.Feature]bool{}}
		p := kata.NewPublisher(api.Clientset(), gate)
		Expect(p.Publish(ctx, ns, dishes)).To(Succeed())
		Expect(menu(ctx, ns)).NotTo(HaveKey("prices"), "the menu with Prices off")
		gate.on[kata.Prices] = true
		Expect(p.Publish(ctx, ns, dishes)).To(Succeed())
		Expect(menu(ctx, ns)).To(HaveKeyWithValue("prices", "Lasagne: 12\nZuppa: 7"), "the menu when Prices was switched on")
	})

	It("throws nothing away that was written when a gate was on", func(ctx SpecContext) {
		ns, gate := api.Namespace(ctx), &fixed{on: map[featuregate.Feature]bool{kata.Voice: true, kata.Prices: true}}
		p := kata.NewPublisher(api.Clientset(), gate)
		Expect(p.Publish(ctx, ns, dishes)).To(Succeed())
		gate.on = nil
		Expect(p.Publish(ctx, ns, dishes[:1])).To(Succeed())
		Expect(menu(ctx, ns)).To(Equal(map[string]string{"dishes": "Lasagne", "voice": "layers\nsoup", "prices": "Lasagne: 12\nZuppa: 7"}), "the menu after a day on which everything is off")
	})

	It("leaves the keys of others", func(ctx SpecContext) {
		ns := api.Namespace(ctx)
		_, err := api.Judge().CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: kata.Name}, Data: map[string]string{"wine": "red"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "make configmap %s/%s for the spec", ns, kata.Name)
		Expect(kata.NewPublisher(api.Clientset(), &fixed{}).Publish(ctx, ns, dishes)).To(Succeed())
		Expect(menu(ctx, ns)).To(Equal(map[string]string{"wine": "red", "dishes": "Lasagne\nZuppa"}), "the menu")
	})

	It("does what the program's own gate says", func(ctx SpecContext) {
		gate := newGate()
		Expect(gate.Set("Voice=true")).To(Succeed())
		Expect(publish(ctx, gate)).To(And(HaveKey("prices"), HaveKey("translations"), HaveKey("voice"), HaveKeyWithValue("dishes", "Lasagne\nZuppa")), "the menu in 1.4 with Voice")
	})
})
