package backend

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
)

// What metrics and status call the paths of readers, and what became of a read.
const (
	readCreds = iota
	readSign
	readBatch
	readPaths // how many there are
)

const (
	readOK      = iota
	readStale   // a token that could not be renewed, with a warning
	readRefused // 400: a wrong request, or rejected credentials
	readError   // any other failure
	readResults // how many there are
)

var (
	readPathNames   = [readPaths]string{"creds", "sign", "batch"}
	readResultNames = [readResults]string{"ok", "stale", "refused", "error"}
)

// exchangeResults are what metrics call the result of an exchange: ok, then the kinds of failure in their order.
var exchangeResults = [...]string{
	"ok", exchange.Refused: "refused", exchange.Limited: "limited", exchange.Unavailable: "unavailable", exchange.Nonsense: "nonsense",
}

// stats are what this node has seen of a config. They live as long as the config is in memory. Readers touch only the atomic
// ones.
type stats struct {
	// since is when this node began to count.
	since time.Time

	reads      [readPaths][readResults]atomic.Int64
	signatures atomic.Int64

	mu        sync.Mutex
	exchanges [len(exchangeResults)]int
	seen      seen
}

// seen is what the exchanges of one account showed.
type seen struct {
	lastSuccess, lastFailure time.Time // zero: none
	// failure is the text of the last failure; it stays after a success.
	failure string
	// failures counts those in a row.
	failures int
	// offset is the vendor's clock against this server's, if known.
	offset      time.Duration
	offsetKnown bool
	// checked is when a check last succeeded.
	checked time.Time
}

// read counts a read.
func (s *stats) read(path, result int) { s.reads[path][result].Add(1) }

// exchange counts an exchange and remembers what it showed.
func (s *stats) exchange(now time.Time, got exchanged, err error) {
	timing, kind := got.timing, exchange.Kind(0)
	if failure, is := errors.AsType[*exchange.Error](err); is {
		timing, kind = failure.Timing, failure.Kind
	} else if err != nil {
		kind = exchange.Nonsense
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exchanges[kind]++
	if offset, known := timing.Offset(); known {
		s.seen.offset, s.seen.offsetKnown = offset, true
	}
	if err != nil {
		s.seen.failures++
		s.seen.lastFailure, s.seen.failure = now, err.Error()
		return
	}
	s.seen.failures, s.seen.lastSuccess = 0, now
}

// forget drops what belonged to another account. The counters stay.
func (s *stats) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = seen{}
}

// totals are the reads, and those with a token that could not be renewed.
func (s *stats) totals() (reads, stale int64) {
	for path := range s.reads {
		for result := range s.reads[path] {
			reads += s.reads[path][result].Load()
		}
		stale += s.reads[path][readStale].Load()
	}
	return reads, stale
}

// sinceCheck is how long ago a check last succeeded; far more than a day if none did, or the clock was set back.
func (s *stats) sinceCheck(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.seen.checked); age >= 0 {
		return age
	}
	return math.MaxInt64
}

// check remembers a check that succeeded.
func (s *stats) check(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.checked = now
}

// snapshot is what the exchanges showed, and how many there were of each result.
func (s *stats) snapshot() (seen, [len(exchangeResults)]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen, s.exchanges
}
