package finalizers_test

import (
	"context"
	"errors"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kata "github.com/kubekata/kubekata/katas/stage6/03-finalizers"

	"github.com/kubekata/kubekata/harness/cluster"
)

const (
	interval = 20 * time.Millisecond
	// patient is a timeout that no spec waits for.
	patient = 20 * time.Second
	// brief is a timeout that a spec waits for.
	brief = 300 * time.Millisecond
)

// deleteAndWait calls it for a ConfigMap.
func deleteAndWait(ctx context.Context, m *corev1.ConfigMap, timeout time.Duration) error {
	GinkgoHelper()
	return kata.DeleteAndWait(ctx, learner(), refTo(m), interval, timeout)
}

// waiting lets somebody else in before the third read, or the first watch: whoever looks, deletes, and looks again, is waiting by then.
func waiting(other func()) {
	var mu sync.Mutex
	reads, done := 0, false
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		mu.Lock()
		defer mu.Unlock()
		if isRead(r) {
			reads++
		}
		if !done && (reads == 3 || r.Verb == "watch") {
			done = true
			other()
		}
		return nil
	})
}

// afterDelete answers what the learner reads after the Delete.
func afterDelete(answer func(cluster.Request) *cluster.Answer) {
	var mu sync.Mutex
	deleted := false
	api.Intercept(func(r cluster.Request) *cluster.Answer {
		mu.Lock()
		defer mu.Unlock()
		if deleted && isRead(r) {
			return answer(r)
		}
		deleted = deleted || isDelete(r)
		return nil
	})
}

// expectStuck expects a StuckError.
func expectStuck(err error) *kata.StuckError {
	GinkgoHelper()
	var stuck *kata.StuckError
	Expect(errors.As(err, &stuck)).To(BeTrue(), "want a *StuckError, got: %v", err)
	return stuck
}

var _ = Describe("DeleteAndWait", func() {
	It("deletes an object, and returns when it is gone", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed())
		expectGone(ctx, m)
	})

	It("does not take an accepted Delete for the end of an object with a finalizer", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		waiting(func() { free(ctx, m) })
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed())
		expectGone(ctx, m)
	})

	It("does not remove others' finalizers to get on", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		expectStuck(deleteAndWait(ctx, m, brief))
		Expect(get(ctx, m).Finalizers).To(ConsistOf(theirs), "the finalizers of configmap menu, which is stuck")
	})

	It("deletes once, however long it waits", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		expectStuck(deleteAndWait(ctx, m, brief))
		Expect(asked(isDelete)).To(HaveLen(1), "Deletes of configmap menu, which has a finalizer")
	})

	It("does not delete what is being deleted already", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		remove(ctx, m)
		waiting(func() { free(ctx, m) })
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed())
		expectGone(ctx, m)
		Expect(asked(isDelete)).To(BeEmpty(), "Deletes of configmap menu, whose deletion somebody has asked for before")
	})

	It("says which finalizers are left when the time is up", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs, third)
		later, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		err := deleteAndWait(later, m, brief)
		Expect(later.Err()).NotTo(HaveOccurred(), "the context, which ends long after the timeout of %v", brief)
		stuck := expectStuck(err)
		Expect(stuck.Finalizers).To(ConsistOf(theirs, third), "the finalizers in the error")
		Expect(stuck.Ref).To(Equal(refTo(m)), "the Ref in the error")
		Expect(err).To(MatchError(context.DeadlineExceeded), "why nobody waits any more")
	})

	It("says which finalizers are left in the end, not which there were in the beginning", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs, third)
		waiting(func() { put(ctx, m, third) })
		Expect(expectStuck(deleteAndWait(ctx, m, brief)).Finalizers).To(ConsistOf(third), "the finalizers in the error: %s was removed while it waited", theirs)
	})

	It("ends with its context, and says which finalizers are left", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		waiting(cancel)
		err := deleteAndWait(ending, m, patient)
		Expect(expectStuck(err).Finalizers).To(ConsistOf(theirs), "the finalizers in the error")
		Expect(err).To(MatchError(context.Canceled), "why nobody waits any more")
	})

	It("is done when the object has a successor of its name, which it leaves alone", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		waiting(func() { replace(ctx, m, theirs) })
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed())
		Expect(get(ctx, m).DeletionTimestamp).To(BeNil(), "the deletionTimestamp of the new configmap menu, which nobody wanted to delete")
	})

	It("does not delete a successor that is there before", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		replace(ctx, m, theirs)
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed(), "the object itself is gone")
		Expect(get(ctx, m).DeletionTimestamp).To(BeNil(), "the deletionTimestamp of the new configmap menu, which nobody wanted to delete")
	})

	It("does not delete a successor that comes just before the Delete", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		before(isDelete, func() { replace(ctx, m, theirs) })
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed(), "the object itself is gone")
		Expect(get(ctx, m).DeletionTimestamp).To(BeNil(), "the deletionTimestamp of the new configmap menu, which nobody wanted to delete")
	})

	It("has nothing to do when the object is gone", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		remove(ctx, m)
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed(), "DeleteAndWait of configmap menu, which is gone")
		Expect(asked(isDelete)).To(BeEmpty(), "Deletes of an object that is gone")
	})

	It("is done when somebody else is faster with the Delete", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		before(isDelete, func() { remove(ctx, m) })
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed(), "DeleteAndWait of configmap menu, which has gone just before the Delete")
	})

	It("returns at once when the Delete is refused", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		refuse(isDelete, metav1.StatusReasonForbidden, 403)
		expectForbidden(deleteAndWait(ctx, m, patient))
		Expect(asked(isDelete)).To(HaveLen(1), "Deletes, of which the first was refused")
	})

	It("does not take every Conflict for a successor", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		refuse(isDelete, metav1.StatusReasonConflict, 409)
		err := deleteAndWait(ctx, m, patient)
		Expect(err).To(Satisfy(apierrors.IsConflict), "want an error that apierrors.IsConflict recognises, since configmap menu is still there, got: %v", err)
	})

	It("returns an error that the server answers while it waits", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		afterDelete(func(r cluster.Request) *cluster.Answer { return refusal(r, metav1.StatusReasonForbidden, 403) })
		expectForbidden(deleteAndWait(ctx, m, 3*time.Second))
	})

	It("goes on waiting when there is no answer", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		dropped := 0
		afterDelete(func(cluster.Request) *cluster.Answer {
			if dropped++; dropped < 3 {
				return &cluster.Answer{}
			}
			free(ctx, m)
			return nil
		})
		Expect(deleteAndWait(ctx, m, patient)).To(Succeed(), "DeleteAndWait, two of whose reads the connection did not survive")
		expectGone(ctx, m)
	})

	It("asks no more often than once an interval", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx), theirs)
		expectStuck(kata.DeleteAndWait(ctx, learner(), refTo(m), 100*time.Millisecond, 450*time.Millisecond))
		Expect(len(asked(isRead))).To(BeNumerically("<=", 7), "reads in 450 milliseconds, with an interval of 100: one before the Delete, one after it, four more")
	})

	It("asks nobody when the Ref has no UID", func(ctx SpecContext) {
		m := create(ctx, api.Namespace(ctx))
		m.UID = ""
		Expect(deleteAndWait(ctx, m, patient)).To(MatchError(kata.ErrNoUID), "DeleteAndWait of whoever has the name")
		Expect(asked(anyRequest)).To(BeEmpty(), "requests")
	})
})
