package backend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// loginScheme has a login: client credentials in a form (RFC 6749, section 4.4).
const loginScheme = `secrets: {client_secret: {}}
fields: {client_id: {}}
login:
  path: '"/oauth/token"'
  form: {grant_type: '"client_credentials"', client_id: client_id, client_secret: client_secret}
  answer: {access_token: {pointer: /access_token}}
  refused: {pointer: /success, is: 'false'}
  life: {pointer: /expires_in}
  ttl: 30m
headers: {Authorization: '"Bearer " + access_token'}
examples:
  - secrets: {client_secret: made-up}
    fields: {client_id: id}
    login:
      want: {path: /oauth/token, form: grant_type=client_credentials&client_id=id&client_secret=made-up}
      answer: '{"access_token": "t", "expires_in": 60}'
      gives: {access_token: t}
      life: 60
    want: {Authorization: Bearer t}
`

// loginConfig is a config of loginScheme.
func loginConfig(address string) values {
	return values{
		"scheme": loginScheme, "base_url": address, "client_id": "my-id", "client_secret": "canary-secret",
	}
}

// tokenVendor is an API that gives a token of its own for each login.
type tokenVendor struct {
	url    string
	logins atomic.Int64
	// life is what it says of a token, in seconds, and status what it answers; 0 for 200.
	life, status atomic.Int64
	// hold, if set, is waited for before an answer.
	hold atomic.Pointer[chan struct{}]
}

func newTokenVendor(t *testing.T) *tokenVendor {
	t.Helper()
	v := &tokenVendor{}
	v.life.Store(3600)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret := r.FormValue("client_secret")
		number := v.logins.Add(1)
		if hold := v.hold.Load(); hold != nil {
			<-*hold
		}
		status := int(v.status.Load())
		if status == 0 && !strings.HasPrefix(secret, "canary") {
			status = http.StatusUnauthorized
		}
		if status != 0 {
			w.WriteHeader(status)
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":%d}`, number, v.life.Load())
	}))
	t.Cleanup(server.Close)
	v.url = server.URL
	return v
}

// newLoginMount is a mount with a config of a scheme with a login, custom/cc, that was written without logging in.
func newLoginMount(t *testing.T) (*mount, *tokenVendor) {
	t.Helper()
	m, v := newMount(t), newTokenVendor(t)
	m.write("config/custom/cc", with(loginConfig(v.url), values{"verify": false}))
	require.Zero(t, v.logins.Load())
	return m, v
}

// token is the token that a reader of the config gets.
func (m *mount) bearer() string {
	m.t.Helper()
	headers, _ := m.read("creds/custom/cc")["headers"].(map[string]string)
	return strings.TrimPrefix(headers["Authorization"], "Bearer ")
}

