// Package cliruntime is look, a command in the manner of kubectl get that is built with k8s.io/cli-runtime: the library that
// kubectl, and most of its plugins, have their flags, their search and their output formats from.
package cliruntime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"
)

// pageSize is how many objects a list request asks for at most.
const pageSize = 500

// options are what a command line says.
type options struct {
	genericiooptions.IOStreams
	config *genericclioptions.ConfigFlags
	print  *genericclioptions.PrintFlags

	filenames     []string
	recursive     bool
	selector      string
	allNamespaces bool
}

// found is what a search has come up with.
type found struct {
	infos []*resource.Info
	// single says that the command line means one object only, one name or one file, and that nothing was in the way: a file's
	// one good document is not its only one. Standard input may always hold another.
	single bool
	// namespace is the one that was searched; empty when it was all of them, or what was looked for is in none.
	namespace string
}

// New returns the command
//
//	look (TYPE[,TYPE...] [NAME...] | TYPE/NAME... | -f FILE...) [-n NAMESPACE | -A] [-l SELECTOR] [-o FORMAT]
//
// It reads, writes and complains on the streams, and on nothing else. Objects go to Out. Everything that is said about them goes
// to ErrOut: errors, each on lines of its own, the server's warnings, and that nothing was found; never the usage text. Whatever
// can be shown is shown, and the command returns an error if there was anything else. The kinds of the server's errors stay
// recognisable in it: apierrors.IsNotFound, apierrors.IsForbidden.
//
// The flags of config become the command's, next to its own:
//
//	-f, --filename        a file, a folder, or - for In; may be given more than once
//	-R, --recursive       folders below folders as well
//	-l, --selector        labels
//	-A, --all-namespaces  whatever -n says; not together with -f, whose documents know their namespaces
//	-o, --output          table, which is the default, or what genericclioptions.PrintFlags knows: json, yaml, name, jsonpath=…
//
// New owns config from here on. A WrapConfigFn that is in it stays in force.
func New(config *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	o := &options{
		IOStreams: streams,
		config:    config,
		print:     genericclioptions.NewPrintFlags("").WithDefaultOutput("table"),
	}
	cmd := &cobra.Command{
		Use:   "look (TYPE[,TYPE...] [NAME...] | TYPE/NAME... | -f FILE...)",
		Short: "Show objects of a cluster, or of files",
		RunE:  func(_ *cobra.Command, args []string) error { return o.run(args) },
	}
	// kata:begin Add the flags to the command: those of config, those of print, and the four of options. Tell cobra about the
	// | streams, and where its usage text does not belong. Send the server's warnings to ErrOut. The two lines below go.
	// kata:stub cmd.DisableFlagParsing = true
	// kata:stub cmd.RunE = func(*cobra.Command, []string) error { return errors.New("New: not implemented") }
	cmd.SetIn(streams.In)
	cmd.SetOut(streams.Out)
	cmd.SetErr(streams.ErrOut)
	cmd.SilenceUsage = true

	flags := cmd.Flags()
	config.AddFlags(flags)
	o.print.AddFlags(cmd)
	files := genericclioptions.FileNameFlags{
		Usage:     "a file, a folder, or - for standard input",
		Filenames: &o.filenames,
		Recursive: &o.recursive,
	}
	files.AddFlags(flags)
	flags.StringVarP(&o.selector, "selector", "l", "", "the labels to select by")
	flags.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "look in all namespaces, whatever --namespace says")
	cmd.MarkFlagsMutuallyExclusive("filename", "all-namespaces")

	warnTo(config, streams.ErrOut)
	// kata:end
	return cmd
}

// warnTo makes every client that is built from config, and no other, write the server's warnings to w, each warning once. Without
// it they go to the process's own standard error, through klog. What config.WrapConfigFn does already is still done.
func warnTo(config *genericclioptions.ConfigFlags, w io.Writer) {
	// kata:begin Give the rest.Config a warning handler, on the way out of ConfigFlags.
	// kata:stub
	wrap := config.WrapConfigFn
	handler := rest.NewWarningWriter(w, rest.WarningWriterOptions{Deduplicate: true})
	config.WrapConfigFn = func(c *rest.Config) *rest.Config {
		if wrap != nil {
			c = wrap(c)
		}
		c.WarningHandler = handler
		return c
	}
	// kata:end
}

// run does what the command line says. An output format that there is not is found out before the server is asked for anything.
// What was found is printed, whatever else went wrong, and what goes wrong with that is one more error; when nothing was found
// because of errors, nothing is printed: an empty list would say that there is nothing.
func (o *options) run(args []string) error {
	// kata:begin Choose the printer, find, print, and return all errors in one.
	printer, err := o.printer()
	if err != nil {
		return err
	}
	f, err := o.find(args)
	errs := flatten(err)
	if len(f.infos) > 0 || len(errs) == 0 {
		errs = append(errs, o.show(printer, f))
	}
	return errors.Join(errs...)
	// kata:end
}

