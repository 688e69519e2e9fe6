// Package procs lists the processes of this machine, so that the workbook can find what it has started by what stands on
// its command line. A pid that was written down may long belong to somebody else; a command line that names our own
// folder does not.
package procs

// Process is a running process.
type Process struct {
	PID int
	// Argv0 is what it was started as.
	Argv0 string
	// Args is the whole command line, joined by blanks.
	Args string
}
