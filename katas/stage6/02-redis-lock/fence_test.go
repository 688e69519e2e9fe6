package redislock_test

import (
	"context"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kata "github.com/kubekata/kubekata/katas/stage6/02-redis-lock"

	"github.com/kubekata/kubekata/harness/cluster"
)

var _ = Describe("The fence", func() {
	var ns string
	BeforeEach(func(ctx SpecContext) { ns = api.Namespace(ctx) })

	fence := func(token int64) kata.Fence {
		return kata.Fence{ConfigMaps: api.Clientset().CoreV1().ConfigMaps(ns), Name: "invoices", Token: token}
	}
	// is writes a value.
	is := func(key, value string) func(map[string]string) {
		return func(data map[string]string) { data[key] = value }
	}
	write := func(ctx context.Context, token int64, key, value string) {
		GinkgoHelper()
		Expect(fence(token).Write(ctx, is(key, value))).To(Succeed(), "Write, with the token %d", token)
	}
	stored := func(ctx context.Context) *corev1.ConfigMap {
		GinkgoHelper()
		cm, err := api.Judge().CoreV1().ConfigMaps(ns).Get(ctx, "invoices", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred(), "the ConfigMap invoices")
		return cm
	}
	create := func(ctx context.Context, annotations, data map[string]string) {
		GinkgoHelper()
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "invoices", Annotations: annotations}, Data: data}
		_, err := api.Judge().CoreV1().ConfigMaps(ns).Create(ctx, cm, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred(), "create the ConfigMap invoices")
	}
	// before lets the spec do something before the first request with this verb.
	before := func(verb string, do func()) {
		done := false
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb == verb && r.Namespace == ns && !done {
				done = true
				do()
			}
			return nil
		})
	}

	It("creates the ConfigMap, with the token", func(ctx SpecContext) {
		write(ctx, 3, "last", "1")
		cm := stored(ctx)
		Expect(cm.Data).To(Equal(map[string]string{"last": "1"}), "the data")
		Expect(cm.Annotations).To(HaveKeyWithValue(kata.TokenAnnotation, "3"), "the annotations")
	})

	It("lets the same holder write again, over what is there", func(ctx SpecContext) {
		write(ctx, 3, "last", "1")
		write(ctx, 3, "by", "a")
		Expect(stored(ctx).Data).To(Equal(map[string]string{"last": "1", "by": "a"}), "the data, after two writes")
	})

	It("lets a later holder write, and keeps its token", func(ctx SpecContext) {
		write(ctx, 9, "last", "1")
		write(ctx, 10, "last", "2") // as texts, "10" comes before "9"
		cm := stored(ctx)
		Expect(cm.Data).To(HaveKeyWithValue("last", "2"), "the data")
		Expect(cm.Annotations).To(HaveKeyWithValue(kata.TokenAnnotation, "10"), "the annotations")
	})

	It("lets a holder write what nobody has fenced yet", func(ctx SpecContext) {
		create(ctx, nil, nil)
		write(ctx, 3, "last", "1")
		cm := stored(ctx)
		Expect(cm.Data).To(Equal(map[string]string{"last": "1"}), "the data of a ConfigMap that had none")
		Expect(cm.Annotations).To(HaveKeyWithValue(kata.TokenAnnotation, "3"), "the annotations")
	})

	It("refuses an earlier holder, and does not call change", func(ctx SpecContext) {
		write(ctx, 10, "last", "2")
		called := false
		err := fence(9).Write(ctx, func(data map[string]string) { called = true; data["last"] = "1" })
		Expect(err).To(MatchError(kata.ErrStale), "what Write returns with the token 9, when a holder with 10 has written")
		Expect(called).To(BeFalse(), "whether change was called")
		Expect(stored(ctx).Data).To(HaveKeyWithValue("last", "2"), "the data")
	})

	It("begins anew when somebody else writes in between, with what they have written", func(ctx SpecContext) {
		create(ctx, nil, map[string]string{"last": "1"})
		before("update", func() {
			cm := stored(ctx)
			cm.Data["last"] = "2"
			_, err := api.Judge().CoreV1().ConfigMaps(ns).Update(ctx, cm, metav1.UpdateOptions{})
			Expect(err).NotTo(HaveOccurred(), "somebody else's write")
		})
		err := fence(3).Write(ctx, func(data map[string]string) { data["last"] += "+1" })
		Expect(err).NotTo(HaveOccurred(), "what Write returns after a conflict")
		Expect(stored(ctx).Data).To(HaveKeyWithValue("last", "2+1"), "the data, when 2 was written in between")
	})

	It("begins anew when somebody else creates the ConfigMap in between", func(ctx SpecContext) {
		before("create", func() { create(ctx, nil, map[string]string{"last": "2"}) })
		err := fence(3).Write(ctx, func(data map[string]string) { data["last"] += "+1" })
		Expect(err).NotTo(HaveOccurred(), "what Write returns when the ConfigMap was created in between")
		Expect(stored(ctx).Data).To(HaveKeyWithValue("last", "2+1"), "the data, when 2 was written in between")
	})

	It("refuses a holder when a later one writes in between", func(ctx SpecContext) {
		create(ctx, nil, map[string]string{"last": "1"})
		before("update", func() {
			cm := stored(ctx)
			metav1.SetMetaDataAnnotation(&cm.ObjectMeta, kata.TokenAnnotation, "10")
			cm.Data["last"] = "2"
			_, err := api.Judge().CoreV1().ConfigMaps(ns).Update(ctx, cm, metav1.UpdateOptions{})
			Expect(err).NotTo(HaveOccurred(), "the write of a later holder")
		})
		Expect(fence(9).Write(ctx, is("last", "1+1"))).To(MatchError(kata.ErrStale), "what Write returns with the token 9, when a holder with 10 has written between its reading and its writing")
		Expect(stored(ctx).Data).To(HaveKeyWithValue("last", "2"), "the data")
	})

	It("does not take a token that is not readable for none", func(ctx SpecContext) {
		create(ctx, map[string]string{kata.TokenAnnotation: "ten"}, map[string]string{"last": "2"})
		Expect(fence(3).Write(ctx, is("last", "1"))).To(MatchError(ContainSubstring("ten")), "what Write returns when the token is the word ten")
		Expect(stored(ctx).Data).To(HaveKeyWithValue("last", "2"), "the data")
	})

	It("returns what the API server says", func(ctx SpecContext) {
		create(ctx, nil, nil)
		api.Intercept(func(r cluster.Request) *cluster.Answer {
			if r.Verb != "update" || r.Namespace != ns {
				return nil
			}
			return &cluster.Answer{Status: &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "not today"}}
		})
		Expect(fence(3).Write(ctx, is("last", "1"))).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "what Write returns when the update is forbidden")
	})
})
