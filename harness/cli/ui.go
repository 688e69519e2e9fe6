package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// ui prints: colour only on a terminal and never under NO_COLOR, lines no wider than the terminal.
type ui struct {
	out, err io.Writer
	// width is the terminal's, 0 when the output is not one: then nothing is cut.
	width int
	// live is set when standard error is a terminal that a status line may be redrawn on.
	live bool

	green, red, yellow, faint, bold lipgloss.Style
}

func newUI(out, errs io.Writer) *ui {
	u := &ui{
		out:    colorprofile.NewWriter(out, os.Environ()),
		err:    colorprofile.NewWriter(errs, os.Environ()),
		green:  lipgloss.NewStyle().Foreground(lipgloss.Green),
		red:    lipgloss.NewStyle().Foreground(lipgloss.Red),
		yellow: lipgloss.NewStyle().Foreground(lipgloss.Yellow),
		faint:  lipgloss.NewStyle().Faint(true),
		bold:   lipgloss.NewStyle().Bold(true),
	}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			u.width = w
		}
	}
	if f, ok := errs.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		u.live = true
	}
	return u
}

// line prints one line, cut to the terminal's width.
func (u *ui) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if u.width > 0 {
		text = ansi.Truncate(text, u.width, "…")
	}
	fmt.Fprintln(u.out, text)
}

// block prints lines with an indent; lines wider than the terminal are wrapped, not cut, because they are to be read.
func (u *ui) block(indent string, lines []string) {
	for _, l := range lines {
		if u.width > len(indent)+20 {
			l = ansi.Hardwrap(l, u.width-len(indent), true)
		}
		for part := range strings.SplitSeq(l, "\n") {
			fmt.Fprintln(u.out, strings.TrimRight(indent+part, " "))
		}
	}
}

// status shows a line on a terminal's standard error, redrawn each second with the time since; clear removes it. On
// anything else it does nothing.
func (u *ui) status(text func() string) (pause func(print func()), clear func()) {
	if !u.live {
		return func(print func()) { print() }, func() {}
	}
	var mu sync.Mutex
	start := time.Now()
	draw := func() {
		line := fmt.Sprintf("%s · %.0f s", text(), time.Since(start).Seconds())
		if u.width > 0 {
			line = ansi.Truncate(line, u.width-1, "…")
		}
		fmt.Fprint(u.err, "\r\x1b[K"+u.faint.Render(line))
	}
	done := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			mu.Lock()
			draw()
			mu.Unlock()
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	pause = func(print func()) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprint(u.err, "\r\x1b[K")
		print()
		draw()
	}
	return pause, func() {
		close(done)
		drawing.Wait()
		fmt.Fprint(u.err, "\r\x1b[K")
	}
}
