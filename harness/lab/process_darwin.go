package lab

import (
	"os/exec"
	"strconv"
	"strings"
)

// listProcesses asks ps. The lab's folder may hold blanks ("Library/Caches" does not, a user's may), so the command is
// cut at the component's name and not at the first blank.
func listProcesses() ([]rawProcess, error) {
	out, err := exec.Command("/bin/ps", "-axww", "-o", "pid=,command=").Output()
	if err != nil {
		return nil, err
	}
	var all []rawProcess
	for line := range strings.Lines(string(out)) {
		pidText, command, ok := strings.Cut(strings.TrimSpace(line), " ")
		pid, err := strconv.Atoi(pidText)
		if !ok || err != nil {
			continue
		}
		argv0 := strings.TrimSpace(command)
		if i := strings.Index(argv0, " --"); i >= 0 {
			argv0 = argv0[:i]
		}
		all = append(all, rawProcess{pid, argv0})
	}
	return all, nil
}

// residentKB returns the resident memory, 0 when the process has ended.
func residentKB(pid int) int {
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
