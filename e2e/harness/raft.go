package harness

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// RaftServer is a Vault with raft storage, which outlives its process.
type RaftServer struct {
	*Server
	key string // the one key that unseals it
}

// StartRaft starts a cluster of one node, initialized and unsealed. It knows no plugin yet.
func StartRaft(t *testing.T) *RaftServer {
	t.Helper()
	s := launchRaft(t, "one", nil)
	client, err := s.NewClient("")
	require.NoError(t, err)
	var initialized *api.InitResponse
	require.NoError(t, s.poll(func() error {
		initialized, err = client.Sys().InitWithContext(t.Context(), &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
		return err
	}))
	s.key = initialized.Keys[0]
	s.Unseal(t)
	require.NoError(t, s.connect(initialized.RootToken))
	s.Ready(t)
	return s
}

// launchRaft starts a process that belongs to no cluster yet. The nodes of a cluster share the audit log of the first,
// since its path is the same for all of them.
func launchRaft(t *testing.T, id string, first *RaftServer) *RaftServer {
	t.Helper()
	program, err := findVault()
	require.NoError(t, err)
	directory := t.TempDir()
	address, err := FreeAddress()
	require.NoError(t, err)
	clusterAddress, err := FreeAddress()
	require.NoError(t, err)
	s := &RaftServer{Server: &Server{
		Binary: program.path, Kind: program.kind, directory: directory, answers: &recorder{}, Address: "http://" + address,
	}}
	audit := s.auditFile()
	if first != nil {
		audit = first.auditFile()
		require.NoError(t, os.Symlink(audit, s.auditFile()))
	}
	for _, path := range []string{s.Plugins(), s.data()} {
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
		}
		%s`, s.Plugins(), address, clusterAddress, s.data(), id, address, clusterAddress, s.auditConfig(audit)), 0o600))
	require.NoError(t, s.launch())
	s.stopAtEnd(t)
	return s
}

// Join starts another node of the cluster.
func (s *RaftServer) Join(t *testing.T, id string) *RaftServer {
	t.Helper()
	joined := launchRaft(t, id, s)
	joined.key = s.key
	var err error
	joined.Client, err = joined.NewClient(s.Client.Token())
	require.NoError(t, err)
	require.NoError(t, joined.poll(func() error {
		_, err := joined.Client.Sys().RaftJoinWithContext(t.Context(), &api.RaftJoinRequest{LeaderAPIAddr: s.Address})
		return err
	}))
	joined.Unseal(t)
	joined.Ready(t)
	return joined
}

// Unseal unseals the node and waits until it is unsealed.
func (s *RaftServer) Unseal(t *testing.T) {
	t.Helper()
	client, err := s.NewClient("")
	require.NoError(t, err)
	require.NoError(t, s.poll(func() error { _, err := client.Sys().UnsealWithContext(t.Context(), s.key); return err }))
	// A node that joins unseals after it has answered, and must not be given the key again meanwhile: it would run as a
	// standby twice and ignore step-downs.
	require.NoError(t, s.poll(func() error {
		status, err := client.Sys().SealStatusWithContext(t.Context())
		if err == nil && status.Sealed {
			err = errors.New("still sealed")
		}
		return err
	}))
}

// Ready waits until requests are answered, by this node or the one that it forwards to: reads, and writes, which a
// standby that serves reads forwards too.
func (s *RaftServer) Ready(t *testing.T) {
	t.Helper()
	require.NoError(t, s.poll(func() error {
		const policy = `path "ready" { capabilities = ["read"] }`
		_, err := s.Client.Logical().ReadWithContext(t.Context(), "sys/mounts")
		return errors.Join(err, s.Client.Sys().PutPolicyWithContext(t.Context(), "ready", policy))
	}))
}

// Start starts the process of a node again after it has ended.
func (s *RaftServer) Start(t *testing.T) {
	t.Helper()
	require.NoError(t, s.launch())
	s.Unseal(t)
	s.Ready(t)
}

// Restart ends the process and starts it again.
func (s *RaftServer) Restart(t *testing.T) {
	t.Helper()
	s.Stop()
	s.Start(t)
}

// Kill ends a node's process with SIGKILL, and its plugin's, which would outlive it.
func (s *RaftServer) Kill(t *testing.T) {
	t.Helper()
	s.kill()
}
