package cluster

import (
	"bytes"
	"net/http"
	"path"
	"slices"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// A restored snapshot brings back its configs and leases on every node. Nothing written or issued after it is served.
func TestSnapshotRestoresConfigsAndLeases(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.write()
	c.Write("config/pave/other", c.PaveValues())
	leader := c.leader(nil)
	m := c.at(leader)
	m.setTTL("100")
	configs, before := m.configs(), []*api.Secret{m.Read("creds/avanan/us"), m.Read("creds/custom/us")}
	var snapshot bytes.Buffer
	require.NoError(t, m.Client.Sys().RaftSnapshotWithContext(t.Context(), &snapshot))

	m.setTTL("101")
	m.rotate(harness.NewSecret())
	m.Write("config/pave/later", m.PaveValues())
	after := []*api.Secret{m.Read("creds/avanan/us"), m.Read("creds/custom/us")}
	old := map[string]bool{}
	for _, lease := range slices.Concat(before, after) {
		old[harness.Token(lease)] = true
	}
	m.Read("creds/pave/later")
	status, _, text := m.Request(http.MethodDelete, "config/pave/other", nil)
	require.Equal(t, http.StatusNoContent, status, text)
	m.accept(harness.AvananSecret, harness.OAuthSecret)

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
			for i, token := range m.works() {
				require.False(t, old[token], "token %d is an old one", i)
			}
		}
	}
	check()
	c.stepDown(leader)
	check()
	kept := m.leases()
	for i := range before {
		require.Contains(t, kept, path.Base(before[i].LeaseID))
		require.NotContains(t, kept, path.Base(after[i].LeaseID))
	}
	m.revokeAll()
}
