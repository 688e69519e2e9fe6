package credentialplugin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"
)

// Margin is how long a token must at least be good for when we hand it out: a request that is on its way needs a little, and clocks differ.
const Margin = time.Minute

// Cache keeps tokens in files, one for each key. Whoever reads such a file is logged in, so it is for its owner alone.
type Cache struct {
	// Dir is the folder, which Put makes when it is missing.
	Dir   string
	Clock clock.PassiveClock
}

// Get returns the token that was put under the key, and whether there is one that is still good for longer than Margin.
//
// Whatever else is found there is as good as nothing: a file that does not parse, a token without a value or an expiry, and a file that others
// than its owner may read or write.
func (c *Cache) Get(key string) (Token, bool) {
	// kata:begin Look at the file's mode before you believe it.
	path := c.path(key)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return Token{}, false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Token{}, false
	}
	var t Token
	if err := json.Unmarshal(data, &t); err != nil || t.Value == "" {
		return Token{}, false
	}
	if !c.Clock.Now().Add(Margin).Before(t.Expires) {
		return Token{}, false
	}
	return t, true
	// kata:end
}

// Put keeps a token under a key, which may be any text, in the place of one that is there. The folder has the mode 0700 when Put has made it, and
// the file 0600 from its first moment, whatever there was before. A reader finds the old token or the new one, and never half of one; Put leaves no
// other file behind, also when it fails. A token that does not expire is not kept, since nobody would know when to drop it, and that is
// no error.
func (c *Cache) Put(key string, t Token) error {
	// kata:begin What does os.CreateTemp do for you, and what does os.Rename? Which characters may a key have?
	if t.Expires.IsZero() {
		return nil
	}
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	file, err := os.CreateTemp(c.Dir, ".new-*") // with the mode 0600
	if err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), c.path(key))
	}
	if err != nil {
		return fmt.Errorf("keep the token: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return nil
	// kata:end
}

// kata:begin Where the token of a key is.
// kata:stub

func (c *Cache) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:])+".json")
}

// kata:end
