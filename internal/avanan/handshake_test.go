package avanan_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
)

// No error may contain a secret or anything that the vendor sent.
const secretKey = "canary-secret-key"

// newCaller makes a caller with short pauses, so that tests are fast.
func newCaller() api.Caller {
	return api.Caller{
		Client: exchange.Client{Now: time.Now, Pause: time.Millisecond},
		NewID:  func() (string, error) { return uuid.NewString(), nil },
	}
}

// handshake does a handshake with a long deadline.
func handshake(t *testing.T, account avanan.Account) (api.Report, error) {
	t.Helper()
	return account.Login(t.Context(), newCaller(), "")
}

func account(baseURL string, format avanan.DateFormat) avanan.Account {
	return avanan.Account{
		Credentials: avanan.Credentials{AppID: "US:myapp29", SecretKey: secretKey},
		BaseURL:     baseURL,
		DateFormat:  format,
		Timeout:     20 * time.Second,
	}
}

func TestHandshakeGivesAToken(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, upstreamtest.Body("\"a.b.c\"\n"))
	server.Start()
	before := time.Now()
	got, err := handshake(t, account(server.URL, avanan.Zoneless))
	require.NoError(t, err)
	require.Equal(t, "a.b.c", got.Token.Value.Reveal())
	require.Equal(t, "zoneless", got.Token.Format)
	require.False(t, got.Token.AskedAt.Before(before), "by the clock of the request")
	require.Equal(t, time.Hour, got.Token.Life(), "counted from the request")
	require.Equal(t, http.StatusOK, got.Status)
	require.Equal(t, got.Token.AskedAt, got.Timing.Asked)
}

// An answer that is not a token is an error, which does not quote it.
func TestHandshakeRejectsNonsense(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		reason string
	}{
		"a web page": {
			upstreamtest.Body("<html>" + upstreamtest.Canary), "not a token (content type text/html)",
		},
		"JSON": {
			upstreamtest.Body(`{"token":"` + upstreamtest.Canary + `"}`), "not a token (content type text/plain)",
		},
		"nothing":                      {upstreamtest.Body(""), "the body is empty"},
		"more than 16 KiB":             {upstreamtest.Body(strings.Repeat("a", 16<<10+1)), "more than 16 KiB"},
		"a token that has expired":     {upstreamtest.Body("eyJhbGciOiJub25lIn0.eyJleHAiOjF9."), "the token has expired"},
		"a token with a line break in": {upstreamtest.Body("a.b\r\n.c"), "the body is not a token"},
		"500": {
			upstreamtest.Status(500), "status 500: server error, or it rejects this date_format",
		},
		"503": {upstreamtest.Status(503), "status 503: server error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, test.answer)
			server.Start()
			got, err := handshake(t, account(server.URL, avanan.Zoneless))
			var failure *exchange.Error
			require.ErrorAs(t, err, &failure)
			require.ErrorContains(t, err, test.reason)
			require.NotContains(t, err.Error(), "canary")
			require.Zero(t, got)
		})
	}
}

// Each attempt of a handshake has the five headers, with its own id and date, so that a retry is not taken for a
// replay.
func TestHandshakeSignsEachAttemptAnew(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, upstreamtest.Status(500), upstreamtest.Status(500), upstreamtest.Body("a.b.c"))
	server.Start()
	_, err := handshake(t, account(server.URL, avanan.Zoneless))
	require.NoError(t, err)
	ids, dates := map[string]bool{}, map[string]bool{}
	for _, header := range server.Headers() {
		ids[header.Get("x-av-req-id")] = true
		dates[header.Get("x-av-date")] = true
		require.Equal(t, "US:myapp29", header.Get("x-av-app-id"))
		require.Regexp(t, "^[0-9a-f]{64}$", header.Get("x-av-sig"))
		require.Equal(t, []string{""}, header.Values("x-av-token"))
		require.Equal(t, "*/*", header.Get("Accept"))
	}
	require.Len(t, ids, 3)
	require.Len(t, dates, 3)
}

