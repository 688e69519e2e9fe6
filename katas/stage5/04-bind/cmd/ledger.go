package main

import (
	"cmp"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// ledger is a book with some fuses for each node, which forgets everything when the program ends.
type ledger struct {
	fuses []string

	mu     sync.Mutex
	usedBy map[string]types.UID // by node and fuse
}

// Enter implements the kata's Ledger.
func (l *ledger) Enter(node string, pod types.UID) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	free := ""
	for _, fuse := range l.fuses {
		switch l.usedBy[node+" "+fuse] {
		case pod:
			return fuse, nil
		case "":
			free = cmp.Or(free, fuse)
		}
	}
	if free == "" {
		return "", fmt.Errorf("node %s has no fuse left", node)
	}
	l.usedBy[node+" "+free] = pod
	fmt.Printf("  ledger: %s of node %s\n", free, node)
	return free, nil
}

// Strike implements the kata's Ledger.
func (l *ledger) Strike(node string, pod types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fuse := range l.fuses {
		if l.usedBy[node+" "+fuse] == pod {
			delete(l.usedBy, node+" "+fuse)
			fmt.Printf("  ledger: %s of node %s is free again\n", fuse, node)
		}
	}
}
