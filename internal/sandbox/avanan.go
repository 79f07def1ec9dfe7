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
	if r.Method == http.MethodGet && r.URL.Path == avananPublicKey {
		return answer{http.StatusOK, avananKey().jwk, "the public key"}
	}
	if refusal := s.avananRefusal(r, behaviour); refusal.status != 0 {
		return refusal
	}
	if r.Method == http.MethodGet && r.URL.Path == avananAuth {
		return s.issue(behaviour.TokenLife)
	}
	return serve(avananEndpoints, r)
}

// avananRefusal checks the five headers and returns the answer that refuses them, which has no status if they are good.
func (s *Sandbox) avananRefusal(r *http.Request, behaviour Behaviour) answer {
	why := missing(r, "x-av-req-id", "x-av-app-id", "x-av-date", "x-av-sig")
	if len(r.Header.Values("x-av-token")) > 1 { // clients send the handshake with an empty token, or with none
		why = "x-av-token is given more than once"
	}
	if why != "" {
		return message(http.StatusUnauthorized, "Unauthorized", why)
	}
	reqID, appID, date := r.Header.Get("x-av-req-id"), r.Header.Get("x-av-app-id"), r.Header.Get("x-av-date")
	at, ok := instant(date, avananLayouts[behaviour.AvananDates]...)
	switch {
	case !ok && behaviour.AvananDates == Zoneless:
		return message(http.StatusInternalServerError, "Internal Server Error", "x-av-date is not zoneless")
	case !ok:
		return message(http.StatusBadRequest, "Bad Request", "x-av-date is in a form that is not taken")
	case appID != behaviour.AvananAppID:
		return message(http.StatusBadRequest, "Bad Request, could not find app["+appID+"]", "unknown app id")
	case !uuid4.MatchString(reqID):
		return message(http.StatusBadRequest, "Bad Request", "x-av-req-id is not a UUID of version 4")
	}
	if age := s.clock().Sub(at); age.Abs() > avananSkew {
		return message(http.StatusForbidden, "Forbidden", "x-av-date is "+age.Round(time.Second).String()+" old")
	}
	handshake, requestString := r.URL.Path == avananAuth, r.RequestURI
	if handshake {
		requestString = ""
	}
	want := avananSig(reqID, appID, date, requestString, behaviour.AvananSecretKey)
	token := r.Header.Get("x-av-token")
	switch {
	case subtle.ConstantTimeCompare([]byte(want), []byte(r.Header.Get("x-av-sig"))) != 1:
		return message(http.StatusForbidden, "Forbidden", "wrong x-av-sig")
	case s.replayed(reqID):
		return message(http.StatusForbidden, "Forbidden", "x-av-req-id was used before")
	case handshake && token != "":
		return message(http.StatusBadRequest, "Bad Request", "x-av-token is not empty in a handshake")
	case !handshake && !s.living(s.jwts, token):
		return message(http.StatusUnauthorized, "Unauthorized", "x-av-token is unknown or has expired")
	}
	return answer{}
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
