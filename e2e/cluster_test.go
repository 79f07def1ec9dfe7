package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// cluster is three Vaults with raft storage, and the engine at apisig/ in it.
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
	// Who joins has no vote before it has been stable for a while.
	_, err := first.Client.Logical().WriteWithContext(t.Context(), "sys/storage/raft/autopilot/configuration", values{
		"server_stabilization_time": "1s",
	})
	require.NoError(t, err)
	harness.Eventually(t, func() bool {
		state, err := first.Client.Sys().RaftAutopilotStateWithContext(t.Context())
		return err == nil && len(state.Voters) == len(c.nodes)
	}, "every node has a vote")
	c.mount = mount{first.MountApisig(t)}
	return c
}

// at is the mount by way of one node.
func (c *cluster) at(node *harness.RaftServer) mount {
	through := *c.Mount
	through.Server, through.Client = node.Server, node.Client
	return mount{&through}
}

// leader waits for a node that leads, which is another than the one given.
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

// standby is a node that does not lead, and is none of those given.
func (c *cluster) standby(but ...*harness.RaftServer) *harness.RaftServer {
	c.T.Helper()
	leader := c.leader(nil)
	return c.nodes[slices.IndexFunc(c.nodes, func(node *harness.RaftServer) bool { return node != leader && !slices.Contains(but, node) })]
}

// stepDown has a node lead no more, and waits for the next.
func (c *cluster) stepDown(leader *harness.RaftServer) {
	c.T.Helper()
	require.NoError(c.T, leader.Client.Sys().StepDownWithContext(c.T.Context()))
	c.leader(leader)
}

// lead has a node lead. The third is down meanwhile, since raft hands over to whom it likes.
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

// configs are all that the configs' reads say.
func (m mount) configs() values {
	m.T.Helper()
	configs := values{}
	for _, vendor := range []string{"pave", "avanan"} {
		listed, err := m.Client.Logical().ListWithContext(m.T.Context(), m.Path+"/config/"+vendor)
		require.NoError(m.T, err)
		for _, name := range listed.Data["keys"].([]any) {
			config := "config/" + vendor + "/" + name.(string)
			configs[config] = m.Read(config).Data
		}
	}
	return configs
}

// works reads all there is to read, and calls the vendors with it. It returns the JWT.
func (m mount) works() string {
	m.T.Helper()
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/v1/sessions", m.Read("creds/pave/main").Data["headers"]))
	token := m.Read("creds/avanan/us").Data["token"].(string)
	require.True(m.T, m.Vendor.Living(token), "the vendor knows the JWT")
	signed := m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/v1.0/scopes", signed.Data["headers"]))
	status, batch, text := m.Request(http.MethodPut, "sign/avanan/us/batch", values{"request_strings": []string{"/v1.0/event/1", "/v1.0/event/2"}})
	require.Equal(m.T, http.StatusOK, status, text)
	for _, result := range batch.Data["results"].([]any) {
		signed := result.(values)
		require.Equal(m.T, http.StatusOK, m.Call(signed["url"].(string), signed["headers"]))
	}
	return token
}

