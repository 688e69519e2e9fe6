package extender

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// summary is a call in a line of the log. Answers with whole nodes in them are too long for one.
func summary(args, result any, body []byte) string {
	switch args := args.(type) {
	case extenderv1.ExtenderArgs:
		about := "pod ?"
		if args.Pod != nil {
			about = "pod " + args.Pod.Name
		}
		if r, ok := result.(*extenderv1.ExtenderFilterResult); ok {
			return about + ", " + filtered(r)
		}
		return about + ", " + string(body)
	case extenderv1.ExtenderBindingArgs:
		return fmt.Sprintf("pod %s to node %s, %s", args.PodName, args.Node, body)
	}
	return string(body)
}

func filtered(r *extenderv1.ExtenderFilterResult) string {
	if r.Error != "" {
		return "error: " + r.Error
	}
	var fits []string
	if r.NodeNames != nil {
		fits = *r.NodeNames
	}
	if r.Nodes != nil {
		for _, n := range r.Nodes.Items {
			fits = append(fits, n.Name)
		}
	}
	text := "fits: " + strings.Join(fits, " ")
	for _, m := range []extenderv1.FailedNodesMap{r.FailedNodes, r.FailedAndUnresolvableNodes} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			text += fmt.Sprintf("; %s: %s", name, m[name])
		}
	}
	return text
}
