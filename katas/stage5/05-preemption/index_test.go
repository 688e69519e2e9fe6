package preemption_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	preemption "github.com/kubekata/kubekata/katas/stage5/05-preemption"

	"github.com/kubekata/kubekata/harness/scheduler"
)

var _ = Describe("IndexByUID", func() {
	It("returns a pod's UID", func() {
		keys, err := preemption.IndexByUID(pod("web", 0))
		Expect(err).NotTo(HaveOccurred())
		Expect(keys).To(Equal([]string{"uid-of-web"}), "the keys of pod web, whose UID is uid-of-web")
	})

	It("returns nothing for a pod without a UID", func() {
		keys, err := preemption.IndexByUID(pod("web", 0, func(p *corev1.Pod) { p.UID = "" }))
		Expect(err).NotTo(HaveOccurred())
		Expect(keys).To(BeEmpty(), "the keys of a pod without a UID")
	})

	It("returns neither a key nor an error for anything but a pod, since an indexer panics at an error", func() {
		for _, obj := range []any{scheduler.Node("a"), cache.DeletedFinalStateUnknown{Key: "default/web", Obj: pod("web", 0)}, "default/web", nil} {
			keys, err := preemption.IndexByUID(obj)
			Expect(err).NotTo(HaveOccurred(), "the error for a %T", obj)
			Expect(keys).To(BeEmpty(), "the keys of a %T", obj)
		}
	})

	It("tells a pod from the next one of the same name", func() {
		indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{preemption.UIDIndex: func(obj any) ([]string, error) {
			keys, err := preemption.IndexByUID(obj)
			Expect(err).NotTo(HaveOccurred())
			return keys, nil
		}})
		Expect(indexer.Add(pod("web", 0))).To(Succeed())
		Expect(indexer.Update(pod("web", 7, func(p *corev1.Pod) { p.UID = "uid-of-the-next" }))).To(Succeed())
		Expect(indexer.ByIndex(preemption.UIDIndex, "uid-of-web")).To(BeEmpty(), "the pods with the UID of the first pod web, which has been replaced")
		Expect(indexer.ByIndex(preemption.UIDIndex, "uid-of-the-next")).To(ConsistOf(HaveField("Spec.Priority", HaveValue(BeEquivalentTo(7)))), "the pods with the UID of the second pod web")
	})
})
