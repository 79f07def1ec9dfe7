package infinity

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
)

// asked is when the answers below were asked for.
var asked = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Each way in which success and expiry are spelled.
func TestParseAnswerLife(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]time.Duration{
		`"token":"t","csrf":"c","expires":"Fri, 02 Jan 2026 03:24:05 GMT","expiresIn":1800`: 30 * time.Minute,
		`"token":"t","expiresIn":900`:                                               15 * time.Minute,
		`"token":"t","expiresIn":3.5`:                                               3500 * time.Millisecond,
		`"token":"t","expiresIn":86400`:                                             24 * time.Hour,
		`"token":"t","expires":"Fri, 02 Jan 2026 03:24:05 GMT"`:                     20 * time.Minute,
		`"token":"t","expires":"Fri, 02 Jan 2026 03:24:05 GMT","expiresIn":null`:    20 * time.Minute,
		`"token":"t","expires":"Fri, 02 Jan 2026 03:24:05 GMT","expiresIn":"1800"`:  20 * time.Minute,
		`"token":"t","expires":"Fri, 02 Jan 2026 03:24:05 GMT","expiresIn":1800000`: 20 * time.Minute, // milliseconds
		`"token":"t","expires":"Mon, 14 Oct 2030 07:20:18 GMT"`:                     30 * time.Minute, // more than a day away
		`"token":"t","expires":1767324245`:                                          30 * time.Minute,
		`"token":"t","expires":"soon"`:                                              30 * time.Minute,
		`"token":"t"`:                                                               30 * time.Minute,
		`"token":"t","later":{"field":1}`:                                           30 * time.Minute,
	} {
		for _, success := range []string{`"success":true,`, ``} {
			text, life, fault := parseAnswer([]byte(`{`+success+`"data":{`+data+`}}`), exchange.Timing{Asked: asked})
			require.Empty(t, fault, data)
			require.Equal(t, "t", text)
			require.Equal(t, want, life, data)
		}
	}
}

// A clock that is an hour slow does not make a token live longer than the portal says by its own clock.
func TestParseAnswerLifeWithASlowClock(t *testing.T) {
	t.Parallel()
	body := []byte(`{"success":true,"data":{"token":"t","expires":"Fri, 02 Jan 2026 04:34:05 GMT"}}`)
	_, life, _ := parseAnswer(body, exchange.Timing{Asked: asked, Date: asked.Add(time.Hour)})
	require.Equal(t, 30*time.Minute, life)
	_, life, _ = parseAnswer(body, exchange.Timing{Asked: asked, Date: asked.Add(-time.Hour)})
	require.Equal(t, 90*time.Minute, life)
}

// Each way in which failure is spelled, and what is no answer to a login.
func TestParseAnswerFaults(t *testing.T) {
	t.Parallel()
	for fault, bodies := range map[string][]string{
		"it rejects the credentials": {
			`{"success":false}`, `{"success":false,"message":"Authentication required","forceLogout":true}`, `{"success":false,"data":{"token":"t"}}`,
		},
		"the body is not the JSON of a login": {
			``, `<html>`, `[]`, `"t"`, `{"success":"true","data":{"token":"t"}}`, `{"data":[]}`, `{"data":{"token":1}}`, `{"success":true`,
		},
		"the body has no token":            {`{}`, `null`, `{"success":true}`, `{"success":true,"data":{}}`, `{"success":true,"data":null}`, `{"token":"t"}`},
		"the token has more than 16 KiB":   {`{"success":true,"data":{"token":"` + strings.Repeat("t", 16<<10+1) + `"}}`},
		"what it calls a token is not one": {`{"success":true,"data":{"token":"a b"}}`, `{"success":true,"data":{"token":"a\r\nb"}}`, `{"success":true,"data":{"token":"ä"}}`},
		"the token has expired, or is about to (is this server's clock right?)": {
			`{"success":true,"data":{"token":"t","expiresIn":0}}`, `{"success":true,"data":{"token":"t","expiresIn":-1800}}`,
			`{"success":true,"data":{"token":"t","expiresIn":2.9}}`, `{"success":true,"data":{"token":"t","expires":"Fri, 02 Jan 2026 03:04:05 GMT"}}`,
		},
	} {
		for _, body := range bodies {
			text, life, got := parseAnswer([]byte(body), exchange.Timing{Asked: asked})
			require.Equal(t, fault, got, "%.60s", body)
			require.Empty(t, text)
			require.Zero(t, life)
		}
	}
	_, _, fault := parseAnswer([]byte(`{"success":true,"data":{"token":"`+strings.Repeat("t", 16<<10)+`"}}`), exchange.Timing{Asked: asked})
	require.Empty(t, fault)
}

