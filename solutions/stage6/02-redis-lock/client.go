package redislock

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// NewClient returns a client of the Redis at addr (host:port), for a lock and nothing else: the elector counts on it that a request ends.
//
//   - The deadline of a request's context is heeded. (go-redis does not, unless it is told.)
//   - Without one, or when the context is cancelled, which go-redis does not notice while it waits, nothing waits longer than half of
//     renewDeadline: not the connection, not the write, not the answer.
//   - Nothing is tried twice. The elector does that, and it begins with Get. A write that is sent again because its answer was lost finds
//     its own record, and takes it for somebody else's.
func NewClient(addr string, renewDeadline time.Duration) *redis.Client {
	// kata:begin The fields of redis.Options have comments. What does 0 mean for each?
	timeout := renewDeadline / 2
	return redis.NewClient(&redis.Options{
		Addr:                  addr,
		ContextTimeoutEnabled: true,
		DialTimeout:           timeout,
		DialerRetries:         1,
		ReadTimeout:           timeout,
		WriteTimeout:          timeout,
		PoolTimeout:           timeout,
		MaxRetries:            -1,
	})
	// kata:end
}
