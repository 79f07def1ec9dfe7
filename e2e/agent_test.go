package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

var (
	headerLine  = regexp.MustCompile(`(?m)^([^:\n]+): (.*)$`)
	envVariable = regexp.MustCompile(`(?m)^([A-Z_]+)='([^']*)'$`)
)

// headers are the header lines of a file that the Agent wrote.
func headers(a *harness.Agent, file string) values {
	headers := values{}
	for _, match := range headerLine.FindAllStringSubmatch(a.Read(file), -1) {
		headers[match[1]] = match[2]
	}
	return headers
}

func environment(a *harness.Agent) map[string]string {
	environment := map[string]string{}
	for _, match := range envVariable.FindAllStringSubmatch(a.Read("apisig.env"), -1) {
		environment[match[1]] = match[2]
	}
	return environment
}

// Agent refreshes PAVE's headers by the ttl in the answer and tokens by their leases, not every five minutes as by
// default. A file never contains what the vendor rejects.
func TestAgentKeepsFilesFresh(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.WriteShortLived()
	a := harness.StartAgent(t, m)
	for _, file := range harness.AgentFiles {
		info, err := os.Stat(filepath.Join(a.Directory, file))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), file)
	}
	a.Refreshes(t, "pave.headers", 5, func() {
		require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1/sessions", headers(a, "pave.headers")))
	})
	a.Refreshes(t, "avanan.jwt", 5, func() {
		require.True(t, m.Vendor.Living(strings.TrimSpace(a.Read("avanan.jwt"))), "the vendor takes the JWT in the file")
	})
	a.Refreshes(t, "infinity.headers", 5, func() {
		again := harness.With(headers(a, "infinity.headers"), values{"x-av-req-id": uuid.NewString()})
		require.Equal(t, http.StatusOK, m.Call(m.URL+"/app/hec-api/v1.0/scopes", again))
	})
	a.Refreshes(t, "oauth2.headers", 5, func() {
		require.Equal(t, http.StatusOK, m.Call(m.URL+"/oauth2/v1/orders", headers(a, "oauth2.headers")))
	})
	environment := environment(a)
	require.Equal(t, http.StatusOK, m.Call(environment["PAVE_BASE_URL"]+"/v1/sessions", values{
		"API-Key":       environment["PAVE_API_KEY"],
		"API-Token":     environment["PAVE_API_TOKEN"],
		"API-Timestamp": environment["PAVE_API_TIMESTAMP"],
	}))
	require.Equal(t, "US:sandbox", environment["AVANAN_APP_ID"])
	require.True(t, m.Vendor.Living(environment["AVANAN_TOKEN"]))
	require.Equal(t, m.URL+"/app/hec-api", environment["INFINITY_BASE_URL"])
	require.True(t, m.Vendor.Living(environment["INFINITY_TOKEN"]))
}

// While the vendor is down, Agent keeps the old file. Once it is back, Agent writes a new JWT.
func TestAgentKeepsFileWhileVendorIsDown(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.WriteShortLived()
	a := harness.StartAgent(t, m)
	m.Fault(sandbox.Break)
	harness.Eventually(t, func() bool {
		kept := strings.TrimSpace(a.Read("avanan.jwt"))
		return kept != "" && !m.Vendor.Living(kept)
	}, "the file stays after its JWT has expired")
	paveHeaders := a.Read("pave.headers")
	harness.Eventually(t, func() bool {
		return a.Read("pave.headers") != paveHeaders
	}, "the headers, which need no vendor, are refreshed")
	m.Fault(sandbox.None)
	harness.Eventually(t, func() bool { return m.Vendor.Living(strings.TrimSpace(a.Read("avanan.jwt"))) }, "a new JWT")
}

// Vault starts a killed plugin again, and Agent keeps refreshing.
func TestAgentRefreshesAfterPluginIsKilled(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.WriteShortLived()
	a := harness.StartAgent(t, m)
	harness.KillPlugin(t, m.Server)
	a.Refreshes(t, "pave.headers", 2, func() {})
	a.Refreshes(t, "avanan.jwt", 2, func() {})
}

// Vault Proxy caches none of the engine's answers: each read through it is answered by the engine. That is so for
// headers, which have no lease, and for a token, which has one.
func TestVaultProxyCachesNoAnswer(t *testing.T) {
	t.Parallel()
	for policy, read := range map[string]struct{ path, field string }{
		"pave-reader":     {"creds/pave/main", "last_vault_rotation"},
		"infinity-reader": {"creds/infinity/us", "header_lines"},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			m := harness.Start(t).MountApisig(t)
			m.WriteShortLived()
			proxied, err := m.Server.NewClient("")
			require.NoError(t, err)
			require.NoError(t, proxied.SetAddress(harness.StartVaultProxy(t, m, policy)))
			through := *m
			through.Client = proxied
			harness.Eventually(t, func() bool {
				_, err := proxied.Logical().ReadWithContext(t.Context(), m.Path+"/"+read.path)
				return err == nil
			}, "Vault Proxy has logged in")
			first, second := through.Read(read.path), through.Read(read.path)
			require.NotEmpty(t, first.Data[read.field])
			require.NotEqual(t, first.Data[read.field], second.Data[read.field])
			if first.LeaseID != "" {
				require.NotEqual(t, first.LeaseID, second.LeaseID)
			}
		})
	}
}
