package prioritize

import (
	"math"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Rates makes rates between 0 and 1 of what nodes cost: the lowest cost has the rate 1, the highest 0, and the others have their place between them in a
// straight line. Costs may be negative. Where all costs are the same, each of them is the lowest. A cost that nobody knows (nil) has the rate 0, and does not
// count for the others.
//
// There are as many rates as costs, in the same order.
func Rates(costs []*int64) []float64 {
	// kata:begin Find the lowest and the highest cost that is known, and place the others between them.
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, cost := range costs {
		if cost != nil {
			lowest, highest = min(lowest, float64(*cost)), max(highest, float64(*cost))
		}
	}
	rates := make([]float64, len(costs))
	for i, cost := range costs {
		switch {
		case cost == nil:
		case lowest == highest:
			rates[i] = 1
		default:
			rates[i] = (highest - float64(*cost)) / (highest - lowest)
		}
	}
	return rates
	// kata:end
}

// Score makes one score of a node's rates: their mean, in which each rate counts as often as its weight says, on the scale from
// extenderv1.MinExtenderPriority to extenderv1.MaxExtenderPriority. It is rounded once, at the end, to the nearest whole number; a half goes up.
//
// There are as many weights as rates, and none is negative. Where all are 0, or there are none, the score is extenderv1.MinExtenderPriority.
func Score(rates []float64, weights []int64) int64 {
	// kata:begin Add up rate times weight, divide by the weights, and bring that onto the scale.
	var sum, total float64
	for i, rate := range rates {
		sum += rate * float64(weights[i])
		total += float64(weights[i])
	}
	if total == 0 {
		return extenderv1.MinExtenderPriority
	}
	return extenderv1.MinExtenderPriority + int64(math.Round(sum/total*float64(extenderv1.MaxExtenderPriority-extenderv1.MinExtenderPriority)))
	// kata:end
}
