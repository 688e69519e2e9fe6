// Command crd-basics installs oven.yaml on the lab, and shows what the server then says to right and to wrong Ovens: make run
// KATA=crd-basics.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubekata/kubekata/harness/loopback"
	crdbasics "github.com/kubekata/kubekata/katas/stage3/01-crd-basics"
)

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func main() {
	namespace := flag.String("n", "default", "the namespace")
	keep := flag.Bool("keep", false, "leave the definition and the ovens, for make kubectl")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string, keep bool) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	config.WarningHandler = warner{}
	k, err := newKitchen(config, namespace)
	if err != nil {
		return err
	}
	if err := k.install(ctx); err != nil {
		return err
	}
	if keep {
		fmt.Println("it stays; when you are done: make kubectl ARGS='delete crd ovens.kitchen.kubekata.dev'")
	} else {
		defer k.remove(ctx)
	}
	return errors.Join(k.show(ctx), k.retire(ctx))
}

// warner prints the server's warnings.
type warner struct{}

// HandleWarningHeader implements [rest.WarningHandler].
func (warner) HandleWarningHeader(_ int, _, text string) { fmt.Println("  the server warns:", text) }

type kitchen struct {
	config    *rest.Config
	kube      kubernetes.Interface
	client    dynamic.Interface
	namespace string
}

func newKitchen(config *rest.Config, namespace string) (*kitchen, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &kitchen{config, kube, c, namespace}, nil
}

func (k *kitchen) ovens(version string) dynamic.ResourceInterface {
	return k.client.Resource(schema.GroupVersionResource{Group: crdbasics.Group, Version: version, Resource: crdbasics.Plural}).Namespace(k.namespace)
}

// install makes the definition, and waits until it is served.
func (k *kitchen) install(ctx context.Context) error {
	crd, err := crdbasics.Definition(crdbasics.Group)
	if err != nil {
		return err
	}
	if _, err := k.client.Resource(definitions).Create(ctx, crd, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("%w\nhint: make kubectl ARGS='delete crd %s'", err, crd.GetName())
		}
		return err
	}
	var refusal error
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		_, refusal = k.ovens("v1").List(ctx, metav1.ListOptions{Limit: 1})
		return refusal == nil, nil
	})
	if err != nil {
		k.remove(ctx)
		return errors.Join(err, refusal)
	}
	fmt.Println(crd.GetName(), "is served")
	return nil
}

// remove removes the definition, and with it all Ovens. It works after Ctrl-C as well.
func (k *kitchen) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := k.client.Resource(definitions).Delete(ctx, crdbasics.Plural+"."+crdbasics.Group, metav1.DeleteOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
}

// show shows what the server makes of Ovens.
func (k *kitchen) show(ctx context.Context) error {
	fmt.Println("\ncreate")
	for _, o := range []struct{ version, name, spec string }{
		{"v1", "napoli", `{"serial": "NA-0042", "fuel": "wood"}`},
		{"v1alpha1", "roma", `{"serial": "RM-0007", "fuel": "electric", "slots": 6, "vendor": {"gateway": {"ports": [502]}}}`},
		{"v1", "milano", `{"serial": "MI-0001", "fuel": "steam", "slots": 13, "contact": "ask Nino"}`},
		{"v1", "venezia", `{"serial": "VE-0001", "fuel": "gas", "colour": "red"}`},
	} {
		if err := k.create(ctx, o.version, o.name, o.spec); err != nil {
			return err
		}
	}
	fmt.Println("\nchange")
	k.change(ctx, "napoli", `{"spec": {"serial": "NA-0043"}}`)
	k.change(ctx, "napoli", `{"spec": {"replicas": 5}}`, "scale")
	k.change(ctx, "napoli", `{"spec": {"replicas": 4}}`, "scale")
	k.change(ctx, "napoli", `{"spec": {"slots": 1}, "status": {"phase": "Heating", "slots": 2}}`, "status")
	fmt.Println("\nget, as kubectl does")
	return k.table(ctx)
}

func (k *kitchen) create(ctx context.Context, version, name, spec string) error {
	obj := &unstructured.Unstructured{}
	text := fmt.Sprintf(`{"apiVersion": "%s/%s", "kind": "Oven", "metadata": {"name": %q}, "spec": %s}`, crdbasics.Group, version, name, spec)
	if err := obj.UnmarshalJSON([]byte(text)); err != nil {
		return err
	}
	made, err := k.ovens(version).Create(ctx, obj, metav1.CreateOptions{FieldValidation: metav1.FieldValidationWarn})
	say(version+" "+name, spec, made, err)
	return nil
}

func (k *kitchen) change(ctx context.Context, name, patch string, subresource ...string) {
	obj, err := k.ovens("v1").Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresource...)
	say(strings.Join(append([]string{name}, subresource...), " "), patch, obj, err)
}

// say shows what was sent and what came back: the spec and the status, or a line for each objection.
func say(what, sent string, obj *unstructured.Unstructured, err error) {
	fmt.Printf("  %s %s\n", what, sent)
	if err != nil {
		fmt.Println("   ", strings.ReplaceAll(err.Error(), ", spec", ",\n      spec"))
		return
	}
	spec, _ := json.Marshal(obj.Object["spec"])
	fmt.Printf("    ok %s", spec)
	if status, ok := obj.Object["status"]; ok {
		text, _ := json.Marshal(status)
		fmt.Printf(", status %s", text)
	}
	fmt.Println()
}

// table prints what the server sends to kubectl get -o wide.
func (k *kitchen) table(ctx context.Context) error {
	raw, err := k.kube.Discovery().RESTClient().Get().
		AbsPath("/apis", crdbasics.Group, "v1", "namespaces", k.namespace, crdbasics.Plural).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil {
		return err
	}
	t := metav1.Table{}
	if err := json.Unmarshal(raw, &t); err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	line := "  "
	for _, column := range t.ColumnDefinitions {
		line += strings.ToUpper(column.Name) + "\t"
	}
	fmt.Fprintln(out, line)
	for _, row := range t.Rows {
		line := "  "
		for _, cell := range row.Cells {
			if cell == nil {
				cell = ""
			}
			line += fmt.Sprint(cell) + "\t"
		}
		fmt.Fprintln(out, line)
	}
	return out.Flush()
}

// retire lets the learner's Retire have a go at both versions.
func (k *kitchen) retire(ctx context.Context) error {
	s := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(s); err != nil {
		return err
	}
	c, err := client.New(k.config, client.Options{Scheme: s})
	if err != nil {
		return err
	}
	fmt.Println("\nretire")
	for _, version := range []string{"v1", "v1alpha1"} {
		if err := crdbasics.Retire(ctx, c, crdbasics.Plural+"."+crdbasics.Group, version); err != nil {
			fmt.Println("  error:", err)
			continue
		}
		fmt.Printf("  %s is gone\n", version)
	}
	return nil
}
