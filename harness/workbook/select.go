package workbook

import (
	"fmt"
	"slices"
	"strings"
)

// Stages is the number of stages of the workbook.
const Stages = 6

// SelectError says that a stage or a name matches no kata, and which come near.
type SelectError struct {
	Reason string
	// Mend is what to do about it: a command, mostly.
	Mend string
}

func (e *SelectError) Error() string { return e.Reason }

// Hint returns what to do about it.
func (e *SelectError) Hint() string { return e.Mend }

// Select returns the katas of a stage (0: of all stages) that a name matches (empty: all). A name is "workqueue",
// "04" (with a stage) or "04-workqueue". The result is never empty: no match is a *[SelectError].
func (w *Workbook) Select(stage int, name string) ([]Kata, error) {
	all, err := w.Katas()
	if err != nil {
		return nil, err
	}
	if stage < 0 || stage > Stages {
		return nil, &SelectError{Reason: fmt.Sprintf("there is no stage %d: stages are 1 to %d", stage, Stages), Mend: "make list"}
	}
	inStage := all
	if stage != 0 {
		inStage = slices.DeleteFunc(slices.Clone(all), func(k Kata) bool { return k.Stage != stage })
		if len(inStage) == 0 {
			return nil, &SelectError{Reason: fmt.Sprintf("stage %d has no katas yet", stage), Mend: "make list"}
		}
	}
	if len(inStage) == 0 {
		return nil, &SelectError{Reason: "the workbook has no katas: katas/ is empty", Mend: "git checkout katas solutions"}
	}
	if name == "" {
		return inStage, nil
	}
	// "stage2/04-workqueue", as the board and PROGRESS.md print it, works as well.
	wanted := strings.TrimPrefix(strings.Trim(name, "/"), "katas/")
	var found []Kata
	for _, k := range inStage {
		if wanted == k.Name || wanted == k.Slug() || wanted == k.ID() || (stage != 0 && wanted == k.Number) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case stage == 0 && isNumber(wanted):
		return nil, &SelectError{Reason: fmt.Sprintf("a number alone names a kata of every stage: KATA=%s needs a STAGE", name), Mend: "make list"}
	}
	reason := fmt.Sprintf("no kata is called %q", name)
	if stage != 0 {
		reason += fmt.Sprintf(" in stage %d", stage)
	}
	if near := nearest(wanted, inStage); len(near) > 0 {
		reason += "; near matches: " + strings.Join(near, ", ")
	} else if near := nearest(wanted, all); len(near) > 0 {
		reason += "; in another stage: " + strings.Join(near, ", ")
	}
	return nil, &SelectError{Reason: reason, Mend: "make list"}
}

// One is Select for commands that work on a single kata.
func (w *Workbook) One(stage int, name string) (Kata, error) {
	if name == "" {
		return Kata{}, &SelectError{Reason: "which kata? give its name as KATA=…", Mend: "make list"}
	}
	found, err := w.Select(stage, name)
	if err != nil {
		return Kata{}, err
	}
	if len(found) > 1 {
		ids := make([]string, len(found))
		for i, k := range found {
			ids[i] = k.ID()
		}
		return Kata{}, &SelectError{Reason: fmt.Sprintf("%q is the name of several katas: %s", name, strings.Join(ids, ", ")), Mend: fmt.Sprintf("add STAGE=%d", found[0].Stage)}
	}
	return found[0], nil
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// nearest returns up to three katas whose name contains the wanted one, or differs from it by few edits.
func nearest(wanted string, katas []Kata) []string {
	if i := strings.LastIndexByte(wanted, '/'); i >= 0 {
		wanted = wanted[i+1:]
	}
	type scored struct {
		id    string
		score int
	}
	var near []scored
	for _, k := range katas {
		best := min(distance(wanted, k.Name), distance(wanted, k.Slug()))
		if wanted != "" && (strings.Contains(k.Slug(), wanted) || strings.Contains(wanted, k.Name)) {
			best = min(best, 1)
		}
		if best <= max(2, len(k.Name)/3) {
			near = append(near, scored{k.ID(), best})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return a.score - b.score })
	var ids []string
	for _, n := range near[:min(3, len(near))] {
		ids = append(ids, n.id)
	}
	return ids
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