// The whole life of a config: written after a login, whose token is leased, checked, watched, and counted.
func TestDeclaredLogin(t *testing.T) {
	t.Parallel()
	m, v := newMount(t), newTokenVendor(t)
	m.write("config/custom/cc", loginConfig(v.url))
	require.EqualValues(t, 1, v.logins.Load(), "a write logs in")
	require.Equal(t, values{
		"scheme": loginScheme, "base_url": v.url, "client_id": "my-id", "min_ttl": 600, "request_timeout": 10, "ca_cert": "",
		"secret_written_at": "2026-01-02T03:04:05Z", "secrets": []string{"client_secret"}, "fields": []string{"client_id"},
		"request": []string{},
	}, m.read("config/custom/cc"))
	for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
		resp, _, text := m.handle(operation, "creds/custom/cc", nil)
		require.Empty(t, text)
		require.Equal(t, values{
			"headers": map[string]string{"Authorization": "Bearer token-1"}, "header_lines": "Authorization: Bearer token-1\n",
			"per_call_headers": []string{}, "base_url": v.url, "expires_at": "2026-01-02T04:04:05Z",
		}, resp.Data)
		require.Equal(t, 59*time.Minute, resp.Secret.TTL)
		require.False(t, resp.Secret.Renewable)
		require.Equal(t, map[string]any{"secret_type": "custom_token", "config": "cc"}, resp.Secret.InternalData)
	}
	m.advance(time.Minute)
	checked := m.must(logical.UpdateOperation, "check/custom/cc", nil)
	require.Equal(t, "2026-01-02T03:05:05Z", checked["verified_at"])
	require.Equal(t, "2026-01-02T04:05:05Z", checked["expires_at"])
	require.Equal(t, 200, checked["status"])
	require.Contains(t, checked, "duration_ms")
	require.Equal(t, "token-2", m.bearer(), "a check's token is shared")
	_, status, text := m.handle(logical.UpdateOperation, "check/custom/cc", nil)
	require.Equal(t, http.StatusTooManyRequests, status, text)
	status2 := m.read("status/custom/cc")
	require.Subset(t, status2, values{
		"exchanges": 2, "reads": 3, "stale_reads": 0, "failures_in_a_row": 0, "last_success_at": "2026-01-02T03:05:05Z",
		"token_issued_at": "2026-01-02T03:05:05Z", "token_expires_at": "2026-01-02T04:05:05Z",
	})
	scraped := m.scrape()
	for series, want := range map[string]float64{
		`apisig_exchanges_total{config="cc",result="ok",vendor="custom"}`:          2,
		`apisig_reads_total{config="cc",path="creds",result="ok",vendor="custom"}`: 3,
		`apisig_token_expiry_timestamp_seconds{config="cc",vendor="custom"}`:       1767326705,
		`apisig_exchange_seconds_count{vendor="custom"}`:                           2,
		`apisig_last_success_timestamp_seconds{config="cc",vendor="custom"}`:       1767323105,
		`apisig_secret_written_timestamp_seconds{config="cc",vendor="custom"}`:     1767323045,
	} {
		require.InDelta(t, want, scraped[series], 0.5, series)
	}
	require.NotContains(t, m.logged(), "canary")
	require.NotContains(t, m.logged(), "token-")
}

// What is stored, and that it goes on working. Neither is changed once it was released.
func TestStoredConfigOfADeclaredLogin(t *testing.T) {
	t.Parallel()
	m, v := newMount(t), newTokenVendor(t)
	entry := `{
		"scheme": ` + quotedJSON(loginScheme) + `,
		"base_url": ` + quotedJSON(v.url) + `,
		"min_ttl": 77,
		"request_timeout": 12,
		"ca_cert": ` + quotedJSON(testCertificate) + `,
		"secrets": {"client_secret": "canary-secret"},
		"fields": {"client_id": "my-id"},
		"secret_written_at": "2026-01-02T03:04:05Z"
	}`
	m.put("config/custom/cc", []byte(entry))
	require.Equal(t, "token-1", m.bearer())
	m.write("config/custom/new", with(loginConfig(v.url), values{
		"min_ttl": 77, "request_timeout": 12, "ca_cert": testCertificate,
	}))
	require.JSONEq(t, entry, m.stored()["config/custom/new"])
}

// The lease types are in leases, which outlive upgrades.
func TestLeaseTypesStay(t *testing.T) {
	t.Parallel()
	var types []string
	for _, secret := range newMount(t).Secrets {
		types = append(types, secret.Type)
	}
	require.ElementsMatch(t, []string{"avanan_token", "custom_token", "infinity_token"}, types)
}

