package backend

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Status follows a config through its life. It calls nobody and changes nothing.
func TestStatusFollowsAConfig(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	m.write("config/pave/main", m.paveValues())
	m.advance(time.Minute)
	before := m.stored()
	require.Equal(t, values{
		"secret_written_at": "2026-01-02T03:04:05Z",
		"secret_age":        60,
		"since":             "2026-01-02T03:04:05Z",
		"exchanges":         0,
		"reads":             0,
		"stale_reads":       0,
		"failures_in_a_row": 0,
	}, m.read("status/pave/main"))

	m.read("creds/avanan/us")
	m.must(logical.ReadOperation, "sign/avanan/us", values{"request_string": "/v1.0/scopes"})
	require.Equal(t, values{
		"secret_written_at": "2026-01-02T03:04:05Z",
		"secret_age":        60,
		"since":             "2026-01-02T03:04:05Z",
		"exchanges":         1,
		"reads":             2,
		"stale_reads":       0,
		"failures_in_a_row": 0,
		"last_success_at":   "2026-01-02T03:05:05Z",
		"clock_offset":      0,
		"token_issued_at":   "2026-01-02T03:05:05Z",
		"token_expires_at":  "2026-01-02T04:05:05Z",
	}, m.read("status/avanan/us"))

	m.fault(sandbox.Break)
	m.advance(55 * time.Minute)
	m.read("creds/avanan/us")
	status := m.read("status/avanan/us")
	require.Equal(t, 1, status["failures_in_a_row"])
	require.Equal(t, 1, status["stale_reads"])
	require.Equal(t, 3, status["reads"])
	require.Equal(t, 2, status["exchanges"])
	require.Equal(t, "2026-01-02T04:00:05Z", status["last_failure_at"])
	require.Equal(t, "2026-01-02T04:00:06Z", status["held_off_until"])
	require.Contains(t, status["last_failure"], "status 500")
	m.advance(time.Second)
	require.NotContains(t, m.read("status/avanan/us"), "held_off_until")

	// Another account begins anew, except for the counters.
	m.fault(sandbox.None)
	m.must(logical.UpdateOperation, "config/avanan/us", values{
		"secret_key":  "sandbox-avanan-secret",
		"base_url":    m.url,
		"date_format": "zoneless",
	})
	status = m.read("status/avanan/us")
	require.Equal(t, 0, status["failures_in_a_row"])
	require.NotContains(t, status, "last_failure")
	require.Equal(t, "2026-01-02T04:00:06Z", status["secret_written_at"])
	require.Equal(t, 0, status["secret_age"])
	require.Equal(t, 3, status["reads"])
	require.Equal(t, 3, status["exchanges"], "the verified write's is one")
	require.NotEqual(t, before, m.stored())

	before, handshakes := m.stored(), m.vendor.Handshakes()
	m.storage.verb.Store("get")
	for range 3 {
		m.read("status/avanan/us")
	}
	require.Equal(t, handshakes, m.vendor.Handshakes())
	m.storage.verb.Store("")
	require.Equal(t, before, m.stored())
	require.Equal(t, []string{"us"}, m.must(logical.ListOperation, "status/avanan", nil)["keys"])
	m.must(logical.DeleteOperation, "config/avanan/us", nil)
	require.Contains(t, m.refused(logical.ReadOperation, "status/avanan/us", nil), "there is no config")
}

// A secret's age is that of its last write: other writes keep it, and a config of an earlier version has none.
func TestSecretAge(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.put("config/pave/main", mustJSON(t, m.paveValues()))
	for _, path := range []string{"config/pave/main", "status/pave/main"} {
		require.NotContains(t, m.read(path), "secret_written_at")
		require.NotContains(t, m.read(path), "secret_age")
	}
	m.advance(time.Hour)
	m.write("config/pave/main", values{"ttl": 20})
	require.NotContains(t, m.read("config/pave/main"), "secret_written_at")
	m.must(logical.UpdateOperation, "config/pave/main", values{"api_secret": "new", "base_url": m.url})
	m.advance(90 * 24 * time.Hour)
	m.patch("config/pave/main", values{"ttl": 30})
	require.Equal(t, "2026-01-02T04:04:05Z", m.read("config/pave/main")["secret_written_at"])
	require.Equal(t, 90*24*60*60, m.read("status/pave/main")["secret_age"])
}

// A config that cannot be used, or is damaged, says why.
func TestStatusSaysWhyAConfigCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ stored, problem string }{
		"no secret": {
			stored:  `{"username":"acme","api_key":"canary-k"}`,
			problem: "api_secret is required",
		},
		"a format of a later version": {
			stored:  `{"username":"acme","api_key":"canary","api_secret":"canary","timestamp_format":"later"}`,
			problem: "timestamp_format must be one of auto, rfc3339, rfc3339-ms, http-date, unix",
		},
		"damaged": {
			stored:  `["canary"]`,
			problem: "the storage entry is damaged; delete the config and write it again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.put("config/pave/main", []byte(test.stored))
			require.Equal(t, values{"problem": test.problem}, m.read("status/pave/main"))
		})
	}
	m := newMount(t)
	m.storage.verb.Store("get")
	_, status, _ := m.handle(logical.ReadOperation, "status/pave/main", nil)
	require.Equal(t, http.StatusInternalServerError, status)
}
