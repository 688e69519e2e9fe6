// Package redislock lets candidates of client-go's election compete for a record in Redis instead of a Lease. Begin with [Lock], which is what
// client-go asks for; [NewClient] is a connection that is good enough for it, and [Fence] is what a lock cannot do.
package redislock

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
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

// TODO(kata): A script that compares the number of the record with the one that is expected, and writes if they are the same: the record, its
// number, its holder, its token, and when it expires. What does Lua get for a field that does not exist?

// Get returns the record, and bytes that are others after each write: by these the other candidates see that the leader lives, and the record
// itself, whose times have whole seconds, may be the same after a renewal. A record that does not exist, or no longer, is NotFound. Whatever else
// goes wrong is not: a Redis that does not answer is no lock that is free.
func (l *Lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	// TODO(kata): Read the fields together. Which of them tells you that there is no record, and how does go-redis say so? Remember the number, and
	// the token if the record is ours.
	return nil, nil, errors.New("Lock.Get is not implemented")
}

// Create writes the record if there is none, or none any more, and lets it expire after its LeaseDurationSeconds. If there is one, the
// error is AlreadyExists.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	// TODO(kata): The script, with a number that says that there is none.
	return errors.New("Lock.Create is not implemented")
}

// Update writes the record over the one that was read or written last, and lets it expire after its LeaseDurationSeconds, counted anew. If
// somebody else has written since, or the record has expired, the error is a Conflict: who reads again knows which. A lock that has neither read nor
// written anything returns an error, and does not ask Redis.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	// TODO(kata): The script, with the number that was seen last.
	return errors.New("Lock.Update is not implemented")
}

// TODO(kata): What Create and Update have in common, and what Get remembers, in functions of your own.

// Token returns the number of the write with which this candidate last became the holder, and 0 before. It stays the same while the holder renews, and
// each holder's is greater than that of all before it, however the lock has changed hands, the same candidate's second term included.
//
// Another's token is none of ours: who has lost the lock keeps the token of its last term, with which it is known to be late. Whoever works
// under a lock asks for the token once, in the beginning.
//
// It may be called while the elector uses the lock.
func (l *Lock) Token() int64 {
	// TODO(kata): Nothing is asked of Redis here.
	panic("Lock.Token is not implemented")
}

// RecordEvent records a normal event about Subject, with the reason LeaderElection and a message of identity and text. Without a recorder it
// does nothing.
func (l *Lock) RecordEvent(text string) {
	// TODO(kata): An identity may have a percent sign in it.
	panic("Lock.RecordEvent is not implemented")
}

// Identity returns the identity of this candidate.
func (l *Lock) Identity() string {
	// TODO(kata): The easy one.
	panic("Lock.Identity is not implemented")
}

// Describe returns namespace and name, with a slash between them.
func (l *Lock) Describe() string {
	// TODO(kata): The other easy one.
	panic("Lock.Describe is not implemented")
}
