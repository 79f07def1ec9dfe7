package infinity

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// Account is all that decides what a login sends, and where.
type Account struct {
	// ClientID is public.
	ClientID string
	// AccessKey is sent as it is.
	AccessKey secret.Text
	// BaseURL is the gateway's address, without a slash at its end.
	BaseURL string
	// CACert is PEM: certificates to trust beside the system's roots; "" for none.
	CACert string
}

// Granted is what a login gave.
type Granted struct {
	Token token.Token
	// Timing and Status are those of the answer.
	Timing exchange.Timing
	Status int
}

// Login requests a token. The context must have a deadline, which includes the retries.
//
// If the portal returns no token, the error is an *exchange.Error: of kind Refused also for a failure that comes with status 200.
// Any other error is a fault on this side.
func Login(ctx context.Context, client exchange.Client, account Account) (Granted, error) {
	body, err := json.Marshal(map[string]string{"clientId": account.ClientID, "accessKey": account.AccessKey.Reveal()})
	if err != nil {
		return Granted{}, fmt.Errorf("encoding the login: %w", err)
	}
	answer, err := client.Do(ctx, exchange.Request{
		Method: http.MethodPost, URL: account.BaseURL + loginPath, Body: body, CACert: account.CACert,
		Header: func(time.Time) (http.Header, error) {
			return http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, nil
		},
	})
	if err != nil {
		return Granted{}, err
	}
	text, life, fault := parseAnswer(answer.Body, answer.Timing)
	switch fault {
	case "":
	case rejected:
		refusal := answer.Nonsense(rejected)
		refusal.Kind, refusal.Reason = exchange.Refused, rejected
		return Granted{}, refusal
	default:
		return Granted{}, answer.Nonsense(fault)
	}
	got := token.Token{Value: secret.Text(text), AskedAt: answer.Asked, ExpiresAt: answer.Asked.Add(life)}
	return Granted{got, answer.Timing, answer.Status}, nil
}

const (
	// defaultLife is how long a token lives if the answer does not say (the portal's API pages: 30 minutes).
	defaultLife = 30 * time.Minute
	// maxLife is the longest life that is believed; a longer one is in another unit, and counts as none.
	maxLife = 24 * time.Hour
)

// rejected is the fault of an answer that says that the login failed.
const rejected = "it rejects the credentials"

// parseAnswer reads the body of an answer with status 200. It returns the token and how long it lives from the moment it was
// asked for; or in fault what is wrong, in words that quote nothing.
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

// lifeOf is how long a token lives: expiresIn, in seconds; else until expires, a date of HTTP; else half an hour. A date is
// compared with the answer's own Date too, because the clocks of the two sides may differ.
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
