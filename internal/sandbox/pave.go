package sandbox

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
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
	at, ok := paveInstant(values["API-Timestamp"], behaviour.PAVETimestamps)
	if !ok {
		return "API-Timestamp is in a form that is not taken"
	}
	if age := s.clock().Sub(at); age > behaviour.SignatureLife || age < -paveLeeway {
		return "API-Timestamp is " + age.Round(time.Second).String() + " old"
	}
	text := behaviour.PAVEUsername + ":" + values["API-Key"] + "@" + values["API-Timestamp"]
	want := fmt.Sprintf("%x", hmacSHA256(behaviour.PAVEAPISecret, text))
	if subtle.ConstantTimeCompare([]byte(want), []byte(values["API-Token"])) != 1 {
		return "wrong API-Token"
	}
	return ""
}

func hmacSHA256(key, text string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte(text)) // never fails
	return mac.Sum(nil)
}
