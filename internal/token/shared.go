// Package token shares one token among many readers.
//
// A vendor gives out tokens that live for a while. Every reader could get one of its own, but each costs a login with
// the vendor, and vendors limit those. So readers share: a [Shared] hands out one token while enough of its life
// remains, gets a new one when it does not, and lets readers that come meanwhile wait for the same login.
//
// What it promises:
//
//   - At most two successful logins a token life, whatever readers do. (A report that the vendor ended a token early,
//     [Use.Unauthorized], adds at most one in five minutes. A vendor that gives the same token again costs a login each
//     time that half of what is left of it is over.)
//   - Once warm, readers of long-lived tokens never wait: [Shared.RenewAhead] replaces a token that is in use before it
//     stops being shared.
//   - A token that lives is handed out, together with the error, when a new one cannot be had.
//   - A vendor that fails is left alone: after a failure while a token lives, and after six in a row while none does,
//     for 1, 2, 4 and then 8 seconds, or for as long as the vendor asks for, up to 8 seconds.
//
// The package knows no vendor: the caller passes a [Mint], which does one login.
package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Mint gets a new token from the vendor. It limits its own time, ends when ctx does, and must not panic.
type Mint func(ctx context.Context) (Token, error)

// Use is what a reader wants of a token.
type Use struct {
	// Mint gets a new token when one is needed.
	Mint Mint
	// MinTTL is the least remaining lifetime with which a token is handed out again. Half of a token's life (less 90 s
	// where it lives for six minutes or more) counts instead where that is less. Readers may differ in it.
	MinTTL time.Duration
	// Unauthorized reports that the vendor rejected the shared token: one that is at least five minutes old is replaced,
	// for all readers.
	Unauthorized bool
}

const (
	// Without a living token, the hold-off begins with this many failures in a row.
	holdOffAfter = 6
	firstHoldOff = time.Second
	maxHoldOff   = 8 * time.Second

	// inUse is how long after its last read a token is still renewed ahead.
	inUse = time.Hour
	// replaceAfter is the age at which a token that a reader calls unauthorized is replaced.
	replaceAfter = 5 * time.Minute
)

// HeldOffError says that the vendor is not asked for a moment, after repeated failures.
type HeldOffError struct {
	// Wait is how long that lasts.
	Wait time.Duration
	// Last is the last failure.
	Last error
}

func (e *HeldOffError) Error() string {
	wait := (e.Wait + time.Second - 1).Truncate(time.Second)
	return fmt.Sprintf("waiting %s before the next attempt, after repeated failures; the last one: %s", wait, e.Last)
}

// Unwrap returns the last failure.
func (e *HeldOffError) Unwrap() error { return e.Last }

// ErrTooShort is the failure of a login whose token cannot be used for a whole second.
var ErrTooShort = errors.New("the vendor gave a token that expires too soon to be used")

// A retrier is an error that knows how long the vendor asks to be left alone.
type retrier interface {
	error
	RetryDelay() time.Duration
}

// Shared is one token for many readers. Its methods may be called at any time.
type Shared struct {
	now func() time.Time
	// ctx ends every login. A reader's own context may end sooner, and must not take the others' login with it.
	ctx context.Context

	mu       sync.Mutex    // never held during a login
	token    Token         // the zero value: none yet
	changes  int           // counts the tokens that became the shared one
	readAt   time.Time     // when a reader last asked; zero: none did
	minTTL   time.Duration // the largest MinTTL that a reader had since token became the shared one
	flight   *flight       // the login under way; nil: none
	failures int           // in a row
	failure  error         // the last of them; nil: no failure since the last success
	heldTo   time.Time     // no login before this instant; with failures but no hold-off, when the last one failed
}

// flight is a login under way, which readers wait for.
type flight struct {
	done    chan struct{} // closed when token and err are set
	token   Token
	err     error
	changes int // of the Shared, when it began
}

// New returns a Shared without a token. Its logins end when ctx does.
func New(ctx context.Context, now func() time.Time) *Shared { return &Shared{ctx: ctx, now: now} }

// Get returns the shared token, or a new one when the shared one has too little life left. When a new one cannot be
// had, it returns the error, and with it the shared token if that still lives. It waits for a login only if no token
// lives or nothing failed recently, and no longer than ctx.
func (s *Shared) Get(ctx context.Context, use Use) (Token, error) {
	token, flight, err := s.decide(use)
	if flight == nil {
		return token, err
	}
	if err := flight.wait(ctx); err != nil {
		return Token{}, err
	}
	if flight.err != nil {
		return s.Living(), flight.err
	}
	return flight.token, nil
}

// wait waits for the end of a flight, no longer than ctx.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.done:
		return nil
	}
}

