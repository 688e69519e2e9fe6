package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kubekata/kubekata/harness/workbook"
)

// Hint is one collapsed block of a lesson's "## Hints".
type Hint struct {
	Title string
	// Body is Markdown.
	Body string
}

var details = regexp.MustCompile(`(?s)<details>\s*<summary>(.*?)</summary>(.*?)</details>`)

// Hints returns the hints of a kata's lesson, in order.
func Hints(k workbook.Kata) ([]Hint, error) {
	src, err := os.ReadFile(filepath.Join(k.Dir(), "README.md"))
	if err != nil {
		return nil, fmt.Errorf("read the lesson: %w", err)
	}
	_, section, ok := strings.Cut("\n"+strings.ReplaceAll(string(src), "\r\n", "\n"), "\n## Hints\n")
	if !ok {
		return nil, fmt.Errorf("the lesson has no section ## Hints")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var hints []Hint
	for _, m := range details.FindAllStringSubmatch(section, -1) {
		hints = append(hints, Hint{Title: strings.TrimSpace(m[1]), Body: strings.TrimSpace(m[2])})
	}
	return hints, nil
}
