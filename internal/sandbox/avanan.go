package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	avananAuth = "/v1.0/auth"
	// avananSkew is a guess: the vendor publishes no window.
	avananSkew = 5 * time.Minute
	// seenAtMost bounds what is remembered of request ids.
	seenAtMost = 100_000
)

// avananEndpoints are those of Avanan's pages and clients.
var avananEndpoints = []endpoint{
	{http.MethodGet, "/v1.0/scopes"},
	{http.MethodGet, "/v1.0/event/*"},
	{http.MethodPost, "/v1.0/event/query"},
	{http.MethodGet, "/v1.0/search/entity/*"},
	{http.MethodPost, "/v1.0/search/query"},
	{http.MethodGet, "/v1.0/task/*"},
	{http.MethodPost, "/v1.0/action/event"},
	{http.MethodPost, "/v1.0/action/entity"},
	{http.MethodGet, "/v1.0/exceptions/*"},
	{http.MethodGet, "/v1.0/exceptions/*/*"},
	{http.MethodGet, "/v1.0/msp/tenants"},
	{http.MethodGet, "/v1.0/msp/usage"},
	{http.MethodGet, "/v1.0/msp/licenses"},
}

var (
	zonelessDate = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?$`)
	zuluDate     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	uuid4        = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

// avanan stands in for smart-api-production-*.avanan.net.
func (s *Sandbox) avanan(r *http.Request, behaviour Behaviour) answer {
	if r.URL.Path == avananAuth {
		s.mu.Lock()
		s.handshakes++
		s.mu.Unlock()
	}
	if told := told(behaviour.Fault, message(http.StatusForbidden, "Forbidden", "told to refuse")); told != nil {
		return *told
	}
	if refusal := s.avananRefusal(r, behaviour); refusal != nil {
		return *refusal
	}
	if r.URL.Path == avananAuth {
		return s.issue(behaviour.TokenLife)
	}
	if !slices.ContainsFunc(avananEndpoints, func(e endpoint) bool { return e.serves(r) }) {
		return message(http.StatusNotFound, "Not Found", "no such endpoint")
	}
	return answer{
		http.StatusOK,
		`{"responseEnvelope":{"requestId":"sandbox","responseCode":200,"responseText":"Success"},"responseData":[]}`,
		"accepted",
	}
}

// avananRefusal checks the five headers and returns the answer that refuses them, or nil.
func (s *Sandbox) avananRefusal(r *http.Request, behaviour Behaviour) *answer {
	refuse := func(status int, text, why string) *answer {
		a := message(status, text, why)
		return &a
	}
	values := map[string]string{}
	for _, name := range []string{"x-av-req-id", "x-av-token", "x-av-app-id", "x-av-date", "x-av-sig"} {
		given := r.Header.Values(name)
		if len(given) > 1 || (name != "x-av-token" && (len(given) == 0 || given[0] == "")) {
			return refuse(http.StatusUnauthorized, "Unauthorized", name+" is missing or given more than once")
		}
		values[name] = r.Header.Get(name)
	}
	at, ok := avananInstant(values["x-av-date"], behaviour.AvananDates)
	switch {
	case !ok && behaviour.AvananDates == Zoneless:
		return refuse(http.StatusInternalServerError, "Internal Server Error", "x-av-date is not zoneless")
	case !ok:
		return refuse(http.StatusBadRequest, "Bad Request", "x-av-date is in a form that is not taken")
	case values["x-av-app-id"] != behaviour.AvananAppID:
		return refuse(http.StatusBadRequest, "Bad Request, could not find app["+values["x-av-app-id"]+"]", "unknown app id")
	case !uuid4.MatchString(values["x-av-req-id"]):
		return refuse(http.StatusBadRequest, "Bad Request", "x-av-req-id is no UUID of version 4")
	}
	if age := s.now().Sub(at); age.Abs() > avananSkew {
		return refuse(http.StatusForbidden, "Forbidden", "x-av-date is "+age.Round(time.Second).String()+" old")
	}
	requestString := r.RequestURI
	if r.URL.Path == avananAuth {
		requestString = ""
	}
	want := avananSig(values["x-av-req-id"], values["x-av-app-id"], values["x-av-date"], requestString, behaviour.AvananSecretKey)
	if subtle.ConstantTimeCompare([]byte(want), []byte(values["x-av-sig"])) != 1 {
		return refuse(http.StatusForbidden, "Forbidden", "wrong x-av-sig")
	}
	if s.replayed(values["x-av-req-id"]) {
		return refuse(http.StatusForbidden, "Forbidden", "x-av-req-id was used before")
	}
	switch handshake := r.URL.Path == avananAuth; {
	case handshake && values["x-av-token"] != "":
		return refuse(http.StatusBadRequest, "Bad Request", "x-av-token is not empty in a handshake")
	case !handshake && !s.Living(values["x-av-token"]):
		return refuse(http.StatusUnauthorized, "Unauthorized", "x-av-token is unknown or has expired")
	}
	return nil
}

// avananInstant reads x-av-date in the forms that are taken.
func avananInstant(text string, dates Dates) (time.Time, bool) {
	layout := ""
	switch {
	case dates != Zulu && zonelessDate.MatchString(text):
		layout = "2006-01-02T15:04:05"
	case dates != Zoneless && zuluDate.MatchString(text):
		layout = "2006-01-02T15:04:05.000Z"
	}
	at, err := time.Parse(layout, text)
	return at, layout != "" && err == nil
}

// avananSig is SHA-256 over the base64 text of the parts, streamed from the one into the other.
func avananSig(parts ...string) string {
	hash := sha256.New()
	encoder := base64.NewEncoder(base64.StdEncoding, hash)
	for _, part := range parts {
		_, _ = io.WriteString(encoder, part)
	}
	_ = encoder.Close()
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// replayed says whether a request id was seen before, and remembers it.
func (s *Sandbox) replayed(reqID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[reqID] {
		return true
	}
	if len(s.seen) == seenAtMost {
		clear(s.seen)
	}
	s.seen[reqID] = true
	return false
}

// Living says whether a JWT was given out and has not expired.
func (s *Sandbox) Living(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	expiry, known := s.tokens[token]
	return known && s.now().Before(expiry)
}

// issue makes a JWT and remembers it. Nobody can check its signature: the key is thrown away.
func (s *Sandbox) issue(life time.Duration) answer {
	now := s.now()
	expiry := now.Add(life)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iat": now.Unix(), "exp": expiry.Unix(), "jti": rand.Text(), "scope": "mt-prod-3:acme",
	}).SignedString([]byte(rand.Text()))
	if err != nil {
		return message(http.StatusInternalServerError, "Internal Server Error", err.Error())
	}
	s.mu.Lock()
	s.tokens[token] = time.Unix(expiry.Unix(), 0)
	s.mu.Unlock()
	return answer{http.StatusOK, token, "a JWT"}
}