// decide returns what a reader gets at once, or the login that it has to wait for.
func (s *Shared) decide(use Use) (Token, *flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.readAt, s.minTTL = now, max(s.minTTL, use.MinTTL)
	living := s.livingAt(now)
	rejected := use.Unauthorized && now.Sub(s.token.AskedAt) >= replaceAfter
	if s.sharedAt(now, use.MinTTL) && !rejected {
		return living, nil, nil
	}
	if err := s.heldAt(now); err != nil {
		return living, nil, err
	}
	failure := s.recentFailure(now)
	flight := s.begin(use.Mint)
	if !living.Absent() && failure != nil {
		return living, nil, failure
	}
	return Token{}, flight, nil
}

// RenewAhead begins a login if the token is in use and soon stops being shared with one of its readers, and reports
// whether it did. It does not wait. A caller calls it once a minute.
func (s *Shared) RenewAhead(use Use) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	switch {
	case s.livingAt(now).Absent(), s.token.Life() < longLife, s.flight != nil, s.heldAt(now) != nil:
		return false
	case s.readAt.IsZero(), now.Sub(s.readAt) >= inUse:
		return false
	case s.token.Left(now) >= s.token.keep(max(use.MinTTL, s.minTTL))+Lead:
		return false
	}
	s.begin(use.Mint)
	return true
}

// Replace makes a token the shared one that was got in another way and was just accepted by the vendor. It ends a
// hold-off.
func (s *Shared) Replace(token Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.succeed(token)
}

// Format is what the last successful login learned; "" for nothing.
func (s *Shared) Format() string { return s.State().Token.Format }

// begin begins a login, or joins the one under way.
func (s *Shared) begin(mint Mint) *flight {
	if s.flight == nil {
		s.flight = &flight{done: make(chan struct{}), changes: s.changes}
		go s.fly(s.flight, mint)
	}
	return s.flight
}

func (s *Shared) fly(flight *flight, mint Mint) {
	token, err := mint(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err == nil && token.TTL(now) <= 0 {
		token, err = Token{}, ErrTooShort
	}
	flight.token, flight.err = token, err
	s.flight = nil
	switch {
	case err != nil:
		s.fail(now, err)
	case s.changes == flight.changes || token.Left(now) > s.token.Left(now):
		s.succeed(token)
	default: // another token came meanwhile, and lives longer
		s.succeed(s.token)
	}
	close(flight.done)
}

func (s *Shared) succeed(token Token) {
	s.token, s.minTTL = token, 0
	s.changes++
	s.failures, s.failure, s.heldTo = 0, nil, time.Time{}
}

func (s *Shared) fail(now time.Time, err error) {
	s.failures++
	s.failure = err
	allowed, pause := holdOffAfter, time.Duration(0)
	if !s.livingAt(now).Absent() {
		allowed = 1
	}
	if doublings := s.failures - allowed; doublings >= 0 {
		pause = firstHoldOff << min(doublings, 10)
	}
	if asks, is := errors.AsType[retrier](err); is {
		pause = max(pause, asks.RetryDelay())
	}
	s.heldTo = now.Add(min(pause, maxHoldOff))
}

// heldAt returns the error of a reader during a hold-off, or nil. Until six failures in a row that is the last failure.
func (s *Shared) heldAt(now time.Time) error {
	wait := s.heldTo.Sub(now)
	if wait <= 0 || wait > maxHoldOff { // more than that: the clock was set back
		return nil
	}
	if s.failures < holdOffAfter {
		return s.failure
	}
	return &HeldOffError{Wait: wait, Last: s.failure}
}

// recentFailure returns the last failure if it is recent enough that readers with a living token need not wait to see
// it repeated.
func (s *Shared) recentFailure(now time.Time) error {
	if since := now.Sub(s.heldTo); since < 0 || since > Lead {
		return nil
	}
	return s.failure
}

// sharedAt reports whether the token may be handed out as it is.
func (s *Shared) sharedAt(now time.Time, minTTL time.Duration) bool {
	return !s.livingAt(now).Absent() && s.token.Left(now) >= s.token.keep(minTTL)
}

// livingAt returns the token if it can be used for a second at least, else none.
func (s *Shared) livingAt(now time.Time) Token {
	if s.token.Absent() || s.token.TTL(now) <= 0 {
		return Token{}
	}
	return s.token
}

// Living returns the shared token if it can still be used, else none. It gets no new one.
func (s *Shared) Living() Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.livingAt(s.now())
}

// Wait waits for the login under way, if there is one, no longer than ctx.
func (s *Shared) Wait(ctx context.Context) error {
	s.mu.Lock()
	flight := s.flight
	s.mu.Unlock()
	if flight == nil {
		return nil
	}
	return flight.wait(ctx)
}

// State is what is known of a Shared.
type State struct {
	// Token is the shared token, which may have expired; the zero value is none.
	Token Token
	// HeldOffUntil is when the hold-off ends, or ended; zero if no login failed since the last success.
	HeldOffUntil time.Time
}

// State returns what is known.
func (s *Shared) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{s.token, s.heldTo}
}
