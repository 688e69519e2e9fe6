package aggregated

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/kubekata/kubekata/katas/stage6/06-aggregated-apiserver/till"
)

// MaxBody is how much of a body is read, in bytes.
const MaxBody = 1 << 20

// Options are what a server is made of. All of them must be set.
type Options struct {
	// Group is the group of the API.
	Group string
	// Till has the tabs.
	Till *till.Till
	// Authenticate says who asks: (*RequestHeader).Authenticate. Its error is answered as it is.
	Authenticate func(*http.Request) (*authenticationv1.UserInfo, error)
	// Authorize says whether they may: Authorize, with a client. Its error is answered as it is.
	Authorize func(context.Context, *authenticationv1.UserInfo, authorizationv1.SubjectAccessReviewSpec) error
	// Now is the time, for ages.
	Now func() time.Time
}

// NewHandler returns the server. GET /healthz, /livez and /readyz are answered with 200 and the text ok, to everybody. Before any other answer, and before anything is read of the
// body or changed, a request is authenticated, authorized for its Attributes, and its Accept header negotiated, in this order. Errors are answered by Refuse. What is not mentioned
// here, is NotFound: the API server asks for /openapi/v2 and v3 as well, and understands that.
//
// Discovery is answered to GET, as JSON. Other methods are refused with MethodNotAllowed (405), as are those that the path of a resource does not have: POST has only that of a
// namespace's tabs, DELETE only that of a tab, GET all of them. There is no watch, so that is MethodNotAllowed as well, and not a list.
//
// Tabs have the kind Tab and the apiVersion GROUP/v1, lists the kind TabList and the till's resourceVersion, and their items are never null. A get and a list are answered in the form
// that was negotiated, Rows with the parameter includeObject; everything else as JSON.
//
// A list has the tabs that the labelSelector and the fieldSelector match; the latter knows metadata.name and metadata.namespace. One that cannot be read, or that has another field,
// is a BadRequest, since a selector that is not heeded selects everything. limit, continue and resourceVersion need not be heeded.
//
// A create takes JSON: the Content-Type application/json, with or without parameters, or none; any other is UnsupportedMediaType (415). A body of more than MaxBody is
// RequestEntityTooLarge (413). What is no Tab of GROUP/v1, and a namespace other than the path's, are a BadRequest; without a namespace it is the path's. A tab is Invalid (422), with
// a cause for each field that is wrong, unless metadata.name is a DNS subdomain, spec.guest is not empty, and spec.cents is positive. Its answer is the tab, with the code 201.
//
// A delete may have a body, of the same type and size: metav1.DeleteOptions, of which preconditions and dryRun are heeded. Its answer is a Status of Success (200) whose details have
// the group, the kind "tabs", the name and the uid of what is gone.
//
// Both have the parameter dryRun, which may be All: everything is answered as if, and nothing is changed. Any other value is a BadRequest, in the body as well.
func NewHandler(o Options) http.Handler {
	// kata:begin A health check, then three gates, then the path. Begin with discovery.
	return &handler{o}
	// kata:end
}

// kata:begin Everything that NewHandler needs.
// kata:stub

type handler struct{ Options }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz", "/livez", "/readyz":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok")
		return
	}
	code, answer, err := h.serve(w, r)
	if err != nil {
		Refuse(w, err)
		return
	}
	write(w, code, answer)
}

// serve returns what is answered, and with which code.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) (int, any, error) {
	user, err := h.Authenticate(r)
	if err != nil {
		return 0, nil, err
	}
	ask := Attributes(h.Group, r)
	if err := h.Authorize(r.Context(), user, ask); err != nil {
		return 0, nil, err
	}
	form, err := Negotiate(r.Header.Get("Accept"))
	if err != nil {
		return 0, nil, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	if ask.ResourceAttributes == nil {
		answer, err := h.discover(r)
		return http.StatusOK, answer, err
	}
	namespace, name := ask.ResourceAttributes.Namespace, ask.ResourceAttributes.Name
	switch verb := ask.ResourceAttributes.Verb; {
	case verb == "get":
		answer, err := h.get(r, form, namespace, name)
		return http.StatusOK, answer, err
	case verb == "list":
		answer, err := h.list(r, form, namespace)
		return http.StatusOK, answer, err
	case verb == "create" && namespace != "" && name == "":
		answer, err := h.create(r, namespace)
		return http.StatusCreated, answer, err
	case verb == "delete":
		answer, err := h.delete(r, namespace, name)
		return http.StatusOK, answer, err
	default:
		return 0, nil, apierrors.NewMethodNotSupported(h.resource(), verb)
	}
}

func (h *handler) resource() schema.GroupResource {
	return schema.GroupResource{Group: h.Group, Resource: Resource}
}

func (h *handler) typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{Kind: kind, APIVersion: h.Group + "/" + Version}
}

func (h *handler) discover(r *http.Request) (any, error) {
	var answer any
	switch r.URL.Path {
	case "/apis":
		answer = Groups(h.Group)
	case "/apis/" + h.Group:
		answer = Group(h.Group)
	case "/apis/" + h.Group + "/" + Version:
		answer = Resources(h.Group)
	default:
		return nil, refusal(http.StatusNotFound, metav1.StatusReasonNotFound, "there is nothing at "+r.URL.Path)
	}
	if r.Method != http.MethodGet {
		return nil, refusal(http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, r.Method+" is not possible here")
	}
	return answer, nil
}

