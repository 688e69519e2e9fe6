package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	toolscache "k8s.io/client-go/tools/cache"

	mathv1 "github.com/kubekata/kubekata/katas/stage3/05-calculate/api/v1"
)

// shown prints a line whenever a Calculate or its status is another one.
func shown() toolscache.ResourceEventHandler {
	show := func(obj any) {
		if c, ok := obj.(*mathv1.Calculate); ok {
			fmt.Printf("  %s: %d %s %d → %s\n", c.Name, c.Spec.First, c.Spec.Action, c.Spec.Second, says(c))
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: show,
		UpdateFunc: func(before, after any) {
			if before.(*mathv1.Calculate).ResourceVersion != after.(*mathv1.Calculate).ResourceVersion {
				show(after)
			}
		},
	}
}

func says(c *mathv1.Calculate) string {
	ready := meta.FindStatusCondition(c.Status.Conditions, mathv1.ConditionReady)
	switch {
	case ready == nil:
		return "…"
	case c.Status.ObservedGeneration != c.Generation:
		return fmt.Sprintf("… (of generation %d: %s)", c.Status.ObservedGeneration, ready.Reason)
	case c.Status.Result == nil:
		return ready.Reason + ": " + ready.Message
	}
	return fmt.Sprint(*c.Status.Result)
}
