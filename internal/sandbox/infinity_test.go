package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// asJSON are the headers of a login.
var asJSON = map[string]string{"Content-Type": "application/json"}

const (
	portalLogin = `{"clientId":"sandbox-client","accessKey":"sandbox-infinity-key"}`
	portalCall  = "/app/hec-api/v1.0/scopes"
)

// portalAnswer is what the portal answers to a login.
type portalAnswer struct {
	Success bool
	Data    struct {
		Token, CSRF, Expires string
		ExpiresIn            int
	}
}

// portalToken logs in at the portal.
func portalToken(t *testing.T, s http.Handler) string {
	t.Helper()
	status, body := send(s, http.MethodPost, "/auth/external", asJSON, portalLogin)
	require.Equal(t, http.StatusOK, status)
	var answer portalAnswer
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.True(t, answer.Success, body)
	return answer.Data.Token
}

// portalHeaders are those of a call with a token.
func portalHeaders(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "x-av-req-id": "5b6f8b1c-6a58-4f0e-9f43-2f8c5d1f7a10"}
}

func TestInfinityLoginGivesAToken(t *testing.T) {
	t.Parallel()
	s := start(func(b *sandbox.Behaviour) { b.InfinityTokenLife = 20 * time.Minute })
	status, body := send(s, http.MethodPost, "/auth/external", asJSON, portalLogin)
	require.Equal(t, http.StatusOK, status)
	var answer portalAnswer
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.True(t, answer.Success)
	require.Equal(t, "Fri, 02 Jan 2026 03:24:05 GMT", answer.Data.Expires)
	require.Equal(t, 1200, answer.Data.ExpiresIn)
	require.Len(t, answer.Data.Token, 52)
	require.NotEmpty(t, answer.Data.CSRF)
	require.True(t, s.Living(answer.Data.Token))
	another := portalToken(t, s)
	require.NotEqual(t, answer.Data.Token, another)
	require.ElementsMatch(t, []string{answer.Data.Token, another}, s.InfinityTokens())
	require.Equal(t, 2, s.Logins())
}

// Failures with wrong credentials have status 200, as clients have seen it.
func TestInfinityLoginRefuses(t *testing.T) {
	t.Parallel()
	const failed = `{"success":false,"message":"Authentication failed"}`
	for name, test := range map[string]struct {
		method, contentType, login string
		status                     int
		body                       string
	}{
		"another client": {
			http.MethodPost, "application/json", `{"clientId":"other","accessKey":"sandbox-infinity-key"}`, http.StatusOK,
			failed,
		},
		"no client": {
			http.MethodPost, "application/json", `{"accessKey":"sandbox-infinity-key"}`, http.StatusOK, failed,
		},
		"a wrong key": {
			http.MethodPost, "application/json", `{"clientId":"sandbox-client","accessKey":"sandbox-infinity-kez"}`,
			http.StatusOK, failed,
		},
		"part of the key": {
			http.MethodPost, "application/json", `{"clientId":"sandbox-client","accessKey":"sandbox-infinity-ke"}`,
			http.StatusOK, failed,
		},
		"no key":        {http.MethodPost, "application/json", `{"clientId":"sandbox-client"}`, http.StatusOK, failed},
		"an empty body": {http.MethodPost, "application/json", ``, http.StatusBadRequest, `{"message":"Bad Request"}`},
		"a key in no text": {
			http.MethodPost, "application/json", `{"clientId":"sandbox-client","accessKey":1}`, http.StatusBadRequest,
			`{"message":"Bad Request"}`,
		},
		"a body too large": {
			http.MethodPost, "application/json", `{"clientId":"` + strings.Repeat("x", 1<<16) + `"}`,
			http.StatusBadRequest, `{"message":"Bad Request"}`,
		},
		"a form": {
			http.MethodPost, "application/x-www-form-urlencoded", portalLogin, http.StatusBadRequest,
			`{"message":"Bad Request"}`,
		},
		"no content type": {http.MethodPost, "", portalLogin, http.StatusBadRequest, `{"message":"Bad Request"}`},
		"another method": {
			http.MethodPut, "application/json", portalLogin, http.StatusMethodNotAllowed, `{"message":"Method Not Allowed"}`,
		},
		"a GET with a body": {
			http.MethodGet, "application/json", portalLogin, http.StatusMethodNotAllowed, `{"message":"Method Not Allowed"}`,
		},
	} {
		s := start(nil)
		headers := map[string]string{"Content-Type": test.contentType}
		status, body := send(s, test.method, "/auth/external", headers, test.login)
		require.Equal(t, test.status, status, name)
		require.JSONEq(t, test.body, body, name)
		require.Equal(t, 1, s.Logins(), "%s: failed logins count", name)
		require.Empty(t, s.InfinityTokens(), name)
	}
}

