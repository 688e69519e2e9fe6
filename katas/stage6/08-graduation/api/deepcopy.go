package api

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DeepCopyInto makes out a copy that shares nothing with the Line.
func (l *Line) DeepCopyInto(out *Line) {
	*out = *l
	l.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Status.Conditions = slices.Clone(l.Status.Conditions)
}

// DeepCopy returns a copy that shares nothing with the Line.
func (l *Line) DeepCopy() *Line {
	if l == nil {
		return nil
	}
	out := &Line{}
	l.DeepCopyInto(out)
	return out
}

// DeepCopyObject makes the Line a runtime.Object.
func (l *Line) DeepCopyObject() runtime.Object {
	if l == nil {
		return nil
	}
	return l.DeepCopy()
}

// DeepCopyObject makes the list a runtime.Object.
func (l *LineList) DeepCopyObject() runtime.Object {
	if l == nil {
		return nil
	}
	out := &LineList{TypeMeta: l.TypeMeta}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	if l.Items != nil {
		out.Items = make([]Line, len(l.Items))
		for i := range l.Items {
			l.Items[i].DeepCopyInto(&out.Items[i])
		}
	}
	return out
}

var _ metav1.Object = &Line{}
