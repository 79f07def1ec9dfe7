package cluster

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// A killed plugin, and a Vault that is sealed and unsealed, lose the token of a declared login and nothing else: the
// next reader logs in again, and the leases of before can be revoked.
func TestDeclaredLoginAfterAKillAndASeal(t *testing.T) {
	t.Parallel()
	server := harness.StartRaft(t)
	m := mount{server.MountApisig(t)}
	vendor := harness.NewLoginServer(t)
	m.Write("config/custom/us", vendor.Config(t))
	require.Equal(t, 1, vendor.Logins(), "the write logged in")
	config := m.Read("config/custom/us").Data
	require.NotContains(t, config, "client_secret")

	works := func() string {
		secret := m.Read("creds/custom/us")
		require.InDelta(t, 59*60, secret.LeaseDuration, 15)
		require.False(t, secret.Renewable)
		m.RequireLeased(secret)
		require.Equal(t, http.StatusOK, m.Call(vendor.URL+"/v1/things", secret.Data["headers"]))
		return secret.Data["header_lines"].(string)
	}
	first := works()
	require.Equal(t, first, works(), "readers share a token")
	require.Equal(t, 1, vendor.Logins())

	harness.NeedsProc(t)
	harness.KillPlugin(t, m.Server)
	m.answers("status/custom/us", http.StatusOK)
	second := works()
	require.NotEqual(t, first, second)
	require.Equal(t, 2, vendor.Logins())

	server.Restart(t)
	require.Equal(t, config, m.Read("config/custom/us").Data)
	require.NotEqual(t, second, works())
	require.Equal(t, 3, vendor.Logins())

	require.Len(t, m.LeasesOf("custom"), 4)
	m.RevokeAll("creds/custom/us")
	require.Empty(t, m.LeasesOf("custom"))
	require.Empty(t, m.IrrevocableLeases())
	status, _, text := m.Request(http.MethodPut, "check/custom/us", nil)
	require.Equal(t, http.StatusOK, status, text)
}