// The sandbox checks what is sent. Each row says which format a handshake finds, and with how many calls.
func TestHandshakeDiscoversTheDateFormat(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dates      sandbox.Dates
		format     avanan.DateFormat
		secretKey  secret.Text       // "" for secretKey
		appID      string            // "" for US:myapp29
		found      avanan.DateFormat // "" if the handshake fails
		handshakes int
		status     int
	}{
		"auto finds zoneless": {
			dates: sandbox.Zoneless, format: avanan.Auto, found: avanan.Zoneless, handshakes: 1,
		},
		"auto finds zulu": {
			dates: sandbox.Zulu, format: avanan.Auto, found: avanan.Zulu, handshakes: 2,
		},
		"auto begins with zoneless": {
			dates: sandbox.Both, format: avanan.Auto, found: avanan.Zoneless, handshakes: 1,
		},
		"zoneless is kept to": {
			dates: sandbox.Zoneless, format: avanan.Zoneless, found: avanan.Zoneless, handshakes: 1,
		},
		"zulu is kept to": {
			dates: sandbox.Zulu, format: avanan.Zulu, found: avanan.Zulu, handshakes: 1,
		},
		"zoneless where zulu is wanted": {
			dates: sandbox.Zulu, format: avanan.Zoneless, handshakes: 1, status: 400,
		},
		"a wrong secret, zoneless wanted": {
			dates: sandbox.Zoneless, format: avanan.Auto, secretKey: "canary-wrong", handshakes: 1, status: 403,
		},
		"a wrong secret, zulu wanted": {
			dates: sandbox.Zulu, format: avanan.Auto, secretKey: "canary-wrong", handshakes: 2, status: 403,
		},
		"an unknown app, zoneless wanted": {
			dates: sandbox.Zoneless, format: avanan.Auto, appID: "US:other", handshakes: 4, status: 400,
		},
		"an unknown app, zulu wanted": {
			dates: sandbox.Zulu, format: avanan.Auto, appID: "US:other", handshakes: 2, status: 400,
		},
		"a secret that is not ASCII": {
			dates: sandbox.Zoneless, format: avanan.Auto, secretKey: "geheim-Schlüssel", found: avanan.Zoneless, handshakes: 1,
		},
		"zulu where zoneless is wanted fails": {
			dates: sandbox.Zoneless, format: avanan.Zulu, handshakes: 3, status: 500,
		},
		"zoneless where both are taken is one": {
			dates: sandbox.Both, format: avanan.Zoneless, found: avanan.Zoneless, handshakes: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behaviour := sandbox.Default()
			behaviour.AvananAppID, behaviour.AvananSecretKey, behaviour.AvananDates = "US:myapp29", secretKey, test.dates
			if test.secretKey != "canary-wrong" && test.secretKey != "" {
				behaviour.AvananSecretKey = test.secretKey.Reveal()
			}
			vendor := sandbox.New(behaviour, time.Now, io.Discard)
			server := httptest.NewServer(vendor)
			t.Cleanup(server.Close)
			with := account(server.URL, test.format)
			if test.secretKey != "" {
				with.SecretKey = test.secretKey
			}
			if test.appID != "" {
				with.AppID = test.appID
			}
			got, err := handshake(t, with)
			require.Equal(t, test.handshakes, vendor.Handshakes())
			if test.found == "" {
				var failure *exchange.Error
				require.ErrorAs(t, err, &failure)
				require.Equal(t, test.status, failure.Status)
				require.NotContains(t, err.Error(), "canary")
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.found, avanan.DateFormat(got.Token.Format))
		})
	}
}

// The format that worked last is tried first, then the other one.
func TestHandshakeTriesFirstWhatWorkedLast(t *testing.T) {
	t.Parallel()
	for first, handshakes := range map[avanan.DateFormat]map[sandbox.Dates]int{
		avanan.Zoneless: {sandbox.Zoneless: 1, sandbox.Both: 1, sandbox.Zulu: 2},
		avanan.Zulu:     {sandbox.Zulu: 1, sandbox.Both: 1, sandbox.Zoneless: 2},
		"":              {sandbox.Zoneless: 1, sandbox.Both: 1, sandbox.Zulu: 2},
	} {
		for dates, want := range handshakes {
			t.Run(fmt.Sprintf("%q against %q", first, dates), func(t *testing.T) {
				t.Parallel()
				behaviour := sandbox.Default()
				behaviour.AvananAppID, behaviour.AvananSecretKey, behaviour.AvananDates = "US:myapp29", secretKey, dates
				vendor := sandbox.New(behaviour, time.Now, io.Discard)
				server := httptest.NewServer(vendor)
				t.Cleanup(server.Close)
				_, err := account(server.URL, avanan.Auto).Login(t.Context(), newCaller(), string(first))
				require.NoError(t, err)
				require.Equal(t, want, vendor.Handshakes())
			})
		}
	}
}

// With Auto, a 500 makes the handshake try the other format instead of a retry. If one format gets a refusal and the
// other an outage, the error is the refusal.
func TestHandshakeDiscoveryWeighsAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers  []http.HandlerFunc
		kind     exchange.Kind
		status   int
		attempts int
	}{
		"500 to both, then well": {
			answers:  []http.HandlerFunc{upstreamtest.Status(500), upstreamtest.Status(500), upstreamtest.Body("a.b.c")},
			attempts: 3,
		},
		"500 always": {
			answers:  []http.HandlerFunc{upstreamtest.Status(500)},
			kind:     exchange.Unavailable,
			status:   500,
			attempts: 4,
		},
		"400, then 500": {
			answers:  []http.HandlerFunc{upstreamtest.Status(400), upstreamtest.Status(500)},
			kind:     exchange.Refused,
			status:   400,
			attempts: 4,
		},
		"500, then 400": {
			answers:  []http.HandlerFunc{upstreamtest.Status(500), upstreamtest.Status(400)},
			kind:     exchange.Refused,
			status:   400,
			attempts: 2,
		},
		"403 is no matter of format": {
			answers:  []http.HandlerFunc{upstreamtest.Status(403)},
			kind:     exchange.Refused,
			status:   403,
			attempts: 1,
		},
		"503 is no matter of format": {
			answers:  []http.HandlerFunc{upstreamtest.Status(503)},
			kind:     exchange.Unavailable,
			status:   503,
			attempts: 3,
		},
		"500, then limited": {
			answers:  []http.HandlerFunc{upstreamtest.Status(500), upstreamtest.Status(429, "Retry-After", "3600")},
			kind:     exchange.Limited,
			status:   429,
			attempts: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, test.answers...)
			server.Start()
			_, err := handshake(t, account(server.URL, avanan.Auto))
			require.Len(t, server.Headers(), test.attempts)
			if test.kind == 0 {
				require.NoError(t, err)
				return
			}
			var failure *exchange.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, test.kind, failure.Kind)
			require.Equal(t, test.status, failure.Status)
		})
	}
}

// If no id can be made, the handshake fails, at the first attempt or at a retry.
func TestHandshakeWithoutAnID(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]int{"at the first attempt": 0, "at a retry": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, upstreamtest.Status(500))
			server.Start()
			caller, made := newCaller(), 0
			caller.NewID = func() (string, error) {
				if made++; made > good {
					return "", io.ErrUnexpectedEOF
				}
				return uuid.NewString(), nil
			}
			_, err := account(server.URL, avanan.Zoneless).Login(t.Context(), caller, "")
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
}
