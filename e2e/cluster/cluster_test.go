package cluster

import (
	"net/http"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// cluster is three Vaults with raft storage, with the engine at apisig/.
type cluster struct {
	mount
	nodes []*harness.RaftServer
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	first := harness.StartRaft(t)
	c := &cluster{nodes: []*harness.RaftServer{first, first.Join(t, "two"), first.Join(t, "three")}}
	for _, node := range c.nodes[1:] {
		require.NoError(t, node.AddPlugin())
	}
	// A node that joins has no vote until it has been stable for a while.
	_, err := first.Client.Logical().WriteWithContext(t.Context(), "sys/storage/raft/autopilot/configuration", values{
		"server_stabilization_time": "1s",
	})
	require.NoError(t, err)
	harness.Eventually(t, func() bool {
		state, err := first.Client.Sys().RaftAutopilotStateWithContext(t.Context())
		return err == nil && len(state.Voters) == len(c.nodes)
	}, "every node has a vote")
	c.mount = mount{first.MountApisig(t)}
	for _, node := range c.nodes {
		c.at(node).answers("metrics", http.StatusOK) // a standby that serves reads learns of the mount a moment later
	}
	return c
}

// at is the mount, called through one node.
func (c *cluster) at(node *harness.RaftServer) mount {
	through := *c.Mount
	through.Server, through.Client = node.Server, node.Client
	return mount{&through}
}

// leader waits for a node to lead that is not the one given.
func (c *cluster) leader(but *harness.RaftServer) *harness.RaftServer {
	c.T.Helper()
	var leader *harness.RaftServer
	harness.Eventually(c.T, func() bool {
		at := slices.IndexFunc(c.nodes, func(node *harness.RaftServer) bool {
			health, err := node.Client.Sys().HealthWithContext(c.T.Context())
			return node != but && err == nil && !health.Sealed && !health.Standby
		})
		if at >= 0 {
			leader = c.nodes[at]
		}
		return at >= 0
	}, "a leader")
	return leader
}

// standby is a node that does not lead and is not one of those given.
func (c *cluster) standby(but ...*harness.RaftServer) *harness.RaftServer {
	c.T.Helper()
	leader := c.leader(nil)
	return c.nodes[slices.IndexFunc(c.nodes, func(node *harness.RaftServer) bool {
		return node != leader && !slices.Contains(but, node)
	})]
}

// stepDown makes the leader step down, and waits for the next one.
func (c *cluster) stepDown(leader *harness.RaftServer) {
	c.T.Helper()
	require.NoError(c.T, leader.Client.Sys().StepDownWithContext(c.T.Context()))
	c.leader(leader)
}

// lead makes a node the leader. The third node is down meanwhile, so that raft cannot choose it.
func (c *cluster) lead(node *harness.RaftServer) {
	c.T.Helper()
	leader, third := c.leader(nil), c.standby(node)
	third.Stop()
	c.stepDown(leader)
	third.Start(c.T)
	require.Same(c.T, node, c.leader(nil))
	c.ready()
}

// ready waits until every node has found the leader.
func (c *cluster) ready() {
	c.T.Helper()
	for _, node := range c.nodes {
		node.Ready(c.T)
	}
}

// survives makes a change after which another node must lead, under load through a standby. Afterwards the configs are
// as they were, and every lease given out before or meanwhile exists and can be revoked. It returns the old leader.
func (c *cluster) survives(
	what string, within time.Duration, change func(leader *harness.RaftServer),
) *harness.RaftServer {
	c.T.Helper()
	leader := c.leader(nil)
	m := c.at(c.standby())
	configs, before := c.at(leader).configs(), []*api.Secret{m.Read("creds/avanan/us"), m.Read("creds/custom/us")}
	leases, outage := m.underLoad(func() {
		change(leader)
		c.leader(leader)
	})
	c.T.Logf("%s: no request was answered for %s; %d leases", what, outage.Round(time.Millisecond), len(leases))
	require.Less(c.T, outage, within)
	require.Equal(c.T, configs, m.configs())
	m.works()
	for _, lease := range before {
		m.RequireLeased(lease)
		leases = append(leases, lease.LeaseID)
	}
	kept := m.leases()
	for _, lease := range leases {
		require.Contains(c.T, kept, path.Base(lease))
	}
	m.revokeAll()
	return leader
}
