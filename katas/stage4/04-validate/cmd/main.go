// Command validate serves the learner's Validator to the lab, and tries it: make run KATA=validate.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/serving"
	validate "github.com/kubekata/kubekata/katas/stage4/04-validate"
)

const name = "labels.kubekata.dev"

func main() {
	namespace := flag.String("n", "default", "the namespace whose ConfigMaps must have labels")
	serve := flag.Bool("serve", false, "serve the webhook until Ctrl-C, and do nothing else: the ConfigMaps are yours, with make kubectl")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func validator() *validate.Validator {
	return &validate.Validator{
		Policy: &validate.Policy{
			Required:  []string{"app.kubernetes.io/name", "app.kubernetes.io/part-of"},
			Supported: map[string][]string{"kubekata.dev/tier": {"bronze", "silver"}},
			Immutable: []string{"app.kubernetes.io/instance"},
		},
		Refused: func(request *admissionv1.AdmissionRequest, status metav1.Status) {
			fmt.Printf("  [webhook] refused: %s of %s by %s, %s\n", request.Operation, request.Name, request.UserInfo.Username, status.Reason)
		},
	}
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
	hook, err := serving.Start("/review", serving.NewHandler(validator()))
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
		fmt.Printf("the webhook runs at %s; try: make kubectl ARGS='create configmap hawaii --dry-run=server'\n", hook.URL)
		<-ctx.Done()
		return nil
	}
	return play(ctx, c.CoreV1().ConfigMaps(namespace))
}

func play(ctx context.Context, configMaps corev1client.ConfigMapInterface) error {
	object := func(labels map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "hawaii", Labels: labels}}
	}
	create := func(ctx context.Context, labels map[string]string, dryRun ...string) error {
		_, err := configMaps.Create(ctx, object(labels), metav1.CreateOptions{DryRun: dryRun})
		return err
	}
	// The API server hears of a change of its configuration a moment later.
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		return create(ctx, nil, metav1.DryRunAll) != nil, nil
	})
	if err != nil {
		return fmt.Errorf("the API server does not call the webhook: %w", err)
	}
	good := map[string]string{"app.kubernetes.io/name": "hawaii", "app.kubernetes.io/part-of": "menu"}
	change := func(patch string) error {
		_, err := configMaps.Patch(ctx, "hawaii", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
	for _, step := range []struct {
		title string
		do    func() error
	}{
		{"create one with two mistakes", func() error {
			return create(ctx, map[string]string{"app.kubernetes.io/name": "hawaii", "kubekata.dev/tier": "gold"})
		}},
		{"the same as a dry run", func() error {
			return create(ctx, map[string]string{"app.kubernetes.io/name": "hawaii", "kubekata.dev/tier": "gold"}, metav1.DryRunAll)
		}},
		{"create one without", func() error { return create(ctx, good) }},
		{"protect it, and give it an old label", func() error {
			return change(`{"metadata":{"annotations":{"labels.kubekata.dev/protected":"true"},"labels":{"app":"hawaii"}}}`)
		}},
		{"delete it", func() error { return configMaps.Delete(ctx, "hawaii", metav1.DeleteOptions{}) }},
		{"take the protection away", func() error { return change(`{"metadata":{"annotations":null,"labels":{"app":null}}}`) }},
		{"delete it", func() error { return configMaps.Delete(ctx, "hawaii", metav1.DeleteOptions{}) }},
	} {
		fmt.Println(step.title)
		if err := step.do(); err != nil {
			fmt.Println("  no:", err)
		} else {
			fmt.Println("  yes")
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
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
			AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNoneOnDryRun),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}
}
