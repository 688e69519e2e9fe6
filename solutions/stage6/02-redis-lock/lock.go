// Package redislock lets candidates of client-go's election compete for a record in Redis instead of a Lease. Begin with [Lock], which is what
// client-go asks for; [NewClient] is a connection that is good enough for it, and [Fence] is what a lock cannot do.
package redislock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Resource is what the errors of a lock are about.
var Resource = schema.GroupResource{Group: "redislock.kubekata.dev", Resource: "locks"}

// Lock is a [resourcelock.Interface] on Redis. Its record has a number, and each write gives it another: the next of a counter that never goes back, not
// even when the record has expired. What may be updated is the record with the number that was read or written last.
//
// Errors of Redis are wrapped, and say what was attempted on which lock.
type Lock struct {
	// Client speaks to Redis: see NewClient.
	Client redis.UniversalClient
	// Namespace and Name are those of the lock. Locks with another of either have nothing to do with each other.
	Namespace, Name string
	// ID is the identity of this candidate.
	ID string
	// Events records what becomes of the candidate. It may be nil.
	Events resourcelock.EventRecorder
	// Subject is what the events are about: the pod, most likely. A lock in Redis is no object that an event could be about.
	Subject runtime.Object

	mu    sync.Mutex
	seen  int64 // the number of the record that was read or written last
	token int64
}

var _ resourcelock.Interface = (*Lock)(nil)

// key makes the name of a key. What stands in braces decides about its place in a Redis Cluster, so that all keys of a lock are in the same.
func (l *Lock) key(what string) string {
	return fmt.Sprintf("lock:{%s/%s}:%s", l.Namespace, l.Name, what)
}

// kata:begin A script that compares the number of the record with the one that is expected, and writes if they are the same: the record, its
// | number, its holder, its token, and when it expires. What does Lua get for a field that does not exist?
// kata:stub

// swap writes the record if its number is the one that is expected, and returns what has become its number and its token. A record that does not
// exist has the number 0. The answer is empty when the number is another.
//
//	KEYS  the record, the counter
//	ARGV  the number that is expected, the record, its holder, the seconds until it expires
var swap = redis.NewScript(`
local old = redis.call('HMGET', KEYS[1], 'number', 'holder', 'token')
if (old[1] or '0') ~= ARGV[1] then
  return {}
end
local number = redis.call('INCR', KEYS[2])
local token = number
if old[2] == ARGV[3] then
  token = tonumber(old[3])
end
redis.call('HSET', KEYS[1], 'number', number, 'holder', ARGV[3], 'token', token, 'record', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {number, token}
`)

// kata:end

// Get returns the record, and bytes that are others after each write: by these the other candidates see that the leader lives, and the record
// itself, whose times have whole seconds, may be the same after a renewal. A record that does not exist, or no longer, is NotFound. Whatever else
// goes wrong is not: a Redis that does not answer is no lock that is free.
func (l *Lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	// kata:begin Read the fields together. Which of them tells you that there is no record, and how does go-redis say so? Remember the number, and
	// | the token if the record is ours.
	var stored struct {
		Number int64  `redis:"number"`
		Token  int64  `redis:"token"`
		Record string `redis:"record"`
	}
	if err := l.Client.HMGet(ctx, l.key("record"), "number", "token", "record").Scan(&stored); err != nil {
		return nil, nil, fmt.Errorf("get the lock %s: %w", l.Describe(), err)
	}
	if stored.Number == 0 {
		return nil, nil, apierrors.NewNotFound(Resource, l.Name)
	}
	record := &resourcelock.LeaderElectionRecord{}
	if err := json.Unmarshal([]byte(stored.Record), record); err != nil {
		return nil, nil, fmt.Errorf("get the lock %s: the record is not readable: %w", l.Describe(), err)
	}
	l.remember(stored.Number, stored.Token, record.HolderIdentity)
	return record, fmt.Appendf(nil, "%d %s", stored.Number, stored.Record), nil
	// kata:end
}

// Create writes the record if there is none, or none any more, and lets it expire after its LeaseDurationSeconds. If there is one, the
// error is AlreadyExists.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	// kata:begin The script, with a number that says that there is none.
	written, err := l.write(ctx, 0, record)
	if err != nil {
		return fmt.Errorf("create the lock %s: %w", l.Describe(), err)
	}
	if !written {
		return apierrors.NewAlreadyExists(Resource, l.Name)
	}
	return nil
	// kata:end
}

// Update writes the record over the one that was read or written last, and lets it expire after its LeaseDurationSeconds, counted anew. If
// somebody else has written since, or the record has expired, the error is a Conflict: who reads again knows which. A lock that has neither read nor
// written anything returns an error, and does not ask Redis.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	// kata:begin The script, with the number that was seen last.
	l.mu.Lock()
	seen := l.seen
	l.mu.Unlock()
	if seen == 0 {
		return fmt.Errorf("update the lock %s: it was neither read nor created", l.Describe())
	}
	written, err := l.write(ctx, seen, record)
	if err != nil {
		return fmt.Errorf("update the lock %s: %w", l.Describe(), err)
	}
	if !written {
		return apierrors.NewConflict(Resource, l.Name, errors.New("somebody else has written it, or it has expired"))
	}
	return nil
	// kata:end
}

// kata:begin What Create and Update have in common, and what Get remembers, in functions of your own.
// kata:stub

// write reports whether the record had the number that was expected, and was written.
func (l *Lock) write(ctx context.Context, expected int64, record resourcelock.LeaderElectionRecord) (bool, error) {
	raw, err := json.Marshal(record)
	if err != nil {
		return false, err
	}
	keys := []string{l.key("record"), l.key("counter")}
	answer, err := swap.Run(ctx, l.Client, keys, strconv.FormatInt(expected, 10), raw, record.HolderIdentity, record.LeaseDurationSeconds).Int64Slice()
	if err != nil || len(answer) == 0 {
		return false, err
	}
	l.remember(answer[0], answer[1], record.HolderIdentity)
	return true, nil
}

// remember keeps the number of the record, and its token if it is ours.
func (l *Lock) remember(number, token int64, holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = number
	if holder == l.ID {
		l.token = token
	}
}

// kata:end

// Token returns the number of the write with which this candidate last became the holder, and 0 before. It stays the same while the holder renews, and
// each holder's is greater than that of all before it, however the lock has changed hands, the same candidate's second term included.
//
// Another's token is none of ours: who has lost the lock keeps the token of its last term, with which it is known to be late. Whoever works
// under a lock asks for the token once, in the beginning.
//
// It may be called while the elector uses the lock.
func (l *Lock) Token() int64 {
	// kata:begin Nothing is asked of Redis here.
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.token
	// kata:end
}

// RecordEvent records a normal event about Subject, with the reason LeaderElection and a message of identity and text. Without a recorder it
// does nothing.
func (l *Lock) RecordEvent(text string) {
	// kata:begin An identity may have a percent sign in it.
	if l.Events == nil {
		return
	}
	l.Events.Eventf(l.Subject, corev1.EventTypeNormal, "LeaderElection", "%s %s", l.ID, text)
	// kata:end
}

// Identity returns the identity of this candidate.
func (l *Lock) Identity() string {
	// kata:begin The easy one.
	return l.ID
	// kata:end
}

// Describe returns namespace and name, with a slash between them.
func (l *Lock) Describe() string {
	// kata:begin The other easy one.
	return l.Namespace + "/" + l.Name
	// kata:end
}
