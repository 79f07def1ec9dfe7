package avanan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

const authPath = "/v1.0/auth"

// Login does a handshake, which gives a JWT, within the account's timeout, retries included.
//
// If the account's date format is Auto, it first tries the format that is learned. If that is "", it tries Zoneless,
// because all clients that are known to work send it. If the answer is 500 or 400, it tries the other format: Avanan
// answers 500 to a date that it rejects, and might answer 400 too.
//
// If Avanan returns no JWT, the error is an *exchange.Error. Any other error is a fault on this side.
func (a Account) Login(ctx context.Context, by api.Caller, learned string) (api.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	if a.DateFormat != Auto {
		return a.handshake(ctx, by)
	}
	other := Zulu
	if a.DateFormat = Zoneless; DateFormat(learned) == Zulu {
		a.DateFormat, other = Zulu, Zoneless
	}
	// A 500 is not retried, because it is more likely caused by the date format than by a passing fault.
	got, err := a.handshake(ctx, by, http.StatusInternalServerError)
	failure, is := errors.AsType[*exchange.Error](err)
	if !is || (failure.Status != http.StatusInternalServerError && failure.Status != http.StatusBadRequest) {
		return got, err
	}
	a.DateFormat = other
	got, err = a.handshake(ctx, by)
	second, is := errors.AsType[*exchange.Error](err)
	if is && second.Kind == exchange.Unavailable && failure.Kind == exchange.Refused {
		return api.Report{}, failure
	}
	return got, err
}

// Refused is what to check.
func (a Account) Refused() string {
	return "check app_id, secret_key, region or base_url, and this server's clock"
}

// handshake does one handshake in the account's date format. It does not retry after the statuses in noRetry.
func (a Account) handshake(ctx context.Context, by api.Caller, noRetry ...int) (api.Report, error) {
	answer, err := by.Do(ctx, exchange.Request{
		Make: func(at time.Time) (exchange.Attempt, error) {
			id, err := by.NewID()
			if err != nil {
				return exchange.Attempt{}, fmt.Errorf("making a request id: %w", err)
			}
			header := http.Header{"Accept": {"*/*"}} // all clients that are known to work send one
			for name, value := range a.Headers(Call{ReqID: id, Date: a.DateFormat.Date(at)}) {
				header.Set(name, value)
			}
			return exchange.Attempt{Method: http.MethodGet, URL: a.BaseURL + authPath, Header: header}, nil
		},
		CACert:  a.CACert,
		NoRetry: noRetry,
	})
	if failure, is := errors.AsType[*exchange.Error](err); is && failure.Status == http.StatusInternalServerError {
		failure.Reason = "server error, or it rejects this date_format"
	}
	if err != nil {
		return api.Report{}, err
	}
	jwt, life, fault := parseJWT(string(answer.Body), answer.Asked)
	if fault != "" {
		return api.Report{}, answer.Nonsense(fault)
	}
	return api.Report{
		Token: token.Token{
			Value:     secret.Text(jwt),
			AskedAt:   answer.Asked,
			ExpiresAt: answer.Asked.Add(life),
			Format:    string(a.DateFormat),
		},
		Format: string(a.DateFormat),
		Status: answer.Status,
		Timing: answer.Timing,
	}, nil
}
