package certs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes a pair to its two files, in a directory that there is. What is in the pair is its caller's affair.
//
// Nobody but the owner can read the key, whatever mode a file had that was there before; anybody can read the certificate. Each file is
// replaced as a whole: who reads it, or has it open, sees the old contents or the new ones, never a part and never no file. Between the two
// files there is a moment in which they do not belong together; who reads both must expect that. Nothing else is left in the
// directory, and it is an error when a file cannot be written.
func Write(certFile, keyFile string, pair Pair) error {
	// kata:begin Write each file under another name in the same directory, and rename it.
	if err := replace(keyFile, pair.Key, 0o600); err != nil {
		return err
	}
	return replace(certFile, pair.Cert, 0o644)
	// kata:end
}

// kata:begin The replacement of a file.
// kata:stub

func replace(name string, data []byte, mode fs.FileMode) (err error) {
	// In the same directory: a rename between file systems is none. CreateTemp's mode is 0600 from the beginning.
	temporary, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name()) // the error that counts is the first one
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	if _, err := temporary.Write(data); err != nil {
		_ = temporary.Close()
		return err
	}
	if err := temporary.Chmod(mode); err != nil {
		_ = temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}

// kata:end
