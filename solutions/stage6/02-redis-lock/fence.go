package redislock

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// TokenAnnotation has the greatest token with which a ConfigMap was written.
const TokenAnnotation = "redislock.kubekata.dev/token"

// ErrStale is what Write returns to a leader of yesterday.
var ErrStale = errors.New("a later leader has written already")

// Fence writes a ConfigMap in the name of a holder of a lock. It is the storage that refuses a late write, not the lock: only there it is known in which
// order the writes arrive.
type Fence struct {
	ConfigMaps corev1client.ConfigMapInterface
	// Name is the ConfigMap's.
	Name string
	// Token is the holder's, from the beginning of its term.
	Token int64
}

// Write lets change work on the data of the ConfigMap, which is never nil, and stores it with the token. A ConfigMap that does not exist is created, one
// without the annotation has never been written by a holder.
//
// If the ConfigMap has a greater token, the error is ErrStale, and change is not called. If somebody else writes in between, all of it begins anew, with
// what they have written: the data, and the token. A token that is not readable is an error, and so is what the API server answers; then nothing is
// written.
func (f Fence) Write(ctx context.Context, change func(data map[string]string)) error {
	// kata:begin Package retry has a loop with a condition of your own: there are two errors that mean that somebody else was faster.
	faster := func(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
	err := retry.OnError(retry.DefaultBackoff, faster, func() error { return f.try(ctx, change) })
	if err != nil {
		return fmt.Errorf("write %s with the token %d: %w", f.Name, f.Token, err)
	}
	return nil
	// kata:end
}

// kata:begin One try, and the reading of the token, in functions of your own.
// kata:stub

func (f Fence) try(ctx context.Context, change func(map[string]string)) error {
	cm, err := f.ConfigMaps.Get(ctx, f.Name, metav1.GetOptions{})
	create := apierrors.IsNotFound(err)
	if create {
		cm = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: f.Name}}
	} else if err != nil {
		return err
	}
	if err := f.pass(cm); err != nil {
		return err
	}
	metav1.SetMetaDataAnnotation(&cm.ObjectMeta, TokenAnnotation, strconv.FormatInt(f.Token, 10))
	if cm.Data == nil {
		cm.Data = map[string]string{}
	}
	change(cm.Data)
	if create {
		_, err = f.ConfigMaps.Create(ctx, cm, metav1.CreateOptions{})
	} else {
		_, err = f.ConfigMaps.Update(ctx, cm, metav1.UpdateOptions{}) // with the resourceVersion that was read
	}
	return err
}

// pass returns an error if somebody with a greater token has been here.
func (f Fence) pass(cm *corev1.ConfigMap) error {
	text, ok := cm.Annotations[TokenAnnotation]
	if !ok {
		return nil
	}
	token, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("the token of %s is not readable: %w", cm.Name, err)
	}
	if token > f.Token {
		return fmt.Errorf("%w: %s has the token %d", ErrStale, cm.Name, token)
	}
	return nil
}

// kata:end
