package cluster

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// signs returns the token of a signature.
func (m mount) signs() any {
	m.T.Helper()
	return m.Read("sign/avanan/us", "request_string", "/v1.0/scopes").Data["headers"].(values)["x-av-token"]
}

// Standbys that serve reads have a plugin, a memory and a token of their own. They serve what the active node stores,
// and after a snapshot was restored, within the minute in which their memory is dropped, what is in it: nothing tells
// their plugin.
func TestStandbysServeWrittenAndRestoredConfigs(t *testing.T) {
	t.Parallel()
	if kind := harness.ServerKind(t); !kind.StandbysServeReads() {
		t.Skip(kind, "has no standbys that serve reads: "+
			"all requests go to the active node, which loads its mounts again after a restore")
	}
	c := startCluster(t)
	c.write()
	leader := c.leader(nil)
	m := c.at(leader)
	m.setTTL("100")
	var snapshot bytes.Buffer
	require.NoError(t, m.Client.Sys().RaftSnapshotWithContext(t.Context(), &snapshot))

	m.setTTL("101")
	m.rotate(harness.NewSecret())
	m.Write("config/pave/later", m.PaveValues())
	tokens := map[any]bool{}
	for _, node := range c.nodes {
		m := c.at(node)
		m.hasTTL("101")
		m.answers("creds/pave/later", http.StatusOK)
		tokens[m.signs()] = true
	}
	require.Len(t, tokens, len(c.nodes), "a token for each node")
	m.accept(harness.AvananSecret, harness.OAuthSecret)

	require.NoError(t, m.Client.Sys().RaftSnapshotRestoreWithContext(t.Context(), &snapshot, false))
	restored := time.Now()
	for _, node := range c.nodes {
		node.Ready(t)
		m := c.at(node)
		m.hasTTL("100")
		m.answers("creds/pave/later", http.StatusBadRequest)
		require.False(t, tokens[m.signs()], "the token is an old one")
		t.Logf("%s serves the snapshot after %s", node.Address, time.Since(restored).Round(time.Second))
	}
}
