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
	const expires = `"expires":"Fri, 02 Jan 2026 03:24:05 GMT"`
	for name, test := range map[string]struct {
		data string // beside the token
		want time.Duration
	}{
		"both":                           {`"csrf":"c",` + expires + `,"expiresIn":1800`, 30 * time.Minute},
		"expiresIn":                      {`"expiresIn":900`, 15 * time.Minute},
		"expiresIn with decimals":        {`"expiresIn":3.5`, 3500 * time.Millisecond},
		"expiresIn of a day":             {`"expiresIn":86400`, 24 * time.Hour},
		"expires":                        {expires, 20 * time.Minute},
		"expiresIn null":                 {expires + `,"expiresIn":null`, 20 * time.Minute},
		"expiresIn as a text":            {expires + `,"expiresIn":"1800"`, 20 * time.Minute},
		"expiresIn in milliseconds":      {expires + `,"expiresIn":1800000`, 20 * time.Minute},
		"expires more than a day away":   {`"expires":"Mon, 14 Oct 2030 07:20:18 GMT"`, 30 * time.Minute},
		"expires as a number":            {`"expires":1767324245`, 30 * time.Minute},
		"expires as a word":              {`"expires":"soon"`, 30 * time.Minute},
		"neither":                        {``, 30 * time.Minute},
		"fields of a later portal alone": {`"later":{"field":1}`, 30 * time.Minute},
	} {
		for title, success := range map[string]string{"alone": "", "with success": `"success":true,`} {
			t.Run(name+" "+title, func(t *testing.T) {
				t.Parallel()
				body := strings.Replace(`{`+success+`"data":{"token":"t",`+test.data+`}}`, `,}`, `}`, 1)
				text, life, fault := parseAnswer([]byte(body), exchange.Timing{Asked: asked})
				require.Empty(t, fault)
				require.Equal(t, "t", text)
				require.Equal(t, test.want, life)
			})
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
	const (
		rejects = "it rejects the credentials"
		noJSON  = "the body is not the JSON of a login"
		none    = "the body has no token"
		noToken = "what it calls a token is not one"
		expired = "the token has expired, or is about to (is this server's clock right?)"
	)
	token := func(more string) string { return `{"success":true,"data":{"token":"t",` + more + `}}` }
	long := `{"success":true,"data":{"token":"` + strings.Repeat("t", 16<<10+1) + `"}}`
	for name, test := range map[string]struct{ body, fault string }{
		"a failure":                  {`{"success":false}`, rejects},
		"a failure with a message":   {`{"success":false,"message":"Authentication required","forceLogout":true}`, rejects},
		"a failure with a token":     {`{"success":false,"data":{"token":"t"}}`, rejects},
		"nothing":                    {``, noJSON},
		"a web page":                 {`<html>`, noJSON},
		"a list":                     {`[]`, noJSON},
		"a text":                     {`"t"`, noJSON},
		"success as a text":          {`{"success":"true","data":{"token":"t"}}`, noJSON},
		"a list of data":             {`{"data":[]}`, noJSON},
		"a number for a token":       {`{"data":{"token":1}}`, noJSON},
		"cut off":                    {`{"success":true`, noJSON},
		"an empty object":            {`{}`, none},
		"null":                       {`null`, none},
		"success alone":              {`{"success":true}`, none},
		"no data":                    {`{"success":true,"data":{}}`, none},
		"null for data":              {`{"success":true,"data":null}`, none},
		"a token in the wrong place": {`{"token":"t"}`, none},
		"more than 16 KiB":           {long, "the token has more than 16 KiB"},
		"a space in a token":         {`{"success":true,"data":{"token":"a b"}}`, noToken},
		"line feeds in a token":      {`{"success":true,"data":{"token":"a\r\nb"}}`, noToken},
		"a token beyond ASCII":       {`{"success":true,"data":{"token":"ä"}}`, noToken},
		"expired":                    {token(`"expiresIn":0`), expired},
		"expired long ago":           {token(`"expiresIn":-1800`), expired},
		"about to expire":            {token(`"expiresIn":2.9`), expired},
		"expired by a date":          {token(`"expires":"Fri, 02 Jan 2026 03:04:05 GMT"`), expired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, life, got := parseAnswer([]byte(test.body), exchange.Timing{Asked: asked})
			require.Equal(t, test.fault, got)
			require.Empty(t, text)
			require.Zero(t, life)
		})
	}
	longest := `{"success":true,"data":{"token":"` + strings.Repeat("t", 16<<10) + `"}}`
	_, _, fault := parseAnswer([]byte(longest), exchange.Timing{Asked: asked})
	require.Empty(t, fault)
}

// What is accepted can be sent in a header, and lives from three seconds to a day.
func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"success":true,"data":{"token":"t","expires":"Fri, 02 Jan 2026 03:24:05 GMT","expiresIn":1800}}`))
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
		sent = fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("Accept"), "\n",
			string(body))
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
	for name, test := range map[string]struct {
		body string
		kind exchange.Kind
		text string
	}{
		"a failure": {
			body: `{"success":false,"message":"canary-of-the-vendor"}`,
			kind: exchange.Refused,
			text: "status 200: it rejects the credentials",
		},
		"a web page": {
			body: `<html>canary-of-the-vendor`,
			kind: exchange.Nonsense,
			text: "status 200: the body is not the JSON of a login (content type text/html)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, test.body)
			}))
			t.Cleanup(server.Close)
			_, err := login(t, server.URL)
			var failure *exchange.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, test.kind, failure.Kind)
			require.ErrorContains(t, err, test.text)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

// The raw key is in the body, so no redirect is followed: not to another host, and not to http.
func TestLoginFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Error("redirected to", r.Host)
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 307, 308} {
		for name, target := range map[string]string{
			"another host": elsewhere.URL + "/auth/external",
			"http":         "http://portal.invalid/auth/external",
			"another path": "/elsewhere",
		} {
			t.Run(fmt.Sprint(status, " to ", name), func(t *testing.T) {
				t.Parallel()
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
			})
		}
	}
}
