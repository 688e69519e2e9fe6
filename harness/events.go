package harness

import (
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/kubekata/kubekata/harness/report"
)

// TranscriptEntry is the name of the report entry under which package cluster attaches the recorded requests to a
// red spec.
const TranscriptEntry = "transcript"

// These nodes are registered when a spec file imports the package. Without report.Env they do nothing.
var (
	_ = ginkgo.ReportBeforeSuite(func(r ginkgo.Report) {
		emit(report.Event{Kind: report.KindSuite, Suite: r.SuiteDescription, Count: r.PreRunStats.TotalSpecs})
	})
	_ = ginkgo.ReportBeforeEach(func(s ginkgo.SpecReport) {
		spec := describe(s)
		emit(report.Event{Kind: report.KindStart, Spec: &spec})
	})
	_ = ginkgo.ReportAfterEach(func(s ginkgo.SpecReport) {
		spec := verdict(s)
		emit(report.Event{Kind: report.KindSpec, Spec: &spec})
	})
	_ = ginkgo.ReportAfterSuite("kubekata", func(r ginkgo.Report) {
		var outside []string
		var specs []report.Spec
		for _, s := range r.SpecReports {
			switch {
			case s.LeafNodeType.Is(types.NodeTypeIt):
				spec := describe(s)
				spec.State = report.State(s.State.String())
				specs = append(specs, spec)
			case s.Failed():
				outside = append(outside, s.LeafNodeType.String()+": "+s.Failure.Message)
			}
		}
		outside = append(outside, r.SpecialSuiteFailureReasons...)
		emit(report.Event{Kind: report.KindEnd, Specs: specs, Passed: r.SuiteSucceeded, Message: strings.Join(outside, "\n")})
	})
)

func emit(e report.Event) {
	if os.Getenv(report.Env) == "" {
		return
	}
	if err := report.Emit(os.Stdout, e); err != nil {
		panic(err) // a verdict that cannot be written must not be lost in silence
	}
}

func describe(s ginkgo.SpecReport) report.Spec {
	return report.Spec{
		Text:   s.FullText(),
		Path:   append(append([]string{}, s.ContainerHierarchyTexts...), s.LeafNodeText),
		Labels: s.Labels(),
		File:   report.Relative(s.LeafNodeLocation.FileName),
		Line:   s.LeafNodeLocation.LineNumber,
	}
}

func verdict(s ginkgo.SpecReport) report.Spec {
	spec := describe(s)
	spec.State = report.State(s.State.String())
	spec.Seconds = s.RunTime.Round(time.Millisecond).Seconds()
	if s.State.Is(types.SpecStateFailureStates) {
		spec.Failure = failure(s.Failure)
		spec.Output = s.CapturedGinkgoWriterOutput
		for _, e := range s.ReportEntries {
			if e.Name == TranscriptEntry {
				spec.Transcript = append(spec.Transcript, strings.Split(strings.TrimRight(e.StringRepresentation(), "\n"), "\n")...)
			}
		}
	}
	return spec
}

// pointer is the address in Gomega's "<*errors.errorString | 0xc000012345>", which says nothing and differs in each run.
var pointer = regexp.MustCompile(` \| 0x[0-9a-f]+`)

// tidy removes addresses, and the second copy of an error's text, which Gomega prints before the value that it formats.
func tidy(message string) string {
	lines := strings.Split(pointer.ReplaceAllString(message, ""), "\n")
	kept := lines[:0]
	for i, l := range lines {
		if i >= 2 && strings.TrimSpace(l) == strings.TrimSpace(lines[i-1]) && strings.HasSuffix(strings.TrimSpace(lines[i-2]), ">:") {
			continue
		}
		kept = append(kept, l)
	}
	return strings.Join(kept, "\n")
}

func failure(f types.Failure) *report.Failure {
	out := &report.Failure{
		Message: tidy(f.Message),
		File:    report.Relative(f.Location.FileName),
		Line:    f.Location.LineNumber,
		Panic:   f.ForwardedPanic,
		Stack:   report.Frames(f.Location.FullStackTrace),
	}
	if f.ForwardedPanic != "" && len(out.Stack) > 0 {
		out.File, out.Line = splitPlace(out.Stack[0])
	}
	return out
}

// splitPlace splits "file:line function".
func splitPlace(frame string) (string, int) {
	at, _, _ := strings.Cut(frame, " ")
	i := strings.LastIndexByte(at, ':')
	if i < 0 {
		return at, 0
	}
	line := 0
	for _, c := range at[i+1:] {
		if c < '0' || c > '9' {
			break
		}
		line = line*10 + int(c-'0')
	}
	return at[:i], line
}
