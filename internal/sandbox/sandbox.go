// Package sandbox stands in for the APIs of PAVE, Avanan and Check Point's Infinity Portal, and for two that an
// operator declares. One handler serves them all: PAVE under /v1/, Avanan under /v1.0/, the portal at /auth/external
// and under /app/hec-api/v1.0/, an API whose calls are signed under /custom/, and one with an OAuth 2.0 server under
// /oauth2/.
//
// The sandbox knows one account of each vendor. It serves the endpoints that the vendors' pages and public clients
// name, checks every header of every call, and answers errors as the vendors do, as far as that is known:
//
//   - PAVE takes API-Timestamp in each of the five forms that PAVE's pages and clients use, or in only one of them.
//   - Avanan takes x-av-date without a zone, with a Z, or both. Its JWTs are signed with RS256, and GET
//     /v1.0/public_key publishes the key.
//   - The portal takes a client id and an access key, and its bearer token in calls. A login that fails has status 200.
//   - The declared API takes an HMAC of the time, method, path, query and body.
//   - The OAuth 2.0 server (/oauth2/token) takes client credentials by Basic, in a form, or with an assertion.
//
// The demo and the tests use it, and it lets you try the engine by hand. It computes signatures itself and shares no
// code with the packages that sign, so a mistake in one shows in the other. It is not known to behave as the vendors'
// servers do where their pages are silent.
package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Fault is a way to misbehave.
type Fault string

// The faults. Each applies to every call to any vendor.
const (
	// None behaves well.
	None Fault = ""
	// Refuse answers that the credentials are wrong: 401, but 403 from Avanan, and 200 to a login at the portal.
	Refuse Fault = "refuse"
	// Limit answers 429 with the Retry-After of Behaviour.
	Limit Fault = "limit"
	// Break answers 500.
	Break Fault = "break"
)

// Behaviour is what the stand-ins accept and how they answer. Change changes it while they run.
type Behaviour struct {
	// PAVEUsername, PAVEAPIKey and PAVEAPISecret are the one account that PAVE knows.
	PAVEUsername, PAVEAPIKey, PAVEAPISecret string
	// PAVETimestamps is the form of API-Timestamp that PAVE takes.
	PAVETimestamps Timestamps
	// SignatureLife is how old the timestamp in the headers of a call to PAVE or the declared API may be.
	SignatureLife time.Duration
	// AvananAppID and AvananSecretKey are the one app that Avanan knows.
	AvananAppID, AvananSecretKey string
	// AvananDates is the form of x-av-date that Avanan takes.
	AvananDates Dates
	// InfinityClientID and InfinityAccessKey are the one key that the Infinity Portal knows.
	InfinityClientID, InfinityAccessKey string
	// CustomSecret is the secret that calls to the declared API are signed with.
	CustomSecret string
	// OAuthClientID and OAuthClientSecret are the one client that the OAuth 2.0 server knows. OAuthPublicKey is its public
	// key in PEM, of RSA or P-256; "" if it has none.
	OAuthClientID, OAuthClientSecret, OAuthPublicKey string
	// OAuthTokenLife is how long a token of the OAuth 2.0 server lives.
	OAuthTokenLife time.Duration
	// InfinityTokenLife is how long a token of the portal's lives.
	InfinityTokenLife time.Duration
	// TokenLife is the lifetime of Avanan's JWTs.
	TokenLife time.Duration
	// Latency is the time to wait before every answer.
	Latency time.Duration
	// RetryAfter is what a 429 asks for, in whole seconds; 0 for nothing.
	RetryAfter time.Duration
	// ClockOffset is by how much the vendors' clocks are ahead of the sandbox's.
	ClockOffset time.Duration
	// Fault is how to misbehave.
	Fault Fault
}

// Default is a well-behaved sandbox. Its credentials are valid nowhere else.
func Default() Behaviour {
	return Behaviour{
		PAVEUsername: "acme", PAVEAPIKey: "09bc91b9-76e5-4256-8e4f-7a41c1408014", PAVEAPISecret: "sandbox-pave-secret",
		PAVETimestamps: AllTimestamps,
		SignatureLife:  5 * time.Minute, // from PAVE's pages
		AvananAppID:    "US:sandbox", AvananSecretKey: "sandbox-avanan-secret",
		AvananDates:      Zoneless,
		TokenLife:        time.Hour,
		RetryAfter:       time.Second,
		InfinityClientID: "sandbox-client", InfinityAccessKey: "sandbox-infinity-key",
		InfinityTokenLife: 30 * time.Minute,
		CustomSecret:      "sandbox-custom-secret",
		OAuthClientID:     "sandbox-client", OAuthClientSecret: "sandbox-oauth-secret",
		OAuthTokenLife: time.Hour,
	}
}

