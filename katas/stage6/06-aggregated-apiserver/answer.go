package aggregated

import (
	"errors"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/till"
)

// Refuse answers with an error: the Status of an error of apierrors, also of one that is wrapped, and InternalError (500) with the text of any other, and of one whose Status has no
// code. The code of the answer is that in the Status. The Content-Type is application/json, and the Status has its kind and its apiVersion, which is v1.
func Refuse(w http.ResponseWriter, err error) {
	// TODO(kata): apierrors.APIStatus has the Status. Which of its fields are empty?
	panic("Refuse is not implemented")
}

// TODO(kata): What Refuse has in common with other answers.

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
	// TODO(kata): mime.ParseMediaType, for each of them.
	return *new(Form), errors.New("Negotiate is not implemented")
}

// TODO(kata): apierrors has no constructor for some Statuses.

// Table is what kubectl prints: a row for each tab, with the columns Name, Guest, Owes and Age. Name has the type string and the format name, the others have the type string. What
// somebody owes is in units and cents, "12.05"; the age is duration.HumanDuration's.
//
// The object of a row is what include says: with Metadata, or with "", a PartialObjectMetadata of meta.k8s.io/v1 with the tab's metadata; with Object the tab, as it is; with None
// there is no object. Anything else is a BadRequest. The Table is of meta.k8s.io/v1 as well; its resourceVersion is the caller's business. Rows are never null.
func Table(tabs []till.Tab, include metav1.IncludeObjectPolicy, now time.Time) (*metav1.Table, error) {
	// TODO(kata): A cell is any JSON value. A row's object is a runtime.RawExtension: where is the kind in it?
	return nil, errors.New("Table is not implemented")
}
