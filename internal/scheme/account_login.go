package scheme

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// Login logs in, within the account's timeout, retries included.
//
// If the API gives nothing, the error is an *exchange.Error: of kind Refused also for an answer of 2xx that the scheme
// says is a refusal. Any other error is a fault on this side.
func (a *account) Login(ctx context.Context, by api.Caller, _ string) (api.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var call LoginCall
	answer, err := by.Do(ctx, exchange.Request{
		Make: func(at time.Time) (exchange.Attempt, error) {
			var err error
			call, err = a.loginCall(ctx, by, at)
			return exchange.Attempt{Method: call.Method, URL: call.URL, Header: call.Header, Body: call.Body}, err
		},
		CACert:  a.caCert,
		Any2xx:  true,
		MaxBody: maxAnswer,
		Guarded: true,
	})
	if err != nil {
		return api.Report{}, err
	}
	gives, err := call.Read(LoginAnswer{Header: answer.Header, Body: answer.Body, At: answer.Asked})
	switch {
	case errors.Is(err, ErrLoginRefused):
		return api.Report{}, answer.Refused()
	case err != nil:
		return api.Report{}, answer.Nonsense(err.Error())
	case gives.Life < token.MinLife:
		return api.Report{}, answer.Nonsense("what it gives has expired, or is about to (is this server's clock right?)")
	}
	warning := ""
	if gives.Assumed != "" {
		warning = "login.life: " + gives.Assumed
	}
	return api.Report{
		Warning: warning,
		Token:   token.Token{Values: gives.Values, AskedAt: answer.Asked, ExpiresAt: answer.Asked.Add(gives.Life)},
		Status:  answer.Status,
		Timing:  answer.Timing,
	}, nil
}

// loginCall makes the request of one attempt.
func (a *account) loginCall(ctx context.Context, by api.Caller, at time.Time) (LoginCall, error) {
	moment, err := a.moment(api.Moment{
		Now:   at,
		Later: func(unit time.Duration) (time.Time, error) { return by.Later(at, unit) },
		NewID: by.NewID,
	})
	if err != nil {
		return LoginCall{}, err
	}
	call, err := a.signer.LoginInTurn(ctx, moment)
	switch {
	case err == nil, errors.Is(err, api.ErrBusy):
		return call, err
	case errors.Is(err, errSigning), errors.Is(err, errPSS):
		return LoginCall{}, fmt.Errorf("signing: %w", err)
	default:
		return LoginCall{}, api.Invalidf("%s", err)
	}
}

// Refused is what to check.
func (a *account) Refused() string {
	names := slices.Concat(a.scheme.Fields(), a.scheme.Secrets())
	if !slices.Contains(names, a.scheme.login.address) {
		names = append(names, a.scheme.login.address)
	}
	return "check " + strings.Join(names, ", ") + ", and this server's clock"
}