// Sandbox is an http.Handler that stands in for the vendors. It is safe for concurrent use.
type Sandbox struct {
	now func() time.Time
	log io.Writer

	handshakes, logins, oauthLogins atomic.Int64

	mu        sync.Mutex
	behaviour Behaviour
	jwts      map[string]time.Time // that Avanan issued, with their expiry
	bearers   map[string]time.Time // tokens that the portal issued, with their expiry
	access    map[string]time.Time // tokens that the OAuth 2.0 server issued, with their expiry
	seen      map[string]bool      // request ids of calls to Avanan or the portal, and ids of assertions

	assertions []string // that clients of the OAuth 2.0 server sent
}

// New makes a sandbox with a clock. For each call it writes a line to log: vendor, method, path, status, and why. A
// line contains no header and no query.
func New(behaviour Behaviour, now func() time.Time, log io.Writer) *Sandbox {
	return &Sandbox{
		now:       now,
		log:       log,
		behaviour: behaviour,
		jwts:      map[string]time.Time{},
		bearers:   map[string]time.Time{},
		access:    map[string]time.Time{},
		seen:      map[string]bool{},
	}
}

// clock is the vendors' clock.
func (s *Sandbox) clock() time.Time { return s.now().Add(s.current().ClockOffset) }

func (s *Sandbox) current() Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behaviour
}

// Change changes the behaviour for later calls.
func (s *Sandbox) Change(change func(*Behaviour)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.behaviour)
}

// Handshakes counts the calls to Avanan's /v1.0/auth, including those that failed.
func (s *Sandbox) Handshakes() int { return int(s.handshakes.Load()) }

// answer is what a stand-in answers; why is for the log.
type answer struct {
	status int
	body   string
	why    string
}

// message is an error in the form that PAVE and Avanan use.
func message(status int, text, why string) answer {
	encoded, _ := json.Marshal(map[string]string{"message": text}) // never fails
	return answer{status, string(encoded), why}
}

// missing says which of the headers a call does not have once, with a value; "" for none.
func missing(r *http.Request, names ...string) string {
	for _, name := range names {
		if given := r.Header.Values(name); len(given) != 1 || given[0] == "" {
			return name + " is missing or given more than once"
		}
	}
	return ""
}

// answerer answers the calls to a vendor, or refuses all of them: the vendors differ in how they refuse.
type answerer struct {
	vendor  string
	refusal answer
	answer  func(*http.Request, Behaviour) answer
}

// answerer returns the one for a path.
func (s *Sandbox) answerer(path string) answerer {
	unauthorized := message(http.StatusUnauthorized, "Unauthorized", "told to refuse")
	switch {
	case strings.HasPrefix(path, "/v1/"):
		return answerer{"pave", unauthorized, s.pave}
	case strings.HasPrefix(path, "/v1.0/"):
		return answerer{"avanan", message(http.StatusForbidden, "Forbidden", "told to refuse"), s.avanan}
	case strings.HasPrefix(path, customPrefix):
		return answerer{"custom", unauthorized, s.custom}
	case path == infinityLogin:
		return answerer{"infinity", infinityFailure, s.infinityLogin}
	case strings.HasPrefix(path, infinityAPI+"/v1.0/"):
		return answerer{"infinity", infinityRefusal("told to refuse"), s.infinity}
	case path == oauthToken:
		return answerer{"oauth2", oauthError(http.StatusUnauthorized, "invalid_client", "told to refuse"), s.oauthLogin}
	case strings.HasPrefix(path, oauthPrefix):
		return answerer{"oauth2", oauthError(http.StatusUnauthorized, "invalid_token", "told to refuse"), s.oauth}
	default:
		return answerer{vendor: "?"}
	}
}

// ServeHTTP answers a call to any vendor.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	behaviour := s.current()
	if behaviour.Latency > 0 {
		select {
		case <-time.After(behaviour.Latency):
		case <-r.Context().Done():
			return
		}
	}

	switch r.URL.Path {
	case avananAuth:
		s.handshakes.Add(1)
	case infinityLogin:
		s.logins.Add(1)
	case oauthToken:
		s.oauthLogins.Add(1)
	}

	var a answer
	found := s.answerer(r.URL.Path)
	switch {
	case found.vendor == "?":
		a = message(http.StatusNotFound, "Not Found", "no vendor has this path")
	case behaviour.Fault == None:
		a = found.answer(r, behaviour)
	case behaviour.Fault == Limit:
		a = message(http.StatusTooManyRequests, "Too Many Requests", "told to limit")
	case behaviour.Fault == Break:
		a = message(http.StatusInternalServerError, "Internal Server Error", "told to break")
	default:
		a = found.refusal
	}
	if a.status == http.StatusTooManyRequests && behaviour.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(behaviour.RetryAfter.Seconds())))
	}
	if strings.HasPrefix(a.body, "{") {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Date", s.clock().UTC().Format(http.TimeFormat))
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
	_, _ = fmt.Fprintf(s.log, "%s %s %q %d %s\n", found.vendor, r.Method, r.URL.Path, a.status, a.why)
}
