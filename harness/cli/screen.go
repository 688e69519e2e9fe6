package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/kubekata/kubekata/harness/progress"
	"github.com/kubekata/kubekata/harness/runner"
	"github.com/kubekata/kubekata/harness/watch"
	"github.com/kubekata/kubekata/harness/workbook"
)

// scored is a watch.Finished whose results are in the score.
type scored struct {
	watch.Finished
	updated progress.Updated
	err     error
}

// tick redraws the seconds; edited says that the editor has ended.
type (
	tick   time.Time
	edited struct{ err error }
)

// screen is the model of watch on a terminal: the board, below it a pane, below that what happens and the keys.
type screen struct {
	app      *App
	w        *workbook.Workbook
	katas    []workbook.Kata
	again    func(workbook.Kata)
	results  map[string]runner.Result
	score    progress.Score
	selected int

	// running are the katas without a verdict in this run; compiled those whose specs run already.
	running  []workbook.Kata
	compiled map[string]bool
	busy     bool // until the results are in the score, too
	since    time.Time
	trouble  string // go's own, or the score's

	shows  string // what the pane shows: "failure", "hint", "compare", "transcript"
	pane   viewport.Model
	width  int
	height int
}

func newScreen(a *App, w *workbook.Workbook, katas []workbook.Kata, again func(workbook.Kata)) *screen {
	s := &screen{app: a, w: w, katas: katas, again: again, results: map[string]runner.Result{}, compiled: map[string]bool{}, shows: "failure", width: 80, height: 24}
	if score, err := progress.Read(w); err == nil {
		s.score = score
	}
	s.pane = viewport.New()
	return s
}

// Init starts the clock.
func (s *screen) Init() tea.Cmd { return s.clock() }

func (s *screen) clock() tea.Cmd {
	return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tick(t) })
}

// Update takes in what has happened.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
		s.fill()
	case tick:
		return s, s.clock()
	case edited:
		if msg.err != nil {
			s.trouble = "the editor: " + msg.err.Error()
		}
	case watch.Started:
		s.running, s.busy, s.since, s.trouble = msg.Katas, true, s.app.Now(), ""
		clear(s.compiled)
		if len(msg.Katas) < len(s.katas) {
			s.choose(msg.Katas[0].ID()) // what was saved is what it is about
		}
	case watch.Begun:
		s.compiled[msg.Kata.ID()] = true
	case watch.Verdict:
		s.verdict(msg.Result)
	case scored:
		s.finished(msg)
	case tea.KeyPressMsg:
		return s.key(msg)
	}
	return s, nil
}

func (s *screen) verdict(r runner.Result) {
	s.results[r.Kata] = r
	s.running = slices.DeleteFunc(slices.Clone(s.running), func(k workbook.Kata) bool { return k.ID() == r.Kata })
	if s.current().ID() == r.Kata {
		s.show("failure")
	}
}

func (s *screen) finished(f scored) {
	s.running, s.busy = nil, false
	if f.updated.Score != nil {
		s.score = f.updated.Score
	}
	switch {
	case f.err != nil:
		s.trouble = f.err.Error()
	case f.Err != nil:
		err := explainGo(f.Err)
		s.trouble = err.Error()
		if hint := hintOf(err); hint != "" {
			s.trouble += " (" + hint + ")"
		}
	}
	if !f.Cancelled && s.results[s.current().ID()].State == runner.Green && len(f.Results) == len(s.katas) {
		s.next() // the first run shows the first thing to do
	}
	s.fill()
}

// key does what a key asks for.
func (s *screen) key(k tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	kata := s.current()
	one := selection{stage: kata.Stage, kata: kata.Slug()}
	switch k.String() {
	case "q", "ctrl+c":
		return s, tea.Quit
	case "n":
		s.next()
	case "r":
		s.again(kata)
	case "t":
		if s.shows == "transcript" {
			s.show("failure")
		} else {
			s.show("transcript")
		}
	case "h":
		s.text("hint", s.app.captured(func(a *App) error { return a.hint(one, false) }))
	case "c":
		s.text("compare", s.app.captured(func(a *App) error { return a.compare(context.Background(), one, false, false) }))
	case "esc":
		s.show("failure")
	case "o":
		return s, s.edit()
	default:
		var cmd tea.Cmd
		s.pane, cmd = s.pane.Update(k) // arrows and page keys
		return s, cmd
	}
	return s, nil
}

