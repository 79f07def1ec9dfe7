package cluster

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// A restart loses the JWTs in memory, which costs one handshake, and nothing else: configs and leases stay as they
// were. Vault Agent recovers by itself.
func TestRestartKeepsConfigsAndLeases(t *testing.T) {
	t.Parallel()
	server := harness.StartRaft(t)
	m := server.MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	config, before, handshakes := m.Read("config/avanan/us").Data, m.Read("creds/avanan/us"), m.Vendor.Handshakes()
	server.Restart(t)
	require.Equal(t, config, m.Read("config/avanan/us").Data)
	after := m.Read("creds/avanan/us")
	require.NotEqual(t, before.Data["token"], after.Data["token"])
	require.Equal(t, handshakes+1, m.Vendor.Handshakes())
	m.Revoke(before, after)
	require.Empty(t, m.IrrevocableLeases())

	m.WriteShortLived()
	a := harness.StartAgent(t, m)
	server.Restart(t)
	a.Refreshes(t, "pave.headers", 2, func() {})
	a.Refreshes(t, "avanan.jwt", 2, func() {})
	require.True(t, m.Vendor.Living(strings.TrimSpace(a.Read("avanan.jwt"))))
}
