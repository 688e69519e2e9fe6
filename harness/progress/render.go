package progress

import (
	"fmt"
	"strings"

	"github.com/kubekata/kubekata/harness/workbook"
)

const barWidth = 30

// Bar draws n of total in width cells.
func Bar(n, total, width int) string {
	full := 0
	if total > 0 {
		full = n * width / total
	}
	if n > 0 && full == 0 {
		full = 1 // the first kata shows
	}
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// render writes what stands between the markers.
func render(w *workbook.Workbook, katas []workbook.Kata, score Score) string {
	var b strings.Builder
	known := knownKatas(katas)
	green, specsGreen, specsTotal := score.Count(known)
	fmt.Fprintf(&b, "\n`%s` %d of %d katas green", Bar(green, len(known), barWidth), green, len(known))
	if specsTotal > 0 {
		fmt.Fprintf(&b, " · %d of %d specs", specsGreen, specsTotal)
	}
	b.WriteString("\n")
	for start := 0; start < len(known); {
		end := start
		for end < len(known) && known[end].Stage == known[start].Stage {
			end++
		}
		stage := known[start:end]
		n, _, _ := score.Count(stage)
		fmt.Fprintf(&b, "\n## %s · %d of %d\n\n", w.StageTitle(stage[0].Stage), n, len(stage))
		b.WriteString("| kata | specs | state | first green |\n|---|---|---|---|\n")
		for _, k := range stage {
			e := score[k.ID()]
			if e.State == "" {
				e.State = NotRun
			}
			specs := "–"
			if e.Total > 0 {
				specs = fmt.Sprintf("%d/%d", e.Green, e.Total)
			}
			first := e.FirstGreen
			if e.Specs != "" {
				first = strings.TrimSpace(first + " <!-- " + e.Specs + " -->")
			}
			fmt.Fprintf(&b, "| [%s](%s) | %s | %s | %s |\n", k.Slug(), k.Rel(), specs, e.state(k), first)
		}
		start = end
	}
	b.WriteString("\n")
	return b.String()
}

// state is the entry's state with what is to be said about it.
func (e Entry) state(k workbook.Kata) string {
	text := e.State
	if e.Stale(k) {
		text += " · stale"
	}
	if e.Edited {
		text += " · specs changed"
	}
	return text
}

// knownKatas leaves out folders that the learner has added.
func knownKatas(katas []workbook.Kata) []workbook.Kata {
	var known []workbook.Kata
	for _, k := range katas {
		if k.HasSolution() {
			known = append(known, k)
		}
	}
	return known
}
