// Command mutate serves the learner's Labeler to the lab, and creates ConfigMaps, of which nothing is stored: make run KATA=mutate.
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

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness/loopback"
	"github.com/kubekata/kubekata/harness/serving"
	mutate "github.com/kubekata/kubekata/katas/stage4/03-mutate"
)

const name = "labels.kubekata.dev"

func main() {
	namespace := flag.String("n", "default", "the namespace whose ConfigMaps get labels")
	serve := flag.Bool("serve", false, "serve the webhook until Ctrl-C, and do nothing else: the ConfigMaps are yours, with make kubectl")
	computed := flag.Bool("computed", false, "let Computed make the patches, and not ByHand")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	patcher := mutate.ByHand
	if *computed {
		patcher = mutate.Computed
	}
	if err := run(ctx, *namespace, patcher, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string, patcher mutate.Patcher, serve bool) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	config.WarningHandler = warnings{}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	show := func(object []byte, want mutate.Metadata) ([]byte, error) {
		patch, err := patcher(object, want)
		fmt.Printf("  patch: %s\n", patch)
		return patch, err
	}
	hook, err := serving.Start("/review", serving.NewHandler(&mutate.Labeler{Patch: show, Defaults: map[string]string{mutate.LabelManagedBy: "kubekata"}}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hook.Close()) }()
	configurations := c.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if _, err := configurations.Create(ctx, configuration(namespace, hook), metav1.CreateOptions{}); err != nil {
		return err
	}
	defer func() { // after Ctrl-C as well
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, configurations.Delete(ctx, name, metav1.DeleteOptions{}))
	}()
	if serve {
		fmt.Printf("the webhook runs at %s; try: make kubectl ARGS='create configmap hawaii --dry-run=server -o yaml'\n", hook.URL)
		<-ctx.Done()
		return nil
	}
	return play(ctx, c.CoreV1().ConfigMaps(namespace))
}

// creator is what play needs of a client.
type creator interface {
	Create(ctx context.Context, cm *corev1.ConfigMap, opts metav1.CreateOptions) (*corev1.ConfigMap, error)
}

func play(ctx context.Context, configMaps creator) error {
	dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	fmt.Println("a ConfigMap, again and again until the API server calls the webhook")
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		got, err := configMaps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "probe"}}, dryRun)
		return err == nil && got.Labels[mutate.LabelName] != "", err
	})
	if err != nil {
		return fmt.Errorf("the API server does not call the webhook: %w", err)
	}
	for _, meta := range []metav1.ObjectMeta{
		{Name: "hawaii", Labels: map[string]string{mutate.LabelName: "pizza", "team": "a"}},
		{Name: "opted-out", Annotations: map[string]string{mutate.OptOutAnnotation: "false"}},
		{Name: "unsure", Annotations: map[string]string{mutate.OptOutAnnotation: "perhaps"}},
	} {
		fmt.Printf("a ConfigMap %s\n", meta.Name)
		got, err := configMaps.Create(ctx, &corev1.ConfigMap{ObjectMeta: meta}, dryRun)
		if err != nil {
			return err
		}
		text, err := yaml.Marshal(map[string]any{"annotations": got.Annotations, "labels": got.Labels})
		if err != nil {
			return err
		}
		fmt.Print(string(text))
	}
	return nil
}

// warnings shows what comes with an answer.
type warnings struct{}

// HandleWarningHeader implements rest.WarningHandler.
func (warnings) HandleWarningHeader(_ int, _ string, text string) { fmt.Println("  Warning:", text) }

func configuration(namespace string, hook *serving.Server) *admissionregistrationv1.MutatingWebhookConfiguration {
	return &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: name, ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &hook.URL, CABundle: hook.CABundle},
			AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			ReinvocationPolicy: new(admissionregistrationv1.IfNeededReinvocationPolicy),
			NamespaceSelector:  &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}
}