func (s *screen) current() workbook.Kata { return s.katas[s.selected] }

func (s *screen) choose(id string) {
	for i, k := range s.katas {
		if k.ID() == id && i != s.selected {
			s.selected = i
			s.show("failure")
		}
	}
}

// next goes to the next kata that is not green; it stays when there is none.
func (s *screen) next() {
	for i := 1; i <= len(s.katas); i++ {
		at := (s.selected + i) % len(s.katas)
		if r, ok := s.results[s.katas[at].ID()]; !ok || r.State != runner.Green {
			s.selected = at
			s.show("failure")
			return
		}
	}
}

// show fills the pane from the selected kata's last result.
func (s *screen) show(what string) {
	r, ok := s.results[s.current().ID()]
	if !ok {
		s.text(what, "")
		return
	}
	s.text(what, s.app.captured(func(a *App) error {
		b := newBoard(a.ui, s.w, nil)
		switch {
		case what == "transcript":
			if red := r.FirstRed(); red != nil && len(red.Transcript) > 0 {
				b.transcript(red)
				return nil
			}
			a.ui.line("nothing was asked of the API server, or nothing is red")
		case r.State == runner.Green:
			a.ui.line("%s is green: c compares it with the reference, n goes to the next red kata", r.Kata)
		default:
			b.open(&r)
		}
		return nil
	}))
}

// text fills the pane.
func (s *screen) text(what, text string) {
	s.shows = what
	s.fillWith(strings.TrimLeft(text, "\n"))
	s.pane.GotoTop()
}

func (s *screen) fill() { s.fillWith(s.pane.GetContent()) }

func (s *screen) fillWith(text string) {
	s.pane.SoftWrap = true
	s.pane.SetWidth(s.width)
	s.pane.SetHeight(max(3, s.height-len(s.board())-4))
	s.pane.SetContent(text)
}

// View draws.
func (s *screen) View() tea.View {
	u := s.app.ui
	lines := s.board()
	lines = append(lines, u.faint.Render(strings.Repeat("─", max(0, s.width))))
	lines = append(lines, strings.Split(s.pane.View(), "\n")...)
	lines = append(lines, u.faint.Render(strings.Repeat("─", max(0, s.width))), s.status(), u.faint.Render("n next red · h hint · c compare · o open · r run · t transcript · esc failure · ↑↓ scroll · q quit"))
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, s.width, "…")
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	v.WindowTitle = "kubekata"
	return v
}

// board is a line for each kata, with the stages' titles: as many around the selected one as there is room for.
func (s *screen) board() []string {
	u := s.app.ui
	name := nameWidth(s.katas)
	var lines []string
	at := 0
	for i, k := range s.katas {
		if i == 0 || s.katas[i-1].Stage != k.Stage {
			lines = append(lines, u.bold.Render(s.w.StageTitle(k.Stage)))
		}
		if i == s.selected {
			at = len(lines)
		}
		lines = append(lines, s.row(i, name))
	}
	room := max(3, s.height/2)
	if len(lines) <= room {
		return lines
	}
	start := min(max(0, at-room/2), len(lines)-room)
	return lines[start : start+room]
}

func (s *screen) row(i, name int) string {
	u, k := s.app.ui, s.katas[i]
	cursor := "  "
	if i == s.selected {
		cursor = u.bold.Render("▸ ")
	}
	r, ok := s.results[k.ID()]
	mark, specs, note := "·", specCount(0, 0), k.Title
	if e := s.score[k.ID()]; ok {
		mark, specs, note = u.verdict(r.State), specCount(r.Green, r.Total), u.note(r)
	} else if e.State != "" {
		specs, note = specCount(e.Green, e.Total), u.faint.Render(k.Title+" · as of the last run")
	}
	if slices.ContainsFunc(s.running, func(running workbook.Kata) bool { return running.ID() == k.ID() }) {
		mark = u.yellow.Render("…")
	}
	return fmt.Sprintf("%s%s %-*s  %s  %s", cursor, mark, name, k.Slug(), specs, note)
}

