package cluster

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// A restart of Vault, or of its killed plugin, loses the tokens in memory, which costs one exchange for each config,
// and nothing else: configs and leases stay as they were.
func TestRestartKeepsConfigsAndLeases(t *testing.T) {
	t.Parallel()
	server := harness.StartRaft(t)
	m := mount{server.MountApisig(t)}
	m.Write("config/pave/main", m.PaveValues())
	vendors := m.TokenVendors()
	configs, tokens := map[string]values{}, map[string]bool{}
	var leases []*api.Secret
	read := func(m mount, vendor string) {
		lease := m.Read("creds/" + vendor + "/us")
		require.False(t, tokens[harness.Token(lease)], "the token of %s is an old one", vendor)
		tokens[harness.Token(lease)] = true
		leases = append(leases, lease)
	}
	for _, vendor := range vendors {
		given := harness.With(vendor.Values)
		delete(given, "date_format") // the one that is found is stored
		m.Write("config/"+vendor.Name+"/us", given)
		configs[vendor.Name] = m.Read("config/" + vendor.Name + "/us").Data
		require.NotContains(t, configs[vendor.Name], vendor.Secret)
		read(m, vendor.Name)
	}
	for name, restart := range map[string]func(*testing.T){
		"a restart": server.Restart,
		"kill -9 of the plugin": func(t *testing.T) {
			t.Helper()
			harness.KillPlugin(t, m.Server)
			m.answers("metrics", http.StatusOK)
		},
	} {
		t.Run(name, func(t *testing.T) {
			restart(t)
			m := mount{m.In(t)}
			for _, vendor := range vendors {
				require.Equal(t, configs[vendor.Name], m.Read("config/"+vendor.Name+"/us").Data)
				exchanges := vendor.Exchanges()
				read(m, vendor.Name)
				require.Equal(t, exchanges+1, vendor.Exchanges())
			}
		})
	}
	for _, lease := range leases { //nolint:paralleltest // the subtests above restart one Vault
		m.RequireLeased(lease)
	}
	m.Revoke(leases...)
	require.Empty(t, m.IrrevocableLeases())
}

// Vault Agent recovers from a restart of Vault by itself.
func TestAgentRecoversFromRestart(t *testing.T) {
	t.Parallel()
	server := harness.StartRaft(t)
	m := server.MountApisig(t)
	m.WriteShortLived()
	a := harness.StartAgent(t, m)
	server.Restart(t)
	a.Refreshes(t, "pave.headers", 2, func() {})
	a.Refreshes(t, "avanan.jwt", 2, func() {})
	require.True(t, m.Vendor.Living(strings.TrimSpace(a.Read("avanan.jwt"))))
}
