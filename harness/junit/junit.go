// Package junit writes results as the JUnit XML that CI systems read: one testsuite a kata, one testcase a spec.
package junit

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"

	"github.com/kubekata/kubekata/harness/report"
	"github.com/kubekata/kubekata/harness/runner"
)

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []suite  `xml:"testsuite"`
}

type suite struct {
	Name     string  `xml:"name,attr"`
	Tests    int     `xml:"tests,attr"`
	Failures int     `xml:"failures,attr"`
	Errors   int     `xml:"errors,attr"`
	Seconds  float64 `xml:"time,attr"`
	Cases    []kase  `xml:"testcase"`
}

type kase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Seconds float64  `xml:"time,attr"`
	Failure *problem `xml:"failure,omitempty"`
	Error   *problem `xml:"error,omitempty"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Write writes the file. A kata that could not be judged has an error in a testcase of its own, so that no reader of the
// file takes an empty suite for a success.
func Write(path string, results []runner.Result) error {
	var all suites
	for _, r := range results {
		all.Suites = append(all.Suites, convert(r))
	}
	data, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode JUnit: %w", err)
	}
	if err := os.WriteFile(path, append([]byte(xml.Header), append(data, '\n')...), 0o644); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}

func convert(r runner.Result) suite {
	s := suite{Name: r.Kata, Seconds: r.Seconds}
	for _, spec := range r.Specs {
		c := kase{Class: r.Kata, Name: spec.Text, Seconds: spec.Seconds}
		if spec.State != report.Passed {
			c.Failure = &problem{Message: string(spec.State)}
			if f := spec.Failure; f != nil {
				c.Failure.Message = firstLine(f.Message)
				c.Failure.Text = fmt.Sprintf("%s\n%s\n%s:%d", f.Message, f.Panic, f.File, f.Line)
			}
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
	}
	if r.Problem != nil || r.State == runner.Broken {
		c := kase{Class: r.Kata, Name: "the kata as a whole", Error: &problem{Message: string(r.State)}}
		if r.Problem != nil {
			c.Error.Message = r.Problem.Summary
			c.Error.Text = strings.Join(r.Problem.Detail, "\n")
		}
		s.Errors++
		s.Cases = append(s.Cases, c)
	}
	s.Tests = len(s.Cases)
	return s
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
