package avanan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

const authPath = "/v1.0/auth"

// Account is everything that determines what a handshake sends, and where.
type Account struct {
	Credentials
	// BaseURL is the API's address, without a trailing slash.
	BaseURL string
	// DateFormat is how x-av-date is written. With Auto the handshake finds out which format works.
	DateFormat DateFormat
	// CACert has certificates in PEM to trust in addition to the system's roots; "" for none.
	CACert string
}

// Granted is what a handshake gave.
type Granted struct {
	// Token is the JWT. Its Format is the date format that worked.
	Token token.Token
	// Timing is that of the answer.
	Timing exchange.Timing
	// Status is that of the answer.
	Status int
}

// Client does handshakes.
type Client struct {
	Exchange exchange.Client
	// NewID makes the UUID of a request. Required.
	NewID func() (string, error)
}

// Handshake requests a JWT. The context must have a deadline, which includes the retries.
//
// If the account's date format is Auto, Handshake first tries the format that the argument first names. If that is "", it
// tries Zoneless, because all clients that are known to work send it. If the answer is 500 or 400, it tries the other format:
// Avanan answers 500 to a date that it rejects, and might answer 400 too. With any other date format, the argument first is
// ignored.
//
// If Avanan returns no JWT, the error is an *exchange.Error. Any other error is a fault on this side.
func (c Client) Handshake(ctx context.Context, account Account, first DateFormat) (Granted, error) {
	if account.DateFormat != Auto {
		return c.handshake(ctx, account)
	}
	other := Zulu
	if account.DateFormat = Zoneless; first == Zulu {
		account.DateFormat, other = Zulu, Zoneless
	}
	// A 500 is not retried, because it is more likely caused by the date format than by a passing fault.
	got, err := c.handshake(ctx, account, http.StatusInternalServerError)
	failure, is := errors.AsType[*exchange.Error](err)
	if !is || (failure.Status != http.StatusInternalServerError && failure.Status != http.StatusBadRequest) {
		return got, err
	}
	account.DateFormat = other
	got, err = c.handshake(ctx, account)
	if second, is := errors.AsType[*exchange.Error](err); is && second.Kind == exchange.Unavailable && failure.Kind == exchange.Refused {
		return Granted{}, failure
	}
	return got, err
}

// handshake does one handshake in the account's date format. It does not retry after the statuses in noRetry.
func (c Client) handshake(ctx context.Context, account Account, noRetry ...int) (Granted, error) {
	answer, err := c.Exchange.Do(ctx, exchange.Request{
		Method: http.MethodGet,
		URL:    account.BaseURL + authPath,
		Header: func(at time.Time) (http.Header, error) {
			id, err := c.NewID()
			if err != nil {
				return nil, fmt.Errorf("making a request id: %w", err)
			}
			header := http.Header{"Accept": {"*/*"}} // all clients that are known to work send one
			for name, value := range account.Headers(Call{ReqID: id, Date: account.DateFormat.Date(at)}) {
				header.Set(name, value)
			}
			return header, nil
		},
		CACert:  account.CACert,
		NoRetry: noRetry,
	})
	if failure, is := errors.AsType[*exchange.Error](err); is && failure.Status == http.StatusInternalServerError {
		failure.Reason = "server error, or it rejects this date_format"
	}
	if err != nil {
		return Granted{}, err
	}
	jwt, life, fault := parseJWT(string(answer.Body), answer.Asked)
	if fault != "" {
		return Granted{}, answer.Nonsense(fault)
	}
	return Granted{
		Token: token.Token{
			Value: secret.Text(jwt), AskedAt: answer.Asked, ExpiresAt: answer.Asked.Add(life), Format: string(account.DateFormat),
		},
		Timing: answer.Timing, Status: answer.Status,
	}, nil
}
