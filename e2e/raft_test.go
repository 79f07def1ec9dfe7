package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// raftServer is a Vault with raft storage, which outlives its process.
type raftServer struct {
	*vaultServer
	key string // the one key that unseals it
}

// startRaftVault starts a cluster of one, initialized and unsealed.
func startRaftVault(t *testing.T) *raftServer {
	t.Helper()
	s := launchRaftVault(t, "one")
	client, err := s.newClient("")
	require.NoError(t, err)
	var initialized *api.InitResponse
	require.NoError(t, s.poll(func() error {
		initialized, err = client.Sys().InitWithContext(t.Context(), &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
		return err
	}))
	s.key = initialized.Keys[0]
	s.unseal(t)
	require.NoError(t, s.connect(initialized.RootToken))
	return s
}

// launchRaftVault starts a process that belongs to no cluster yet.
func launchRaftVault(t *testing.T, id string) *raftServer {
	t.Helper()
	directory := t.TempDir()
	address, err := freeAddress()
	require.NoError(t, err)
	clusterAddress, err := freeAddress()
	require.NoError(t, err)
	s := &raftServer{vaultServer: &vaultServer{
		binary: vault.binary, isOpenBao: vault.isOpenBao, directory: directory, answers: &recorder{}, address: "http://" + address,
	}}
	for _, path := range []string{s.plugins(), s.data()} {
		require.NoError(t, os.Mkdir(path, 0o700))
	}
	require.NoError(t, os.WriteFile(s.configFile(), fmt.Appendf(nil, `
		plugin_directory = %q
		disable_mlock    = true
		api_addr         = "http://%s"
		cluster_addr     = "https://%s"
		storage "raft" {
			path    = %q
			node_id = %q
			autopilot_reconcile_interval = "2s"
		}
		listener "tcp" {
			address         = "%s"
			cluster_address = "%s"
			tls_disable     = true
		}`, s.plugins(), address, clusterAddress, s.data(), id, address, clusterAddress), 0o600))
	require.NoError(t, s.launch())
	return s
}

// join starts another node of the cluster. They share the audit log, whose path is the same for all.
func (s *raftServer) join(t *testing.T, id string) *raftServer {
	t.Helper()
	joined := launchRaftVault(t, id)
	joined.key = s.key
	require.NoError(t, os.Symlink(s.auditFile(), joined.auditFile()))
	var err error
	joined.client, err = joined.newClient(s.client.Token())
	require.NoError(t, err)
	require.NoError(t, joined.poll(func() error {
		_, err := joined.client.Sys().RaftJoinWithContext(t.Context(), &api.RaftJoinRequest{LeaderAPIAddr: s.address})
		return err
	}))
	joined.unseal(t)
	joined.ready(t)
	return joined
}

func (s *raftServer) unseal(t *testing.T) {
	t.Helper()
	client, err := s.newClient("")
	require.NoError(t, err)
	require.NoError(t, s.poll(func() error { _, err := client.Sys().UnsealWithContext(t.Context(), s.key); return err }))
	// A node that joins unseals after it has answered, and must not be given the key again meanwhile: it would stand by
	// twice over, and heed no step-down.
	require.NoError(t, s.poll(func() error {
		status, err := client.Sys().SealStatusWithContext(t.Context())
		if err == nil && status.Sealed {
			err = errors.New("it is sealed yet")
		}
		return err
	}))
}

// ready waits until requests are answered, by this node or the one that it forwards to.
func (s *raftServer) ready(t *testing.T) {
	t.Helper()
	require.NoError(t, s.poll(func() error { _, err := s.client.Logical().ReadWithContext(t.Context(), "sys/mounts"); return err }))
}

// start starts a node again whose process has ended.
func (s *raftServer) start(t *testing.T) {
	t.Helper()
	require.NoError(t, s.launch())
	s.unseal(t)
	s.ready(t)
}

// restart ends the process and starts it anew.
func (s *raftServer) restart(t *testing.T) {
	t.Helper()
	s.stop()
	s.start(t)
}

// A restart loses the JWTs in memory, which cost one handshake, and nothing else: configs and leases are as they were.
// The Agent goes on by itself.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := startRaftVault(t)
	m := apisigMountOf(t, server.vaultServer)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	config, before, handshakes := m.read("config/avanan/us").Data, m.read("creds/avanan/us"), m.vendor.Handshakes()
	server.restart(t)
	require.Equal(t, config, m.read("config/avanan/us").Data)
	after := m.read("creds/avanan/us")
	require.NotEqual(t, before.Data["token"], after.Data["token"])
	require.Equal(t, handshakes+1, m.vendor.Handshakes())
	for _, secret := range []*api.Secret{before, after} {
		require.NoError(t, m.client.Sys().RevokeWithOptionsWithContext(t.Context(), &api.RevokeOptions{LeaseID: secret.LeaseID, Sync: true}))
	}
	require.Empty(t, m.irrevocableLeases())

	shortLived(m)
	a := startAgent(t, m)
	server.restart(t)
	a.refreshes(t, "pave.curl", 2, func() {})
	a.refreshes(t, "avanan.jwt", 2, func() {})
	require.True(t, m.vendor.Living(strings.TrimSpace(a.read("avanan.jwt"))))
}
