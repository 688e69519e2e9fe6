package cycle

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

type podInfo struct {
	fwk.PodInfo
	pod *corev1.Pod
}

// PodInfo wraps a pod, for a call of a plugin's method by hand.
func PodInfo(pod *corev1.Pod) fwk.PodInfo { return &podInfo{pod: pod} }

// GetPod implements [fwk.PodInfo].
func (p *podInfo) GetPod() *corev1.Pod { return p.pod }

type nodeInfo struct {
	fwk.NodeInfo
	node *corev1.Node
	pods []fwk.PodInfo
}

// NodeInfo wraps a node with its pods, for a call of a plugin's method by hand.
func NodeInfo(node *corev1.Node, pods ...*corev1.Pod) fwk.NodeInfo {
	n := &nodeInfo{node: node}
	for _, pod := range pods {
		n.AddPodInfo(PodInfo(pod))
	}
	return n
}

func (n *nodeInfo) Node() *corev1.Node         { return n.node }
func (n *nodeInfo) GetPods() []fwk.PodInfo     { return n.pods }
func (n *nodeInfo) AddPodInfo(pod fwk.PodInfo) { n.pods = append(n.pods, pod) }
func (n *nodeInfo) SetNode(node *corev1.Node)  { n.node = node }
func (n *nodeInfo) Snapshot() fwk.NodeInfo {
	return &nodeInfo{node: n.node, pods: slices.Clone(n.pods)}
}
func (n *nodeInfo) String() string { return n.node.Name }
func (n *nodeInfo) RemovePod(_ klog.Logger, pod *corev1.Pod) error {
	kept := slices.DeleteFunc(slices.Clone(n.pods), func(p fwk.PodInfo) bool { return p.GetPod().UID == pod.UID })
	if len(kept) == len(n.pods) {
		return fmt.Errorf("no corresponding pod %s in pods of node %s", pod.Name, n.node.Name)
	}
	n.pods = kept
	return nil
}

// snapshot is what the nodes have been like when the cycle began.
type snapshot struct {
	fwk.SharedLister
	fwk.NodeInfoLister
	nodes []fwk.NodeInfo
}

func (s *snapshot) NodeInfos() fwk.NodeInfoLister { return s }
func (s *snapshot) List() ([]fwk.NodeInfo, error) { return s.nodes, nil }
func (s *snapshot) Get(name string) (fwk.NodeInfo, error) {
	for _, node := range s.nodes {
		if node.Node().Name == name {
			return node, nil
		}
	}
	return nil, fmt.Errorf("nodeinfo not found for node name %q", name)
}
