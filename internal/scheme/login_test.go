package scheme_test

import (
	"net/http"
	"strconv"
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
        {"access_token": "made-up-token", "expires_in": 3600, "sites": [{}, {"id": 42}],
        "instance": "https://api.example/x"}
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

// A client that proves itself with a JWT (RFC 7523, section 2.2). The assertion was made with openssl dgst -sha256
// -sign and testdata/keys/rsa.pem.
func TestLoginWithAPrivateKey(t *testing.T) {
	t.Parallel()
	text := `secrets: {private_key: {key: rsa}}
fields: {client_id: {}, login_address: {address: true}}
let:
  payload: >-
    "{\"iss\":" + json(client_id) + ",\"sub\":" + json(client_id) + ",\"aud\":" + json(login_address + "/oauth/token") +
    ",\"iat\":" + now.unix() + ",\"exp\":" + now.plus("5m").unix() + ",\"jti\":" + json(uuid) + "}"
  signed: 'base64url("{\"alg\":\"RS256\",\"typ\":\"JWT\"}") + "." + base64url(payload)'
login:
  address: login_address
  path: '"/oauth/token"'
  form:
    grant_type: '"client_credentials"'
    client_assertion_type: '"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"'
    client_assertion: signed + "." + base64url(rsa_sha256(private_key, signed))
  answer: {access_token: {pointer: /access_token}}
  life: [{pointer: /expires_in}, {jwt: access_token}]
  ttl: 1h
headers: {Authorization: '"Bearer " + access_token'}
examples:
  - name: made with openssl
    secrets: {private_key: ` + strconv.Quote(testKey(t, "rsa.pem")) + `}
    fields: {client_id: app-1, login_address: https://login.example}
    now: 2026-01-02T03:04:05Z
    uuid: 0b5d6ff5-5b9b-4f0a-9d3c-1a2b3c4d5e6f
    login:
      want:
        path: /oauth/token
        form: >-
          grant_type=client_credentials&client_assertion_type=` +
		`urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=` +
		"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhcHAtMSIsInN1YiI6ImFwcC0xIiwiYXVkIjoiaHR0cHM6Ly9sb2d" +
		"pbi5leGFtcGxlL29hdXRoL3Rva2VuIiwiaWF0IjoxNzY3MzIzMDQ1LCJleHAiOjE3NjczMjMzNDUsImp0aSI6IjBiNWQ2ZmY1LTV" +
		"iOWItNGYwYS05ZDNjLTFhMmIzYzRkNWU2ZiJ9.JkWmToBThixsmOyVSkeh499WXpFx_rXxvQwpdz3PhjSx4i8KjRvgQ5IV8YHN3W" +
		"11mdUUGhYhwkkaN0w-EuSX521Zlm1QxCz7nufHZXmSSKG2iVBkogzE_IYvJcde0f8HhkRhCGqGRjcgwxH-AU5yCwrbi3Rb4vHgdm" +
		"6pNSh6MGr7KqtYQAeA9o_tJ3dLPF95NqWC_1l-8CguEdaMjD6wYFKfK31lHh81rEouPGQ3ODV3V2tgp4eGIGEHjX5utj35uO1LHB" +
		"ugup2CLp6A3ey6RV8_su9i7a48fe_VaxAAgxCUTr6Obd3Pze4eZfJhQuIV7WTPl-xwpRVmkXFmCxGLFw"
	text += `
      answer: '{"access_token": "made-up"}'
      gives: {access_token: made-up}
      life: 3600
    want: {Authorization: Bearer made-up}
`
	require.NoError(t, parsed(t, text).CheckExamples())
	changed := strings.Replace(text, `"5m"`, `"6m"`, 1)
	require.ErrorContains(t, parsed(t, changed).CheckExamples(), "; it is made with rsa_sha256 of \"eyJhbGciOiJSUzI1NiIs")
	// An answer that gives the assertion back would let readers log in.
	signer, err := parsed(t, text).Signer(scheme.Values{
		Secrets: map[string]secret.Text{"private_key": secret.Text(testKey(t, "rsa.pem"))},
		Fields:  map[string]string{"client_id": "app-1", "login_address": "https://login.example"},
		BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	call, err := signer.Login(scheme.Moment{Now: asked, UUID: "u"})
	require.NoError(t, err)
	_, assertion, _ := strings.Cut(string(call.Body), "client_assertion=")
	require.Equal(t, 2, strings.Count(assertion, "."))
	_, err = call.Read(scheme.LoginAnswer{Body: []byte(`{"access_token":"` + assertion + `"}`), At: asked})
	require.EqualError(t, err, givesBack)
}
