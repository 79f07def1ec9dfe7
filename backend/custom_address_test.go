package backend

import (
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// addressScheme has a base URL, an address, and values. The digest was computed with openssl.
const addressScheme = `base_url: https://api.example/v1/
secrets: {key: {}}
fields: {site: {}, login: {address: true, default: 'https://login.example/'}, salt: {default: '6d'}}
request: {body: {}}
headers: {X-Sig: 'hex(hmac_sha256(key, bytes(body) + unhex(salt)))'}
allow_static: true
values: {site_id: site, host: host_of(login), none: trim(" ")}
ttl: 60s
examples:
  - secrets: {key: made-up}
    fields: {site: s}
    request: {body: a}
    base_url: https://api.example
    want:
      X-Sig: 71532a5cd8b20aa29940d93b4625e2072f297315fb1c5636f31acc16a43d03be
      host: login.example
      site_id: s
      none: ""
`

// A scheme's base_url is the default of the config's, and its values are in answers of single calls and of batches.
func TestCustomBaseURLAndValues(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	first := values{"scheme": addressScheme, "key": "canary-key", "site": "s1"}
	m.write("config/custom/x", first)
	require.Equal(t, "https://api.example/v1", m.read("config/custom/x")["base_url"])
	require.Equal(t, "https://login.example", m.read("config/custom/x")["login"])
	want := map[string]string{"site_id": "s1", "host": "login.example"}
	signed := m.must(logical.UpdateOperation, "sign/custom/x", values{"body": "a"})
	require.Equal(t, want, signed["values"])
	require.Equal(t, "https://api.example/v1", signed["base_url"])
	batch := m.must(logical.UpdateOperation, "sign/custom/x/batch", values{"requests": []any{map[string]any{"body": "a"}}})
	results, _ := batch["results"].([]any)
	require.Len(t, results, 1)
	require.Equal(t, want, results[0].(map[string]any)["values"])

	// An address of the config's own, which null sets back.
	m.write("config/custom/x", values{"base_url": "https://own.example/", "key": "canary-key"})
	require.Equal(t, "https://own.example", m.read("config/custom/x")["base_url"])
	m.patch("config/custom/x", values{"base_url": nil, "key": "canary-key"})
	require.Equal(t, "https://api.example/v1", m.read("config/custom/x")["base_url"])

	// A scheme that changes starts over, so the address is that of the new one, or the old one if the new one has none.
	m.write("config/custom/x", values{"base_url": "https://own.example/", "key": "canary-key"})
	other := strings.Replace(addressScheme, "https://api.example/v1/", "https://other.example", 1)
	resp, _, _ := m.handle(logical.UpdateOperation, "config/custom/x", with(first, values{"scheme": other}))
	const lost = "base_url is now that of the scheme, https://other.example, and no longer the config's own"
	require.Contains(t, resp.Warnings, lost)
	require.Equal(t, "https://other.example", m.read("config/custom/x")["base_url"])
	m.write("config/custom/x", first)
	resp, _, _ = m.handle(logical.UpdateOperation, "config/custom/x", with(first, values{"scheme": other}))
	require.NotContains(t, resp.Warnings, lost, "it was that of the scheme before too")
	without := strings.Replace(addressScheme, "base_url: https://api.example/v1/\n", "", 1)
	m.write("config/custom/x", with(first, values{"scheme": without}))
	require.Equal(t, "https://other.example", m.read("config/custom/x")["base_url"])
	require.Equal(t, "base_url is required",
		m.refused(logical.UpdateOperation, "config/custom/new", with(first, values{"scheme": without})))
	m.write("config/custom/x", with(first, values{"base_url": "https://named.example"}))
	require.Equal(t, "https://named.example", m.read("config/custom/x")["base_url"])
	require.NotContains(t, m.logged(), "canary")
}

// An address is checked, cleaned and bound to the secret, as base_url is, and a secret is not in it.
func TestCustomAddresses(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", values{
		"scheme": addressScheme, "key": "canary-key", "site": "s1", "login": "https://a.example//",
	})
	require.Equal(t, "https://a.example", m.read("config/custom/x")["login"])
	before, long := m.stored(), strings.Repeat("a", 500)
	for want, given := range map[string]values{
		"changing login needs key in the same write": {"login": "https://b.example"},
		"login is plain http":                        {"login": "http://b.example", "key": "canary-key"},
		"login has userinfo":                         {"login": "https://canary@b.example", "key": "canary-key"},
		"login contains a quote":                     {"login": "https://b.example/canary'", "key": "canary-key"},
		"login is longer than 512 bytes":             {"login": "https://b.example/" + long, "key": "canary-key"},
		"key is in the scheme, a field or base_url":  {"login": "https://b.example/canary-key", "key": "canary-key"},
	} {
		text := m.refused(logical.UpdateOperation, "config/custom/x", given)
		require.Contains(t, text, want)
		require.NotContains(t, text, "canary")
		require.Equal(t, before, m.stored())
	}
	m.write("config/custom/x", values{"login": "HTTPS://a.example/"}) // the same
	require.Equal(t, before, m.stored())
	// A new secret relies on both addresses.
	resp, _, _ := m.handle(logical.UpdateOperation, "config/custom/x", values{"key": "canary-new"})
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0],
		"the stored base_url https://api.example/v1 and the stored login https://a.example")
}

// A write warns of a field that unhex makes nothing of. One that changes neither does not.
func TestCustomWarnsOfEmptyDecodings(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	given := values{"scheme": addressScheme, "key": "canary-key", "site": "s1", "salt": "canary"}
	resp, _, _ := m.handle(logical.UpdateOperation, "config/custom/x", given)
	const warning = "headers.X-Sig: unhex of what the config has is empty: it is not hex, or is itself empty"
	require.Contains(t, resp.Warnings, warning)
	require.NotContains(t, strings.Join(resp.Warnings, "\n"), "canary")
	resp, _, _ = m.handle(logical.UpdateOperation, "config/custom/x", values{"salt": "6D", "key": "canary-key"})
	require.NotContains(t, resp.Warnings, warning)
	resp, _, _ = m.handle(logical.UpdateOperation, "config/custom/x", values{"salt": "6", "key": "canary-key"})
	require.Contains(t, resp.Warnings, warning)
	resp, _, _ = m.handle(logical.UpdateOperation, "config/custom/x", values{"secret_expires_at": ""})
	require.Nil(t, resp)
}

// What an example gives is not shown if a secret is in the document: an earlier version may have stored it.
func TestCustomFailingExampleHidesStoredSecret(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", values{"scheme": addressScheme, "key": "canary-key", "site": "s1"})
	for _, stored := range []struct{ key, want string }{
		{"made-up-canary", "an example is not reproduced, and not shown, because key is in the scheme, a field or base_url"},
		{"canary-key", `it is made with hmac_sha256 of "am"`},
	} {
		pasted := strings.NewReplacer("71532a5c", "00000000", "{key: made-up}", "{key: made-up-canary}").
			Replace(addressScheme)
		m.storeConfig("old", pasted, values{"key": stored.key}, values{"site": "s1"})
		m.InvalidateKey(t.Context(), "config/custom/old")
		text := m.refused(logical.UpdateOperation, "check/custom/old", nil)
		require.Contains(t, text, stored.want)
		require.NotContains(t, text, "canary")
	}
}
