package backend

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// damages are characters that come with reading or copying a value, and what the error says of each.
var damages = map[string]string{
	"\ufffd": "contains U+FFFD, which stands in place of bytes that are not UTF-8",
	"\ufeff": "contains an invisible character, such as a byte-order mark",
	"\u00a0": "contains an invisible character",
	"\u200b": "contains an invisible character",
	"\u2028": "contains an invisible character",
	"\u201c": typographic,
	"\u2019": typographic,
}

const typographic = "contains a typographic quote"

// namedScheme has a field that may be any text. The example:
// printf o1767323045 | openssl dgst -sha256 -mac HMAC -macopt hexkey:6d6164652d757000
const namedScheme = `secrets: {key: {}, salt: {encoding: hex}}
fields: {owner: {pattern: '.*'}}
headers:
  X-Sig: hex(hmac_sha256(key + salt, owner + now.unix()))
ttl: 90s
examples:
  - secrets: {key: made-up, salt: "00"}
    fields: {owner: o}
    now: 2026-01-02T03:04:05Z
    want: {X-Sig: ced2104baa4eac82f699c646055176eb7df62e193c2c1c356bc5618549eaeac5}
`

func (m *mount) namedCreds() values {
	return values{
		"scheme":   namedScheme,
		"base_url": "https://api.example",
		"key":      "canary-key",
		"salt":     "63616e617279",
		"owner":    "acme",
	}
}

// A credential that is not what its owner has is refused: calls with it would be rejected, and nobody could see why.
func TestDamagedCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	const ascii = "contains a space, a control character or one outside ASCII"
	for name, test := range map[string]struct {
		path, field string
		config      values
		always      string // the fault, whatever the character is
		asBase64    bool   // the error says that bytes can be written as base64
		quotes      bool   // typographic quotes are accepted: it is a name
	}{
		"PAVE's secret":          {path: "config/pave/x", field: "api_secret", config: m.paveValues()},
		"PAVE's username":        {path: "config/pave/x", field: "username", config: m.paveValues(), quotes: true},
		"PAVE's key":             {path: "config/pave/x", field: "api_key", config: m.paveValues(), always: ascii},
		"Avanan's secret":        {path: "config/avanan/x", field: "secret_key", config: m.avananValues()},
		"Avanan's app id":        {path: "config/avanan/x", field: "app_id", config: m.avananValues(), always: ascii},
		"Infinity's secret":      {path: "config/infinity/x", field: "access_key", config: m.infinityValues()},
		"Infinity's client id":   {path: "config/infinity/x", field: "client_id", config: m.infinityValues(), always: ascii},
		"a declared secret":      {path: "config/custom/x", field: "key", config: m.namedCreds(), asBase64: true},
		"a declared secret, hex": {path: "config/custom/x", field: "salt", config: m.namedCreds()},
		"a declared field":       {path: "config/custom/x", field: "owner", config: m.namedCreds(), quotes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			for character, fault := range damages {
				if fault == typographic && test.quotes {
					continue
				}
				if test.always != "" {
					fault = test.always
				}
				for _, value := range []string{character + "canary", "canary" + character, "can" + character + "ary"} {
					text := m.refused(logical.UpdateOperation, test.path, with(test.config, values{test.field: value}))
					require.True(t, strings.HasPrefix(text, test.field+" "+fault), "%q: %s", character, text)
					require.Equal(t, test.asBase64, strings.Contains(text, "declare it with encoding: base64"), text)
					require.NotContains(t, text, "canary")
				}
			}
		})
	}
}

// A name may have typographic quotes in it. The write of a damaged secret stores nothing.
func TestDamagedSecretStoresNothing(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", with(m.paveValues(), values{"username": "O\u2019Brien"}))
	m.write("config/custom/x", with(m.namedCreds(), values{"owner": "O\u2019Brien"}))
	before := m.stored()
	m.refused(logical.UpdateOperation, "config/pave/main", values{"api_secret": "\ufeffcanary"})
	m.refused(logical.PatchOperation, "config/custom/x", values{"key": "\ufeffcanary", "salt": "00"})
	require.Equal(t, before, m.stored())
}

// What an earlier version stored keeps working: the rules are for what a write names.
func TestStoredDamagedSecretsKeepWorking(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	named := m.namedCreds()
	for name, config := range map[string]values{
		"pave/old": with(m.paveValues(), values{"api_secret": "\ufffdcanary\u00a0", "username": "\ufeffacme"}),
		"custom/old": {
			"scheme":   named["scheme"],
			"base_url": named["base_url"],
			"secrets":  values{"key": "\u201ccanary\ufffd\u201d", "salt": "ff"},
			"fields":   values{"owner": "\ufeffacme"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.put("config/"+name, mustJSON(t, config))
			require.NotEmpty(t, m.read("creds/" + name)["header_lines"])
			if name == "custom/old" {
				require.NotEmpty(t, m.must(logical.UpdateOperation, "check/custom/old", nil))
				return
			}
			m.write("config/pave/old", values{"ttl": 20})
			require.NotEmpty(t, m.read("creds/pave/old")["header_lines"])
		})
	}
}