// status says what is going on.
func (s *screen) status() string {
	u := s.app.ui
	switch {
	case s.trouble != "":
		return u.red.Render(s.trouble)
	case s.busy:
		var compiling, running []workbook.Kata
		for _, k := range s.running {
			if s.compiled[k.ID()] {
				running = append(running, k)
			} else {
				compiling = append(compiling, k)
			}
		}
		var parts []string
		if len(compiling) > 0 {
			parts = append(parts, "compiling "+slugs(compiling))
		}
		if len(running) > 0 {
			parts = append(parts, "running "+slugs(running))
		}
		if len(parts) == 0 {
			parts = append(parts, "keeping the score")
		}
		return u.yellow.Render(fmt.Sprintf("%.0f s · %s", s.app.Now().Sub(s.since).Seconds(), strings.Join(parts, " · ")))
	}
	sum := summarise(slices.Collect(maps.Values(s.results)))
	return u.bold.Render(fmt.Sprintf("%d of %d katas green, %d of %d specs", sum.Green, len(s.katas), sum.SpecsGreen, sum.SpecsTotal)) + u.faint.Render(" · waiting for a save")
}

// edit opens the learner's editor where the selected kata is wrong.
func (s *screen) edit() tea.Cmd {
	file, line := s.wrongAt()
	command, err := editorCommand(os.Getenv("VISUAL"), os.Getenv("EDITOR"), filepath.Join(s.w.Root, filepath.FromSlash(file)), line)
	if err != nil {
		s.trouble = err.Error()
		return nil
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = s.w.Root
	return tea.ExecProcess(cmd, func(err error) tea.Msg { return edited{err} })
}

// wrongAt is where to look first: where the compiler stumbled, or where the learner's code panicked; else the learner's file.
func (s *screen) wrongAt() (file string, line int) {
	k := s.current()
	mine := learnerFiles(k)
	file, line = mine[0], 1
	r := s.results[k.ID()]
	var places []string
	if r.Problem != nil {
		places = append(places, r.Problem.Summary)
		places = append(places, r.Problem.Detail...)
	}
	if red := r.FirstRed(); red != nil && red.Failure != nil {
		places = append(places, red.Failure.Stack...)
	}
	for _, text := range places {
		if m := place.FindStringSubmatch(text); m != nil && slices.Contains(mine, m[1]) {
			if n, err := strconv.Atoi(m[2]); err == nil {
				return m[1], n
			}
		}
	}
	if line = s.todo(file); line == 0 {
		line = 1
	}
	return file, line
}

// todo is the line of the first TODO(kata) in a file, 0 for none.
func (s *screen) todo(file string) int {
	data, err := os.ReadFile(filepath.Join(s.w.Root, filepath.FromSlash(file)))
	if err != nil {
		return 0
	}
	for i, l := range strings.Split(string(data), "\n") {
		if strings.Contains(l, "TODO(kata)") {
			return i + 1
		}
	}
	return 0
}

// editorCommand is the command line that opens a file at a line, in the editor that the environment names; vi when it
// names none.
func editorCommand(visual, editor, file string, line int) ([]string, error) {
	if visual == "" {
		visual = editor
	}
	if visual == "" {
		visual = "vi"
	}
	words := strings.Fields(visual)
	if len(words) == 0 {
		return nil, errors.New("VISUAL and EDITOR are blank: set one to your editor")
	}
	place := fmt.Sprintf("%s:%d", file, line)
	switch filepath.Base(words[0]) {
	case "code", "code-insiders", "codium", "cursor":
		return append(words, "-g", place), nil
	case "subl", "zed", "hx", "helix":
		return append(words, place), nil
	case "goland", "idea":
		return append(words, "--line", fmt.Sprint(line), file), nil
	}
	return append(words, fmt.Sprintf("+%d", line), file), nil
}