// A scheme with a ttl bounds the lease at half of it, and what is signed at all of it; the login's life does too.
func TestTTLOfASchemeWithALogin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ttl     string
		life    int64
		lease   time.Duration
		expires string
	}{
		"none":                   {"", 3600, 59 * time.Minute, "2026-01-02T04:04:05Z"},
		"shorter than the login": {"ttl: 10m", 3600, 5 * time.Minute, "2026-01-02T03:14:05Z"},
		"an odd number":          {"ttl: 9s", 3600, 4 * time.Second, "2026-01-02T03:04:14Z"},
		"a second":               {"ttl: 1s", 3600, time.Second, "2026-01-02T03:04:06Z"},
		"longer than the login":  {"ttl: 24h", 3600, 59 * time.Minute, "2026-01-02T04:04:05Z"},
		"a short login":          {"ttl: 10m", 120, 108 * time.Second, "2026-01-02T03:06:05Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, v := newMount(t), newTokenVendor(t)
			v.life.Store(test.life)
			scheme := loginScheme + test.ttl + "\n"
			m.write("config/custom/cc", with(loginConfig(v.url), values{"scheme": scheme}))
			resp, _, text := m.handle(logical.ReadOperation, "creds/custom/cc", nil)
			require.Empty(t, text)
			require.Equal(t, test.lease, resp.Secret.TTL)
			require.Equal(t, test.expires, resp.Data["expires_at"])
			require.NotContains(t, resp.Data, "ttl", "Agent goes by the lease")

			m.write("config/custom/cc", with(loginConfig(v.url), values{"scheme": signing(scheme)}))
			for _, signed := range []values{
				m.must(logical.UpdateOperation, "sign/custom/cc", values{"method": "GET"}),
				m.must(logical.UpdateOperation, "sign/custom/cc/batch", values{"requests": []any{values{"method": "GET"}}}),
			} {
				require.Equal(t, test.expires, signed["expires_at"])
			}
			resp, _, _ = m.handle(logical.UpdateOperation, "sign/custom/cc", values{"method": "GET"})
			require.Nil(t, resp.Secret)
		})
	}
}

// signing is a scheme with a login whose calls have a method.
func signing(scheme string) string {
	return strings.NewReplacer(
		"\nlogin:", "\nrequest: {method: {pattern: '[A-Z]{3,7}'}, note: {optional: true}}\n"+
			"require: {\"method must not be PUT\": 'method != \"PUT\"'}\nlogin:",
		"headers: {Auth", "headers: {X-Method: method + note, Auth",
		"    login:", "    request: {method: GET}\n    login:",
		"want: {Auth", "want: {X-Method: GET, Auth",
	).Replace(scheme)
}

// A call that is wrong costs no login: unknown, missing, against a pattern or a condition, alone and in a batch.
func TestInputsAreCheckedBeforeALogin(t *testing.T) {
	t.Parallel()
	m, v := newMount(t), newTokenVendor(t)
	m.write("config/custom/cc", with(loginConfig(v.url), values{"scheme": signing(loginScheme), "verify": false}))
	//nolint:paralleltest // the count of logins is compared after them
	for name, test := range map[string]struct {
		call values
		want string
	}{
		"none":                {values{}, "method is required"},
		"unknown":             {values{"method": "GET", "other": "x"}, "unknown parameter"},
		"against its pattern": {values{"method": "get"}, "method does not match"},
		"damaged":             {values{"method": "GET", "note": "\ufffd"}, "U+FFFD"},
		"against a condition": {values{"method": "PUT"}, "method must not be PUT"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, m.in(t).refused(logical.UpdateOperation, "sign/custom/cc", test.call), test.want)
			batch := values{"requests": []any{values{"method": "GET"}, test.call}}
			require.Contains(t, m.in(t).refused(logical.UpdateOperation, "sign/custom/cc/batch", batch), test.want)
		})
	}
	require.Contains(t, m.refused(logical.ReadOperation, "creds/custom/cc", nil), "serves apisig/sign/custom/cc")
	require.Zero(t, v.logins.Load())
	m.must(logical.UpdateOperation, "sign/custom/cc", values{"method": "GET"})
	require.EqualValues(t, 1, v.logins.Load())
}

