// Command conversion serves the learner's webhook to the lab, and shows one Delivery through both versions, and what the API server
// asks for meanwhile: make run KATA=conversion.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/serving"
	conversion "github.com/kubekata/kubekata/katas/stage3/04-conversion"
	"github.com/kubekata/kubekata/katas/stage3/04-conversion/delivery"
)

var definitions = apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")

func main() {
	namespace := flag.String("n", "default", "the namespace")
	group := flag.String("group", "riders.kubekata.dev", "the Delivery's API group")
	serve := flag.Bool("serve", false, "serve the webhook until Ctrl-C, and do nothing else: the deliveries are yours, with make kubectl")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *group, *namespace, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, group, namespace string, serve bool) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	s := &stage{client: c, group: group, namespace: namespace, asked: map[string]int{}}
	hook, err := serving.Start("/convert", s.count(conversion.NewHandler(group)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hook.Close()) }()
	if err := s.install(ctx, hook); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove(ctx)) }() // before the webhook ends, which the server may still ask
	if !serve {
		return s.play(ctx)
	}
	fmt.Printf("the webhook runs at %s; try: make kubectl ARGS='get deliveries.v1alpha1.%s'\n", hook.URL, group)
	<-ctx.Done()
	return nil
}

func version(apiVersion string) string {
	_, v, _ := strings.Cut(apiVersion, "/")
	return v
}

// stage is where it happens.
type stage struct {
	client           dynamic.Interface
	group, namespace string

	mu    sync.Mutex
	asked map[string]int // how often the API server has asked for a conversion, like "v1alpha1 to v1beta1"
}

// count counts what the API server asks the handler for.
func (s *stage) count(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review := &apiextensionsv1.ConversionReview{}
		if json.Unmarshal(body, review) == nil && review.Request != nil {
			s.mu.Lock()
			for _, raw := range review.Request.Objects {
				obj := metav1.TypeMeta{}
				if json.Unmarshal(raw.Raw, &obj) == nil {
					s.asked[version(obj.APIVersion)+" to "+version(review.Request.DesiredAPIVersion)]++
				}
			}
			s.mu.Unlock()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	})
}

// tell prints what was asked since the last call.
func (s *stage) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, what := range slices.Sorted(maps.Keys(s.asked)) {
		all = append(all, fmt.Sprintf("%d × %s", s.asked[what], what))
	}
	fmt.Printf("  the server has asked for %s\n", strings.Join(all, ", "))
	clear(s.asked)
}

func (s *stage) definition() string { return delivery.V1beta1(s.group).GroupResource().String() }

func (s *stage) deliveries(version string) dynamic.ResourceInterface {
	resource := delivery.V1beta1(s.group)
	resource.Version = version
	return s.client.Resource(resource).Namespace(s.namespace)
}

// install makes the definition, and waits until the server serves it.
func (s *stage) install(ctx context.Context, hook *serving.Server) error {
	crd, err := delivery.Definition(s.group, hook.URL, hook.CABundle)
	if err != nil {
		return err
	}
	if _, err := s.client.Resource(definitions).Create(ctx, crd, metav1.CreateOptions{}); err != nil {
		return err
	}
	var refusal error
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		_, refusal = s.deliveries("v1beta1").List(ctx, metav1.ListOptions{Limit: 1})
		return refusal == nil, nil
	})
	if err != nil {
		return errors.Join(err, refusal, s.remove(ctx))
	}
	return nil
}

// remove removes the definition, and with it all Deliveries, and waits until it is gone. It works after Ctrl-C as well.
func (s *stage) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := s.client.Resource(definitions).Delete(ctx, s.definition(), metav1.DeleteOptions{}); err != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, err := s.client.Resource(definitions).Get(ctx, s.definition(), metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

// play writes and reads one Delivery through both versions.
func (s *stage) play(ctx context.Context) error {
	for _, step := range []struct{ what, version, patch string }{
		{"somebody writes v1alpha1", "v1alpha1", `{"spec": {"address": "Via Roma 1, 80100 Napoli", "eta": "1h30m"}}`},
		{"somebody adds an instruction in v1beta1", "v1beta1", `{"spec": {"instructions": ["ring twice"]}}`},
		{"somebody who knows v1alpha1 alone writes another address", "v1alpha1", `{"spec": {"address": "the blue door"}}`},
		{"somebody writes the minutes in v1beta1", "v1beta1", `{"spec": {"etaMinutes": 20}}`},
	} {
		fmt.Println(step.what)
		if err := s.write(ctx, step.version, step.patch); err != nil {
			return err
		}
		for _, version := range []string{"v1alpha1", "v1beta1"} {
			if err := s.show(ctx, version); err != nil {
				return err
			}
		}
		s.tell()
	}
	return nil
}

// write applies a change to the Delivery, and makes it if there is none.
func (s *stage) write(ctx context.Context, version, patch string) error {
	_, err := s.deliveries(version).Patch(ctx, "o-1", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if !apierrors.IsNotFound(err) {
		return err
	}
	obj := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(patch), &obj.Object); err != nil {
		return err
	}
	obj.SetAPIVersion(s.group + "/" + version)
	obj.SetKind(delivery.Kind)
	obj.SetName("o-1")
	_, err = s.deliveries(version).Create(ctx, obj, metav1.CreateOptions{})
	return err
}

func (s *stage) show(ctx context.Context, version string) error {
	obj, err := s.deliveries(version).Get(ctx, "o-1", metav1.GetOptions{})
	if err != nil {
		return err
	}
	spec, err := json.Marshal(obj.Object["spec"])
	if err != nil {
		return err
	}
	fmt.Printf("  %-8s  %s\n", version, spec)
	for annotation, text := range obj.GetAnnotations() {
		fmt.Printf("            %s: %s\n", annotation, text)
	}
	return nil
}
