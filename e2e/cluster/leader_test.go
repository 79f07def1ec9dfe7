package cluster

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// Every node of a cluster serves requests, the standbys through the leader. When the leader is sealed, steps down or is
// killed, the next leader has the same configs and leases.
func TestClusterSurvivesLossOfLeader(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.write()
	for i, node := range c.nodes {
		m := c.at(node)
		m.setTTL(strconv.Itoa(100 + i))
		m.works()
	}

	// Seal first: a node that has stepped down refuses to lead for ten seconds, even if raft elects it.
	sealed := c.survives("seal", 20*time.Second, func(leader *harness.RaftServer) {
		require.NoError(t, leader.Client.Sys().SealWithContext(t.Context()))
	})
	sealed.Unseal(t)
	c.ready()
	c.at(sealed).works()

	c.at(c.leader(nil)).beginHandshake()
	c.survives("step-down", 20*time.Second, c.stepDown)

	// Nodes that have just started wait 15 to 30 seconds before they replace a lost leader, others 5 to 10.
	killed := c.survives("kill -9", time.Minute, func(leader *harness.RaftServer) { leader.Kill(t) })
	killed.Start(t)
	c.at(killed).works()
}

// A node that becomes the leader, for the first time or again, serves the configs that were written last and no
// older token.
func TestNewLeaderServesNothingStale(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.write()
	first := c.leader(nil)
	seen := map[string]bool{}
	// Not with require.NotContains, which would print a token.
	isNew := func(tokens []string) {
		for i, token := range tokens {
			require.False(t, seen[token], "token %d is an old one", i)
			seen[token] = true
		}
	}
	isNew(c.at(first).works())
	others := slices.DeleteFunc(slices.Clone(c.nodes), func(node *harness.RaftServer) bool { return node == first })
	for i, node := range append(others, first) {
		ttl := strconv.Itoa(100 + i)
		m := c.at(c.leader(nil))
		m.setTTL(ttl)
		m.rotate(harness.NewSecret())
		isNew(m.works())
		c.lead(node)
		m = c.at(node)
		m.hasTTL(ttl)
		isNew(m.works())
	}
}