// A reader's min_ttl counts where the scheme has a login. Elsewhere it is as unknown as before.
func TestMinTTLOfDeclaredReaders(t *testing.T) {
	t.Parallel()
	m, v := newLoginMount(t)
	m.bearer()
	m.advance(40 * time.Minute)
	require.Equal(t, "token-1", m.bearer())
	m.must(logical.ReadOperation, "creds/custom/cc", values{"min_ttl": "25m"})
	require.EqualValues(t, 2, v.logins.Load())
	require.Equal(t, "min_ttl must be from 0s to 1800s",
		m.refused(logical.ReadOperation, "creds/custom/cc", values{"min_ttl": "31m"}))

	m.write("config/custom/x", m.customCreds())
	resp, _, text := m.handle(logical.ReadOperation, "creds/custom/x", values{"min_ttl": "20m"})
	require.Empty(t, text)
	require.Nil(t, resp.Secret)
	require.Equal(t, []string{"ignored min_ttl: the config has no token"}, resp.Warnings)
	require.Equal(t, `unknown parameter "min_ttl"; the config config/custom/x has no token`,
		m.refused(logical.UpdateOperation, "creds/custom/x", values{"min_ttl": "20m"}))
}

// The fields of a login are not those of a config without one.
func TestLoginFieldsAreOfConfigsWithALogin(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	for _, field := range []string{"min_ttl", "request_timeout", "ca_cert", "verify"} {
		require.NotContains(t, m.read("config/custom/x"), field)
		require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", values{field: "1"}), "unknown parameter")
	}
	m, _ = newLoginMount(t)
	for field, test := range map[string]struct {
		value any
		want  string
	}{
		"min_ttl":         {"31m", "min_ttl must be from 0s to 1800s"},
		"request_timeout": {31, "request_timeout must be from 1s to 30s"},
		"ca_cert":         {"canary", "ca_cert contains something that is not PEM"},
		"verify":          {"canary", "verify must be true or false"},
	} {
		require.Equal(t, test.want, m.refused(logical.UpdateOperation, "config/custom/cc", values{field: test.value}))
	}
}

// A thousand readers of a cold config make one login.
func TestThousandColdReadersOfADeclaredLogin(t *testing.T) {
	t.Parallel()
	m, v := newLoginMount(t)
	hold := make(chan struct{})
	v.hold.Store(&hold)
	var readers sync.WaitGroup
	for range 1000 {
		readers.Go(func() {
			resp, err := m.HandleRequest(t.Context(), &logical.Request{
				Operation: logical.ReadOperation, Path: "creds/custom/cc", Storage: m.storage, MountPoint: "apisig/",
			})
			if err != nil || resp.IsError() || resp.Data["header_lines"] != "Authorization: Bearer token-1\n" {
				t.Errorf("%v %v", resp, err)
			}
		})
	}
	require.Eventually(t, func() bool { return v.logins.Load() == 1 }, 10*time.Second, time.Millisecond)
	close(hold)
	readers.Wait()
	require.EqualValues(t, 1, v.logins.Load())
}

// A day of steady reads of an hour's token makes at most 30 logins, and no read waits for one: the vendor fails but
// during the calls that Vault makes every minute, so a read that called it would get a warning.
func TestDayOfReadsOfADeclaredLogin(t *testing.T) {
	t.Parallel()
	m, v := newLoginMount(t)
	m.bearer()
	for range 24 * 60 {
		v.status.Store(http.StatusServiceUnavailable)
		for range 6 {
			m.advance(10 * time.Second)
			resp, _, text := m.handle(logical.ReadOperation, "creds/custom/cc", nil)
			require.Empty(t, text)
			require.Empty(t, resp.Warnings)
			require.GreaterOrEqual(t, resp.Secret.TTL, 9*time.Minute)
		}
		v.status.Store(0)
		m.tick()
	}
	require.LessOrEqual(t, v.logins.Load(), int64(30))
	require.GreaterOrEqual(t, v.logins.Load(), int64(29))
}

