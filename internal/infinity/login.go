package infinity

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// Login gets a token, within the account's timeout, retries included.
//
// If the portal returns no token, the error is an *exchange.Error: of kind Refused also for a failure that comes with
// status 200. Any other error is a fault on this side.
func (a Account) Login(ctx context.Context, by api.Caller, _ string) (api.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"clientId": a.ClientID, "accessKey": a.AccessKey.Reveal()})
	if err != nil {
		return api.Report{}, fmt.Errorf("encoding the login: %w", err)
	}
	answer, err := by.Do(ctx, exchange.Request{
		CACert: a.CACert,
		Make: func(time.Time) (exchange.Attempt, error) {
			header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
			return exchange.Attempt{Method: http.MethodPost, URL: a.Gateway + loginPath, Header: header, Body: body}, nil
		},
	})
	if err != nil {
		return api.Report{}, err
	}
	text, life, fault := parseAnswer(answer.Body, answer.Timing)
	switch fault {
	case "":
	case rejected:
		return api.Report{}, answer.Refused()
	default:
		return api.Report{}, answer.Nonsense(fault)
	}
	got := token.Token{Value: secret.Text(text), AskedAt: answer.Asked, ExpiresAt: answer.Asked.Add(life)}
	return api.Report{Token: got, Status: answer.Status, Timing: answer.Timing}, nil
}

// Refused is what to check.
func (a Account) Refused() string {
	return "check client_id, access_key, region or base_url, and whether the key has expired or allows this server's " +
		"address"
}

const (
	// defaultLife is how long a token lives if the answer does not say (the portal's API pages: 30 minutes).
	defaultLife = 30 * time.Minute
	// maxLife is the longest life that is believed; a longer one is in another unit, and counts as none.
	maxLife = 24 * time.Hour
)

// rejected is the fault of an answer that says that the login failed.
const rejected = "it rejects the credentials"

// parseAnswer reads the body of an answer with status 200. It returns the token and how long it lives from the moment
// it was asked for; or in fault what is wrong, in words that quote nothing.
func parseAnswer(body []byte, timing exchange.Timing) (text string, life time.Duration, fault string) {
	var answer struct {
		Success *bool `json:"success"`
		Data    struct {
			Token     string `json:"token"`
			ExpiresIn any    `json:"expiresIn"`
			Expires   any    `json:"expires"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", 0, "the body is not the JSON of a login"
	}
	text = answer.Data.Token
	switch {
	case answer.Success != nil && !*answer.Success:
		return "", 0, rejected
	case text == "":
		return "", 0, "the body has no token"
	case len(text) > token.MaxText:
		return "", 0, "the token has more than 16 KiB"
	case !token.IsText(text):
		return "", 0, "what it calls a token is not one"
	}
	if life = lifeOf(answer.Data.ExpiresIn, answer.Data.Expires, timing); life < token.MinLife {
		return "", 0, "the token has expired, or is about to (is this server's clock right?)"
	}
	return text, life, ""
}

// lifeOf is how long a token lives: expiresIn, in seconds; else until expires, a date of HTTP; else half an hour. A
// date is compared with the answer's own Date too, because the clocks of the two sides may differ.
func lifeOf(expiresIn, expires any, timing exchange.Timing) time.Duration {
	if seconds, is := expiresIn.(float64); is && seconds <= maxLife.Seconds() {
		return time.Duration(max(seconds, 0) * float64(time.Second))
	}
	text, _ := expires.(string)
	at, err := http.ParseTime(text)
	if err != nil {
		return defaultLife
	}
	life := at.Sub(timing.Asked)
	if !timing.Date.IsZero() {
		life = min(life, at.Sub(timing.Date))
	}
	if life > maxLife {
		return defaultLife
	}
	return life
}
