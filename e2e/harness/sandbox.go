package harness

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// startSandbox starts the vendors' stand-ins for one test, with the tests' own secrets, and returns their URL.
func startSandbox(t *testing.T) (vendor *sandbox.Sandbox, url string) {
	t.Helper()
	behaviour := sandbox.Default()
	behaviour.PAVEAPISecret = PaveSecret
	behaviour.AvananSecretKey = AvananSecret
	behaviour.InfinityAccessKey = InfinitySecret
	behaviour.CustomSecret = CustomSecret
	behaviour.OAuthClientID, behaviour.OAuthClientSecret = OAuthClient, OAuthSecret
	vendor = sandbox.New(behaviour, time.Now, io.Discard)
	standIns.mu.Lock()
	standIns.all = append(standIns.all, vendor)
	standIns.mu.Unlock()
	standIn := httptest.NewServer(vendor)
	t.Cleanup(standIn.Close)
	return vendor, standIn.URL
}

// PaveValues are a config that PAVE's stand-in accepts.
func (m *Mount) PaveValues() Values {
	behaviour := sandbox.Default()
	return Values{
		"username":   behaviour.PAVEUsername,
		"api_key":    behaviour.PAVEAPIKey,
		"api_secret": PaveSecret,
		"base_url":   m.URL,
	}
}

// AvananValues are a config that Avanan's stand-in accepts.
func (m *Mount) AvananValues() Values {
	return Values{
		"region":     "us",
		"app_id":     sandbox.Default().AvananAppID,
		"secret_key": AvananSecret,
		"base_url":   m.URL,
	}
}

// InfinityValues are a config that the Infinity Portal's stand-in accepts.
func (m *Mount) InfinityValues() Values {
	return Values{
		"region":     "us",
		"client_id":  sandbox.Default().InfinityClientID,
		"access_key": InfinitySecret,
		"base_url":   m.URL,
	}
}

// CustomValues are a config of the API that the stand-in has for operators to declare. Its calls are signed.
func (m *Mount) CustomValues() Values {
	text, err := os.ReadFile(Path("examples/schemes/sandbox.yml"))
	require.NoError(m.T, err)
	return Values{"scheme": string(text), "secret": CustomSecret, "base_url": m.URL}
}

// OAuthValues are a config of the API whose tokens the stand-in for an OAuth 2.0 server gives.
func (m *Mount) OAuthValues() Values {
	return Values{
		"scheme":        "oauth2-client-credentials",
		"base_url":      m.URL,
		"token_address": m.URL,
		"token_path":    "/oauth2/token",
		"client_id":     OAuthClient,
		"client_secret": OAuthSecret,
	}
}

// WriteCustom writes a config of that API. The answer has a warning, because the scheme has an optional parameter.
func (m *Mount) WriteCustom(name string) {
	m.T.Helper()
	status, answer, text := m.Request(http.MethodPut, "config/custom/"+name, m.CustomValues())
	require.Equal(m.T, http.StatusOK, status, text)
	require.Len(m.T, answer.Warnings, 1)
}

// bodySchemes declare the same API with the body in the signature, and with a body of their own. openssl computed the
// signatures: printf '1767323045\nPOST\n/custom/v1/orders\n<sha256sum>' | openssl dgst -sha256 -hmac made-up
var bodySchemes = map[string]string{
	"signs": `secrets: {secret: {}}
request:
  method: {pattern: '[A-Z]{3,7}'}
  request_string: {}
  body: {pattern: '(?s).*', max: 65536, optional: true}
let: {sent: hex(sha256(body))}
headers:
  X-Time: now.unix()
  X-Signature: hex(hmac_sha256(secret, now.unix() + "\n" + method + "\n" + request_string + "\n" + sent))
ttl: 60s
examples:
  - secrets: {secret: made-up}
    request: {method: POST, request_string: /custom/v1/orders, body: '{}'}
    now: 2026-01-02T03:04:05Z
    want: {X-Signature: 06a5fe269212b09500dda243a905f1df382b7284d48542ac2874e033f2161fc0}
`,
	"answers": `secrets: {secret: {}}
request:
  method: {pattern: '[A-Z]{3,7}'}
  request_string: {}
  body_sha256: {pattern: '[0-9a-f]{64}', optional: true}
let:
  payload: '"at=" + now.unix() + "&given=" + body_sha256'
  sent: hex(sha256(payload))
headers:
  X-Time: now.unix()
  X-Signature: hex(hmac_sha256(secret, now.unix() + "\n" + method + "\n" + request_string + "\n" + sent))
body: {text: payload, content_type: '"application/x-www-form-urlencoded"'}
ttl: 60s
examples:
  - secrets: {secret: made-up}
    request:
      method: POST
      request_string: /custom/v1/orders
      body_sha256: 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
    now: 2026-01-02T03:04:05Z
    want: {X-Signature: 2322ab559137323cedbc3399f17df8b103f0904777d208d019bdaa812c4eb203}
`,
}

