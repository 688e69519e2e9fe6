package procs

import (
	"os/exec"
	"strconv"
	"strings"
)

// List asks ps, which prints a command line as one text: Argv0 is what stands before the first " --", since a folder's
// name may hold blanks.
func List() ([]Process, error) {
	out, err := exec.Command("/bin/ps", "-axww", "-o", "pid=,command=").Output()
	if err != nil {
		return nil, err
	}
	var all []Process
	for line := range strings.Lines(string(out)) {
		pidText, command, ok := strings.Cut(strings.TrimSpace(line), " ")
		pid, err := strconv.Atoi(pidText)
		if !ok || err != nil {
			continue
		}
		command = strings.TrimSpace(command)
		argv0, _, _ := strings.Cut(command, " --")
		all = append(all, Process{PID: pid, Argv0: argv0, Args: command})
	}
	return all, nil
}

// ResidentKB returns a process's resident memory, 0 when it has ended.
func ResidentKB(pid int) int {
	out, err := exec.Command("/bin/ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0
	}
	kb, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return 0
	}
	return kb
}
