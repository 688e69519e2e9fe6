package cli_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kubekata/kubekata/harness/cli"
	"github.com/kubekata/kubekata/harness/workbook"
)

func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// call runs the command line in a folder.
func call(t *testing.T, dir string, args ...string) (code int, out string) {
	t.Helper()
	var buf bytes.Buffer
	app := &cli.App{In: strings.NewReader(""), Out: &buf, Err: &buf, Now: time.Now, Dir: dir}
	code = app.Run(t.Context(), args)
	return code, buf.String()
}

// The problem matcher of .vscode/tasks.json understands what --problems prints: a failed expectation, a panic, what the
// compiler says.
func TestProblemMatcher(t *testing.T) {
	var tasks struct {
		Tasks []struct {
			ProblemMatcher json.RawMessage
		}
	}
	root := repository(t)
	if err := json.Unmarshal(readFile(t, filepath.Join(root, ".vscode", "tasks.json")), &tasks); err != nil {
		t.Fatal(err)
	}
	var matcher struct {
		Pattern struct {
			Regexp                                string
			File, Line, Column, Severity, Message int
		}
	}
	if err := json.Unmarshal(tasks.Tasks[0].ProblemMatcher, &matcher); err != nil {
		t.Fatal(err)
	}
	p := matcher.Pattern
	re, err := regexp.Compile(`(?m)` + p.Regexp)
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	if err := newBook(dir, root); err != nil {
		t.Fatal(err)
	}
	found := func() (all []string) {
		_, out := call(t, dir, "run", "--problems")
		for _, m := range re.FindAllStringSubmatch(out, -1) {
			if _, err := os.Stat(filepath.Join(dir, m[p.File])); err != nil {
				t.Errorf("%s: %v", m[0], err)
			}
			all = append(all, m[p.File]+" "+m[p.Line]+" "+m[p.Severity]+" "+m[p.Message])
		}
		return all
	}
	want := []string{
		"katas/stage1/01-greet/greet_test.go 18 error Greet greets by name: Unexpected error: <*errors.errorString>: Greet is not implemented occurred",
		"katas/stage1/01-greet/greet_test.go 24 error Greet refuses an empty name: Expected <*errors.errorString>: Greet is not implemented to match error <string>: who?",
		"katas/stage1/02-sum/sum.go 7 error Sum adds two numbers: panic: Sum is not implemented",
		"katas/stage1/02-sum/sum.go 7 error Sum adds none: panic: Sum is not implemented",
	}
	if got := found(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("red specs: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	broken := filepath.Join(dir, "katas", "stage1", "02-sum", "sum.go")
	if err := os.WriteFile(broken, []byte("package sum\n\nfunc Sum(numbers ...int) int { return nowhere }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := found(); len(got) != 3 || got[2] != "katas/stage1/02-sum/sum.go 3 error undefined: nowhere" {
		t.Errorf("a compile error: %q", got)
	}
}

// The editors' files can be read, and call commands that there are, with flags that these have.
func TestEditorsFiles(t *testing.T) {
	root := repository(t)
	var commands []string
	for _, pattern := range []string{".vscode/*.json", ".devcontainer/*.json", ".run/*.xml", ".github/workflows/*.yml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files, %v", pattern, err)
		}
		for _, file := range files {
			data := readFile(t, file)
			if err := parses(file, data); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			commands = append(commands, regexp.MustCompile(`(go tool kata|make) [^"\n/]+`).FindAllString(string(data), -1)...)
		}
	}
	makefile := string(readFile(t, filepath.Join(root, "Makefile")))
	for _, command := range commands {
		words := strings.Fields(command)
		if words[0] == "make" {
			if !strings.Contains(makefile, "\n"+words[1]+": ") {
				t.Errorf("%s: the Makefile has no such target", command)
			}
			continue
		}
		code, help := call(t, root, words[3], "--help")
		if code != 0 {
			t.Errorf("%s: %s", command, help)
		}
		for _, word := range words[4:] {
			flag, _, _ := strings.Cut(word, "=")
			if strings.HasPrefix(flag, "--") && !strings.Contains(help, flag+" ") {
				t.Errorf("%s: there is no flag %s", command, flag)
			}
		}
	}
	if len(commands) < 8 {
		t.Errorf("only %d commands were found", len(commands))
	}
}

func parses(file string, data []byte) error {
	switch filepath.Ext(file) {
	case ".json":
		return json.Unmarshal(data, new(any))
	case ".yml":
		return yaml.Unmarshal(data, new(any))
	}
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// A point for each kata, in every stage.
func TestClassroomPoints(t *testing.T) {
	root := repository(t)
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				ID   string
				With map[string]any
			}
		}
	}
	if err := yaml.Unmarshal(readFile(t, filepath.Join(root, ".github", "workflows", "classroom.yml")), &workflow); err != nil {
		t.Fatal(err)
	}
	w, err := workbook.Find(root)
	if err != nil {
		t.Fatal(err)
	}
	katas, err := w.Katas()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{}
	for _, k := range katas {
		want["stage"+strconv.Itoa(k.Stage)]++
	}
	got := map[string]float64{}
	for _, step := range workflow.Jobs["autograding"].Steps {
		if points, ok := step.With["max-score"].(float64); ok {
			got[step.ID] = points
		}
	}
	for id, n := range want {
		if got[id] != n {
			t.Errorf("%s: %v points, and it has %v katas", id, got[id], n)
		}
	}
	for id := range got {
		if want[id] == 0 {
			t.Errorf("%s: there is no such stage", id)
		}
	}
}