// In an outage readers get what lives, with a warning, and after a 401 of the API a new token for all.
func TestDeclaredLoginInAnOutage(t *testing.T) {
	t.Parallel()
	m, v := newLoginMount(t)
	m.bearer()
	m.advance(55 * time.Minute)
	v.status.Store(http.StatusServiceUnavailable)
	resp, _, text := m.handle(logical.ReadOperation, "creds/custom/cc", nil)
	require.Empty(t, text)
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0], "status 503")
	require.Equal(t, "Authorization: Bearer token-1\n", resp.Data["header_lines"])
	m.advance(10 * time.Minute)
	_, status, _ := m.handle(logical.ReadOperation, "creds/custom/cc", nil)
	require.Equal(t, http.StatusBadGateway, status)
	v.status.Store(http.StatusUnauthorized)
	m.advance(10 * time.Minute)
	host := strings.TrimPrefix(v.url, "http://")
	require.Equal(t, "config/custom/cc: "+host+" answered with status 401: it rejects the credentials; "+
		"check client_id, client_secret, base_url, and this server's clock",
		clockless(m.refused(logical.ReadOperation, "creds/custom/cc", nil)))
	v.status.Store(0)
	m.advance(10 * time.Minute)
	first := m.bearer()
	m.advance(6 * time.Minute)
	m.must(logical.ReadOperation, "creds/custom/cc", values{"unauthorized": true})
	require.NotEqual(t, first, m.bearer())
}

// clockless is a text without what it says of the clock: the mount's is not the vendor's.
func clockless(text string) string {
	text, _, _ = strings.Cut(text, "; this server's clock is")
	text, _, _ = strings.Cut(text, "; the vendor's Date")
	return text
}

// A write that changes the account drops its token and disowns the login under way; another write keeps both. A write
// that fails changes nothing.
func TestWritesAndTheTokenOfADeclaredLogin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write values
		keeps bool
	}{
		"the secret":      {values{"client_secret": "canary-other"}, false},
		"a field":         {values{"client_id": "other", "client_secret": "canary-secret"}, false},
		"the scheme":      {with(loginConfig(""), values{"scheme": loginScheme + "# changed\n"}), false},
		"ca_cert":         {values{"ca_cert": testCertificate, "client_secret": "canary-secret"}, false},
		"the same values": {loginConfig(""), true},
		"min_ttl":         {values{"min_ttl": 20}, true},
		"request_timeout": {values{"request_timeout": 20}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, v := newLoginMount(t)
			write := with(test.write, values{"verify": false})
			if write["client_secret"] != nil {
				write["base_url"] = v.url
			}
			require.Equal(t, "token-1", m.bearer())
			m.write("config/custom/cc", write)
			want := "token-2"
			if test.keeps {
				want = "token-1"
			}
			require.Equal(t, want, m.bearer())

			// A login that began before the write does not give its token to readers after it.
			m, v = newLoginMount(t)
			if write["base_url"] != nil {
				write["base_url"] = v.url
			}
			hold := make(chan struct{})
			v.hold.Store(&hold)
			waiting := make(chan string)
			go func() { waiting <- m.bearer() }()
			require.Eventually(t, func() bool { return v.logins.Load() == 1 }, 10*time.Second, time.Millisecond)
			m.write("config/custom/cc", write)
			if !test.keeps {
				v.hold.Store(nil)
				require.Equal(t, "token-2", m.bearer())
			}
			close(hold)
			require.Equal(t, "token-1", <-waiting, "who waited was served with the old account")
			require.Equal(t, want, m.bearer())
		})
	}
}