func TestInfinityCallRefuses(t *testing.T) {
	t.Parallel()
	const unauthorized = `{"success":false,"message":"Authentication required","forceLogout":true}`
	s := start(nil)
	token := portalToken(t, s)
	good := portalHeaders(token)
	for name, test := range map[string]struct {
		headers map[string]string
		status  int
		body    string
	}{
		"no token":               {without(good, "Authorization"), http.StatusUnauthorized, unauthorized},
		"an empty token":         {with(good, "Authorization", "Bearer "), http.StatusUnauthorized, unauthorized},
		"an unknown token":       {with(good, "Authorization", "Bearer "+token+"A"), http.StatusUnauthorized, unauthorized},
		"a token without Bearer": {with(good, "Authorization", token), http.StatusUnauthorized, unauthorized},
		"another scheme":         {with(good, "Authorization", "Basic "+token), http.StatusUnauthorized, unauthorized},
		"a JWT of Avanan's": {
			with(good, "Authorization", "Bearer "+login(t, s)), http.StatusUnauthorized, unauthorized,
		},
		"no request id":           {without(good, "x-av-req-id"), http.StatusBadRequest, `{"message":"Bad Request"}`},
		"a request id of no UUID": {with(good, "x-av-req-id", "rid-1"), http.StatusBadRequest, `{"message":"Bad Request"}`},
	} {
		status, body := send(s, http.MethodGet, portalCall, test.headers, "")
		require.Equal(t, test.status, status, name)
		require.JSONEq(t, test.body, body, name)
	}
	status, body := send(s, http.MethodGet, portalCall, good, "")
	require.Equal(t, http.StatusOK, status, body)
	status, _ = send(s, http.MethodGet, portalCall, good, "")
	require.Equal(t, http.StatusBadRequest, status, "a replay")
}

// Avanan does not take a token of the portal's either.
func TestAvananRefusesATokenOfThePortal(t *testing.T) {
	t.Parallel()
	s := start(nil)
	status, _ := send(s, http.MethodGet, taskTarget, callHeaders(taskSig, portalToken(t, s)), "")
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestInfinityTokenExpires(t *testing.T) {
	t.Parallel()
	clock := now
	s := sandbox.New(sandbox.Default(), func() time.Time { return clock }, io.Discard)
	token := portalToken(t, s)
	clock = now.Add(30*time.Minute - time.Second)
	status, body := send(s, http.MethodGet, portalCall, portalHeaders(token), "")
	require.Equal(t, http.StatusOK, status, body)
	clock = now.Add(30 * time.Minute)
	require.False(t, s.Living(token))
	headers := with(portalHeaders(token), "x-av-req-id", "1b4e28ba-2fa1-41d2-883f-0016d3cca427")
	status, _ = send(s, http.MethodGet, portalCall, headers, "")
	require.Equal(t, http.StatusUnauthorized, status)
}

// The portal has the endpoints of Avanan's API, below a path of its own.
func TestInfinityServesTheEndpointsOfAvanan(t *testing.T) {
	t.Parallel()
	for _, call := range avananCalls {
		requireMethods(t, call.methods, "/app/hec-api"+call.target, func() (*sandbox.Sandbox, map[string]string) {
			s := start(nil)
			return s, portalHeaders(portalToken(t, s))
		})
	}
	for _, target := range []string{
		"/app/hec-api/v1.0/other", "/app/hec-api/v1.0/", "/app/hec-api/v1.0/scopes/", "/app/hec-api/v1.0/event%2F1",
	} {
		requireMethods(t, "", target, func() (*sandbox.Sandbox, map[string]string) {
			s := start(nil)
			return s, portalHeaders(portalToken(t, s))
		})
	}
	s := start(nil)
	status, body := send(s, http.MethodGet, portalCall, portalHeaders(portalToken(t, s)), "")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"responseEnvelope":{"requestId":"sandbox","responseCode":200,"responseText":"Success"},`+
		`"responseData":["mt-prod-3:acme"]}`, body)
}

func TestFaultsApplyToThePortal(t *testing.T) {
	t.Parallel()
	for fault, want := range map[sandbox.Fault]struct{ login, call int }{
		sandbox.Refuse: {http.StatusOK, http.StatusUnauthorized},
		sandbox.Limit:  {http.StatusTooManyRequests, http.StatusTooManyRequests},
		sandbox.Break:  {http.StatusInternalServerError, http.StatusInternalServerError},
	} {
		s := start(nil)
		token := portalToken(t, s)
		s.Change(func(b *sandbox.Behaviour) { b.Fault = fault })
		status, body := send(s, http.MethodPost, "/auth/external", asJSON, portalLogin)
		require.Equal(t, want.login, status, fault)
		require.NotContains(t, body, `"success":true`)
		status, _ = send(s, http.MethodGet, portalCall, portalHeaders(token), "")
		require.Equal(t, want.call, status, fault)
	}
}

func TestPortalLogShowsNoKeyOrToken(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := sandbox.New(sandbox.Default(), func() time.Time { return now }, &log)
	send(s, http.MethodGet, portalCall+"?q=canary-query", portalHeaders(portalToken(t, s)), "")
	send(s, http.MethodPost, "/auth/external", asJSON, `{"clientId":"sandbox-client","accessKey":"canary-key"}`)
	send(s, http.MethodGet, portalCall, portalHeaders("canary-token"), "")
	require.Equal(t, `infinity POST "/auth/external" 200 a token
infinity GET "/app/hec-api/v1.0/scopes" 200 accepted
infinity POST "/auth/external" 200 wrong key
infinity GET "/app/hec-api/v1.0/scopes" 401 the bearer token is unknown or has expired
`, log.String())
}
