package pave

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
)

// checkPath is the call that credentials are tried with: documented, read-only, and for the whole account. Its answer contains
// the account's own webhook secrets, so it is not read.
const checkPath = "/v1/callbacks"

// Account is all that decides what a check sends, and where.
type Account struct {
	Credentials
	// BaseURL is the API's address, without a slash at its end.
	BaseURL string
	// CACert is PEM: certificates to trust beside the system's roots; "" for none.
	CACert string
}

// Checked is what a check found.
type Checked struct {
	exchange.Timing
	// Format is the timestamp format that PAVE accepted.
	Format TimestampFormat
	// Status is the status of that answer.
	Status int
	// Tried says what each format met that was tried: "accepted", or a status.
	Tried map[string]string
}

// accepted is what a format met that works.
const accepted = "accepted"

// Check calls PAVE with some timestamp formats in turn, up to the first that it accepts, each within a timeout and without a
// retry. No page of PAVE's says what a wrong timestamp gets, so it goes on after 400, 401, 403, 404, 422 and 500; anything else
// is about something other than the format and ends the check.
//
// If PAVE accepts none, the error is an *exchange.Error that lists what each format met. It is of kind Refused if all were 400,
// 401 or 403.
func Check(
	ctx context.Context, client exchange.Client, account Account, formats []TimestampFormat, timeout time.Duration,
) (Checked, error) {
	checked := Checked{Tried: map[string]string{}}
	var failures []*exchange.Error
	var met []string
	for _, format := range formats {
		answer, err := call(ctx, client, account, format, timeout)
		failure, is := errors.AsType[*exchange.Error](err)
		switch {
		case err == nil:
			checked.Tried[string(format)] = accepted
			checked.Timing, checked.Format, checked.Status = answer.Timing, format, answer.Status
			return checked, nil
		case !is || !mayBeTheFormat(failure.Status):
			return Checked{}, err
		}
		failures = append(failures, failure)
		checked.Tried[string(format)] = strconv.Itoa(failure.Status)
		met = append(met, fmt.Sprintf("%s: %d", format, failure.Status))
	}
	return Checked{}, noneAccepted(failures, met)
}

// call makes one call in one format.
func call(
	ctx context.Context, client exchange.Client, account Account, format TimestampFormat, timeout time.Duration,
) (exchange.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return client.Do(ctx, exchange.Request{
		Method: http.MethodGet, URL: account.BaseURL + checkPath, CACert: account.CACert, Probe: true,
		Header: func(at time.Time) (http.Header, error) {
			headers, err := account.Sign(at, format)
			if err != nil {
				return nil, err
			}
			// The names as PAVE's pages spell them: Set would change API-Key to Api-Key.
			return http.Header{
				HeaderAPIKey: {headers.APIKey}, HeaderAPIToken: {headers.APIToken}, HeaderAPITimestamp: {headers.APITimestamp},
			}, nil
		},
	})
}

// mayBeTheFormat says which statuses a timestamp in the wrong format may get.
func mayBeTheFormat(status int) bool {
	return slices.Contains([]int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity,
		http.StatusInternalServerError,
	}, status)
}

// noneAccepted is the error of a check in which every format failed.
func noneAccepted(failures []*exchange.Error, met []string) *exchange.Error {
	last := *failures[len(failures)-1]
	if slices.ContainsFunc(failures, func(failure *exchange.Error) bool { return failure.Kind != exchange.Refused }) {
		last.Kind = exchange.Nonsense
	}
	last.Reason = "it accepts no timestamp_format (" + strings.Join(met, ", ") + ")"
	return &last
}
