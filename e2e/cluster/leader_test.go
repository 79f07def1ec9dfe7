package cluster

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// Every node of a cluster serves, by way of its leader. Whoever leads next when the leader is sealed, steps down or is
// killed has the configs and the leases as they were.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.Write("config/pave/main", c.PaveValues())
	c.Write("config/avanan/us", c.AvananValues())
	for i, node := range c.nodes {
		m := c.at(node)
		m.setTTL(strconv.Itoa(100 + i))
		m.works()
	}

	// Sealed first: who has stepped down does not lead again for ten seconds, though raft may have it do so.
	sealed := c.survives("seal", 20*time.Second, func(leader *harness.RaftServer) {
		require.NoError(t, leader.Client.Sys().SealWithContext(t.Context()))
	})
	sealed.Unseal(t)
	c.ready()
	c.at(sealed).works()

	c.at(c.leader(nil)).beginHandshake()
	c.survives("step-down", 20*time.Second, c.stepDown)

	// Nodes that have just been started give a leader up for lost after 15 to 30 seconds, others after 5 to 10.
	killed := c.survives("kill -9", time.Minute, func(leader *harness.RaftServer) { leader.Kill(t) })
	killed.Start(t)
	c.at(killed).works()
}

// A node that comes to lead, for the first time or again, serves what was written last, and no JWT from before.
func TestClusterServesNothingOld(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.Write("config/pave/main", c.PaveValues())
	c.Write("config/avanan/us", c.AvananValues())
	first := c.leader(nil)
	seen := map[string]bool{}
	// Not with require's own comparisons, which would print a JWT.
	isNew := func(token string) {
		require.False(t, seen[token], "the JWT is from before")
		seen[token] = true
	}
	isNew(c.at(first).works())
	next := append(slices.DeleteFunc(slices.Clone(c.nodes), func(node *harness.RaftServer) bool { return node == first }), first)
	for i, node := range next {
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
