package backend

import (
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// A config whose scheme only a newer rule refuses goes on working, and says what a write of the scheme would meet.
func TestCustomOutdatedScheme(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", with(m.customCreds(), values{"label": "some"}))
	outdated := strings.Replace(customCredsScheme, "[a-z]+", "^[a-z]+$", 1)
	m.elsewhere("config/custom/x", "scheme", outdated)
	m.InvalidateKey(t.Context(), "config/custom/x")
	const fault = `fields.label.pattern: has ^, \A, $ or \z; leave it out, because a pattern matches the whole value`
	const problem = "this config goes on working, but a write of its declaration would be refused: " + fault
	warned := func() {
		t.Helper()
		resp, _, text := m.handle(logical.ReadOperation, "config/custom/x", nil)
		require.Empty(t, text)
		require.Equal(t, []string{problem}, resp.Warnings)
		require.Equal(t, outdated, resp.Data["scheme"])
		require.Equal(t, problem, m.read("status/custom/x")["problem"])
	}
	warned()
	first := m.read("creds/custom/x")
	require.Equal(t, "some", first["headers"].(map[string]string)["X-Label"])
	require.Equal(t, values{"verified_at": "2026-01-02T03:04:05Z"}, m.must(logical.UpdateOperation, "check/custom/x", nil))
	m.write("config/custom/x", values{"key": "canary-rotated", "base_url": "https://api.example/"})
	warned()
	require.NotEqual(t, first["headers"], m.read("creds/custom/x")["headers"])
	require.Contains(t, m.stored()["config/custom/x"], "canary-rotated")
	m.write("config/custom/x", m.customCreds())
	require.NotContains(t, m.read("status/custom/x"), "problem")
	require.NotContains(t, m.logged(), "canary")
}

// A write that names the scheme of such a config is refused, even if it is the stored one.
func TestCustomOutdatedSchemeCannotBeWritten(t *testing.T) {
	t.Parallel()
	outdated := strings.Replace(customCredsScheme, "[a-z]+", "^[a-z]+$", 1)
	const fault = `fields.label.pattern: has ^, \A, $ or \z; leave it out, because a pattern matches the whole value`
	m := newMount(t)
	m.write("config/custom/x", with(m.customCreds(), values{"label": "some"}))
	m.elsewhere("config/custom/x", "scheme", outdated)
	m.InvalidateKey(t.Context(), "config/custom/x")
	stored, whole := m.stored(), with(m.customCreds(), values{"scheme": outdated})
	for name, test := range map[string]struct {
		path  string
		write values
	}{
		"the stored scheme": {"config/custom/x", values{"scheme": outdated}},
		"with all secrets":  {"config/custom/x", whole},
		"another scheme":    {"config/custom/x", with(whole, values{"scheme": outdated + "\n"})},
		"a new config":      {"config/custom/new", whole},
	} {
		for _, operation := range []logical.Operation{logical.UpdateOperation, logical.PatchOperation} {
			if operation == logical.PatchOperation && name == "a new config" {
				continue
			}
			t.Run(name+", "+string(operation), func(t *testing.T) {
				t.Parallel()
				m := m.in(t)
				require.Equal(t, fault, m.refused(operation, test.path, test.write))
				require.Equal(t, stored, m.stored())
				require.Contains(t, m.read("status/custom/x")["problem"], fault)
			})
		}
	}
}

// In a stored scheme, a name that is the engine's by now means what the scheme says.
func TestCustomStoredNamesOfParameters(t *testing.T) {
	t.Parallel()
	// The signature was computed with openssl.
	const template = `secrets: {key: {}}
fields: {FIELD: {}}
request: {REQUEST: {}}
headers: {X-Field: FIELD, X-Request: REQUEST, X-Sig: 'hex(hmac_sha256(key, REQUEST))'}
ttl: 60s
examples:
  - secrets: {key: made-up}
    fields: {FIELD: f}
    request: {REQUEST: a}
    want: {X-Sig: 1b156aac972b45204d72158cfedc51b48bfa1ee237d8b91da9fe55b5b3f605c0}
`
	for field, request := range map[string]string{
		"scheme_name":    "min_ttl",
		"scheme_upgrade": "requests",
	} {
		t.Run(field+" and "+request, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			scheme := strings.NewReplacer("FIELD", field, "REQUEST", request).Replace(template)
			m.storeConfig(field, scheme, values{"key": "canary-key"}, values{field: "f1"})
			read := m.read("config/custom/" + field)
			require.Equal(t, "f1", read[field])
			m.write("config/custom/"+field, values{field: "f2", "key": "canary-key", "base_url": "https://api.example"})
			signed := m.must(logical.UpdateOperation, "sign/custom/"+field, values{request: "r1"})
			headers, _ := signed["headers"].(map[string]string)
			require.Equal(t, "f2", headers["X-Field"])
			require.Equal(t, "r1", headers["X-Request"])
			batch := values{"requests": []any{values{request: "r1"}}}
			results := m.must(logical.UpdateOperation, "sign/custom/"+field+"/batch", batch)["results"]
			require.Equal(t, []any{without(signed, "expires_at")}, results)
			require.Contains(t, m.read("status/custom/" + field)["problem"],
				"this name is a parameter of the engine or of Vault")
		})
	}
}

// storeConfig stores a config of a declared API as an earlier version did.
func (m *mount) storeConfig(name, scheme string, secrets, fields values) {
	m.t.Helper()
	entry, err := logical.StorageEntryJSON("config/custom/"+name, values{
		"scheme": scheme, "base_url": "https://api.example", "secrets": secrets, "fields": fields,
	})
	require.NoError(m.t, err)
	require.NoError(m.t, m.storage.Put(m.t.Context(), entry))
}
