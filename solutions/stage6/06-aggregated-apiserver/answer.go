package aggregated

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/till"
)

// Refuse answers with an error: the Status of an error of apierrors, also of one that is wrapped, and InternalError (500) with the text of any other, and of one whose Status has no
// code. The code of the answer is that in the Status. The Content-Type is application/json, and the Status has its kind and its apiVersion, which is v1.
func Refuse(w http.ResponseWriter, err error) {
	// kata:begin apierrors.APIStatus has the Status. Which of its fields are empty?
	status := apierrors.NewInternalError(err).Status()
	if known := apierrors.APIStatus(nil); errors.As(err, &known) && known.Status().Code != 0 {
		status = known.Status()
	}
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	write(w, int(status.Code), &status)
	// kata:end
}

// kata:begin What Refuse has in common with other answers.
// kata:stub

// write answers with an object in JSON.
func write(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object) // the client has gone
}

// kata:end

// Form is how an object is answered.
type Form int

const (
	JSON Form = iota // as it is
	Rows             // as a metav1.Table
)

// Negotiate reads an Accept header: media types in the order of preference, separated by commas. The first that we have wins, and those that we do not have are skipped. We have
//   - application/json, application/* and */*, without "as": JSON;
//   - application/json with as=Table, g=meta.k8s.io and v=v1: Rows. Other versions and other forms we do not have.
//
// A header that is empty is JSON. One in which there is nothing that we have is a Status with the reason NotAcceptable and the code 406. Weights (q) need not be heeded.
func Negotiate(accept string) (Form, error) {
	// kata:begin mime.ParseMediaType, for each of them.
	if strings.TrimSpace(accept) == "" {
		return JSON, nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		switch media {
		case runtime.ContentTypeJSON, "application/*", "*/*":
		default:
			continue
		}
		as, transformed := parameters["as"]
		switch {
		case !transformed:
			return JSON, nil
		case media == runtime.ContentTypeJSON && as == "Table" && parameters["g"] == metav1.GroupName && parameters["v"] == "v1":
			return Rows, nil
		}
	}
	return JSON, refusal(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable, fmt.Sprintf("only %s is to be had, plain or as a Table of %s", runtime.ContentTypeJSON, metav1.SchemeGroupVersion))
	// kata:end
}

// kata:begin apierrors has no constructor for some Statuses.
// kata:stub

func refusal(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}

// kata:end

// Table is what kubectl prints: a row for each tab, with the columns Name, Guest, Owes and Age. Name has the type string and the format name, the others have the type string. What
// somebody owes is in units and cents, "12.05"; the age is duration.HumanDuration's.
//
// The object of a row is what include says: with Metadata, or with "", a PartialObjectMetadata of meta.k8s.io/v1 with the tab's metadata; with Object the tab, as it is; with None
// there is no object. Anything else is a BadRequest. The Table is of meta.k8s.io/v1 as well; its resourceVersion is the caller's business. Rows are never null.
func Table(tabs []till.Tab, include metav1.IncludeObjectPolicy, now time.Time) (*metav1.Table, error) {
	// kata:begin A cell is any JSON value. A row's object is a runtime.RawExtension: where is the kind in it?
	table := &metav1.Table{
		TypeMeta: metav1.TypeMeta{Kind: "Table", APIVersion: metav1.SchemeGroupVersion.String()},
		ColumnDefinitions: []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name", Description: "the name of the tab"},
			{Name: "Guest", Type: "string", Description: "who owes"},
			{Name: "Owes", Type: "string", Description: "how much, in units and cents"},
			{Name: "Age", Type: "string", Description: "how long the tab has been open"},
		},
		Rows: []metav1.TableRow{},
	}
	for _, tab := range tabs {
		row := metav1.TableRow{Cells: []any{
			tab.Name, tab.Spec.Guest, fmt.Sprintf("%d.%02d", tab.Spec.Cents/100, tab.Spec.Cents%100), duration.HumanDuration(now.Sub(tab.CreationTimestamp.Time)),
		}}
		switch include {
		case metav1.IncludeNone:
		case metav1.IncludeMetadata, "":
			row.Object.Object = &metav1.PartialObjectMetadata{
				TypeMeta:   metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: metav1.SchemeGroupVersion.String()},
				ObjectMeta: tab.ObjectMeta,
			}
		case metav1.IncludeObject:
			raw, err := json.Marshal(tab)
			if err != nil {
				return nil, fmt.Errorf("write tab %s/%s: %w", tab.Namespace, tab.Name, err)
			}
			row.Object.Raw = raw
		}
		table.Rows = append(table.Rows, row)
	}
	switch include {
	case metav1.IncludeNone, metav1.IncludeMetadata, metav1.IncludeObject, "":
		return table, nil
	}
	return nil, apierrors.NewBadRequest(fmt.Sprintf("includeObject is %q, and not one of None, Metadata and Object", include))
	// kata:end
}
