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

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
)

// checkPath is the call that credentials are tried with: documented, read-only, and for the whole account. Its answer
// contains the account's own webhook secrets, so it is not read.
const checkPath = "/v1/callbacks"

// Login checks the credentials: it calls PAVE with the config's timestamp format or, under auto, with all in turn, the
// one that worked last first, up to the first that PAVE accepts. Each call has the account's timeout, and no retry. No
// page of PAVE's says what a wrong timestamp gets, so a check goes on after 400, 401, 403, 404, 422 and 500; anything
// else is about something other than the format and ends it.
//
// If PAVE accepts none, the error is an *exchange.Error that lists what each format met. It is of kind Refused if all
// were 400, 401 or 403.
func (a Account) Login(ctx context.Context, by api.Caller, learned string) (api.Report, error) {
	report := api.Report{Tried: map[string]string{}}
	var failures []*exchange.Error
	var met []string
	for _, format := range a.formats(TimestampFormat(learned)) {
		answer, err := a.call(ctx, by.Client, format)
		failure, is := errors.AsType[*exchange.Error](err)
		switch {
		case err == nil:
			report.Tried[string(format)] = "accepted"
			report.Timing, report.Format, report.Status = answer.Timing, string(format), answer.Status
			return report, nil
		case !is || !mayBeTheFormat(failure.Status):
			return api.Report{}, err
		}
		failures = append(failures, failure)
		report.Tried[string(format)] = strconv.Itoa(failure.Status)
		met = append(met, fmt.Sprintf("%s: %d", format, failure.Status))
	}
	return api.Report{}, noneAccepted(failures, met)
}

// Refused is what to check. Nobody knows what PAVE answers to a timestamp in another format.
func (a Account) Refused() string {
	text := "check username, api_key, api_secret, and this server's clock"
	if a.Format != api.FormatAuto {
		text += "; timestamp_format=auto tries the others"
	}
	return text
}

// formats are those that a check tries.
func (a Account) formats(learned TimestampFormat) []TimestampFormat {
	if a.Format != api.FormatAuto {
		return []TimestampFormat{TimestampFormat(a.Format)}
	}
	formats := TimestampFormats()
	if i := slices.Index(formats, learned); i > 0 {
		formats = append([]TimestampFormat{learned}, slices.Delete(formats, i, i+1)...)
	}
	return formats
}

// call makes one call in one format.
func (a Account) call(ctx context.Context, client exchange.Client, format TimestampFormat) (exchange.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	return client.Do(ctx, exchange.Request{
		CACert: a.CACert,
		Probe:  true,
		Make: func(at time.Time) (exchange.Attempt, error) {
			headers, err := a.Sign(at, format)
			if err != nil {
				return exchange.Attempt{}, err
			}
			// The names as PAVE's pages spell them: Set would change API-Key to Api-Key.
			header := http.Header{
				HeaderAPIKey:       {headers.APIKey},
				HeaderAPIToken:     {headers.APIToken},
				HeaderAPITimestamp: {headers.APITimestamp},
			}
			return exchange.Attempt{Method: http.MethodGet, URL: a.BaseURL + checkPath, Header: header}, nil
		},
	})
}

// mayBeTheFormat reports whether a timestamp in the wrong format may get a status.
func mayBeTheFormat(status int) bool {
	return slices.Contains([]int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusUnprocessableEntity, http.StatusInternalServerError,
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
