// Package cycle is the middle of kube-scheduler, without its queue and its API calls: it takes one pod after the other through the scheduling cycle and the
// binding cycle, with the rules, the order and the words of k8s.io/kubernetes/pkg/scheduler v1.37. A spec gives it nodes, pods, a clock and a plugin.
//
// Start with [New], [Scheduler.Add] and [Scheduler.Schedule], whose [Attempt] says what has become of the pod.
//
// What it does as kube-scheduler does: a CycleState a pod; Filter and Score for all nodes at once; a score out of range is an error of the plugin's; with one
// node left nobody is asked for scores; Reserve in order, Unreserve in the opposite order and for all plugins, whichever has failed; Permit in the cycle and the wait for it
// beside it, so that the next pod's cycle runs meanwhile; after a pod that does not fit, a dry run of preemption on the nodes that are Unschedulable.
//
// What it leaves out: the queue, PreScore, PreBind, extenders, percentageOfNodesToScore, nominated pods, budgets, pod groups, metrics. Of nodes with the same score
// it takes the first, where kube-scheduler draws lots. It evicts nobody: an Attempt names the victims. What a [fwk.Handle], a NodeInfo or a PodInfo cannot do here is a nil
// pointer.
package cycle
