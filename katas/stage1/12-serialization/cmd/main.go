// Command serialization reads manifests with the functions of the kata and says what became of them. It needs no cluster:
//
//	go run ./katas/stage1/12-serialization/cmd [-f FILE] [-dump FORMAT]
package main

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	serialization "github.com/kubekata/kubekata/katas/stage1/12-serialization"
)

//go:embed shop.yaml
var shop []byte

// formats are the columns of the table, and the values of -dump.
var formats = []struct{ name, mediaType string }{
	{"json", runtime.ContentTypeJSON},
	{"yaml", runtime.ContentTypeYAML},
	{"protobuf", runtime.ContentTypeProtobuf},
	{"cbor", runtime.ContentTypeCBOR},
}

func main() {
	file := flag.String("f", "", "the manifests; - is standard input (default: a file that is built in)")
	dump := flag.String("dump", "", "print the objects in this format: json, yaml, protobuf or cbor")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *file, *dump); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, file, format string) error {
	stream, err := open(in, file)
	if err != nil {
		return err
	}
	defer stream.Close()
	objects, err := serialization.Read(scheme.Scheme, stream)
	if err != nil {
		return err
	}
	if format == "" {
		return table(out, objects)
	}
	for _, f := range formats {
		if f.name == format {
			return dump(out, objects, f.mediaType)
		}
	}
	return fmt.Errorf("-dump %s: no such format", format)
}

func open(in io.Reader, file string) (io.ReadCloser, error) {
	switch file {
	case "":
		return io.NopCloser(bytes.NewReader(shop)), nil
	case "-":
		return io.NopCloser(in), nil
	default:
		return os.Open(file)
	}
}

// table prints a line for each object: what it is, what Go makes of it, and how many bytes it takes in each format.
func table(out io.Writer, objects []runtime.Object) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "KIND\tNAME\tGO TYPE\tJSON\tYAML\tPROTOBUF\tCBOR")
	for _, obj := range objects {
		name, err := meta.NewAccessor().Name(obj)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%T", obj.GetObjectKind().GroupVersionKind().Kind, name, obj)
		for _, f := range formats {
			size := "-"
			if data, err := serialization.Encode(scheme.Scheme, obj, f.mediaType); err == nil {
				size = strconv.Itoa(len(data))
			}
			fmt.Fprintf(w, "\t%s", size)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// dump prints the objects themselves; the binary formats in hexadecimal.
func dump(out io.Writer, objects []runtime.Object, mediaType string) error {
	for _, obj := range objects {
		data, err := serialization.Encode(scheme.Scheme, obj, mediaType)
		if err != nil {
			return err
		}
		switch mediaType {
		case runtime.ContentTypeYAML:
			_, err = fmt.Fprintf(out, "---\n%s", data)
		case runtime.ContentTypeJSON:
			_, err = out.Write(data)
		default:
			_, err = fmt.Fprintln(out, hex.Dump(data))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
