// Command api-compat lets an old and a new client loose on the same orders, on a server that asks the functions of the kata. The
// server is part of the program; it needs no cluster:
//
//	go run ./katas/stage3/03-api-compat/cmd
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	apicompat "github.com/kubekata/kubekata/katas/stage3/03-api-compat"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/order"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/schema"
	"github.com/kubekata/kubekata/katas/stage3/03-api-compat/wire"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLIENT\tDOES\tSERVER\tTOPPING\tTOPPINGS")
	server := wire.NewServer(wire.Strategy{
		OnRead: apicompat.NormalizeOnRead, OnCreate: apicompat.NormalizeOnCreate, OnUpdate: apicompat.NormalizeOnUpdate,
		Validate: apicompat.Validate, ValidateUpdate: apicompat.ValidateUpdate,
	})
	server.Restore("table-1", []byte(`{"metadata":{"name":"table-1"},"spec":{"size":"large","topping":"salami"}}`))
	for _, s := range steps(wire.OldClient(server), wire.NewClient(server)) {
		answer := "ok"
		if err := s.run(); err != nil {
			answer = why(err)
		}
		o, err := wire.NewClient(server).Get(s.table)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\n", s.who, s.does, answer, o.Spec.Topping, o.Spec.Toppings)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return review(out)
}

// step is what a client does, and to whose order.
type step struct {
	who, does, table string
	run              func() error
}

func steps(old wire.Old, young wire.New) []step {
	says := func(topping string) func(*wire.OldOrder) {
		return func(o *wire.OldOrder) { o.Spec.Topping = topping }
	}
	resize := func(size string) func(*wire.OldOrder) {
		return func(o *wire.OldOrder) { o.Spec.Size = size }
	}
	both := func(topping string, toppings ...string) func(*order.Order) {
		return func(o *order.Order) { o.Spec.Topping, o.Spec.Toppings = topping, toppings }
	}
	const one, two = "table-1", "table-2"
	return []step{
		{"", "(stored last year)", one, func() error { return nil }},
		{"new", "adds olives", one, func() error {
			return young.Update(one, func(o *order.Order) { o.Spec.Toppings = append(o.Spec.Toppings, "olives") })
		}},
		{"old", "updates the size", one, func() error { return old.Update(one, resize("small")) }},
		{"old", "patches the size", one, func() error { return old.Patch(one, resize("large")) }},
		{"old", "updates topping: capers", one, func() error { return old.Update(one, says("capers")) }},
		{"new", "sets both", one, func() error { return young.Patch(one, both("ham", "ham", "olives")) }},
		{"new", "sets both, and they differ", one, func() error { return young.Patch(one, both("ham", "rocket")) }},
		{"new", "clears toppings alone", one, func() error {
			return young.Patch(one, func(o *order.Order) { o.Spec.Toppings = nil })
		}},
		{"old", "patches topping: null", one, func() error { return old.Patch(one, says("")) }},
		{"old", "orders ham", two, func() error { return old.Create(two, says("ham")) }},
		{"new", "sets toppings alone", two, func() error { return young.Update(two, both("", "rocket")) }},
		{"new", "sets a bad name", two, func() error { return young.Update(two, both("ham", "ham", "\a")) }},
	}
}

// why is an error in a few words: the first of its causes.
func why(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return err.Error()
	}
	cause := status.Status().Details.Causes[0]
	return cause.Field + ": " + string(cause.Type)
}

// review shows what Compare says of the change that we make, and of the one that somebody had proposed.
func review(out io.Writer) error {
	before := schema.Schema{"spec.size": {Type: "string"}, "spec.topping": {Type: "string"}}
	for _, proposal := range []struct {
		text  string
		after schema.Schema
	}{
		{"replace topping by toppings", schema.Schema{"spec.size": {Type: "string"}, "spec.toppings": {Type: "array", Required: true}}},
		{"add toppings", schema.Schema{"spec.size": {Type: "string"}, "spec.topping": {Type: "string"}, "spec.toppings": {Type: "array"}}},
	} {
		verdict := "compatible"
		if breaches := apicompat.Compare(before, proposal.after); len(breaches) > 0 {
			verdict = fmt.Sprint(breaches)
		}
		if _, err := fmt.Fprintf(out, "%-28s %s\n", proposal.text+":", verdict); err != nil {
			return err
		}
	}
	return nil
}
