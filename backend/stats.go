package backend

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
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
	"ok",
	exchange.Refused:     "refused",
	exchange.Limited:     "limited",
	exchange.Unavailable: "unavailable",
	exchange.Nonsense:    "nonsense",
}

// stats count what happened to a config on this node. They live as long as the config is in memory.
type stats struct {
	// since is when this node began to count.
	since time.Time

	reads      [readPaths][readResults]atomic.Int64
	signatures atomic.Int64
	exchanges  [len(exchangeResults)]atomic.Int64
}

// read counts a read.
func (s *stats) read(path, result int) { s.reads[path][result].Add(1) }

// totals are the reads, those with a token that could not be renewed, and the exchanges.
func (s *stats) totals() (reads, stale, exchanges int) {
	for path := range s.reads {
		for result := range s.reads[path] {
			reads += int(s.reads[path][result].Load())
		}
		stale += int(s.reads[path][readStale].Load())
	}
	for kind := range s.exchanges {
		exchanges += int(s.exchanges[kind].Load())
	}
	return reads, stale, exchanges
}

// history is what logins showed of one account. A login that ends after its config got another account adds to the
// history of the old one, which nobody reads any more.
type history struct {
	mu   sync.Mutex
	last events
	// checking reports whether a check is under way.
	checking bool
}

// events are the last ones of a history.
type events struct {
	success, failure time.Time // zero: none
	// text is that of the last failure; it stays after a success.
	text string
	// failures counts those in a row.
	failures int
	// offset is the vendor's clock against this server's, if known.
	offset      time.Duration
	offsetKnown bool
	// checked is when a check last succeeded; zero: none did.
	checked time.Time
}

// loggedIn counts a login of a config, and remembers what it showed of the account.
func (e *entry) loggedIn(now time.Time, report api.Report, err error) {
	timing, kind := report.Timing, exchange.Kind(0)
	if failure, is := errors.AsType[*exchange.Error](err); is {
		timing, kind = failure.Timing, failure.Kind
	} else if err != nil {
		kind = exchange.Nonsense
	}
	e.stats.exchanges[kind].Add(1)
	e.history.mu.Lock()
	defer e.history.mu.Unlock()
	last := &e.history.last
	if offset, known := timing.Offset(); known {
		last.offset, last.offsetKnown = offset, true
	}
	if err != nil {
		last.failures++
		last.failure, last.text = now, err.Error()
		return
	}
	last.failures, last.success = 0, now
}

// events are the last ones.
func (h *history) events() events {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// checked remembers a check that succeeded.
func (h *history) checked(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last.checked = now
}

// checkInterval is how often a config may be checked with success: each check is a call to the vendor.
const checkInterval = 10 * time.Second

// beginCheck returns why a config cannot be checked now, worded to follow its name, or "". Then endCheck must be called
// when the check has ended. A clock that was set back allows a check.
func (h *history) beginCheck(now time.Time) (fault string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checking {
		return "is being checked by another request; try again when that has ended"
	}
	if age := now.Sub(h.last.checked); 0 <= age && age < checkInterval {
		return fmt.Sprintf("was checked successfully %d seconds ago; try again in %d seconds",
			int(age.Seconds()), int((checkInterval - age + time.Second - 1).Seconds()))
	}
	h.checking = true
	return ""
}

func (h *history) endCheck() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checking = false
}
