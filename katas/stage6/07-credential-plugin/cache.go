package credentialplugin

import (
	"errors"
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
	// TODO(kata): Look at the file's mode before you believe it.
	panic("Cache.Get is not implemented")
}

// Put keeps a token under a key, which may be any text, in the place of one that is there. The folder has the mode 0700 when Put has made it, and
// the file 0600 from its first moment, whatever there was before. A reader finds the old token or the new one, and never half of one; Put leaves no
// other file behind, also when it fails. A token that does not expire is not kept, since nobody would know when to drop it, and that is
// no error.
func (c *Cache) Put(key string, t Token) error {
	// TODO(kata): What does os.CreateTemp do for you, and what does os.Rename? Which characters may a key have?
	return errors.New("Cache.Put is not implemented")
}

// TODO(kata): Where the token of a key is.