func TestFailedWriteOfADeclaredLoginChangesNothing(t *testing.T) {
	t.Parallel()
	m, v := newLoginMount(t)
	m.bearer()
	before := m.stored()
	for name, write := range map[string]values{
		"refused by the API":      {"client_secret": "wrong", "base_url": v.url},
		"no secret":               {"client_id": "other"},
		"a secret without base":   {"client_secret": "canary-new"},
		"a broken scheme":         with(loginConfig(v.url), values{"scheme": "a"}),
		"a scheme without values": {"scheme": loginScheme + "# changed\n"},
	} {
		m.refused(logical.UpdateOperation, "config/custom/cc", write)
		require.Equal(t, before, m.stored(), name)
		require.Equal(t, "token-1", m.bearer(), name)
	}
	// To store what was not tried helps only where the failure may pass.
	for answered, test := range map[int]struct {
		status int
		passes bool
	}{
		http.StatusServiceUnavailable: {http.StatusBadGateway, true},
		http.StatusTooManyRequests:    {http.StatusTooManyRequests, true},
		http.StatusNotFound:           {http.StatusBadGateway, false},
		http.StatusFound:              {http.StatusBadGateway, false},
		http.StatusNoContent:          {http.StatusBadGateway, false},
	} {
		v.status.Store(int64(answered))
		_, status, text := m.handle(logical.UpdateOperation, "config/custom/cc",
			values{"client_secret": "canary-new", "base_url": v.url})
		require.Equal(t, test.status, status, answered)
		require.Equal(t, test.passes, strings.Contains(text, "; verify=false stores it without trying it"), text)
		require.NotContains(t, text, "canary")
		require.Equal(t, before, m.stored())
	}
	require.Equal(t, "token-1", m.bearer())
}

// A write that contains a secret which the login sends must name the address and the certificates again. Where the
// login sends a signature only, it warns.
func TestSecretThatALoginSendsNeedsItsAddress(t *testing.T) {
	t.Parallel()
	m, v := newLoginMount(t)
	const relies = "; name it again in the same write, because the secret itself is sent there"
	require.Equal(t, "this write relies on the stored base_url "+v.url+relies,
		m.refused(logical.UpdateOperation, "config/custom/cc", values{"client_secret": "canary-new"}))
	m.write("config/custom/cc", values{"client_secret": "canary-new", "base_url": v.url, "ca_cert": testCertificate})
	require.Equal(t, "this write relies on the stored ca_cert"+relies,
		m.refused(logical.UpdateOperation, "config/custom/cc", values{"client_secret": "canary-third", "base_url": v.url}))

	hashed := strings.NewReplacer(
		"client_secret: client_secret}", "client_secret: 'hex(hmac_sha256(client_secret, now.unix()))'}",
		"    login:", "    now: 2026-01-02T03:04:05Z\n    login:",
		// openssl dgst -sha256 -hmac made-up of 1767323045
		"client_secret=made-up", "client_secret=de6af3cdbd886418bd03ce7e6e8f6aec826502e3a940e663690161c9b3defae8",
	).Replace(loginScheme)
	m.write("config/custom/signs", with(loginConfig(v.url), values{"scheme": hashed, "verify": false}))
	resp, status, _ := m.handle(logical.UpdateOperation, "config/custom/signs",
		values{"client_secret": "canary-new", "verify": false})
	require.Equal(t, http.StatusOK, status)
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0], "the new secret is used with the stored base_url "+v.url)
}

// A write that changes the scheme starts over: the certificates of the old one are gone, in storage too, and a scheme
// without a login has no fields of one.
func TestChangedSchemeStartsOverWithItsLogin(t *testing.T) {
	t.Parallel()
	m, v := newLoginMount(t)
	m.write("config/custom/cc", with(loginConfig(v.url), values{
		"ca_cert": testCertificate, "min_ttl": 20, "request_timeout": 20, "secret_expires_at": "2027-03-01T00:00:00Z",
	}))
	m.write("config/custom/cc", with(loginConfig(v.url), values{"scheme": loginScheme + "# changed\n"}))
	require.Subset(t, m.read("config/custom/cc"), values{
		"ca_cert": "", "min_ttl": 600, "request_timeout": 10, "secret_expires_at": "2027-03-01T00:00:00Z",
	})
	m.write("config/custom/cc", values{"ca_cert": testCertificate, "client_secret": "canary-secret", "base_url": v.url})
	m.write("config/custom/cc", m.customCreds())
	for _, field := range []string{"ca_cert", "min_ttl", "request_timeout", "verify"} {
		require.NotContains(t, m.stored()["config/custom/cc"], `"`+field+`"`)
	}
	resp, _, _ := m.handle(logical.ReadOperation, "creds/custom/cc", nil)
	require.Nil(t, resp.Secret)
	m.write("config/custom/cc", loginConfig(v.url))
	require.Subset(t, m.read("config/custom/cc"), values{"ca_cert": "", "min_ttl": 600})
}

