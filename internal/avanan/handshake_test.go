package avanan_test

import (
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
		"a web page":                   {upstreamtest.Body("<html>" + upstreamtest.Canary), "not a token (content type text/html)"},
		"JSON":                         {upstreamtest.Body(`{"token":"` + upstreamtest.Canary + `"}`), "not a token (content type text/plain)"},
		"nothing":                      {upstreamtest.Body(""), "the body is empty"},
		"more than 16 KiB":             {upstreamtest.Body(strings.Repeat("a", 16<<10+1)), "more than 16 KiB"},
		"a token that has expired":     {upstreamtest.Body("eyJhbGciOiJub25lIn0.eyJleHAiOjF9."), "the token has expired"},
		"a token with a line break in": {upstreamtest.Body("a.b\r\n.c"), "the body is not a token"},
		"500":                          {upstreamtest.Status(500), "status 500: server error, or it rejects this date_format"},
		"503":                          {upstreamtest.Status(503), "status 503: server error"},
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

// Each attempt of a handshake has the five headers, with its own id and date, so that a retry is not taken for a replay.
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
		secretKey  secret.Text
		appID      string
		found      avanan.DateFormat // "" if the handshake fails
		handshakes int
		status     int
	}{
		"auto finds zoneless":                  {sandbox.Zoneless, avanan.Auto, secretKey, "US:myapp29", avanan.Zoneless, 1, 0},
		"auto finds zulu":                      {sandbox.Zulu, avanan.Auto, secretKey, "US:myapp29", avanan.Zulu, 2, 0},
		"auto begins with zoneless":            {sandbox.Both, avanan.Auto, secretKey, "US:myapp29", avanan.Zoneless, 1, 0},
		"zoneless is kept to":                  {sandbox.Zoneless, avanan.Zoneless, secretKey, "US:myapp29", avanan.Zoneless, 1, 0},
		"zulu is kept to":                      {sandbox.Zulu, avanan.Zulu, secretKey, "US:myapp29", avanan.Zulu, 1, 0},
		"zoneless where zulu is wanted":        {sandbox.Zulu, avanan.Zoneless, secretKey, "US:myapp29", "", 1, 400},
		"a wrong secret, zoneless wanted":      {sandbox.Zoneless, avanan.Auto, "canary-wrong", "US:myapp29", "", 1, 403},
		"a wrong secret, zulu wanted":          {sandbox.Zulu, avanan.Auto, "canary-wrong", "US:myapp29", "", 2, 403},
		"an unknown app, zoneless wanted":      {sandbox.Zoneless, avanan.Auto, secretKey, "US:other", "", 4, 400},
		"an unknown app, zulu wanted":          {sandbox.Zulu, avanan.Auto, secretKey, "US:other", "", 2, 400},
		"a secret that is not ASCII":           {sandbox.Zoneless, avanan.Auto, "geheim-Schlüssel", "US:myapp29", avanan.Zoneless, 1, 0},
		"zulu where zoneless is wanted fails":  {sandbox.Zoneless, avanan.Zulu, secretKey, "US:myapp29", "", 3, 500},
		"zoneless where both are taken is one": {sandbox.Both, avanan.Zoneless, secretKey, "US:myapp29", avanan.Zoneless, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behaviour := sandbox.Default()
			behaviour.AvananAppID, behaviour.AvananSecretKey, behaviour.AvananDates = "US:myapp29", secretKey, test.dates
			if !strings.HasPrefix(test.secretKey.Reveal(), "canary") {
				behaviour.AvananSecretKey = test.secretKey.Reveal()
			}
			vendor := sandbox.New(behaviour, time.Now, io.Discard)
			server := httptest.NewServer(vendor)
			t.Cleanup(server.Close)
			with := account(server.URL, test.format)
			with.SecretKey, with.AppID = test.secretKey, test.appID
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
			behaviour := sandbox.Default()
			behaviour.AvananAppID, behaviour.AvananSecretKey, behaviour.AvananDates = "US:myapp29", secretKey, dates
			vendor := sandbox.New(behaviour, time.Now, io.Discard)
			server := httptest.NewServer(vendor)
			t.Cleanup(server.Close)
			_, err := account(server.URL, avanan.Auto).Login(t.Context(), newCaller(), string(first))
			require.NoError(t, err)
			require.Equal(t, want, vendor.Handshakes(), "%q against %q", first, dates)
		}
	}
}

// With Auto, a 500 makes the handshake try the other format instead of a retry. If one format gets a refusal and the other an
// outage, the error is the refusal.
func TestHandshakeDiscoveryWeighsAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers  []http.HandlerFunc
		kind     exchange.Kind
		status   int
		attempts int
	}{
		"500 to both, then well":     {[]http.HandlerFunc{upstreamtest.Status(500), upstreamtest.Status(500), upstreamtest.Body("a.b.c")}, 0, 0, 3},
		"500 always":                 {[]http.HandlerFunc{upstreamtest.Status(500)}, exchange.Unavailable, 500, 4},
		"400, then 500":              {[]http.HandlerFunc{upstreamtest.Status(400), upstreamtest.Status(500)}, exchange.Refused, 400, 4},
		"500, then 400":              {[]http.HandlerFunc{upstreamtest.Status(500), upstreamtest.Status(400)}, exchange.Refused, 400, 2},
		"403 is no matter of format": {[]http.HandlerFunc{upstreamtest.Status(403)}, exchange.Refused, 403, 1},
		"503 is no matter of format": {[]http.HandlerFunc{upstreamtest.Status(503)}, exchange.Unavailable, 503, 3},
		"500, then limited":          {[]http.HandlerFunc{upstreamtest.Status(500), upstreamtest.Status(429, "Retry-After", "3600")}, exchange.Limited, 429, 2},
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
	server := upstreamtest.New(t, upstreamtest.Status(500))
	server.Start()
	for good := range 2 {
		caller, made := newCaller(), 0
		caller.NewID = func() (string, error) {
			if made++; made > good {
				return "", io.ErrUnexpectedEOF
			}
			return uuid.NewString(), nil
		}
		_, err := account(server.URL, avanan.Zoneless).Login(t.Context(), caller, "")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}
