package prioritize_test

import (
	"math"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	prioritize "github.com/kubekata/kubekata/katas/stage5/03-prioritize"
)

// unknown is a cost that nobody knows.
var unknown *int64

func cost(c int64) *int64 { return &c }

// say writes costs as a person would.
func say(costs []*int64) []any {
	var all []any
	for _, c := range costs {
		if c == nil {
			all = append(all, "unknown")
		} else {
			all = append(all, *c)
		}
	}
	return all
}

var _ = Describe("Rates", func() {
	DescribeTable("makes rates of costs:", func(want []float64, costs ...*int64) {
		before := say(costs)
		got := prioritize.Rates(costs)
		Expect(got).To(HaveLen(len(costs)), "the rates of the costs %v, of which there are %d", before, len(costs))
		for i := range want {
			Expect(math.IsNaN(got[i])).To(BeFalse(), "rate %d of the costs %v is not a number (0/0, perhaps); the rates are %v", i, before, got)
			Expect(got[i]).To(BeNumerically("~", want[i], 1e-9), "rate %d of the costs %v; the rates are %v", i, before, got)
		}
		Expect(say(costs)).To(Equal(before), "the costs after the call, which are the caller's")
	},
		Entry("the lowest is 1 and the highest 0", []float64{1, 0}, cost(40), cost(90)),
		Entry("the others are between them, in a straight line", []float64{0, 0.25, 1, 0.75}, cost(100), cost(80), cost(20), cost(40)),
		Entry("what is below zero is lower still", []float64{0, 1, 0.5}, cost(60), cost(-20), cost(20)),
		Entry("all may be below zero", []float64{0, 1}, cost(-10), cost(-30)),
		Entry("a cost of zero is a cost", []float64{1, 0, 0.5}, cost(0), cost(10), cost(5)),
		Entry("what is twice as high as another may be the lowest all the same", []float64{1, 0.9, 0}, cost(1000), cost(1001), cost(1010)),
		Entry("all the same are all the lowest", []float64{1, 1, 1}, cost(70), cost(70), cost(70)),
		Entry("all zero are all the lowest", []float64{1, 1}, cost(0), cost(0)),
		Entry("a single one is the lowest", []float64{1}, cost(70)),
		Entry("unknown is 0, and the others are as if it were not there", []float64{1, 0, 0.5, 0}, cost(40), unknown, cost(50), cost(60)),
		Entry("unknown is 0 where all others are below zero", []float64{1, 0, 0}, cost(-90), unknown, cost(-10)),
		Entry("unknown is 0 beside a single one", []float64{0, 1}, unknown, cost(70)),
		Entry("unknown is 0 beside costs that are all the same", []float64{1, 0, 1}, cost(70), unknown, cost(70)),
		Entry("all unknown are all 0", []float64{0, 0}, unknown, unknown),
		Entry("no costs have no rates", []float64{}),
	)
})

var _ = Describe("Score", func() {
	DescribeTable("makes a score of rates:", func(want int, rates []float64, weights []int64) {
		mine, others := slices.Clone(rates), slices.Clone(weights)
		Expect(prioritize.Score(mine, others)).To(BeEquivalentTo(want), "the score of the rates %v with the weights %v", rates, weights)
		Expect(mine).To(Equal(rates), "the rates after the call, which are the caller's")
		Expect(others).To(Equal(weights), "the weights after the call, which are the caller's")
	},
		Entry("the best is 10", 10, []float64{1}, []int64{1}),
		Entry("the worst is 0", 0, []float64{0}, []int64{1}),
		Entry("the middle is 5", 5, []float64{0.5}, []int64{1}),
		Entry("nearly the best is rounded, and not cut off", 10, []float64{0.96}, []int64{1}),
		Entry("nearly the worst is rounded, and not brought up", 0, []float64{0.04}, []int64{1}),
		Entry("a half goes up", 3, []float64{0.25}, []int64{1}),
		Entry("a weight alone makes nothing better than the best", 10, []float64{1}, []int64{100}),
		Entry("the best by all is 10", 10, []float64{1, 1, 1}, []int64{1, 2, 3}),
		Entry("one for and one against are the middle", 5, []float64{1, 0}, []int64{1, 1}),
		Entry("three for and one against", 8, []float64{1, 0}, []int64{3, 1}),
		Entry("one for and three against", 3, []float64{1, 0}, []int64{1, 3}),
		Entry("weights that are no small numbers", 8, []float64{1, 0}, []int64{300, 100}),
		Entry("what has no weight does not count", 2, []float64{0.2, 1}, []int64{1, 0}),
		Entry("two that would be rounded up are not, together", 3, []float64{0.36, 0.26}, []int64{1, 1}),
		Entry("two that would be rounded down are not, together with a third", 4, []float64{0.34, 0.34, 0.52}, []int64{1, 1, 1}),
		Entry("no weights", 0, []float64{1, 1}, []int64{0, 0}),
		Entry("no rates", 0, []float64{}, []int64{}),
	)
})