// find returns all that could be found, and an error that holds everything that was in the way. Types and names are looked up
// in the cluster, a list in pages of pageSize; documents are what the files say, and of the server only their kinds are asked.
// A list in a document, or from the server, counts as its items.
//
// The namespace is that of -n, else the kubeconfig's. A document without a namespace gets it, unless its kind has none; one with
// a namespace of its own keeps it, and is an error when -n names another.
func (o *options) find(args []string) (found, error) {
	// kata:begin Ask config which namespace it is, and whether somebody typed it. Then let a resource.Builder do the work, on
	// | unstructured objects. Mind where it reads standard input from, and which of a Result's methods returns objects besides
	// | an error.
	namespace, explicit, err := o.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return found{}, fmt.Errorf("find out the namespace: %w", err)
	}
	builder := resource.NewBuilder(o.config).
		Unstructured().
		ContinueOnError().
		NamespaceParam(namespace).DefaultNamespace().AllNamespaces(o.allNamespaces).
		LabelSelectorParam(o.selector).
		RequestChunksOf(pageSize).
		ResourceTypeOrNameArgs(true, args...).
		Flatten()
	for _, name := range o.filenames {
		if name == "-" {
			builder.StdinInUse().Stream(o.In, "standard input")
			continue
		}
		builder.FilenameParam(false, &resource.FilenameOptions{Filenames: []string{name}, Recursive: o.recursive})
	}
	if explicit && !o.allNamespaces {
		builder.RequireNamespace()
	}

	var f found
	result := builder.Do().IntoSingleItemImplied(&f.single)
	f.infos, err = result.Infos()
	f.single = f.single && err == nil
	mapping, mappingErr := result.ResourceMapping() // an error for documents, and for more than one type
	if !o.allNamespaces && (mappingErr != nil || mapping.Scope.Name() == meta.RESTScopeNameNamespace) {
		f.namespace = namespace
	}
	return f, err
	// kata:end
}

// printer returns the printer for the output format. A format that there is not, or a template that does not parse, is an error.
func (o *options) printer() (printers.ResourcePrinter, error) {
	// kata:begin The table is ours (newTablePrinter, below); print has all others.
	// kata:stub return nil, errors.New("options.printer: not implemented")
	if format := *o.print.OutputFormat; format == "" || format == "table" {
		return newTablePrinter(), nil
	}
	return o.print.ToPrinter()
	// kata:end
}

// show prints what was found to Out, as one document that any program can read: a single object as itself, everything else as
// one List, also a list of one or of none. When nothing was found it says so on ErrOut: "No resources found in web namespace.",
// or "No resources found" when no one namespace was searched. A failure to write is an error, in every format.
func (o *options) show(printer printers.ResourcePrinter, f found) error {
	// kata:begin One object, or a List of unstructured objects. Some printers keep quiet when they cannot write: print to memory.
	if len(f.infos) == 0 {
		if f.namespace == "" {
			fmt.Fprintln(o.ErrOut, "No resources found")
		} else {
			fmt.Fprintf(o.ErrOut, "No resources found in %s namespace.\n", f.namespace)
		}
	}
	var obj runtime.Object
	if f.single && len(f.infos) == 1 {
		obj = f.infos[0].Object
	} else {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("v1")
		list.SetKind("List")
		for _, info := range f.infos {
			list.Items = append(list.Items, *info.Object.(*unstructured.Unstructured))
		}
		obj = list
	}
	var out bytes.Buffer
	if err := printer.PrintObj(obj, &out); err != nil {
		return err
	}
	_, err := out.WriteTo(o.Out)
	return err
	// kata:end
}

// flatten takes an error of a resource.Builder apart: it may be an aggregate, and that of aggregates again, through which
// errors.As does not see. No error makes none.
func flatten(err error) []error {
	var aggregate utilerrors.Aggregate
	switch {
	case err == nil:
		return nil
	case errors.As(err, &aggregate):
		return utilerrors.Flatten(aggregate).Errors()
	default:
		return []error{err}
	}
}

// newTablePrinter returns a printer that knows four things about every object. The columns do not depend on what is found, and no
// cell is empty, so that awk '{print $2}' is a name, always.
func newTablePrinter() printers.ResourcePrinter {
	printer := printers.NewTablePrinter(printers.PrintOptions{})
	return printers.ResourcePrinterFunc(func(obj runtime.Object, w io.Writer) error {
		table := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
			{Name: "Namespace"}, {Name: "Name"}, {Name: "Kind"}, {Name: "Age"},
		}}
		row := func(obj runtime.Object) error {
			item, err := meta.Accessor(obj)
			if err != nil {
				return err
			}
			namespace, age := item.GetNamespace(), "<unknown>"
			if namespace == "" {
				namespace = "<none>"
			}
			if created := item.GetCreationTimestamp(); !created.IsZero() {
				age = duration.HumanDuration(time.Since(created.Time))
			}
			table.Rows = append(table.Rows, metav1.TableRow{
				Cells: []any{namespace, item.GetName(), obj.GetObjectKind().GroupVersionKind().Kind, age},
			})
			return nil
		}
		each := row
		if meta.IsListType(obj) {
			each = func(list runtime.Object) error { return meta.EachListItem(list, row) }
		}
		if err := each(obj); err != nil {
			return err
		}
		return printer.PrintObj(table, w)
	})
}