// WriteBodies writes configs of that API that sign bodies, and that answer them: signs and answers.
func (m *Mount) WriteBodies() {
	m.T.Helper()
	for name, text := range bodySchemes {
		given := Values{"scheme": text, "secret": CustomSecret, "base_url": m.URL}
		status, _, refused := m.Request(http.MethodPut, "config/custom/"+name, given)
		require.Equal(m.T, http.StatusOK, status, refused) // with warnings about what is optional
	}
}

// TokenVendor is a vendor whose tokens readers share.
type TokenVendor struct {
	Name string
	// Values are a config that its stand-in accepts, and Secret the field of the secret.
	Values Values
	Secret string
	// Exchanges counts the exchanges with its stand-in, and Live sets how long the tokens live that it issues from now on.
	Exchanges func() int
	Live      func(time.Duration)
}

// TokenVendors are the vendors whose tokens readers share, including the one of a declared login.
func (m *Mount) TokenVendors() []TokenVendor {
	return append(m.BuiltInTokenVendors(), TokenVendor{
		Name:      "custom",
		Values:    m.OAuthValues(),
		Secret:    "client_secret",
		Exchanges: m.Vendor.OAuthLogins,
		Live: func(life time.Duration) {
			m.Vendor.Change(func(b *sandbox.Behaviour) { b.OAuthTokenLife = life })
		},
	})
}

// Token is the token that an answer of creds/ has.
func Token(answer *api.Secret) string {
	if token, is := answer.Data["token"].(string); is {
		return token
	}
	headers, _ := answer.Data["headers"].(Values)
	bearer, _ := headers["Authorization"].(string)
	return strings.TrimPrefix(bearer, "Bearer ")
}

// BuiltInTokenVendors are those of them that the engine has built in.
func (m *Mount) BuiltInTokenVendors() []TokenVendor {
	return []TokenVendor{
		{
			Name:      "avanan",
			Values:    With(m.AvananValues(), Values{"date_format": "zoneless"}),
			Secret:    "secret_key",
			Exchanges: m.Vendor.Handshakes,
			Live: func(life time.Duration) {
				m.Vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = life })
			},
		},
		{
			Name:      "infinity",
			Values:    m.InfinityValues(),
			Secret:    "access_key",
			Exchanges: m.Vendor.Logins,
			Live: func(life time.Duration) {
				m.Vendor.Change(func(b *sandbox.Behaviour) { b.InfinityTokenLife = life })
			},
		},
	}
}

// WriteShortLived writes configs pave/main, avanan/us, infinity/us, custom/us and custom/main whose answers are good for
// seconds: readers must read the headers of pave/main again after one, and the tokens live for five.
func (m *Mount) WriteShortLived() {
	m.T.Helper()
	m.Write("config/pave/main", With(m.PaveValues(), Values{"ttl": 1}))
	for _, vendor := range m.TokenVendors() {
		vendor.Live(5 * time.Second)
		m.Write("config/"+vendor.Name+"/us", With(vendor.Values, Values{"min_ttl": 3}))
	}
	m.Write("config/custom/main", With(m.OAuthValues(), Values{"min_ttl": 3}))
}

// Call calls the vendor with the headers of an answer and returns the status.
func (m *Mount) Call(url string, headers any) int {
	m.T.Helper()
	req, err := http.NewRequestWithContext(m.T.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(m.T, err)
	for name, value := range headers.(Values) {
		req.Header.Set(name, value.(string))
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(m.T, err)
	require.NoError(m.T, resp.Body.Close())
	return resp.StatusCode
}

// Fault makes the vendor fail from now on, or work again.
func (m *Mount) Fault(fault sandbox.Fault) {
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.Fault = fault })
}
