package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// The plugin's process is killed at random moments under load of all paths. A request then fails with a status of 500 and
// above, or not at all, and succeeds when it is repeated; each config is what was written to it last, and every lease can
// be revoked.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	m := newApisigMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	const workers, kills, between = 6, 12, 60
	var done, failed atomic.Int64
	stop := make(chan struct{})
	var working sync.WaitGroup
	for worker := range workers {
		working.Go(func() {
			own := fmt.Sprintf("config/pave/w%d", worker)
			for round := 1; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				ttl := 1 + round%240
				for _, r := range []struct {
					method, path string
					body         any
				}{
					{http.MethodPut, own, with(m.paveValues(), values{"ttl": ttl})},
					{http.MethodPatch, "config/avanan/us", values{"min_ttl": 60 + worker}},
					{http.MethodGet, "creds/pave/main", nil},
					{http.MethodGet, "creds/avanan/us", nil},
					{http.MethodPut, "sign/avanan/us", values{"request_string": "/v1.0/scopes"}},
					{http.MethodPut, "sign/avanan/us/batch", values{"request_strings": []string{"/v1.0/scopes", "/v1.0/event/1"}}},
					{http.MethodGet, own, nil},
				} {
					secret := m.insist(&failed, r.method, r.path, r.body)
					if done.Add(1); r.method == http.MethodGet && r.path == own && fmt.Sprint(secret.Data["ttl"]) != fmt.Sprint(ttl) {
						t.Errorf("%s is %v, not %d", own, secret.Data["ttl"], ttl)
					}
				}
			}
		})
	}
	for range kills {
		next := done.Load() + rand.Int64N(2*between)
		eventually(t, func() bool { return done.Load() >= next }, "the load")
		for _, process := range pluginProcesses(m.server) {
			_ = command("kill", "-9", filepath.Base(process)).Run() // it may be gone already
		}
	}
	next := done.Load() + between
	eventually(t, func() bool { return done.Load() >= next }, "the load after the last of them")
	close(stop)
	working.Wait()
	t.Logf("%d requests, %d of them repeated", done.Load(), failed.Load())
	require.NoError(t, m.client.Sys().RevokeWithOptionsWithContext(t.Context(), &api.RevokeOptions{
		LeaseID: m.path + "/creds/avanan/us", Prefix: true, Sync: true,
	}))
	require.Empty(t, m.leases())
	require.Empty(t, m.irrevocableLeases())
}

// insist repeats a request that fails for no fault of its own.
func (m *mount) insist(failed *atomic.Int64, method, path string, body any) *api.Secret {
	m.t.Helper()
	for range 100 {
		status, secret, text := m.request(method, path, body)
		if status < http.StatusBadRequest {
			return secret
		}
		if failed.Add(1); status < http.StatusInternalServerError {
			m.t.Errorf("%s %s: %d %s", method, path, status, text)
			break
		}
	}
	m.t.Errorf("%s %s never succeeded", method, path)
	return &api.Secret{}
}
