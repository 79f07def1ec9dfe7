package load

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Ten thousand live leases are revoked by prefix, and by disabling the mount, after the config is deleted and while the
// vendor is down.
func TestTenThousandLeasesAreRevoked(t *testing.T) {
	t.Parallel()
	m := harness.StartQuiet(t).MountApisig(t)
	const leases, connections = 10_000, 16
	for what, end := range map[string]func() error{
		"revoked by prefix": func() error {
			return m.Client.Sys().RevokeWithOptionsWithContext(t.Context(), &api.RevokeOptions{
				LeaseID: m.Path + "/creds", Prefix: true, Sync: true,
			})
		},
		"disabled": func() error { return m.Client.Sys().UnmountWithContext(t.Context(), m.Path) },
	} {
		m.Fault(sandbox.None)
		mounts, err := m.Client.Sys().ListMountsWithContext(t.Context())
		require.NoError(t, err)
		if mounts[m.Path+"/"] == nil {
			m.Enable(harness.PluginName, "")
		}
		m.Write("config/avanan/us", m.AvananValues())
		_, err = runLoad(m.Server, connections, func(int, int) request { return request{method: http.MethodGet, path: m.Path + "/creds/avanan/us"} },
			func(sent int) bool { return sent < leases/connections })
		require.NoError(t, err)
		require.Len(t, m.Leases(), leases)
		_, _, text := m.Request(http.MethodDelete, "config/avanan/us", nil)
		require.Empty(t, text)
		m.Fault(sandbox.Break)
		began := time.Now()
		require.NoError(t, end())
		t.Logf("%s in %s", what, time.Since(began))
		require.Empty(t, m.Leases())
		require.Empty(t, m.IrrevocableLeases())
	}
}
