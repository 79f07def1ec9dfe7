package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// buildPlugin builds the plugin as a given version.
func buildPlugin(t *testing.T, version string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), pluginName)
	build := command("go", "build", "-trimpath", "-ldflags", "-X github.com/apisig/vault-plugin-apisig/backend.Version="+version,
		"-o", binary, "../cmd/vault-plugin-apisig")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	printed, err := build.CombinedOutput()
	require.NoError(t, err, string(printed))
	return binary
}

// The operator's script enables the engine, can be run again, and upgrades it in place: live leases of the version
// before stay readable and revocable, configs are as they were, and a binary that is not what it says is refused.
func TestRegisterAndUpgrade(t *testing.T) {
	t.Parallel()
	server, err := startVault(t.TempDir())
	require.NoError(t, err)
	server.stopAtEnd(t)
	bin := t.TempDir()
	require.NoError(t, os.Symlink(server.binary, filepath.Join(bin, "vault")))
	register := func(binary string, environ ...string) (string, error) {
		run := command("../examples/operator/register.sh", binary)
		run.Env = append(server.environ(), "PLUGIN_DIRECTORY="+server.plugins(), "PATH="+bin+":"+os.Getenv("PATH"))
		run.Env = append(run.Env, environ...)
		printed, err := run.CombinedOutput()
		return string(printed), err
	}
	before, after := filepath.Join(vault.plugins(), pluginName), buildPlugin(t, "v0.2.0")
	printed, err := register(before, "VERSION=v0.2.0")
	require.Error(t, err)
	require.Contains(t, printed, before+" is "+backend.Version+", not v0.2.0; nothing was registered")
	for range 2 {
		printed, err := register(before)
		require.NoError(t, err, printed)
		require.Contains(t, printed, "apisig runs vault-plugin-apisig "+backend.Version)
	}

	m := standInFor(t, server, "apisig")
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	config, old := m.read("config/avanan/us").Data, m.read("creds/avanan/us")
	for range 2 {
		printed, err := register(after, "VERSION=v0.2.0")
		require.NoError(t, err, printed)
		require.Contains(t, printed, "apisig runs vault-plugin-apisig v0.2.0")
	}
	require.Equal(t, config, m.read("config/avanan/us").Data)
	require.Equal(t, http.StatusOK, m.call(m.url+"/v1/sessions", m.read("creds/pave/main").Data["headers"]))
	renewed := m.read("creds/avanan/us")
	require.Len(t, m.leases(), 2)
	found, err := m.client.Sys().LookupWithContext(t.Context(), old.LeaseID)
	require.NoError(t, err)
	require.NotEmpty(t, found.Data["expire_time"])

	// And back: the version before knows the leases of the one after.
	printed, err = register(before)
	require.NoError(t, err, printed)
	for _, secret := range []*api.Secret{old, renewed} {
		require.NoError(t, m.client.Sys().RevokeWithOptionsWithContext(t.Context(), &api.RevokeOptions{LeaseID: secret.LeaseID, Sync: true}))
	}
	require.Empty(t, m.leases())
	require.Empty(t, m.irrevocableLeases())

	printed, err = register(buildPlugin(t, "v0.2.0-other"))
	require.NoError(t, err, printed)
	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, []byte("#!/bin/sh\necho v0.2.0\n"), 0o700))
	printed, err = register(other)
	require.Error(t, err)
	require.Contains(t, printed, "another binary of v0.2.0 is in "+server.plugins()+" already")
	require.NoError(t, os.WriteFile(other, []byte("#!/bin/sh\necho v0.3.0\n"), 0o700))
	_, err = register(other)
	require.Error(t, err, "Vault finds that it is no plugin")
	require.Equal(t, config, m.read("config/avanan/us").Data, "the mount runs on")
}

// Rotating a vendor's secret: the new one is tried and stored in one write. Readers see no error at any moment, and none
// gets the old JWT once the write is through.
func TestRotationWithReaders(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
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
					if _, err := m.client.Logical().ReadWithDataWithContext(t.Context(), m.path+"/"+path, query); err != nil {
						t.Errorf("%s: %v", path, err)
						return
					}
				}
			}
		})
	}
	for _, rotated := range []string{newSecret(), newSecret(), newSecret()} {
		old := m.read("creds/avanan/us").Data["token"]
		m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey = rotated })
		m.write("config/avanan/us", values{"secret_key": rotated})
		require.NotEqual(t, old, m.read("creds/avanan/us").Data["token"])
		signed := m.read("sign/avanan/us", "request_string", "/v1.0/scopes")
		require.Equal(t, http.StatusOK, m.call(m.url+"/v1.0/scopes", signed.Data["headers"]))
	}
	close(done)
	readers.Wait()
}
