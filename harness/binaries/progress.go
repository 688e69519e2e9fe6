package binaries

import (
	"fmt"
	"io"
	"sync"
	"time"

	"charm.land/bubbles/v2/progress"
)

// Progress is told how far a build is. Calls come from one goroutine.
type Progress interface {
	// Waiting says that nothing happens until another process is done.
	Waiting(why string)
	// Begin says how many programs will be built.
	Begin(programs int)
	// Step says how many modules or packages are done. total is 0 where it is not known.
	Step(program, unit string, done, total int)
	// Built says that a program has been compiled and linked.
	Built(program string, took time.Duration)
	// End says that nothing follows.
	End()
}

// NewProgress returns a bar that is redrawn when live (a terminal), else plain lines: one as a program begins, one each
// half minute, one as it ends. It writes to w and starts no goroutine.
func NewProgress(w io.Writer, live bool, width int, now func() time.Time) Progress {
	bar := progress.New(progress.WithWidth(30), progress.WithoutPercentage(), progress.WithFillCharacters('█', '░'))
	return &meter{w: w, live: live, width: width, now: now, bar: bar}
}

// quietFor is how long plain output may stay silent, so that a CI log or a pipe shows life.
const quietFor = 30 * time.Second

type meter struct {
	mu       sync.Mutex
	w        io.Writer
	live     bool
	width    int
	now      func() time.Time
	bar      progress.Model
	programs int
	built    int
	program  string
	last     time.Time
	drawn    bool
}

func (m *meter) Waiting(why string) { m.print(why) }

func (m *meter) Begin(programs int) {
	m.programs = programs
	m.print(fmt.Sprintf("building %d programs of the control plane from Go modules, this once (the first takes some minutes)", programs))
}

func (m *meter) Step(program, unit string, done, total int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	first := program != m.program
	m.program = program
	count := fmt.Sprintf("%d %s", done, unit)
	if total > 0 {
		count = fmt.Sprintf("%d/%d %s", done, total, unit)
	}
	switch {
	case m.live:
		if !first && now.Sub(m.last) < 80*time.Millisecond && done != total {
			return
		}
		part := 0.0
		if total > 0 {
			part = float64(done) / float64(total)
		}
		fmt.Fprintf(m.w, "\r\x1b[K[%d/%d] %-24s %s %s", m.built+1, max(m.programs, 1), program, m.bar.ViewAs(part), count)
		m.drawn = true
	case first, now.Sub(m.last) >= quietFor:
		fmt.Fprintf(m.w, "[%d/%d] %s: %s\n", m.built+1, max(m.programs, 1), program, count)
	default:
		return
	}
	m.last = now
}

func (m *meter) Built(program string, took time.Duration) {
	m.built++
	m.print(fmt.Sprintf("built %s in %.0f s", program, took.Seconds()))
}

func (m *meter) End() { m.clear() }

func (m *meter) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.drawn {
		fmt.Fprint(m.w, "\r\x1b[K")
		m.drawn = false
	}
}

func (m *meter) print(line string) {
	m.clear()
	fmt.Fprintln(m.w, line)
}
