package backend

import (
	"net/http"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// If a write changes a field that a handshake uses, readers get a new token, even if the secret stays the same. Other
// changes keep the token.
func TestTokenIsForOneAccount(t *testing.T) {
	t.Parallel()
	for field, test := range map[string]struct {
		value any
		kept  bool
	}{
		"region":            {"eu", false},
		"app_id":            {"US:other", false},
		"secret_key":        {"other-secret", false},
		"base_url":          {"", false}, // the URL of another server, set below
		"date_format":       {"zulu", false},
		"ca_cert":           {testCertificate, false},
		"min_ttl":           {20, true},
		"request_timeout":   {20, true},
		"secret_expires_at": {"2027-03-01T00:00:00Z", true},
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			m, elsewhere := newMount(t), newMount(t)
			m.write("config/avanan/us", m.avananValues())
			token := m.read("creds/avanan/us")["token"]
			change := values{field: test.value}
			if field == "base_url" {
				change[field] = elsewhere.url
			}
			m.vendor.Change(func(b *sandbox.Behaviour) {
				b.AvananDates = sandbox.Both
				if text, is := test.value.(string); is && field == "app_id" {
					b.AvananAppID = text
				} else if is && field == "secret_key" {
					b.AvananSecretKey = text
				}
			})
			m.write("config/avanan/us", with(values{"secret_key": "sandbox-avanan-secret", "verify": false}, change))
			if test.kept {
				require.Equal(t, token, m.read("creds/avanan/us")["token"])
				return
			}
			require.NotEqual(t, token, m.read("creds/avanan/us")["token"])
		})
	}
}

// A write that changes a field that a handshake uses is verified, even if the secret stays the same.
func TestChangeOfTheAccountIsVerified(t *testing.T) {
	t.Parallel()
	for field, value := range map[string]any{
		"region":      "eu",
		"app_id":      "US:sandbox",
		"date_format": "zoneless",
		"ca_cert":     testCertificate,
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", with(m.avananValues(), values{"app_id": "US:first", "verify": false}))
			change := values{"secret_key": "sandbox-avanan-secret", field: value}
			if field != "app_id" {
				m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananAppID = "US:first" })
			}
			m.must(logical.UpdateOperation, "config/avanan/us", change)
			require.Equal(t, 1, m.vendor.Handshakes())
		})
	}
}

// If a storage entry is damaged, every request for its config fails and says so, except a delete.
func TestDamagedEntryFailsEveryRequest(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"nothing":                   "",
		"a list":                    "[]",
		"cut off":                   "{",
		"a number for a text":       `{"username":7}`,
		"a text for a duration":     `{"ttl":"canary"}`,
		"a list for a secret":       `{"api_secret":[]}`,
		"a text for another number": `{"request_timeout":"canary"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.put("config/pave/main", []byte(value))
			for _, request := range []func(*mount) (*logical.Response, error){
				doing(logical.ReadOperation, "config/pave/main", nil),
				doing(logical.UpdateOperation, "config/pave/main", m.paveValues()),
				doing(logical.PatchOperation, "config/pave/main", values{"ttl": 20}),
				doing(logical.ReadOperation, "creds/pave/main", nil),
			} {
				resp, err := request(m)
				require.Nil(t, resp)
				require.EqualError(t, err,
					"config/pave/main: the storage entry is damaged; delete the config and write it again")
			}
			require.Equal(t, value, m.stored()["config/pave/main"])
			m.must(logical.DeleteOperation, "config/pave/main", nil)
			m.write("config/pave/main", m.paveValues())
		})
	}
}

// A value in storage of a field that is not stored, such as verify, is ignored and kept.
func TestStoredValueOfAnUnstoredFieldIsIgnored(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.put("config/avanan/us", mustJSON(t, with(m.avananValues(), values{"verify": true})))
	m.read("creds/avanan/us")
	m.write("config/avanan/us", values{"min_ttl": 20})
	require.NotContains(t, m.read("config/avanan/us"), "verify")
	require.Contains(t, m.stored()["config/avanan/us"], `"verify":true`)
}

// A write that contains the secret and the stored certificate has no warning, because it relies on no stored setting.
func TestCertificateInTheWriteHasNoWarning(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	config := values{"region": "us", "app_id": "app", "secret_key": "old", "ca_cert": testCertificate, "verify": false}
	m.write("config/avanan/x", config)
	change := values{"secret_key": "new", "ca_cert": testCertificate, "verify": false}
	resp, status, text := m.handle(logical.UpdateOperation, "config/avanan/x", change)
	require.Empty(t, text)
	require.Nil(t, resp)
	require.Equal(t, http.StatusNoContent, status)
}