// Blanks at the ends of a credential are kept, because it may have them. The answer counts them.
func TestBlanksAtTheEndsAreWarnedOf(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	warning := func(field string, before, after int) []string {
		return []string{fmt.Sprintf("%s has blanks at its ends, %d before and %d after the rest; they are part of it, "+
			"so write it again if it should have none", field, before, after)}
	}
	named, pave := m.namedCreds(), m.paveValues()
	secret := func(field, value string) values { return values{field: value, "base_url": m.url, "verify": false} }
	for name, test := range map[string]struct {
		path          string
		config, write values
		warnings      []string
	}{
		"none":             {"pave/none", pave, secret("api_secret", "a b"), nil},
		"after":            {"pave/after", pave, secret("api_secret", "canary "), warning("api_secret", 0, 1)},
		"before":           {"pave/before", pave, secret("api_secret", "  canary"), warning("api_secret", 2, 0)},
		"only":             {"pave/only", pave, secret("api_secret", "   "), warning("api_secret", 3, 3)},
		"a name":           {"pave/name", pave, with(pave, values{"username": " acme"}), warning("username", 1, 0)},
		"stored, unnamed":  {"pave/stored", with(pave, values{"api_secret": "canary "}), values{"ttl": 20}, nil},
		"Avanan's":         {"avanan/x", m.avananValues(), secret("secret_key", " canary"), warning("secret_key", 1, 0)},
		"Infinity's":       {"infinity/x", m.infinityValues(), secret("access_key", "canary  "), warning("access_key", 0, 2)},
		"declared":         {"custom/x", named, with(named, values{"key": " canary "}), warning("key", 1, 1)},
		"a scheme":         {"custom/z", named, with(named, values{"scheme": namedScheme + "\n  "}), nil},
		"a declared field": {"custom/y", named, with(named, values{"owner": "acme "}), warning("owner", 0, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			m.write("config/"+test.path, test.config)
			resp, status, text := m.handle(logical.UpdateOperation, "config/"+test.path, test.write)
			require.Empty(t, text)
			if test.warnings == nil {
				require.Equal(t, http.StatusNoContent, status)
				return
			}
			require.Equal(t, test.warnings, resp.Warnings)
		})
	}
	// The secret is signed with as it is: printf 'acme:09bc91b9-76e5-4256-8e4f-7a41c1408014@2026-01-02T03:04:05Z' |
	// openssl dgst -sha256 -hmac 'canary '
	m.write("config/pave/kept", with(m.paveValues(), values{"api_secret": "canary "}))
	const signed = "36967a58ab3e776a8568ab2b4b3ece556ecac2de2403d14cf50940549336b49b"
	require.Equal(t, signed, m.read("creds/pave/kept")["api_token"])
}

// If the vendor rejects the credentials, the blanks are in the error, because Vault drops warnings from errors.
func TestRefusalNamesBlanks(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	config := with(m.avananValues(), values{"secret_key": "sandbox-avanan-secret "})
	text := m.refused(logical.UpdateOperation, "config/avanan/us", config)
	require.Contains(t, text, "rejects the credentials")
	require.Contains(t, text, "secret_key has blanks at its ends, 0 before and 1 after the rest")
}

// A body that is not UTF-8 arrives as another one, so its signature would be wrong.
func TestRequestFieldsThatAreNotUTF8AreRefused(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	anyBody := strings.Replace(customScheme1, "pattern: '[ -~]*'", "pattern: '(?s).*'", 1)
	require.NotEqual(t, customScheme1, anyBody)
	m.write("config/custom/ovh", with(m.customValues(), values{"scheme": anyBody}))
	given := values{"method": "POST", "request_string": "/1.0/me", "body": "\u00e9\u4e2d\ufeff"}
	m.must(logical.UpdateOperation, "sign/custom/ovh", given)
	const fault = "contains U+FFFD, which stands in place of bytes that are not UTF-8, so its signature would be of " +
		"something else; if the scheme takes the hash (body_sha256) or the base64 of such bytes, give that"
	for name, body := range map[string]string{
		"replaced by the client": "\ufffdPNG\r\ncanary",
		"as bytes":               "canary\x89PNG",
		"at the end":             "canary\ufffd",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			for _, operation := range []logical.Operation{logical.UpdateOperation, logical.ReadOperation} {
				req := m.request(operation, "sign/custom/ovh", given)
				req.Data["body"] = body // bytes as they are: JSON would replace them
				resp, err := m.HandleRequest(t.Context(), req)
				require.NoError(t, err)
				require.EqualError(t, resp.Error(), "body "+fault)
			}
			req := m.request(logical.UpdateOperation, "sign/custom/ovh/batch", nil)
			req.Data = values{"requests": []any{with(given, values{"body": body})}}
			resp, err := m.HandleRequest(t.Context(), req)
			require.NoError(t, err)
			require.EqualError(t, resp.Error(), "requests[0]: body "+fault)
			require.NotContains(t, m.logged(), "canary")
		})
	}
	require.Contains(t, m.refused(logical.UpdateOperation, "sign/custom/ovh", with(given, values{"method": "\ufffd"})),
		"method contains U+FFFD")
}
