package sandbox

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// paveLeeway, for a caller whose clock is ahead, is a guess: PAVE publishes none.
const paveLeeway = 30 * time.Second

// PAVEWebhookToken is the bearer token in the customer's webhook headers, which PAVE's callbacks endpoints return. A
// client that only wants to know whether its credentials work must drop that answer, so the token must appear nowhere
// else.
//
// It is random, so that a search for it finds nothing else.
var PAVEWebhookToken = rand.Text()

var paveCallback = `{"event":"SESSION:COMPLETE","url":"https://hooks.example.com/pave","method":"POST",` +
	`"headers":{"Authorization":"Bearer ` + PAVEWebhookToken + `"}}`

const (
	paveNoData = `{"data":[]}`
	// paveEvent is a segment of a path: one of the events that have a callback.
	paveEvent = "SESSION:SMS_PROCESS|SESSION:STAGE_CHANGE|SESSION:STATUS_CHANGE|SESSION:COMPLETE|SESSION:NOTE_INSERT"
)

// paveEndpoints are those of PAVE's pages.
var paveEndpoints = []endpoint{
	{"GET POST", "/v1/sessions", paveNoData},
	{"GET PUT DELETE", "/v1/sessions/*", paveNoData},
	{"GET", "/v1/sessions/*/photos|notes|results", paveNoData},
	{"GET", "/v1/callbacks", `{"data":[` + paveCallback + `]}`},
	{"POST", "/v1/callbacks", paveCallback},
	{"GET PUT", "/v1/callbacks/" + paveEvent, `{"data":` + paveCallback + `}`},
	{"DELETE", "/v1/callbacks/" + paveEvent, paveNoData},
	{"POST", "/v1/hotspots/*/photos-url", paveNoData},
	{"GET", "/v1/hotspots/*", paveNoData},
}

// pave stands in for openapi.paveapi.com.
func (s *Sandbox) pave(r *http.Request, behaviour Behaviour) answer {
	if why := s.paveRefusal(r, behaviour); why != "" {
		return message(http.StatusUnauthorized, "Unauthorized", why)
	}
	return serve(paveEndpoints, r)
}

// paveRefusal checks the three headers and returns what is wrong with them, or "".
func (s *Sandbox) paveRefusal(r *http.Request, behaviour Behaviour) string {
	if why := missing(r, "API-Key", "API-Token", "API-Timestamp"); why != "" {
		return why
	}
	key, timestamp := r.Header.Get("API-Key"), r.Header.Get("API-Timestamp")
	if key != behaviour.PAVEAPIKey {
		return "unknown API-Key"
	}
	at, ok := paveInstant(timestamp, behaviour.PAVETimestamps)
	if !ok {
		return "API-Timestamp is in a form that is not taken"
	}
	if age := s.clock().Sub(at); age > behaviour.SignatureLife || age < -paveLeeway {
		return "API-Timestamp is " + age.Round(time.Second).String() + " old"
	}
	want := hmacSHA256(behaviour.PAVEAPISecret, behaviour.PAVEUsername+":"+key+"@"+timestamp)
	if !hmac.Equal([]byte(want), []byte(r.Header.Get("API-Token"))) {
		return "wrong API-Token"
	}
	return ""
}

// hmacSHA256 is in lower-case hex.
func hmacSHA256(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte(text)) // never fails
	return hex.EncodeToString(mac.Sum(nil))
}
