package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// register.sh enables the engine, can be run again, and upgrades it in place: configs and live leases of the version
// before survive, and can be read and revoked. A binary that is not the version it should be is rejected.
func TestRegisterScriptInstallsAndUpgrades(t *testing.T) {
	t.Parallel()
	server := harness.Start(t)
	bin := t.TempDir()
	require.NoError(t, os.Symlink(server.Binary, filepath.Join(bin, "vault")))
	register := func(binary string, environ ...string) (string, error) {
		run := harness.Command("../examples/operator/register.sh", binary)
		run.Env = append(server.Environ(), "PLUGIN_DIRECTORY="+server.Plugins(), "PATH="+bin+":"+os.Getenv("PATH"))
		run.Env = append(run.Env, environ...)
		printed, err := run.CombinedOutput()
		return string(printed), err
	}
	before, after := harness.Plugin(t), harness.PluginOf(t, "v0.2.0")
	printed, err := register(before, "VERSION=v0.2.0")
	require.Error(t, err)
	require.Contains(t, printed, before+" is "+backend.Version+", not v0.2.0; nothing was registered")
	for range 2 {
		printed, err := register(before)
		require.NoError(t, err, printed)
		require.Contains(t, printed, "apisig runs vault-plugin-apisig "+backend.Version)
	}

	m := server.Unmounted(t, "apisig")
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	config, old := m.Read("config/avanan/us").Data, m.Read("creds/avanan/us")
	for range 2 {
		printed, err := register(after, "VERSION=v0.2.0")
		require.NoError(t, err, printed)
		require.Contains(t, printed, "apisig runs vault-plugin-apisig v0.2.0")
	}
	require.Equal(t, config, m.Read("config/avanan/us").Data)
	require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1/sessions", m.Read("creds/pave/main").Data["headers"]))
	renewed := m.Read("creds/avanan/us")
	require.Len(t, m.Leases(), 2)
	m.RequireLeased(old)

	// And back: the old version revokes the leases of the new one.
	printed, err = register(before)
	require.NoError(t, err, printed)
	m.Revoke(old, renewed)
	require.Empty(t, m.Leases())
	require.Empty(t, m.IrrevocableLeases())

	printed, err = register(harness.PluginOf(t, "v0.2.0-other"))
	require.NoError(t, err, printed)
	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, []byte("#!/bin/sh\necho v0.2.0\n"), 0o700))
	printed, err = register(other)
	require.Error(t, err)
	require.Contains(t, printed, "another binary of v0.2.0 is in "+server.Plugins()+" already")
	require.NoError(t, os.WriteFile(other, []byte("#!/bin/sh\necho v0.3.0\n"), 0o700))
	_, err = register(other)
	require.Error(t, err, "Vault finds that it is not a plugin")
	require.Equal(t, config, m.Read("config/avanan/us").Data, "the mount keeps running")
}

// Readers move from Avanan to the Infinity Portal one by one, because configs of both, under one name, serve side by
// side. Deleting the old config takes nothing from those that have moved, and writing it again takes them back.
func TestReadersMoveFromAvananToInfinityAndBack(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/avanan/us", m.AvananValues())
	readOld := func() int {
		signed := m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
		return m.Call(signed.Data["url"].(string), signed.Data["headers"])
	}
	readNew := func() int {
		read := m.Read("creds/infinity/us")
		return m.Call(read.Data["base_url"].(string)+"/v1.0/scopes", read.Data["headers"])
	}
	require.Equal(t, http.StatusOK, readOld())
	m.Write("config/infinity/us", harness.With(m.InfinityValues(), values{"base_url": m.URL + "/auth/external"}))
	status, _, text := m.Request(http.MethodPut, "check/infinity/us", nil)
	require.Equal(t, http.StatusOK, status, text)
	for range 2 {
		require.Equal(t, http.StatusOK, readOld())
		require.Equal(t, http.StatusOK, readNew())
	}
	reads := m.Read("status/avanan/us").Data["reads"]
	require.Equal(t, http.StatusOK, readNew())
	require.Equal(t, reads, m.Read("status/avanan/us").Data["reads"], "nobody reads the old config")

	status, _, text = m.Request(http.MethodDelete, "config/avanan/us", nil)
	require.Equal(t, http.StatusNoContent, status, text)
	require.Equal(t, http.StatusOK, readNew())
	status, _, _ = m.Request(http.MethodPut, "sign/avanan/us", values{"request_string": "/v1.0/scopes"})
	require.Equal(t, http.StatusBadRequest, status)

	m.Write("config/avanan/us", m.AvananValues())
	require.Equal(t, http.StatusOK, readOld())
	status, _, text = m.Request(http.MethodDelete, "config/infinity/us", nil)
	require.Equal(t, http.StatusNoContent, status, text)
	require.Equal(t, http.StatusOK, readOld())
}

// Rotating a vendor's secret is one write, which tries the new secret before storing it. A wrong one changes nothing.
// No reader gets an error at any moment, or the old JWT after the write.
func TestRotationFailsNoReader(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/avanan/us", m.AvananValues())
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, path := range []string{"creds/avanan/us", "sign/avanan/us"} {
					query := map[string][]string{}
					if path == "sign/avanan/us" {
						query["request_string"] = []string{"/v1.0/scopes"}
					}
					if _, err := m.Client.Logical().ReadWithDataWithContext(t.Context(), m.Path+"/"+path, query); err != nil {
						t.Errorf("%s: %v", path, err)
						return
					}
				}
			}
		})
	}
	// Deferred, since what follows may end the test.
	defer readers.Wait()
	defer close(done)
	kept := m.Read("creds/avanan/us").Data["token"]
	status, _, _ := m.Request(http.MethodPut, "config/avanan/us", values{"secret_key": harness.NewSecret()})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, kept, m.Read("creds/avanan/us").Data["token"])
	for _, rotated := range []string{harness.NewSecret(), harness.NewSecret(), harness.NewSecret()} {
		old := m.Read("creds/avanan/us").Data["token"]
		m.Vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey = rotated })
		m.Write("config/avanan/us", values{"secret_key": rotated, "base_url": m.URL})
		require.NotEqual(t, old, m.Read("creds/avanan/us").Data["token"])
		signed := m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
		require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1.0/scopes", signed.Data["headers"]))
	}
}