// What is accepted can be sent in a header, and lives from three seconds to a day.
func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"success":true,"data":{"token":"t","csrf":"c","expires":"Fri, 02 Jan 2026 03:24:05 GMT","expiresIn":1800}}`))
	f.Add([]byte(`{"success":false,"message":"no"}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		text, life, fault := parseAnswer(body, exchange.Timing{Asked: asked})
		if fault != "" {
			require.Empty(t, text)
			return
		}
		require.Regexp(t, `^[!-~]+$`, text)
		require.LessOrEqual(t, len(text), 16<<10)
		require.True(t, life >= 3*time.Second && life <= 24*time.Hour, "%s", life)
	})
}

// login logs in at a server, with a secret that no error may contain.
func login(t *testing.T, gateway string) (api.Report, error) {
	t.Helper()
	account := Account{ClientID: "client-<&>", AccessKey: `canary-key-"\`, Gateway: gateway, Timeout: 20 * time.Second}
	return account.Login(t.Context(), api.Caller{Client: exchange.Client{Now: time.Now, Pause: time.Millisecond}}, "")
}

// The key is sent in a POST, as JSON, and the life is counted from before the request.
func TestLoginSendsTheKey(t *testing.T) {
	t.Parallel()
	var sent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("Accept"), "\n", string(body))
		_, _ = io.WriteString(w, `{"success":true,"data":{"token":"t","expiresIn":900}}`)
	}))
	t.Cleanup(server.Close)
	before := time.Now()
	got, err := login(t, server.URL)
	require.NoError(t, err)
	line, body, _ := strings.Cut(sent, "\n")
	require.Equal(t, "POST /auth/external application/json application/json", line)
	require.JSONEq(t, `{"clientId":"client-<&>","accessKey":"canary-key-\"\\"}`, body)
	require.Equal(t, "t", got.Token.Value.Reveal())
	require.Equal(t, 15*time.Minute, got.Token.Life())
	require.False(t, got.Token.AskedAt.Before(before))
	require.Equal(t, http.StatusOK, got.Status)
}

// A failure with status 200 is a refusal; a web page is nonsense.
func TestLoginErrors(t *testing.T) {
	t.Parallel()
	for body, test := range map[string]struct {
		kind exchange.Kind
		text string
	}{
		`{"success":false,"message":"canary-of-the-vendor"}`: {exchange.Refused, "status 200: it rejects the credentials"},
		`<html>canary-of-the-vendor`:                         {exchange.Nonsense, "status 200: the body is not the JSON of a login (content type text/html)"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		t.Cleanup(server.Close)
		_, err := login(t, server.URL)
		var failure *exchange.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, test.kind, failure.Kind)
		require.ErrorContains(t, err, test.text)
		require.NotContains(t, err.Error(), "canary")
	}
}

// The raw key is in the body, so no redirect is followed: not to another host, and not to http.
func TestLoginFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Error("redirected to", r.Host) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 307, 308} {
		for _, target := range []string{elsewhere.URL + "/auth/external", "http://portal.invalid/auth/external", "/elsewhere"} {
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				http.Redirect(w, r, target, status)
			}))
			t.Cleanup(server.Close)
			_, err := login(t, server.URL)
			require.ErrorContains(t, err, fmt.Sprintf("status %d: a redirect, which is not followed", status))
			require.NotContains(t, err.Error(), "canary")
			require.Equal(t, 1, calls)
		}
	}
}