// Without the mount's option a login to an address of this machine is refused when it is written, and when one that is
// stored would be made. Other writes of such a config go on working.
func TestLoopbackLoginsNeedTheOption(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]bool{"": false, "false": false, "canary": false, "true": true} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			m, v := newLoginMount(t)
			require.NoError(t, m.Setup(t.Context(), &logical.BackendConfig{
				Logger: m.Logger(), System: logical.TestSystemView(), StorageView: m.storage,
				Config: map[string]string{"loopback_logins": option, "plugin_name": "x"},
			}))
			_, status, text := m.handle(logical.UpdateOperation, "config/custom/new",
				with(loginConfig(v.url), values{"verify": false}))
			if want {
				require.Equal(t, http.StatusNoContent, status, text)
				require.Equal(t, "token-1", m.bearer())
				return
			}
			const fault = "is a loopback address, which a login may go to only with the mount's option loopback_logins=true " +
				"(vault secrets enable or tune -options=loopback_logins=true; after tune, reload the plugin)"
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, "base_url "+fault, text)
			_, status, text = m.handle(logical.ReadOperation, "creds/custom/cc", nil)
			require.Equal(t, http.StatusBadGateway, status)
			require.Contains(t, text, "its address "+fault)
			m.write("config/custom/cc", values{"min_ttl": 20})
			require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/new",
				with(loginConfig("https://169.254.169.254"), values{"verify": false})), "base_url is link-local")
			require.Zero(t, v.logins.Load())
			if option == "canary" {
				require.Contains(t, m.logged(), "the mount's option counts as false")
			}
			m.write("config/avanan/us", m.avananValues()) // which is not declared
			m.read("creds/avanan/us")
		})
	}
}

// Where a login ends the token before it, none is made while a token lives: not ahead, not for a check, and not for a
// write that changes nothing of the account.
func TestExclusiveLogin(t *testing.T) {
	t.Parallel()
	m, v := newMount(t), newTokenVendor(t)
	exclusive := strings.Replace(loginScheme, "  ttl: 30m\n", "  ttl: 30m\n  exclusive: true\n", 1)
	config := with(loginConfig(v.url), values{"scheme": exclusive})
	m.write("config/custom/cc", config)
	require.Equal(t, "token-1", m.bearer())
	m.advance(49*time.Minute + 30*time.Second)
	m.tick()
	require.EqualValues(t, 1, v.logins.Load(), "no renewal ahead")
	resp, status, text := m.handle(logical.UpdateOperation, "check/custom/cc", nil)
	require.Equal(t, http.StatusOK, status, text)
	require.Equal(t, values{"verified_at": "2026-01-02T03:04:05Z", "expires_at": "2026-01-02T04:04:05Z"}, resp.Data)
	require.Len(t, resp.Warnings, 1)
	m.write("config/custom/cc", with(config, values{"verify": true}))
	m.write("config/custom/cc", values{"verify": true})
	require.EqualValues(t, 1, v.logins.Load())
	require.Equal(t, "token-1", m.bearer())

	m.write("config/custom/cc", values{"client_secret": "canary-other", "base_url": v.url})
	require.EqualValues(t, 2, v.logins.Load(), "another account")
	require.Equal(t, "token-2", m.bearer())
	m.advance(2 * time.Hour)
	checked := m.must(logical.UpdateOperation, "check/custom/cc", nil)
	require.Contains(t, checked, "status")
	require.EqualValues(t, 3, v.logins.Load(), "no token lives")
	require.Equal(t, "token-3", m.bearer())
}

