// Command bind serves the learner's extender on loopback, and asks it to bind pods on the lab as kube-scheduler does: make run KATA=bind.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/kubekata/kubekata/harness/loopback"
	bind "github.com/kubekata/kubekata/katas/stage5/04-bind"
)

const (
	namespace = "default"
	prefix    = "kata-bind-" // before the pods' names
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	wire := &wire{}
	config.Wrap(wire.before)
	learners, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	binder := &bind.Binder{Client: learners, Ledger: &ledger{fuses: []string{"f1", "f2"}, usedBy: map[string]types.UID{}}, Timeout: 2 * time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: bind.NewHandler(binder.Bind, 1<<20), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	s := &stage{client: client, wire: wire, url: "http://" + listener.Addr().String() + "/bind"}
	defer func() { // after Ctrl-C as well
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, server.Close(), s.clean(ctx))
	}()
	if err := s.clean(ctx); err != nil { // of a run that was killed
		return err
	}
	return s.play(ctx)
}

// wire loses the answer to the next request, when it is asked to.
type wire struct {
	next http.RoundTripper
	lose atomic.Bool
}

func (w *wire) before(next http.RoundTripper) http.RoundTripper {
	w.next = next
	return w
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if w.lose.CompareAndSwap(true, false) {
		fmt.Printf("  API server: %s %s → %s, and the answer is lost\n", r.Method, r.URL.Path, answer.Status)
		_ = answer.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	fmt.Printf("  API server: %s %s → %s\n", r.Method, r.URL.Path, answer.Status)
	return answer, nil
}

type stage struct {
	client kubernetes.Interface
	wire   *wire
	url    string
}

func (s *stage) play(ctx context.Context) error {
	web, err := s.create(ctx, "web")
	if err != nil {
		return err
	}
	fmt.Println("bind web to node a")
	if err := s.ask(ctx, web, "a"); err != nil {
		return err
	}
	fmt.Println("once more, as after a timeout of the scheduler's")
	if err := s.ask(ctx, web, "a"); err != nil {
		return err
	}
	fmt.Println("to node b")
	if err := s.ask(ctx, web, "b"); err != nil {
		return err
	}
	fmt.Println("bind db, which is deleted meanwhile; another db comes")
	db, err := s.create(ctx, "db")
	if err != nil {
		return err
	}
	if err := s.delete(ctx, db.Name); err != nil {
		return err
	}
	successor, err := s.create(ctx, "db")
	if err != nil {
		return err
	}
	if err := s.ask(ctx, db, "a"); err != nil {
		return err
	}
	fmt.Println("bind the other db; the answer gets lost")
	s.wire.lose.Store(true)
	if err := s.ask(ctx, successor, "a"); err != nil {
		return err
	}
	fmt.Println("bind cron; node a has two fuses")
	cron, err := s.create(ctx, "cron")
	if err != nil {
		return err
	}
	if err := s.ask(ctx, cron, "a"); err != nil {
		return err
	}
	return s.show(ctx)
}

// create creates a pod that no scheduler looks at.
func (s *stage) create(ctx context.Context, name string) (*corev1.Pod, error) {
	return s.client.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: prefix + name, Labels: map[string]string{"kata": "bind"}},
		Spec: corev1.PodSpec{
			SchedulerName: "nobody", TerminationGracePeriodSeconds: new(int64(0)), Containers: []corev1.Container{{Name: "main", Image: "pause"}},
		},
	}, metav1.CreateOptions{})
}

func (s *stage) delete(ctx context.Context, name string) error {
	return s.client.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
}

// ask is what HTTPExtender.Bind does.
func (s *stage) ask(ctx context.Context, pod *corev1.Pod, node string) error {
	body, err := json.Marshal(extenderv1.ExtenderBindingArgs{PodNamespace: pod.Namespace, PodName: pod.Name, PodUID: pod.UID, Node: node})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	fmt.Printf("  → %s %s\n", answer.Status, strings.TrimSpace(string(text)))
	return err
}

// show shows the pods, as kubectl would.
func (s *stage) show(ctx context.Context) error {
	list, err := s.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "kata=bind"})
	if err != nil {
		return err
	}
	for _, p := range list.Items {
		fmt.Printf("%s: node %q, fuse %q\n", p.Name, p.Spec.NodeName, p.Annotations[bind.FuseAnnotation])
	}
	return nil
}

func (s *stage) clean(ctx context.Context) error {
	return s.client.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, metav1.ListOptions{LabelSelector: "kata=bind"})
}
