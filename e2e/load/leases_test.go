package load

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Ten thousand live leases are revoked by prefix, and by disabling the mount, after the config is deleted and while the
// vendor is down.
func TestTenThousandLeasesAreRevoked(t *testing.T) {
	t.Parallel()
	m := harness.StartQuiet(t).MountApisig(t)
	for what, end := range map[string]func(m *harness.Mount){ //nolint:paralleltest // they end each other's leases
		"revoked by prefix": func(m *harness.Mount) { m.RevokeAll("creds") },
		"disabled": func(m *harness.Mount) {
			require.NoError(m.T, m.Client.Sys().UnmountWithContext(m.T.Context(), m.Path))
		},
	} {
		t.Run(what, func(t *testing.T) { endManyLeases(t, m.In(t), end) })
	}
}

// endManyLeases makes ten thousand leases, and ends them while the vendor is down.
func endManyLeases(t *testing.T, m *harness.Mount, end func(m *harness.Mount)) {
	t.Helper()
	const leases, connections = 10_000, 16
	m.Fault(sandbox.None)
	mounts, err := m.Client.Sys().ListMountsWithContext(t.Context())
	require.NoError(t, err)
	if mounts[m.Path+"/"] == nil {
		m.Enable(harness.PluginName, "")
	}
	m.Write("config/avanan/us", m.AvananValues())
	_, err = runLoad(m.Server, connections,
		func(int, int) request { return request{method: http.MethodGet, path: m.Path + "/creds/avanan/us"} },
		func(sent int) bool { return sent < leases/connections })
	require.NoError(t, err)
	require.Len(t, m.Leases(), leases)
	_, _, text := m.Request(http.MethodDelete, "config/avanan/us", nil)
	require.Empty(t, text)
	m.Fault(sandbox.Break)
	began := time.Now()
	end(m)
	t.Logf("ended in %s", time.Since(began))
	require.Empty(t, m.Leases())
	require.Empty(t, m.IrrevocableLeases())
}
