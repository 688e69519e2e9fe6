package certs

import (
	"errors"
)

// Write writes a pair to its two files, in a directory that there is. What is in the pair is its caller's affair.
//
// Nobody but the owner can read the key, whatever mode a file had that was there before; anybody can read the certificate. Each file is
// replaced as a whole: who reads it, or has it open, sees the old contents or the new ones, never a part and never no file. Between the two
// files there is a moment in which they do not belong together; who reads both must expect that. Nothing else is left in the
// directory, and it is an error when a file cannot be written.
func Write(certFile, keyFile string, pair Pair) error {
	// TODO(kata): Write each file under another name in the same directory, and rename it.
	return errors.New("Write is not implemented")
}

// TODO(kata): The replacement of a file.
