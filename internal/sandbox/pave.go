package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// paveTokenLife is from PAVE's pages; the leeway for a caller's clock that is ahead is a guess.
const (
	paveTokenLife = 5 * time.Minute
	paveLeeway    = 30 * time.Second
)

// paveEndpoints are those of PAVE's pages.
var paveEndpoints = []endpoint{
	{http.MethodGet, "/v1/sessions"},
	{http.MethodPost, "/v1/sessions"},
	{http.MethodGet, "/v1/sessions/*"},
	{http.MethodPut, "/v1/sessions/*"},
	{http.MethodDelete, "/v1/sessions/*"},
	{http.MethodGet, "/v1/sessions/*/photos"},
	{http.MethodGet, "/v1/sessions/*/notes"},
	{http.MethodGet, "/v1/sessions/*/results"},
	{http.MethodGet, "/v1/callbacks"},
	{http.MethodGet, "/v1/callbacks/*"},
}

// pave stands in for openapi.paveapi.com.
func (s *Sandbox) pave(r *http.Request, behaviour Behaviour) answer {
	if told := told(behaviour.Fault, message(http.StatusUnauthorized, "Unauthorized", "told to refuse")); told != nil {
		return *told
	}
	if why := s.paveRefusal(r, behaviour); why != "" {
		return message(http.StatusUnauthorized, "Unauthorized", why)
	}
	if !slices.ContainsFunc(paveEndpoints, func(e endpoint) bool { return e.serves(r) }) {
		return message(http.StatusNotFound, "Not Found", "no such endpoint")
	}
	return answer{http.StatusOK, `{"data":[]}`, "accepted"}
}

// paveRefusal checks the three headers and returns what is wrong with them, or "".
func (s *Sandbox) paveRefusal(r *http.Request, behaviour Behaviour) string {
	values := map[string]string{}
	for _, name := range []string{"API-Key", "API-Token", "API-Timestamp"} {
		given := r.Header.Values(name)
		if len(given) != 1 || given[0] == "" {
			return name + " is missing or given more than once"
		}
		values[name] = given[0]
	}
	if values["API-Key"] != behaviour.PAVEAPIKey {
		return "unknown API-Key"
	}
	at, ok := paveInstant(values["API-Timestamp"])
	if !ok {
		return "API-Timestamp is in no known format"
	}
	if age := s.now().Sub(at); age > paveTokenLife || age < -paveLeeway {
		return "API-Timestamp is " + age.Round(time.Second).String() + " old"
	}
	text := behaviour.PAVEUsername + ":" + values["API-Key"] + "@" + values["API-Timestamp"]
	want := fmt.Sprintf("%x", hmacSHA256(behaviour.PAVEAPISecret, text))
	if subtle.ConstantTimeCompare([]byte(want), []byte(values["API-Token"])) != 1 {
		return "wrong API-Token"
	}
	return ""
}

// paveInstant reads a timestamp in any form that PAVE's pages and clients show, each of them strictly.
func paveInstant(text string) (time.Time, bool) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && len(text) == 10 {
		return time.Unix(seconds, 0), true
	}
	for _, layout := range []string{
		"2006-01-02T15:04:05Z", "2006-01-02T15:04:05.000Z", "Mon, 02 Jan 2006 15:04:05 GMT",
	} {
		if at, err := time.Parse(layout, text); err == nil && at.Format(layout) == text {
			return at, true
		}
	}
	return time.Time{}, false
}

// hmacSHA256 is RFC 2104 written out.
func hmacSHA256(key, text string) []byte {
	const blockSize = 64
	if len(key) > blockSize {
		hashed := sha256.Sum256([]byte(key))
		key = string(hashed[:])
	}
	key += strings.Repeat("\x00", blockSize-len(key))
	inner, outer := sha256.New(), sha256.New()
	for i := range len(key) {
		inner.Write([]byte{key[i] ^ 0x36})
		outer.Write([]byte{key[i] ^ 0x5c})
	}
	inner.Write([]byte(text))
	outer.Write(inner.Sum(nil))
	return outer.Sum(nil)
}
