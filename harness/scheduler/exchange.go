package scheduler

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Exchange is a call of an extender: what went over the wire.
type Exchange struct {
	Method, Path string
	// Pod is the name of the pod that it was about.
	Pod string
	// Request and Body are what was asked and answered.
	Request string
	Code    int
	Header  http.Header
	Body    string
}

func (e *Exchange) read(answer *httptest.ResponseRecorder) {
	e.Code, e.Header, e.Body = answer.Code, answer.Result().Header, answer.Body.String()
	if _, ok := e.Header["Content-Type"]; !ok && answer.Body.Len() > 0 {
		e.Header.Set("Content-Type", http.DetectContentType(answer.Body.Bytes())) // as net/http's server does
	}
}

// FilterArgs decodes a request for filtering or prioritizing.
func (e Exchange) FilterArgs() (extenderv1.ExtenderArgs, error) {
	var args extenderv1.ExtenderArgs
	return args, json.Unmarshal([]byte(e.Request), &args)
}

// String is the exchange's lines in a transcript.
func (e Exchange) String() string {
	return fmt.Sprintf("%s %s for pod %s%s → %d %s\n  %s", e.Method, e.Path, e.Pod, e.about(), e.Code, http.StatusText(e.Code), clip(strings.TrimSpace(e.Body)))
}

// about is what a request says beside the pod, as far as it is worth a line.
func (e Exchange) about() string {
	var what struct {
		extenderv1.ExtenderArgs
		Node                  string
		NodeNameToVictims     map[string]*extenderv1.Victims
		NodeNameToMetaVictims map[string]*extenderv1.MetaVictims
	}
	if json.Unmarshal([]byte(e.Request), &what) != nil {
		return ""
	}
	switch {
	case what.NodeNames != nil:
		return ", NodeNames " + strings.Join(*what.NodeNames, " ")
	case what.Nodes != nil:
		return ", Nodes " + strings.Join(namesOf(what.Nodes), " ")
	case what.Node != "":
		return ", Node " + what.Node
	case what.NodeNameToMetaVictims != nil:
		return fmt.Sprintf(", meta victims on %d nodes", len(what.NodeNameToMetaVictims))
	case what.NodeNameToVictims != nil:
		return fmt.Sprintf(", victims on %d nodes", len(what.NodeNameToVictims))
	}
	return ""
}

// clip shortens what is too long for a transcript: an answer with whole nodes in it is.
func clip(text string) string {
	const most = 600
	if len(text) <= most {
		return text
	}
	return text[:most] + " …"
}
