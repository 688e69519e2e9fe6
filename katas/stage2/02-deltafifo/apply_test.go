package deltafifo_test

import (
	"errors"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	deltafifo "github.com/kubekata/kubekata/katas/stage2/02-deltafifo"
)

var _ = Describe("Apply", func() {
	for _, kind := range []cache.DeltaType{cache.Added, cache.Updated, cache.Replaced, cache.Sync} {
		It("takes "+string(kind)+" for a creation when the indexer has no such pod", func() {
			indexer, log := known(), &log{}
			Expect(deltafifo.Apply(indexer, log.handlers(), cache.Deltas{{Type: kind, Object: pod("a", "2")}})).To(Succeed())
			Expect(contents(indexer)).To(Equal([]string{"pizzeria/a at 2"}), "what is in the indexer")
			Expect(log.lines()).To(Equal([]string{"created pizzeria/a at 2"}), "what the handlers were told")
		})

		It("takes "+string(kind)+" for a change when the indexer has the pod", func() {
			indexer, log := known(slim("a", "1")), &log{}
			Expect(deltafifo.Apply(indexer, log.handlers(), cache.Deltas{{Type: kind, Object: pod("a", "2")}})).To(Succeed())
			Expect(contents(indexer)).To(Equal([]string{"pizzeria/a at 2"}), "what is in the indexer")
			Expect(log.lines()).To(Equal([]string{"changed pizzeria/a from 1 to 2"}), "what the handlers were told")
		})
	}

	DescribeTable("takes a deleted pod out, and tells the last state that is known:", func(object any, want string) {
		indexer, log := known(slim("a", "1"), slim("b", "2")), &log{}
		Expect(deltafifo.Apply(indexer, log.handlers(), cache.Deltas{{Type: cache.Deleted, Object: object}})).To(Succeed())
		Expect(contents(indexer)).To(Equal([]string{"pizzeria/b at 2"}), "what is in the indexer, after pod a has been deleted")
		Expect(log.lines()).To(Equal([]string{want}), "what the handlers were told")
	},
		Entry("the delta's", pod("a", "4"), "deleted pizzeria/a, last at 4"),
		Entry("the tombstone's", cache.DeletedFinalStateUnknown{Key: "pizzeria/a", Obj: pod("a", "3")}, "deleted pizzeria/a, last at 3"),
		Entry("none, where the tombstone has none", cache.DeletedFinalStateUnknown{Key: "pizzeria/a"}, "deleted pizzeria/a"),
	)

	It("goes through an item from the oldest delta to the newest", func() {
		indexer, log := known(), &log{}
		Expect(deltafifo.Apply(indexer, log.handlers(), cache.Deltas{
			{Type: cache.Added, Object: pod("a", "1")},
			{Type: cache.Deleted, Object: pod("a", "2")},
			{Type: cache.Added, Object: pod("a", "3")},
			{Type: cache.Updated, Object: pod("a", "4")},
		})).To(Succeed())
		Expect(contents(indexer)).To(Equal([]string{"pizzeria/a at 4"}), "what is in the indexer")
		Expect(log.lines()).To(Equal([]string{
			"created pizzeria/a at 1", "deleted pizzeria/a, last at 2", "created pizzeria/a at 3", "changed pizzeria/a from 3 to 4",
		}), "what the handlers were told: a pod that was deleted and made anew is two pods")
	})

	It("keeps the index right when a pod moves", func() {
		old, moved := slim("a", "1"), pod("a", "2")
		old.Spec.NodeName, moved.Spec.NodeName = "", "node-1"
		indexer := known(old)
		Expect(deltafifo.Apply(indexer, deltafifo.Handlers{}, cache.Deltas{{Type: cache.Updated, Object: moved}})).To(Succeed())
		Expect(indexer.IndexKeys(deltafifo.ByNode, "node-1")).To(ConsistOf("pizzeria/a"), "the pods of node-1, after pod a has been put there")
		Expect(indexer.IndexKeys(deltafifo.ByNode, "")).To(BeEmpty(), "the pods of no node, after pod a has been put on one")
	})

	It("tells the handlers when the indexer is up to date, and not before", func() {
		indexer := known(slim("b", "1"))
		seen := map[string][]string{}
		handlers := deltafifo.Handlers{
			Created: func(*corev1.Pod) error { seen["created"] = contents(indexer); return nil },
			Changed: func(_, _ *corev1.Pod) error { seen["changed"] = contents(indexer); return nil },
			Deleted: func(string, *corev1.Pod) error { seen["deleted"] = contents(indexer); return nil },
		}
		for _, delta := range []cache.Delta{
			{Type: cache.Added, Object: pod("a", "2")}, {Type: cache.Updated, Object: pod("b", "3")}, {Type: cache.Deleted, Object: pod("a", "4")},
		} {
			Expect(deltafifo.Apply(indexer, handlers, cache.Deltas{delta})).To(Succeed())
		}
		Expect(seen).To(Equal(map[string][]string{
			"created": {"pizzeria/a at 2", "pizzeria/b at 1"},
			"changed": {"pizzeria/a at 2", "pizzeria/b at 3"},
			"deleted": {"pizzeria/b at 3"},
		}), "what was in the indexer when each handler was told")
	})

	It("does without handlers", func() {
		indexer := known(slim("b", "1"), slim("c", "1"))
		Expect(deltafifo.Apply(indexer, deltafifo.Handlers{}, cache.Deltas{
			{Type: cache.Added, Object: pod("a", "2")}, {Type: cache.Updated, Object: pod("b", "3")}, {Type: cache.Deleted, Object: pod("c", "4")},
			{Type: cache.SyncAll, Object: cache.SyncAllInfo{}},
			{Type: cache.ReplacedAll, Object: cache.ReplacedAllInfo{ResourceVersion: "9", Objects: []any{pod("b", "5"), pod("d", "6")}}},
		})).To(Succeed())
		Expect(contents(indexer)).To(Equal([]string{"pizzeria/b at 5", "pizzeria/d at 6"}), "what is in the indexer")
	})

	When("a list has come as one item", func() {
		replacedAll := func() cache.Deltas {
			return cache.Deltas{{Type: cache.ReplacedAll, Object: cache.ReplacedAllInfo{ResourceVersion: "7", Objects: []any{pod("b", "6"), pod("a", "5")}}}}
		}

		It("tells of what has gone first, and then of the list in its order", func() {
			indexer, log := known(slim("a", "1"), slim("z", "3")), &log{}
			Expect(deltafifo.Apply(indexer, log.handlers(), replacedAll())).To(Succeed())
			Expect(contents(indexer)).To(Equal([]string{"pizzeria/a at 5", "pizzeria/b at 6"}), "what is in the indexer")
			Expect(log.lines()).To(Equal([]string{
				"deleted pizzeria/z, last at 3", "created pizzeria/b at 6", "changed pizzeria/a from 1 to 5",
			}), "what the handlers were told")
		})

		It("replaces the indexer's content in one step, before it tells anybody", func() {
			indexer := known(slim("a", "1"), slim("z", "3"))
			var seen [][]string
			look := func() error { seen = append(seen, contents(indexer)); return nil }
			Expect(deltafifo.Apply(indexer, deltafifo.Handlers{
				Created: func(*corev1.Pod) error { return look() },
				Changed: func(_, _ *corev1.Pod) error { return look() },
				Deleted: func(string, *corev1.Pod) error { return look() },
			}, replacedAll())).To(Succeed())
			all := []string{"pizzeria/a at 5", "pizzeria/b at 6"}
			Expect(seen).To(Equal([][]string{all, all, all}), "what was in the indexer each time that a handler was told")
		})

		It("hands the list's version to the indexer", func() {
			indexer := known()
			Expect(deltafifo.Apply(indexer, deltafifo.Handlers{}, replacedAll())).To(Succeed())
			Expect(indexer.LastStoreSyncResourceVersion()).To(Equal("7"), "the version that the indexer believes itself to be at")
		})

		It("empties the indexer when the list is empty", func() {
			indexer, log := known(slim("z", "3")), &log{}
			Expect(deltafifo.Apply(indexer, log.handlers(), cache.Deltas{{Type: cache.ReplacedAll, Object: cache.ReplacedAllInfo{ResourceVersion: "7"}}})).To(Succeed())
			Expect(contents(indexer)).To(BeEmpty(), "what is in the indexer")
			Expect(log.lines()).To(Equal([]string{"deleted pizzeria/z, last at 3"}), "what the handlers were told")
		})

		It("tells of every pod, although a handler has failed", func() {
			indexer, log := known(slim("a", "1"), slim("z", "3")), &log{fail: errOven}
			Expect(deltafifo.Apply(indexer, log.handlers(), replacedAll())).To(MatchError(errOven))
			Expect(log.lines()).To(HaveLen(3), "what the handlers were told")
		})
	})

	It("tells of every pod of the indexer when all are to be synced", func() {
		indexer, log := known(slim("a", "1"), slim("b", "2")), &log{}
		Expect(deltafifo.Apply(indexer, log.handlers(), cache.Deltas{{Type: cache.SyncAll, Object: cache.SyncAllInfo{}}})).To(Succeed())
		Expect(log.lines()).To(ConsistOf("changed pizzeria/a from 1 to 1", "changed pizzeria/b from 2 to 2"), "what the handlers were told")
	})

	It("hands a bookmark to the indexer, and to no handler", func() {
		indexer, log := known(slim("a", "1")), &log{}
		Expect(deltafifo.Apply(indexer, log.handlers(), cache.Deltas{{Type: cache.Bookmark, Object: cache.BookmarkInfo{ResourceVersion: "9"}}})).To(Succeed())
		Expect(indexer.LastStoreSyncResourceVersion()).To(Equal("9"), "the version that the indexer believes itself to be at")
		Expect(log.lines()).To(BeEmpty(), "what the handlers were told")
	})

	DescribeTable("keeps managedFields out of the indexer, and leaves the queue's objects as they are:",
		func(delta func(queued *corev1.Pod) cache.Delta) {
			indexer, queued := known(slim("b", "1")), pod("a", "2")
			var told *corev1.Pod
			Expect(deltafifo.Apply(indexer, deltafifo.Handlers{Created: func(p *corev1.Pod) error { told = p; return nil }}, cache.Deltas{delta(queued)})).To(Succeed())
			got, exists, err := indexer.GetByKey("pizzeria/a")
			Expect(err).NotTo(HaveOccurred())
			Expect(exists).To(BeTrue(), "pod a is in the indexer")
			Expect(got).To(Equal(slim("a", "2")), "pod a in the indexer")
			Expect(told).To(Equal(slim("a", "2")), "pod a as the handler is told")
			Expect(queued).To(Equal(pod("a", "2")), "pod a in the queue, which others hold as well")
		},
		Entry("one object", func(queued *corev1.Pod) cache.Delta { return cache.Delta{Type: cache.Added, Object: queued} }),
		Entry("a list", func(queued *corev1.Pod) cache.Delta {
			return cache.Delta{Type: cache.ReplacedAll, Object: cache.ReplacedAllInfo{ResourceVersion: "7", Objects: []any{queued}}}
		}),
	)

	It("leaves the list itself as it is", func() {
		objects := []any{pod("a", "5"), pod("b", "6")}
		before := slices.Clone(objects)
		Expect(deltafifo.Apply(known(), deltafifo.Handlers{}, cache.Deltas{{Type: cache.ReplacedAll, Object: cache.ReplacedAllInfo{ResourceVersion: "7", Objects: objects}}})).To(Succeed())
		for i := range objects {
			Expect(objects[i]).To(BeIdenticalTo(before[i]), "object %d of the queue's list", i)
		}
	})

	It("applies what comes after a handler's error", func() {
		indexer, log := known(), &log{fail: errOven}
		err := deltafifo.Apply(indexer, log.handlers(), cache.Deltas{
			{Type: cache.Added, Object: pod("a", "1")}, {Type: cache.Updated, Object: pod("a", "2")}, {Type: cache.Deleted, Object: pod("a", "3")},
		})
		Expect(err).To(MatchError(errOven), "the handler's error, wrapped")
		Expect(log.lines()).To(Equal([]string{"created pizzeria/a at 1", "changed pizzeria/a from 1 to 2", "deleted pizzeria/a, last at 3"}),
			"what the handlers were told, each of which failed: the queue will not deliver any of it again")
		Expect(contents(indexer)).To(BeEmpty(), "what is in the indexer")
	})

	It("keeps in the indexer what its handler has failed on", func() {
		indexer, log := known(), &log{fail: errOven}
		Expect(deltafifo.Apply(indexer, log.handlers(), cache.Deltas{{Type: cache.Added, Object: pod("a", "1")}})).To(MatchError(errOven))
		Expect(contents(indexer)).To(Equal([]string{"pizzeria/a at 1"}), "what is in the indexer")
	})

	It("returns the errors of all handlers", func() {
		errWaiter := errors.New("the waiter is late")
		err := deltafifo.Apply(known(), deltafifo.Handlers{
			Created: func(*corev1.Pod) error { return errOven },
			Deleted: func(string, *corev1.Pod) error { return errWaiter },
		}, cache.Deltas{{Type: cache.Added, Object: pod("a", "1")}, {Type: cache.Deleted, Object: pod("a", "2")}})
		Expect(err).To(And(MatchError(errOven), MatchError(errWaiter)), "both errors, joined")
	})

	DescribeTable("reports, and applies the rest when there is", func(odd cache.Delta, says string) {
		indexer, log := known(), &log{}
		err := deltafifo.Apply(indexer, log.handlers(), cache.Deltas{odd, {Type: cache.Added, Object: pod("a", "1")}})
		Expect(err).To(MatchError(ContainSubstring(says)), "the error names what cannot be applied")
		Expect(contents(indexer)).To(Equal([]string{"pizzeria/a at 1"}), "what is in the indexer: the delta after the odd one")
		Expect(log.lines()).To(Equal([]string{"created pizzeria/a at 1"}), "what the handlers were told")
	},
		Entry("an object that is no pod", cache.Delta{Type: cache.Added, Object: &corev1.ConfigMap{}}, "*v1.ConfigMap"),
		Entry("a deleted object that is no pod", cache.Delta{Type: cache.Deleted, Object: &corev1.ConfigMap{}}, "*v1.ConfigMap"),
		Entry("a type that nobody knows", cache.Delta{Type: "Eaten", Object: pod("b", "1")}, "Eaten"),
	)

	It("reports an item that is no cache.Deltas", func() {
		Expect(deltafifo.Apply(known(), deltafifo.Handlers{}, pod("a", "1"))).To(MatchError(ContainSubstring("*v1.Pod")), "the error names the type")
	})
})

// log writes down what handlers are told, and lets them fail.
type log struct {
	fail error

	mu   sync.Mutex
	told []string
}

func (l *log) write(line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, line)
	return l.fail
}

func (l *log) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told)
}

func (l *log) handlers() deltafifo.Handlers {
	return deltafifo.Handlers{
		Created: func(p *corev1.Pod) error { return l.write("created" + said(p)) },
		Changed: func(was, is *corev1.Pod) error {
			return l.write("changed " + is.Namespace + "/" + is.Name + " from " + was.ResourceVersion + " to " + is.ResourceVersion)
		},
		Deleted: func(key string, last *corev1.Pod) error {
			line := "deleted " + key
			if last != nil {
				line += ", last at " + last.ResourceVersion
			}
			return l.write(line)
		},
	}
}

// contents says what is in an indexer, in the order of the keys.
func contents(indexer cache.Indexer) []string {
	found := []string{}
	for _, o := range indexer.List() {
		found = append(found, said(o)[1:])
	}
	slices.Sort(found)
	return found
}
