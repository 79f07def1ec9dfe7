package cluster

import (
	"bytes"
	"net/http"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// A restored snapshot brings back its configs and leases on every node. Nothing written or issued after it is served.
func TestSnapshotRestoresConfigsAndLeases(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.Write("config/pave/main", c.PaveValues())
	c.Write("config/pave/other", c.PaveValues())
	c.Write("config/avanan/us", c.AvananValues())
	leader := c.leader(nil)
	m := c.at(leader)
	m.setTTL("100")
	configs, lease := m.configs(), m.Read("creds/avanan/us")
	var snapshot bytes.Buffer
	require.NoError(t, m.Client.Sys().RaftSnapshotWithContext(t.Context(), &snapshot))

	m.setTTL("101")
	m.rotate(harness.NewSecret())
	m.Write("config/pave/later", m.PaveValues())
	later := m.Read("creds/avanan/us")
	m.Read("creds/pave/later")
	status, _, text := m.Request(http.MethodDelete, "config/pave/other", nil)
	require.Equal(t, http.StatusNoContent, status, text)
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey = harness.AvananSecret })

	// Vault answers before it has restored anything.
	require.NoError(t, m.Client.Sys().RaftSnapshotRestoreWithContext(t.Context(), &snapshot, false))
	harness.Eventually(t, func() bool {
		status, _, _ := m.Request(http.MethodGet, "config/pave/other", nil)
		return status == http.StatusOK
	}, "the snapshot")
	check := func() {
		for _, node := range c.nodes {
			node.Ready(t)
			m := c.at(node)
			require.Equal(t, configs, m.configs())
			m.hasTTL("100")
			m.Read("creds/pave/other")
			status, _, _ := m.Request(http.MethodGet, "creds/pave/later", nil)
			require.Equal(t, http.StatusBadRequest, status)
			token := m.works()
			require.False(t, token == lease.Data["token"] || token == later.Data["token"], "the JWT is an old one")
		}
	}
	check()
	c.stepDown(leader)
	check()
	kept := m.Leases()
	require.Contains(t, kept, path.Base(lease.LeaseID))
	require.NotContains(t, kept, path.Base(later.LeaseID))
	m.revokeAll()
}