// underLoad makes a change while readers read everything, again where it failed, and waits until all of them are answered
// again. It returns the leases that they were given, and the longest time in which nobody was answered.
func (m mount) underLoad(change func()) (leases []string, outage time.Duration) {
	m.T.Helper()
	const readers = 4
	var (
		mu       sync.Mutex
		rounds   int // without a failure
		answered = time.Now()
		faults   = map[string]bool{} // other failures than for want of a leader
	)
	leaderless := []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable}
	read := func(path string, query map[string][]string) bool {
		secret, err := m.Client.Logical().ReadWithDataWithContext(m.T.Context(), m.Path+"/"+path, query)
		mu.Lock()
		defer mu.Unlock()
		if failure, is := errors.AsType[*api.ResponseError](err); is && !slices.Contains(leaderless, failure.StatusCode) {
			faults[fmt.Sprintf("%s: %d %v", path, failure.StatusCode, failure.Errors)] = true
		}
		if err == nil && secret == nil {
			faults[path+": the engine is not there"] = true
		}
		if err != nil || secret == nil {
			return false
		}
		outage, answered = max(outage, time.Since(answered)), time.Now()
		if secret.LeaseID != "" {
			leases = append(leases, secret.LeaseID)
		}
		return true
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for {
				if read("creds/pave/main", nil) && read("creds/avanan/us", nil) &&
					read("sign/avanan/us", map[string][]string{"request_string": {"/v1.0/scopes"}}) {
					mu.Lock()
					rounds++
					mu.Unlock()
				}
				// At a pace that leaves no more leases than can be revoked soon.
				select {
				case <-done:
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	more := func(what string) {
		mu.Lock()
		enough := rounds + 10*readers
		mu.Unlock()
		harness.Eventually(m.T, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return rounds >= enough
		}, what)
	}
	func() {
		// Deferred, since what waits may end the test.
		defer all.Wait()
		defer close(done)
		more("readers before the change")
		change()
		more("readers after the change")
	}()
	require.Empty(m.T, faults)
	return leases, outage
}

// survives makes a change that ends the leader's lead, under load by way of another node. The configs are as they were
// after it, and every lease that was given out before or meanwhile is there and can be revoked. It returns the old leader.
func (c *cluster) survives(what string, within time.Duration, change func(leader *harness.RaftServer)) *harness.RaftServer {
	c.T.Helper()
	leader := c.leader(nil)
	m := c.at(c.standby())
	configs, before := m.configs(), m.Read("creds/avanan/us").LeaseID
	leases, outage := m.underLoad(func() {
		change(leader)
		c.leader(leader)
	})
	c.T.Logf("%s: nobody was answered for %s; %d leases", what, outage.Round(time.Millisecond), len(leases))
	require.Less(c.T, outage, within)
	require.Equal(c.T, configs, m.configs())
	m.works()
	kept := m.Leases()
	for _, lease := range append(leases, before) {
		require.Contains(c.T, kept, path.Base(lease))
	}
	found, err := m.Client.Sys().LookupWithContext(c.T.Context(), before)
	require.NoError(c.T, err)
	require.NotEmpty(c.T, found.Data["expire_time"])
	m.revokeAll()
	return leader
}

// revokeAll revokes every lease of config us.
func (m mount) revokeAll() {
	m.T.Helper()
	require.NoError(m.T, m.Client.Sys().RevokeWithOptionsWithContext(m.T.Context(), &api.RevokeOptions{
		LeaseID: m.Path + "/creds/avanan/us", Prefix: true, Sync: true,
	}))
	require.Empty(m.T, m.Leases())
	require.Empty(m.T, m.IrrevocableLeases())
}

// beginHandshake leaves the engine waiting for a vendor that says nothing, for the longest request_timeout, with no reader
// left, as where it renews ahead.
func (m mount) beginHandshake() {
	m.T.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(m.T, err)
	m.T.Cleanup(func() { _ = silent.Close() })
	m.Write("config/avanan/silent", harness.With(m.AvananValues(), values{
		"base_url": "http://" + silent.Addr().String(), "verify": false, "date_format": "zoneless", "request_timeout": 30,
	}))
	ctx, giveUp := context.WithCancel(m.T.Context())
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = m.Client.Logical().ReadWithContext(ctx, m.Path+"/creds/avanan/silent") })
	require.NoError(m.T, silent.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)))
	connection, err := silent.Accept()
	giveUp()
	reader.Wait()
	require.NoError(m.T, err)
	m.T.Cleanup(func() { _ = connection.Close() })
}

// setTTL writes what creds/pave/main is to say.
func (m mount) setTTL(ttl string) {
	m.T.Helper()
	m.Write("config/pave/main", values{"ttl": ttl})
	m.hasTTL(ttl)
}

func (m mount) hasTTL(ttl string) {
	m.T.Helper()
	require.Equal(m.T, json.Number(ttl), m.Read("creds/pave/main").Data["ttl"])
}

// rotate has the vendor and the config change to another secret.
func (m mount) rotate(secret string) {
	m.T.Helper()
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey = secret })
	m.Write("config/avanan/us", values{"secret_key": secret})
}

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

// A snapshot that is restored brings back its configs and leases, on every node. Nothing that was written or read after it
// is served.
func TestClusterSnapshot(t *testing.T) {
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

	// Vault answers before it has begun.
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
			require.False(t, token == lease.Data["token"] || token == later.Data["token"], "the JWT is from before")
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
