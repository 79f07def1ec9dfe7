// Package sandbox stands in for the APIs of PAVE and Avanan, in one handler: PAVE under /v1/, Avanan under /v1.0/.
//
// It is written from the vendors' pages and what is known of their servers, checks every header of every call with
// arithmetic of its own, and shares no code with the packages that sign. It is for the demo, for trying the engine by
// hand, and for tests; nothing in it is known to be what the vendors' servers do beyond what those pages say.
package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault is a way to misbehave.
type Fault string

// The faults. Each holds for every call of both vendors.
const (
	// None is to behave.
	None Fault = ""
	// Refuse is to answer that the credentials are wrong: 401 from PAVE, 403 from Avanan.
	Refuse Fault = "refuse"
	// Limit is to answer 429 with a Retry-After of a second.
	Limit Fault = "limit"
	// Break is to answer 500.
	Break Fault = "break"
)

// Dates says which forms of x-av-date Avanan's stand-in takes.
type Dates string

// The forms: zoneless is what the live API is reported to take, zulu what its page says.
const (
	Zoneless Dates = "zoneless"
	Zulu     Dates = "zulu"
	Both     Dates = "both"
)

// Behaviour is what can be told to the stand-ins; Change changes it while they run.
type Behaviour struct {
	// PAVEUsername, PAVEAPIKey and PAVEAPISecret are the one account that PAVE knows.
	PAVEUsername, PAVEAPIKey, PAVEAPISecret string
	// AvananAppID and AvananSecretKey are the one app that Avanan knows.
	AvananAppID, AvananSecretKey string
	// AvananDates is the form of x-av-date that Avanan takes.
	AvananDates Dates
	// TokenLife is how long a JWT of Avanan's lives.
	TokenLife time.Duration
	// Latency is waited before every answer.
	Latency time.Duration
	// Fault is how to misbehave.
	Fault Fault
}

// Default is a well-behaved sandbox, with credentials that open nothing anywhere else.
func Default() Behaviour {
	return Behaviour{
		PAVEUsername: "acme", PAVEAPIKey: "09bc91b9-76e5-4256-8e4f-7a41c1408014", PAVEAPISecret: "sandbox-pave-secret",
		AvananAppID: "US:sandbox", AvananSecretKey: "sandbox-avanan-secret",
		AvananDates: Zoneless,
		TokenLife:   time.Hour,
	}
}

// Sandbox is an http.Handler that stands in for both vendors. Its methods may be called at any time.
type Sandbox struct {
	now func() time.Time
	log io.Writer

	mu         sync.Mutex
	behaviour  Behaviour
	handshakes int
	tokens     map[string]time.Time // JWTs given out, with their expiry
	seen       map[string]bool      // request ids of Avanan's calls
}

// New makes a sandbox with a clock. It writes a line for each call to log: vendor, method, path, status, and why; no
// header and no query.
func New(behaviour Behaviour, now func() time.Time, log io.Writer) *Sandbox {
	return &Sandbox{
		now: now, log: log, behaviour: behaviour,
		tokens: map[string]time.Time{}, seen: map[string]bool{},
	}
}

// Change changes the behaviour for the calls to come.
func (s *Sandbox) Change(change func(*Behaviour)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.behaviour)
}

// Handshakes counts the calls of Avanan's /v1.0/auth, the failed ones too.
func (s *Sandbox) Handshakes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handshakes
}

// answer is what a stand-in decides on; why is for the log.
type answer struct {
	status int
	body   string
	why    string
}

// message is an answer in the form of both vendors' errors.
func message(status int, text, why string) answer {
	encoded, err := json.Marshal(map[string]string{"message": text})
	if err != nil {
		return answer{status: http.StatusInternalServerError, why: err.Error()}
	}
	return answer{status, string(encoded), why}
}

// told is the answer of a stand-in that is told to misbehave, or nil. They differ in how they refuse.
func told(fault Fault, refusal answer) *answer {
	switch fault {
	case Refuse:
		return &refusal
	case Limit:
		refusal = message(http.StatusTooManyRequests, "Too Many Requests", "told to limit")
	case Break:
		refusal = message(http.StatusInternalServerError, "Internal Server Error", "told to break")
	case None:
		return nil
	}
	return &refusal
}

// ServeHTTP answers a call to either vendor.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	behaviour := s.behaviour
	s.mu.Unlock()
	if behaviour.Latency > 0 {
		select {
		case <-time.After(behaviour.Latency):
		case <-r.Context().Done():
			return
		}
	}

	vendor, a := "?", message(http.StatusNotFound, "Not Found", "neither /v1/ nor /v1.0/")
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/"):
		vendor, a = "pave", s.pave(r, behaviour)
	case strings.HasPrefix(r.URL.Path, "/v1.0/"):
		vendor, a = "avanan", s.avanan(r, behaviour)
	}
	if a.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	if strings.HasPrefix(a.body, "{") {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
	_, _ = fmt.Fprintf(s.log, "%s %s %q %d %s\n", vendor, r.Method, r.URL.Path, a.status, a.why)
}

// endpoint says which calls a stand-in knows: a method, and a path of which * is one segment.
type endpoint struct{ method, path string }

func (e endpoint) serves(r *http.Request) bool {
	pattern, path := strings.Split(e.path, "/"), strings.Split(r.URL.Path, "/")
	if e.method != r.Method || len(pattern) != len(path) {
		return false
	}
	for i, segment := range pattern {
		if segment != path[i] && (segment != "*" || path[i] == "") {
			return false
		}
	}
	return true
}
