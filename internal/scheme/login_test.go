package scheme_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// loggingIn is client credentials (RFC 6749, section 4.4), with all that a login can declare except what excludes it.
// Its Authorization was made with python's base64 and urllib.parse.quote.
const loggingIn = `secrets: {client_secret: {}}
fields:
  client_id: {}
  scope: {optional: true, pattern: '.*'}
  login_address: {address: true, default: 'https://login.example/'}
login:
  address: login_address
  method: POST
  path: '"/oauth/token"'
  query: {api-version: '"1 0"', none: scope}
  headers: {Authorization: '"Basic " + base64(percent_encode(client_id) + ":" + percent_encode(client_secret))'}
  form: {grant_type: '"client_credentials"', scope: scope, at: now.unix()}
  answer:
    access_token: {pointer: /access_token}
    site: {pointer: /sites/1/id, max: 16}
  expect: {instance: {pointer: /instance, is: base_url}}
  refused: {pointer: /success, is: 'false'}
  life: {pointer: /expires_in}
  ttl: 1h
headers:
  Authorization: '"Bearer " + access_token'
values: {site_id: site}
examples:
  - secrets: {client_secret: 'made up/secret'}
    fields: {client_id: 'cl:id'}
    base_url: https://api.example
    now: 2026-01-02T03:04:05Z
    login:
      want:
        path: /oauth/token
        query: api-version=1%200
        headers: {Authorization: 'Basic Y2wlM0FpZDptYWRlJTIwdXAlMkZzZWNyZXQ='}
        form: grant_type=client_credentials&at=1767323045
      answer: >-
        {"access_token": "made-up-token", "expires_in": 3600, "sites": [{}, {"id": 42}], "instance": "https://api.example/x"}
      gives: {access_token: made-up-token, site: 42}
      life: 3600
    want: {Authorization: Bearer made-up-token, site_id: 42}
`

// loginWith is loggingIn with some of its text replaced.
func loginWith(t *testing.T, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, loggingIn, pairs[i])
	}
	return strings.NewReplacer(pairs...).Replace(loggingIn)
}

var loginValues = scheme.Values{
	Secrets: map[string]secret.Text{"client_secret": "c4nary/secret+"},
	Fields:  map[string]string{"client_id": "cl:id", "scope": "a b"},
	BaseURL: "https://api.example",
}

func newSigner(t *testing.T, text string) *scheme.Signer {
	t.Helper()
	signer, err := parsed(t, text).Signer(loginValues)
	require.NoError(t, err)
	return signer
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := parsed(t, loggingIn)
	require.NoError(t, s.CheckExamples())
	require.NoError(t, s.CheckHidden(loginValues))
	require.True(t, s.HasLogin())
	require.False(t, s.Exclusive())
	require.Equal(t, []string{"access_token", "site"}, s.Gives())
	require.Zero(t, s.TTL())
	signer := newSigner(t, loggingIn)
	require.Equal(t, "https://login.example", signer.LoginAddress())
	at := time.Unix(1767323045, 0)
	call, err := signer.Login(scheme.Moment{Now: at})
	require.NoError(t, err)
	require.Equal(t, http.MethodPost, call.Method)
	require.Equal(t, "https://login.example/oauth/token?api-version=1%200&none=a%20b", call.URL)
	require.Equal(t, "grant_type=client_credentials&scope=a%20b&at=1767323045", string(call.Body))
	require.Equal(t, http.Header{
		"Accept":        {"application/json"},
		"Content-Type":  {"application/x-www-form-urlencoded"},
		"Authorization": {"Basic Y2wlM0FpZDpjNG5hcnklMkZzZWNyZXQlMkI="},
	}, call.Header)
	gives, err := call.Read(scheme.LoginAnswer{
		Body: []byte(`{"access_token":"t","sites":[0,{"id":"s"}],"expires_in":"60"}`), At: at,
	})
	require.NoError(t, err)
	require.Equal(t, scheme.Gives{
		Values: map[string]secret.Text{"access_token": "t", "site": "s"}, Life: time.Minute,
	}, gives)
	signed, err := signer.Sign(scheme.Moment{Now: at, Gives: gives.Values}, nil)
	require.NoError(t, err)
	require.Equal(t, scheme.Signed{
		Headers: map[string]string{"Authorization": "Bearer t"}, Values: map[string]string{"site_id": "s"},
	}, signed)
}
