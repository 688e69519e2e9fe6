// Command certs lets the lab call a webhook that is served with the learner's certificates, and renews them meanwhile: make run KATA=certs.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubekata/kubekata/harness/loopback"
	certs "github.com/kubekata/kubekata/katas/stage4/01-certs"
	"github.com/kubekata/kubekata/katas/stage4/01-certs/serving"
)

const name = "certs.kubekata.dev"

func main() {
	namespace := flag.String("n", "default", "the namespace whose ConfigMaps called certs-demo the webhook denies")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string) (err error) {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "certs-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{client: c, namespace: namespace, dir: dir, service: certs.Service{Name: "hook", Namespace: namespace, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}}

	// The certificate is made as if it were 61 days ago: now it is due.
	before := time.Now().Add(-61 * 24 * time.Hour)
	fmt.Println("61 days ago")
	bundle, err := d.ensure(before)
	if err != nil {
		return err
	}
	reloader, err := certs.NewReloader(d.file(certs.CertFile), d.file(certs.KeyFile))
	if err != nil {
		return err
	}
	d.server, err = serving.Start(http.HandlerFunc(d.deny), func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := reloader.GetCertificate(hello)
		if err == nil {
			d.shown.Store(pair)
		}
		return pair, err
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.Close()) }()
	if err := d.configure(ctx, bundle); err != nil {
		return err
	}
	defer func() { // after Ctrl-C as well
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, d.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(ctx, name, metav1.DeleteOptions{}))
	}()
	if err := d.ask(ctx); err != nil {
		return err
	}
	fmt.Println("today")
	if _, err := d.ensure(time.Now()); err != nil {
		return err
	}
	return d.ask(ctx)
}

type demo struct {
	client         kubernetes.Interface
	namespace, dir string
	service        certs.Service
	server         *serving.Server
	// shown is what the last handshake got.
	shown atomic.Pointer[tls.Certificate]
}

func (d *demo) file(name string) string { return filepath.Join(d.dir, name) }

// ensure calls the learner's Ensure, and shows what is there then.
func (d *demo) ensure(now time.Time) ([]byte, error) {
	bundle, err := certs.Ensure(d.dir, d.service, now)
	if err != nil {
		return nil, err
	}
	for _, pair := range [][2]string{{certs.CACertFile, certs.CAKeyFile}, {certs.CertFile, certs.KeyFile}} {
		parsed, err := tls.LoadX509KeyPair(d.file(pair[0]), d.file(pair[1]))
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(d.file(pair[1]))
		if err != nil {
			return nil, err
		}
		fmt.Printf("  %-7s %s; the key's mode is %o\n", pair[0], describe(parsed.Leaf), info.Mode().Perm())
	}
	return bundle, nil
}

func describe(c *x509.Certificate) string {
	if c.IsCA {
		return fmt.Sprintf("a CA, until %s", c.NotAfter.Format(time.DateOnly))
	}
	return fmt.Sprintf("until %s, for %s, %s", c.NotAfter.Format(time.DateOnly), strings.Join(c.DNSNames, ", "), c.IPAddresses)
}

// configure has the webhook called.
func (d *demo) configure(ctx context.Context, bundle []byte) error {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: name, ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &d.server.URL, CABundle: bundle},
			AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: d.namespace}},
			MatchConditions:   []admissionregistrationv1.MatchCondition{{Name: "demo", Expression: `object.metadata.name == "certs-demo"`}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}
	_, err := d.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(ctx, configuration, metav1.CreateOptions{})
	return err
}

// ask makes the API server call the webhook, and shows what came of it.
func (d *demo) ask(ctx context.Context) error {
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "certs-demo"}}
	for tries := 0; ; tries++ {
		_, err := d.client.CoreV1().ConfigMaps(d.namespace).Create(ctx, configMap, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		switch {
		case err != nil:
			fmt.Printf("  the API server: %v\n", err)
			return nil
		case tries == 100:
			return errors.New("the API server does not call the webhook")
		}
		select { // it has not heard of the webhook yet
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// deny answers an AdmissionReview; the next kata is about how this is done.
func (d *demo) deny(w http.ResponseWriter, r *http.Request) {
	review := &admissionv1.AdmissionReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil || review.Request == nil {
		http.Error(w, "an AdmissionReview, please", http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: "no, says a webhook with a certificate until " + d.shown.Load().Leaf.NotAfter.Format(time.DateOnly)}}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}
