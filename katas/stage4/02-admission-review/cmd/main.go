// Command admission-review serves a menu's webhook to the lab through the learner's handler, and orders pizzas: make run KATA=admission-review.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/serving"
	admissionreview "github.com/kubekata/kubekata/katas/stage4/02-admission-review"
)

const name = "menu.kubekata.dev"

func main() {
	namespace := flag.String("n", "default", "the namespace whose ConfigMaps with a label topping the webhook reviews")
	serve := flag.Bool("serve", false, "serve the webhook until Ctrl-C, and do nothing else: the orders are yours, with make kubectl")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// menu decides. While it is being printed, it cannot.
type menu struct {
	printing atomic.Bool
}

// Review implements admissionreview.Reviewer.
func (m *menu) Review(_ context.Context, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	pizza := &corev1.ConfigMap{}
	if err := yaml.Unmarshal(request.Object.Raw, pizza); err != nil {
		return nil, err
	}
	switch topping := pizza.Labels["topping"]; {
	case m.printing.Load():
		return nil, errors.New("the menu is being printed")
	case topping == "pineapple":
		return admissionreview.Denied(errors.New("no pineapple")), nil
	case topping == "anchovies":
		return &admissionv1.AdmissionResponse{Allowed: true, Warnings: []string{"anchovies are salty"}}, nil
	}
	return &admissionv1.AdmissionResponse{Allowed: true}, nil
}

func run(ctx context.Context, namespace string, serve bool) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	config.WarningHandler = warnings{}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	m := &menu{}
	hook, err := serving.Start("/review", admissionreview.NewHandler(m))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hook.Close()) }()
	configurations := c.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := configurations.Create(ctx, configuration(namespace, hook), metav1.CreateOptions{}); err != nil {
		return err
	}
	defer func() { // after Ctrl-C as well
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, configurations.Delete(ctx, name, metav1.DeleteOptions{}))
	}()
	if serve {
		fmt.Printf("the webhook runs at %s; try: make kubectl ARGS='create -f' with a ConfigMap that has a label topping\n", hook.URL)
		<-ctx.Done()
		return nil
	}
	return (&guest{client: c, namespace: namespace, menu: m}).play(ctx)
}

// guest orders pizzas, which nobody bakes: all of it is a dry run.
type guest struct {
	client    kubernetes.Interface
	namespace string
	menu      *menu
}

func (g *guest) order(ctx context.Context, topping string) error {
	pizza := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "pizza-", Labels: map[string]string{"topping": topping}}}
	_, err := g.client.CoreV1().ConfigMaps(g.namespace).Create(ctx, pizza, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// until orders until the answer is as it is to be: the API server hears of a change of its configuration a moment later.
func (g *guest) until(ctx context.Context, topping string, accepted bool) error {
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		return (g.order(ctx, topping) == nil) == accepted, nil
	})
}

func (g *guest) play(ctx context.Context) error {
	if err := g.until(ctx, "pineapple", false); err != nil {
		return fmt.Errorf("the API server does not call the webhook: %w", err)
	}
	for _, topping := range []string{"ham", "anchovies", "pineapple"} {
		fmt.Printf("a pizza with %s\n", topping)
		show(g.order(ctx, topping))
	}
	g.menu.printing.Store(true)
	fmt.Println("a pizza with ham, while the menu is being printed")
	show(g.order(ctx, "ham"))
	ignore := []byte(`[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]`)
	_, err := g.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Patch(ctx, name, types.JSONPatchType, ignore, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if err := g.until(ctx, "ham", true); err != nil {
		return fmt.Errorf("the API server does not ignore the failure: %w", err)
	}
	fmt.Println("the same with the failurePolicy Ignore")
	show(g.order(ctx, "ham"))
	return nil
}

func show(err error) {
	if err != nil {
		fmt.Println("  no:", err)
		return
	}
	fmt.Println("  yes")
}

// warnings shows what comes with an answer.
type warnings struct{}

// HandleWarningHeader implements rest.WarningHandler.
func (warnings) HandleWarningHeader(_ int, _ string, text string) { fmt.Println("  Warning:", text) }

func configuration(namespace string, hook *serving.Server) *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: name, ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &hook.URL, CABundle: hook.CABundle},
			AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			ObjectSelector:    &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "topping", Operator: metav1.LabelSelectorOpExists}}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}
}
