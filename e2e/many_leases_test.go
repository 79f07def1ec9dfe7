package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Ten thousand live leases go at once, with the vendor down and the config deleted: by their prefix, and with the mount.
func TestTenThousandLeases(t *testing.T) {
	t.Parallel()
	server, err := startQuietVault(t.TempDir())
	require.NoError(t, err)
	m := apisigMountOf(t, server)
	const leases, connections = 10_000, 16
	for what, end := range map[string]func() error{
		"revoked by prefix": func() error {
			return m.client.Sys().RevokeWithOptionsWithContext(t.Context(), &api.RevokeOptions{
				LeaseID: m.path + "/creds", Prefix: true, Sync: true,
			})
		},
		"disabled": func() error { return m.client.Sys().UnmountWithContext(t.Context(), m.path) },
	} {
		m.fault(sandbox.None)
		mounts, err := m.client.Sys().ListMountsWithContext(t.Context())
		require.NoError(t, err)
		if mounts[m.path+"/"] == nil {
			require.NoError(t, m.client.Sys().MountWithContext(t.Context(), m.path, mountInput(pluginName, "")))
		}
		m.write("config/avanan/us", m.avananValues())
		_, err = server.runLoad(connections, func(int, int) request { return request{http.MethodGet, m.path + "/creds/avanan/us", ""} },
			func(sent int) bool { return sent < leases/connections })
		require.NoError(t, err)
		require.Len(t, m.leases(), leases)
		_, _, text := m.request(http.MethodDelete, "config/avanan/us", nil)
		require.Empty(t, text)
		m.fault(sandbox.Break)
		began := time.Now()
		require.NoError(t, end())
		t.Logf("%s in %s", what, time.Since(began))
		require.Empty(t, m.leases())
		require.Empty(t, m.irrevocableLeases())
	}
}