func (h *handler) get(r *http.Request, form Form, namespace, name string) (any, error) {
	tab, err := h.Till.Get(namespace, name)
	if err != nil {
		return nil, err
	}
	tab.TypeMeta = h.typeMeta(Kind)
	if form == Rows {
		return h.table(r, []till.Tab{tab}, tab.ResourceVersion)
	}
	return tab, nil
}

func (h *handler) list(r *http.Request, form Form, namespace string) (any, error) {
	matches, err := selector(r)
	if err != nil {
		return nil, err
	}
	found, version := h.Till.List(namespace)
	list := till.TabList{TypeMeta: h.typeMeta(Kind + "List"), ListMeta: metav1.ListMeta{ResourceVersion: version}, Items: []till.Tab{}}
	for _, tab := range found {
		if matches(tab) {
			tab.TypeMeta = h.typeMeta(Kind)
			list.Items = append(list.Items, tab)
		}
	}
	if form == Rows {
		return h.table(r, list.Items, version)
	}
	return list, nil
}

// selector reads the two selectors of a list.
func selector(r *http.Request) (func(till.Tab) bool, error) {
	query := r.URL.Query()
	byLabel, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest("labelSelector: " + err.Error())
	}
	byField, err := fields.ParseSelector(query.Get("fieldSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest("fieldSelector: " + err.Error())
	}
	for _, requirement := range byField.Requirements() {
		if requirement.Field != "metadata.name" && requirement.Field != "metadata.namespace" {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("fieldSelector: there is no field %q to select by", requirement.Field))
		}
	}
	return func(tab till.Tab) bool {
		return byLabel.Matches(labels.Set(tab.Labels)) && byField.Matches(fields.Set{"metadata.name": tab.Name, "metadata.namespace": tab.Namespace})
	}, nil
}

func (h *handler) table(r *http.Request, tabs []till.Tab, version string) (any, error) {
	table, err := Table(tabs, metav1.IncludeObjectPolicy(r.URL.Query().Get("includeObject")), h.Now())
	if err != nil {
		return nil, err
	}
	table.ResourceVersion = version
	return table, nil
}

func (h *handler) create(r *http.Request, namespace string) (any, error) {
	dry, err := dryRun(r.URL.Query()["dryRun"])
	if err != nil {
		return nil, err
	}
	tab := till.Tab{}
	data, err := body(r)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &tab); err != nil {
		return nil, apierrors.NewBadRequest("the body is no Tab: " + err.Error())
	}
	if tab.TypeMeta != h.typeMeta(Kind) {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the body is a %q of %q, and not a %s of %s/%s", tab.Kind, tab.APIVersion, Kind, h.Group, Version))
	}
	if tab.Namespace == "" {
		tab.Namespace = namespace
	}
	if tab.Namespace != namespace {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the tab is in the namespace %q, and the path in %q", tab.Namespace, namespace))
	}
	if wrong := validate(tab); len(wrong) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: h.Group, Kind: Kind}, tab.Name, wrong)
	}
	return h.Till.Create(tab, dry)
}

func validate(tab till.Tab) field.ErrorList {
	var wrong field.ErrorList
	name := field.NewPath("metadata", "name")
	if tab.Name == "" {
		wrong = append(wrong, field.Required(name, "the till makes up no names"))
	} else {
		for _, message := range validation.IsDNS1123Subdomain(tab.Name) {
			wrong = append(wrong, field.Invalid(name, tab.Name, message))
		}
	}
	if tab.Spec.Guest == "" {
		wrong = append(wrong, field.Required(field.NewPath("spec", "guest"), "somebody owes it"))
	}
	if tab.Spec.Cents <= 0 {
		wrong = append(wrong, field.Invalid(field.NewPath("spec", "cents"), tab.Spec.Cents, "must be positive"))
	}
	return wrong
}

func (h *handler) delete(r *http.Request, namespace, name string) (any, error) {
	options := metav1.DeleteOptions{}
	data, err := body(r)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &options); err != nil {
			return nil, apierrors.NewBadRequest("the body is no DeleteOptions: " + err.Error())
		}
	}
	dry, err := dryRun(slices.Concat(r.URL.Query()["dryRun"], options.DryRun))
	if err != nil {
		return nil, err
	}
	tab, err := h.Till.Delete(namespace, name, options.Preconditions, dry)
	if err != nil {
		return nil, err
	}
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess, Code: http.StatusOK,
		Details: &metav1.StatusDetails{Group: h.Group, Kind: Resource, Name: name, UID: tab.UID},
	}, nil
}

// body reads a body of JSON, or none.
func body(r *http.Request) ([]byte, error) {
	if header := r.Header.Get("Content-Type"); header != "" {
		if media, _, err := mime.ParseMediaType(header); err != nil || media != runtime.ContentTypeJSON {
			return nil, refusal(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType, fmt.Sprintf("the body is %q, and only %s can be read", header, runtime.ContentTypeJSON))
		}
	}
	data, err := io.ReadAll(r.Body)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("the limit is %d bytes", MaxBody))
	}
	if err != nil {
		return nil, apierrors.NewBadRequest("read the body: " + err.Error())
	}
	return data, nil
}

// dryRun says whether nothing shall be changed.
func dryRun(values []string) (bool, error) {
	for _, value := range values {
		if value != metav1.DryRunAll {
			return false, apierrors.NewBadRequest(fmt.Sprintf("dryRun is %q, and can be only %s", value, metav1.DryRunAll))
		}
	}
	return len(values) > 0, nil
}

// kata:end
