package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"
)

const (
	// avananSkew is a guess: the vendor publishes no window.
	avananSkew = 5 * time.Minute
	// seenAtMost is how many request ids are remembered.
	seenAtMost = 100_000
)

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// avanan stands in for smart-api-production-*.avanan.net.
func (s *Sandbox) avanan(r *http.Request, behaviour Behaviour) answer {
	handshake := r.URL.Path == avananAuth
	if r.Method == http.MethodGet && r.URL.Path == avananPublicKey {
		return answer{http.StatusOK, avananKey().jwk, "the public key"}
	}
	if refusal := s.avananRefusal(r, behaviour); refusal != nil {
		return *refusal
	}
	if r.Method == http.MethodGet && handshake {
		return s.issue(behaviour.TokenLife)
	}
	return serve(avananEndpoints, r)
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
		// The token may be empty or left out: clients send the handshake either way.
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
		return refuse(http.StatusBadRequest, "Bad Request", "x-av-req-id is not a UUID of version 4")
	}
	if age := s.clock().Sub(at); age.Abs() > avananSkew {
		return refuse(http.StatusForbidden, "Forbidden", "x-av-date is "+age.Round(time.Second).String()+" old")
	}
	handshake, requestString := r.URL.Path == avananAuth, r.RequestURI
	if handshake {
		requestString = ""
	}
	reqID, appID, date := values["x-av-req-id"], values["x-av-app-id"], values["x-av-date"]
	want := avananSig(reqID, appID, date, requestString, behaviour.AvananSecretKey)
	if subtle.ConstantTimeCompare([]byte(want), []byte(values["x-av-sig"])) != 1 {
		return refuse(http.StatusForbidden, "Forbidden", "wrong x-av-sig")
	}
	if s.replayed(values["x-av-req-id"]) {
		return refuse(http.StatusForbidden, "Forbidden", "x-av-req-id was used before")
	}
	switch {
	case handshake && values["x-av-token"] != "":
		return refuse(http.StatusBadRequest, "Bad Request", "x-av-token is not empty in a handshake")
	case !handshake && !s.living(s.jwts, values["x-av-token"]):
		return refuse(http.StatusUnauthorized, "Unauthorized", "x-av-token is unknown or has expired")
	}
	return nil
}

// avananSig is SHA-256 of the base64 text of the parts. The encoder writes straight into the hash.
func avananSig(parts ...string) string {
	hash := sha256.New()
	encoder := base64.NewEncoder(base64.StdEncoding, hash)
	for _, part := range parts {
		_, _ = io.WriteString(encoder, part)
	}
	_ = encoder.Close()
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// replayed reports whether a request id was seen before, and remembers it.
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
