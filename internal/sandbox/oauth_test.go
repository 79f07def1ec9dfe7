package sandbox_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// asForm are the headers of a login with a form, and with basic also those of Basic, as openssl base64 writes it.
func asForm(basic string) map[string]string {
	headers := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	if basic != "" {
		headers["Authorization"] = "Basic " + basic
	}
	return headers
}

const (
	grant     = "grant_type=client_credentials"
	oauthForm = grant + "&client_id=sandbox-client&client_secret=sandbox-oauth-secret"
	// sandbox-client:sandbox-oauth-secret
	oauthBasic = "c2FuZGJveC1jbGllbnQ6c2FuZGJveC1vYXV0aC1zZWNyZXQ="
)

// oauthLogin logs in at the OAuth 2.0 server and returns its token.
func oauthLogin(t *testing.T, s http.Handler) string {
	t.Helper()
	status, body := send(s, http.MethodPost, "/oauth2/token", asForm(oauthBasic), grant)
	require.Equal(t, http.StatusOK, status, body)
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, "Bearer", answer.TokenType)
	require.Equal(t, 1200, answer.ExpiresIn)
	return answer.AccessToken
}

func TestOAuthTokenOpensTheAPIWhileItLives(t *testing.T) {
	t.Parallel()
	s := start(func(b *sandbox.Behaviour) { b.OAuthTokenLife = 20 * time.Minute })
	token := oauthLogin(t, s)
	require.Len(t, token, 52)
	another := oauthLogin(t, s)
	require.NotEqual(t, token, another)
	require.ElementsMatch(t, []string{token, another}, s.OAuthTokens())
	require.Equal(t, 2, s.OAuthLogins())

	call := func(token string) (int, string) {
		return send(s, http.MethodGet, "/oauth2/v1/orders", map[string]string{"Authorization": "Bearer " + token}, "")
	}
	status, body := call(token)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"orders":[]}`, body)
	require.True(t, s.Living(token))
	status, body = call("other")
	require.Equal(t, http.StatusUnauthorized, status)
	require.JSONEq(t, `{"error":"invalid_token"}`, body)
	s.Change(func(b *sandbox.Behaviour) { b.ClockOffset = 20 * time.Minute })
	status, _ = call(token)
	require.Equal(t, http.StatusUnauthorized, status, "it has expired")
}

func TestOAuthClientShowsItsSecret(t *testing.T) {
	t.Parallel()
	const path, client, request, other = "/oauth2/token", "invalid_client", "invalid_request", "unsupported_grant_type"
	for name, test := range map[string]struct{ basic, form, code string }{
		"Basic": {oauthBasic, grant + "&scope=a%20b", ""},
		"form":  {"", oauthForm, ""},
		// sandbox%2Dclient:sandbox-oauth-secret
		"Basic, encoded": {"c2FuZGJveCUyRGNsaWVudDpzYW5kYm94LW9hdXRoLXNlY3JldA==", grant, ""},
		// sandbox-client:%zz
		"Basic, badly encoded": {"c2FuZGJveC1jbGllbnQ6JXp6", grant, client},
		// sandbox-client:sandbox-oauth-secreT
		"a wrong secret by Basic": {"c2FuZGJveC1jbGllbnQ6c2FuZGJveC1vYXV0aC1zZWNyZVQ=", grant, client},
		"a wrong secret":          {"", oauthForm + "x", client},
		"no secret":               {"", grant + "&client_id=sandbox-client", client},
		"no client":               {"", grant, client},
		"another client":          {"", strings.Replace(oauthForm, "-client", "", 1), client},
		"both ways":               {oauthBasic, oauthForm, client},
		"an assertion too":        {oauthBasic, grant + "&client_assertion=x", client},
		"another grant":           {oauthBasic, "grant_type=password", other},
		"no grant":                {oauthBasic, "", other},
		"twice the grant":         {oauthBasic, grant + "&" + grant, request},
		"a broken form":           {oauthBasic, grant + "&a=%zz", request},
		"a large form":            {oauthBasic, grant + "&a=" + strings.Repeat("x", 1<<16), request},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(nil)
			status, body := send(s, http.MethodPost, path, asForm(test.basic), test.form)
			require.Equal(t, 1, s.OAuthLogins(), "failed logins count")
			if test.code == "" {
				require.Equal(t, http.StatusOK, status, body)
				require.Len(t, s.OAuthTokens(), 1)
				return
			}
			want := map[string]int{client: http.StatusUnauthorized}[test.code]
			require.Equal(t, cmp.Or(want, http.StatusBadRequest), status, body)
			require.JSONEq(t, `{"error":"`+test.code+`"}`, body)
			require.Empty(t, s.OAuthTokens())
		})
	}
	status, _ := send(start(nil), http.MethodPost, path, map[string]string{"Content-Type": "application/json"}, oauthForm)
	require.Equal(t, http.StatusBadRequest, status, "not a form")
	status, _ = send(start(nil), http.MethodPut, path, asForm(oauthBasic), grant)
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestOAuthFaults(t *testing.T) {
	t.Parallel()
	for fault, status := range map[sandbox.Fault]int{
		sandbox.Refuse: http.StatusUnauthorized,
		sandbox.Limit:  http.StatusTooManyRequests,
		sandbox.Break:  http.StatusInternalServerError,
	} {
		s := start(nil)
		got, body := send(s, http.MethodPost, "/oauth2/token", asForm(oauthBasic), grant)
		require.Equal(t, http.StatusOK, got, body)
		s.Change(func(b *sandbox.Behaviour) { b.Fault = fault })
		got, body = send(s, http.MethodPost, "/oauth2/token", asForm(oauthBasic), grant)
		require.Equal(t, status, got, body)
		headers := map[string]string{"Authorization": "Bearer " + s.OAuthTokens()[0]}
		got, _ = send(s, http.MethodGet, "/oauth2/v1/orders", headers, "")
		require.Equal(t, status, got)
	}
}
