package cluster

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

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// The plugin's process is killed at random moments under load on every path. Requests fail with 500 or above, if at
// all, and succeed when repeated. Each config is as it was last written, and every lease can be revoked.
func TestKilledPluginLosesNoWrite(t *testing.T) {
	t.Parallel()
	m := mount{harness.Start(t).MountApisig(t)}
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/infinity/us", m.InfinityValues())
	m.Write("config/custom/us", m.OAuthValues())
	harness.NeedsProc(t)
	const workers, kills, between = 6, 12, 60
	var done, failed atomic.Int64
	stop := make(chan struct{})
	var working sync.WaitGroup
	for worker := range workers {
		working.Go(func() {
			for round := 1; ; round++ {
				select {
				case <-stop:
					return
				default:
					m.useEverything(fmt.Sprintf("w%d", worker), 1+round%240, &done, &failed)
				}
			}
		})
	}
	for range kills {
		// Each worker may still count one answer of the last process. One more is an answer of this one: Vault has
		// finished its start.
		next := done.Load() + workers + 1 + rand.Int64N(2*between)
		var processes []string
		harness.Eventually(t, func() bool {
			processes = harness.PluginProcesses(m.Server)
			return done.Load() >= next && len(processes) == 1
		}, "the load, and one process")
		require.NoError(t, harness.Command("kill", "-9", filepath.Base(processes[0])).Run())
		harness.Eventually(t, func() bool {
			now := harness.PluginProcesses(m.Server)
			return len(now) == 1 && now[0] != processes[0]
		}, "another process")
	}
	next := done.Load() + between
	harness.Eventually(t, func() bool { return done.Load() >= next }, "the load after the last kill")
	close(stop)
	working.Wait()
	t.Logf("%d requests, %d of them repeated", done.Load(), failed.Load())
	require.Positive(t, failed.Load(), "some requests were under way")
	require.Equal(t, "us", m.Read("config/avanan/us").Data["region"])
	m.RevokeAll("creds")
	require.Empty(t, m.Leases())
	require.Empty(t, m.LeasesOf("infinity"))
	require.Empty(t, m.LeasesOf("custom"))
	require.Empty(t, m.IrrevocableLeases())
}

// Vault 1.21.1 keeps the connection of a process that dies between its start and its first request, and never starts
// another (vault/plugincatalog/plugin_catalog.go, newPluginClient). A reload of the mount ends that.
func TestReloadBringsBackAPluginKilledWhileItStarts(t *testing.T) {
	t.Parallel()
	m := mount{harness.Start(t).MountApisig(t)}
	m.Write("config/pave/main", m.PaveValues())
	harness.NeedsProc(t)
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				m.Request(http.MethodGet, "creds/pave/main", nil)
			}
		}
	})
	kills := 0
	for seen := 0; kills < 40 && seen < 2_000; seen++ {
		processes := harness.PluginProcesses(m.Server)
		if len(processes) == 1 && rand.IntN(10) == 0 {
			_ = harness.Command("kill", "-9", filepath.Base(processes[0])).Run()
			kills, seen = kills+1, 0
		}
	}
	close(stop)
	reading.Wait()
	status, _, _ := m.Request(http.MethodGet, "creds/pave/main", nil)
	t.Logf("%d kills, then status %d", kills, status)
	_, err := m.Client.Logical().WriteWithContext(t.Context(), "sys/plugins/reload/backend",
		values{"mounts": m.Path + "/"})
	require.NoError(t, err)
	m.Read("creds/pave/main")
}

// useEverything makes every kind of request, with configs of its own, and reads back what it wrote.
func (m mount) useEverything(name string, seconds int, done, failed *atomic.Int64) {
	pave, avanan, infinity := "config/pave/"+name, "config/avanan/"+name, "config/infinity/"+name
	custom := "config/custom/" + name
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{http.MethodDelete, pave, nil},
		{http.MethodPut, pave, harness.With(m.PaveValues(), values{"ttl": seconds})},
		{http.MethodDelete, avanan, nil},
		{http.MethodPut, avanan, harness.With(m.AvananValues(), values{"min_ttl": seconds})}, // tried with the vendor
		{http.MethodDelete, infinity, nil},
		{http.MethodPut, infinity, harness.With(m.InfinityValues(), values{"min_ttl": seconds})},
		{http.MethodDelete, custom, nil},
		{http.MethodPut, custom, harness.With(m.OAuthValues(), values{"min_ttl": seconds})},
		{http.MethodPatch, "config/avanan/us", values{"min_ttl": 60 + seconds}},
		{"LIST", "config/pave", nil},
		{"LIST", "config/avanan", nil},
		{http.MethodGet, "creds/pave/main", nil},
		{http.MethodPut, "creds/pave/" + name, nil},
		{http.MethodGet, "creds/avanan/us", nil},
		{http.MethodPut, "creds/avanan/" + name, nil},
		{http.MethodGet, "creds/infinity/us", nil},
		{http.MethodPut, "creds/infinity/" + name, nil},
		{http.MethodGet, "creds/custom/us", nil},
		{http.MethodPut, "creds/custom/" + name, nil},
		{http.MethodPut, "check/pave/" + name, nil}, // a new config each time, so no check is too early
		{http.MethodPut, "check/avanan/" + name, nil},
		{http.MethodPut, "check/infinity/" + name, nil},
		{http.MethodPut, "check/custom/" + name, nil},
		{http.MethodGet, "status/avanan/us", nil},
		{http.MethodGet, "metrics", nil},
		{http.MethodPut, "sign/avanan/us", values{"request_string": "/v1.0/scopes"}},
		{http.MethodPut, "sign/avanan/us/batch", values{"request_strings": []string{"/v1.0/scopes", "/v1.0/event/1"}}},
	} {
		m.insist(failed, r.method, r.path, r.body)
		done.Add(1)
	}
	for path, field := range map[string]string{pave: "ttl", avanan: "min_ttl", infinity: "min_ttl", custom: "min_ttl"} {
		got := m.insist(failed, http.MethodGet, path, nil).Data[field]
		if done.Add(1); fmt.Sprint(got) != fmt.Sprint(seconds) {
			m.T.Errorf("%s of %s is %v, not %d", field, path, got, seconds)
		}
	}
}

// insist repeats a request until it succeeds. A failure below 500 is an error of the test.
func (m mount) insist(failed *atomic.Int64, method, path string, body any) *api.Secret {
	m.T.Helper()
	last := ""
	for range 100 {
		status, secret, text := m.Request(method, path, body)
		if status < http.StatusBadRequest {
			return secret
		}
		if failed.Add(1); status < http.StatusInternalServerError {
			m.T.Errorf("%s %s: %d %s", method, path, status, text)
			break
		}
		last = text
	}
	m.T.Errorf("%s %s never succeeded: %s", method, path, last)
	return &api.Secret{}
}
