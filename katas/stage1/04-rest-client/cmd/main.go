// Command rest-client shows one object in the forms in which the API server sends it: make run KATA=rest-client.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubekata/kubekata/harness/loopback"
	restclient "github.com/kubekata/kubekata/katas/stage1/04-rest-client"
)

// shown is how many bytes of a body are printed.
const shown = 96

func main() {
	group := flag.String("group", "", "the API group; empty is the core group")
	version := flag.String("version", "v1", "the group's version")
	namespace := flag.String("n", "default", "the namespace")
	resource := flag.String("resource", "services", "the resource, in the plural")
	name := flag.String("name", "kubernetes", "the object's name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, schema.GroupVersion{Group: *group, Version: *version}, *namespace, *resource, *name); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, gv schema.GroupVersion, namespace, resource, name string) error {
	config, err := loopback.ProgramConfig()
	if err != nil {
		return err
	}
	client, err := restclient.New(config, gv)
	if err != nil {
		return err
	}
	for _, accept := range []string{
		"application/json",
		"application/yaml",
		"application/vnd.kubernetes.protobuf",
		"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
		"application/json;as=Table;v=v1;g=meta.k8s.io",
	} {
		answer, err := restclient.Raw(ctx, client, namespace, resource, name, accept)
		if err != nil {
			return err
		}
		fmt.Printf("Accept: %s\n  %d, %s, %d bytes\n  %.*q…\n", accept, answer.Code, answer.ContentType, len(answer.Body), shown, answer.Body)
	}
	return nil
}
