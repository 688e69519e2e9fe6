// Command finalizers says why an object is still there: make run KATA=finalizers ARGS='-resource=namespaces -name=shop'. It changes nothing,
// unless it is told to delete the object (-delete).
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

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/restmapper"
	"k8s.io/utils/clock"

	"github.com/kubekata/kubekata/harness/loopback"
	kata "github.com/kubekata/kubekata/katas/stage6/03-finalizers"
)

func main() {
	resource := flag.String("resource", "configmaps", "the resource, in the plural")
	namespace := flag.String("n", "default", "the namespace, of an object that is in one")
	name := flag.String("name", "", "the name")
	remove := flag.Bool("delete", false, "delete it first, and wait")
	timeout := flag.Duration("timeout", 10*time.Second, "how long to wait")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *resource, *namespace, *name, *remove, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, resource, namespace, name string, remove bool, timeout time.Duration) error {
	if name == "" {
		return errors.New("-name is missing")
	}
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	discovery := memory.NewMemCacheClient(clientset.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(discovery)
	gvr, err := mapper.ResourceFor(schema.GroupVersionResource{Resource: resource})
	if err != nil {
		return err
	}
	gvk, err := mapper.KindFor(gvr)
	if err != nil {
		return err
	}
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return err
	}
	ref := kata.Ref{Resource: gvr, Namespace: namespace, Name: name}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		ref.Namespace = ""
	}

	diagnoser := &kata.Diagnoser{Metadata: client, Clientset: clientset, Dependants: some, Clock: clock.RealClock{}}
	if remove {
		obj, err := client.Resource(gvr).Namespace(ref.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		ref.UID = obj.UID
		if err := kata.DeleteAndWait(ctx, client, ref, time.Second, timeout); err != nil {
			fmt.Println(err)
		}
	}
	report, err := diagnoser.Diagnose(ctx, ref)
	if report.Phase != "" {
		fmt.Println(report)
	}
	return err
}

// some are resources that often have an owner.
var some = []schema.GroupVersionResource{
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "persistentvolumeclaims"},
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "secrets"},
}
