package api

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DeepCopyInto makes out a copy that shares nothing with the Bucket.
func (b *Bucket) DeepCopyInto(out *Bucket) {
	*out = *b
	b.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	if b.Status.Conditions != nil {
		out.Status.Conditions = make([]metav1.Condition, len(b.Status.Conditions))
		for i := range b.Status.Conditions {
			b.Status.Conditions[i].DeepCopyInto(&out.Status.Conditions[i])
		}
	}
}

// DeepCopy returns a copy that shares nothing with the Bucket.
func (b *Bucket) DeepCopy() *Bucket {
	if b == nil {
		return nil
	}
	out := &Bucket{}
	b.DeepCopyInto(out)
	return out
}

// DeepCopyObject makes the Bucket a runtime.Object.
func (b *Bucket) DeepCopyObject() runtime.Object {
	if b == nil {
		return nil
	}
	return b.DeepCopy()
}

// DeepCopyObject makes the list a runtime.Object.
func (l *BucketList) DeepCopyObject() runtime.Object {
	if l == nil {
		return nil
	}
	out := &BucketList{TypeMeta: l.TypeMeta}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	if l.Items != nil {
		out.Items = make([]Bucket, len(l.Items))
		for i := range l.Items {
			l.Items[i].DeepCopyInto(&out.Items[i])
		}
	}
	return out
}
