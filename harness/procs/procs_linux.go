package procs

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// List reads /proc, because ps is not on every machine. A zombie has no command line and is left out.
func List() ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || len(cmdline) == 0 {
			continue // it has ended, or belongs to the kernel
		}
		argv := bytes.Split(bytes.TrimRight(cmdline, "\x00"), []byte{0})
		all = append(all, Process{PID: pid, Argv0: string(argv[0]), Args: string(bytes.Join(argv, []byte{' '}))})
	}
	return all, nil
}

// ResidentKB returns a process's resident memory, 0 when it has ended.
func ResidentKB(pid int) int {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err == nil {
				return kb
			}
		}
	}
	return 0
}