// A check signs the examples before it logs in.
func TestCheckOfADeclaredLoginTriesItsExamples(t *testing.T) {
	t.Parallel()
	m, v := newMount(t), newTokenVendor(t)
	wrong := strings.Replace(loginScheme, "want: {Authorization: Bearer t}", "want: {Authorization: b}", 1)
	m.put("config/custom/cc", []byte(`{
		"scheme": `+quotedJSON(wrong)+`,
		"base_url": `+quotedJSON(v.url)+`,
		"secrets": {"client_secret": "canary-secret"},
		"fields": {"client_id": "my-id"}
	}`))
	require.Contains(t, m.refused(logical.UpdateOperation, "check/custom/cc", nil), "examples[0]")
	require.Zero(t, v.logins.Load())
}

// A node that cannot write sends the readers of a lease to the one that can, and serves others itself.
func TestStandbyForwardsReadersOfADeclaredLogin(t *testing.T) {
	t.Parallel()
	m, v := newLoginMount(t)
	m.write("config/custom/x", m.customCreds())
	m.runsOn(consts.ReplicationDRDisabled | consts.ReplicationPerformanceStandby)
	_, err := m.HandleRequest(t.Context(), m.request(logical.ReadOperation, "creds/custom/cc", nil))
	require.ErrorIs(t, err, logical.ErrReadOnly)
	require.Zero(t, v.logins.Load())
	m.read("creds/custom/x")
}

// Values of one login stay together: a reader never gets one of another login than the other's.
func TestValuesOfOneLoginStayTogether(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	var logins atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		number := logins.Add(1)
		w.Header().Add("Set-Cookie", "session=old")
		w.Header().Add("Set-Cookie", fmt.Sprintf("session=s%d; Path=/", number))
		w.Header().Set("X-Subject-Token", fmt.Sprintf("t%d", number))
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(server.Close)
	scheme := strings.NewReplacer(
		"answer: {access_token: {pointer: /access_token}}",
		"answer: {access_token: {header: X-Subject-Token}, session: {cookie: session}}",
		"  refused: {pointer: /success, is: 'false'}\n  life: {pointer: /expires_in}\n", "",
		"headers: {Authorization: '\"Bearer \" + access_token'}", "headers: {Authorization: access_token, Cookie: session}",
		`answer: '{"access_token": "t", "expires_in": 60}'`,
		"answer: {headers: {X-Subject-Token: t, Set-Cookie: session=s}, body: ''}",
		"gives: {access_token: t}\n      life: 60", "gives: {access_token: t, session: s}",
		"want: {Authorization: Bearer t}", "want: {Authorization: t, Cookie: s}",
	).Replace(loginScheme)
	m.write("config/custom/cc", with(loginConfig(server.URL), values{"scheme": scheme, "verify": false}))
	for number := 1; number < 4; number++ {
		require.Equal(t, fmt.Sprintf("Authorization: t%d\nCookie: s%[1]d\n", number),
			m.read("creds/custom/cc")["header_lines"])
		m.advance(time.Hour)
	}
}

// An operator is told that a login's life is the scheme's ttl because the answer does not tell one that is believed: with
// another pointer or unit it might.
func TestUntoldLifeWarns(t *testing.T) {
	t.Parallel()
	m, v := newMount(t), newTokenVendor(t)
	v.life.Store(3600_000) // milliseconds, which the scheme takes for seconds
	const warning = "login.life: the answer tells a life longer than max, 24h0m0s, which counts as none, so ttl counts: 30m0s"
	resp, _, text := m.handle(logical.UpdateOperation, "config/custom/cc", loginConfig(v.url))
	require.Empty(t, text)
	require.Contains(t, resp.Warnings, warning)
	resp, _, text = m.handle(logical.UpdateOperation, "check/custom/cc", nil)
	require.Empty(t, text)
	require.Contains(t, resp.Warnings, warning)
	v.life.Store(60)
	m.advance(time.Minute)
	resp, _, text = m.handle(logical.UpdateOperation, "check/custom/cc", nil)
	require.Empty(t, text)
	require.NotContains(t, strings.Join(resp.Warnings, "\n"), "login.life")
}
