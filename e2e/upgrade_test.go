package e2e

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// firstCommit is the first with the whole engine.
const firstCommit = "71db71a"

// installFirst builds the plugin of that commit, as a given version, into a server's plugin directory and registers it.
func installFirst(t *testing.T, server *vaultServer, version string) {
	t.Helper()
	if printed, err := command("git", "cat-file", "-e", firstCommit+"^{commit}").CombinedOutput(); err != nil {
		t.Skipf("%s is not in this clone's history: %s", firstCommit, printed)
	}
	sources, archive := t.TempDir(), filepath.Join(t.TempDir(), "sources.tar")
	pack := []string{"-C", "..", "archive", "-o", archive, firstCommit, "go.mod", "go.sum", "cmd", "backend", "internal"}
	printed, err := command("git", pack...).CombinedOutput()
	require.NoError(t, err, string(printed))
	printed, err = command("tar", "-xf", archive, "-C", sources).CombinedOutput()
	require.NoError(t, err, string(printed))
	file := pluginName + "-" + version
	build := command("go", "build", "-trimpath", "-ldflags", "-X github.com/apisig/vault-plugin-apisig/backend.Version="+version,
		"-o", filepath.Join(server.plugins(), file), "./cmd/vault-plugin-apisig")
	build.Dir = sources
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	printed, err = build.CombinedOutput()
	require.NoError(t, err, string(printed))
	require.NoError(t, server.registerBinary(pluginName, file, version))
}

// runAs has the mount go on as another version.
func (m *mount) runAs(version string) {
	m.t.Helper()
	logical, ctx := m.client.Logical(), m.t.Context()
	_, err := logical.WriteWithContext(ctx, "sys/mounts/"+m.path+"/tune", values{"plugin_version": version})
	require.NoError(m.t, err)
	_, err = logical.WriteWithContext(ctx, "sys/plugins/reload/backend", values{"mounts": m.path + "/"})
	require.NoError(m.t, err)
	running, err := logical.ReadWithContext(ctx, "sys/mounts/"+m.path)
	require.NoError(m.t, err)
	require.Equal(m.t, version, running.Data["running_plugin_version"])
}

// holds says that configs read as they were written, all but their secrets and what a version knows beside.
func (m *mount) holds(configs map[string]values) {
	m.t.Helper()
	for path, written := range configs {
		read := m.read(path).Data
		for field, value := range written {
			if field != "api_secret" && field != "secret_key" {
				require.Equal(m.t, value, read[field], "%s of %s", field, path)
			}
		}
	}
}

// serves says that the vendors take what is signed by configs of given names.
func (m *mount) serves(pave, avanan string) {
	m.t.Helper()
	require.Equal(m.t, http.StatusOK, m.call(m.url+"/v1/sessions", m.read("creds/pave/" + pave).Data["headers"]))
	signed := m.read("sign/avanan/"+avanan, "request_string", "/v1.0/scopes")
	require.Equal(m.t, http.StatusOK, m.call(m.url+"/v1.0/scopes", signed.Data["headers"]))
	require.True(m.t, m.vendor.Living(m.read("creds/avanan/" + avanan).Data["token"].(string)))
}

// end revokes leases at once, each of which Vault knows, with the vendor down.
func (m *mount) end(leases ...*api.Secret) {
	m.t.Helper()
	m.fault(sandbox.Break)
	defer m.fault(sandbox.None)
	for _, lease := range leases {
		found, err := m.client.Sys().LookupWithContext(m.t.Context(), lease.LeaseID)
		require.NoError(m.t, err)
		require.NotEmpty(m.t, found.Data["expire_time"])
		err = m.client.Sys().RevokeWithOptionsWithContext(m.t.Context(), &api.RevokeOptions{LeaseID: lease.LeaseID, Sync: true})
		require.NoError(m.t, err)
		_, err = m.client.Sys().LookupWithContext(m.t.Context(), lease.LeaseID)
		require.Error(m.t, err, "the lease is gone")
	}
}

// The engine of the first commit that was whole and this one take over from each other, both ways: each reads, keeps and
// uses the configs that the other stored, and ends the other's leases.
func TestUpgradeFromTheFirst(t *testing.T) {
	t.Parallel()
	const first = "v0.0.9"
	server, err := startVault(t.TempDir())
	require.NoError(t, err)
	server.stopAtEnd(t)
	installFirst(t, server, first)
	require.NoError(t, os.Link(filepath.Join(vault.plugins(), pluginName), filepath.Join(server.plugins(), pluginName)))
	require.NoError(t, server.registerPlugin(pluginName, backend.Version))
	m := standInFor(t, server, "apisig")
	require.NoError(t, m.client.Sys().MountWithContext(t.Context(), m.path, &api.MountInput{
		Type: pluginName, Config: api.MountConfigInput{PluginVersion: first},
	}))
	m.runAs(first)

	trusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(trusted.Close)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Certificate().Raw}))
	configs := map[string]values{
		"config/pave/main": with(m.paveValues(), values{"ttl": json.Number("100"), "timestamp_format": "unix"}),
		"config/avanan/us": with(m.avananValues(), values{
			"date_format": "auto", "min_ttl": json.Number("1200"), "request_timeout": json.Number("7"), "ca_cert": certificate,
		}),
	}
	for path, config := range configs {
		m.write(path, config)
	}
	m.holds(configs)
	m.serves("main", "us")
	endedByNew, survivor := m.read("creds/avanan/us"), m.read("creds/avanan/us")
	handshakes := m.vendor.Handshakes()

	m.runAs(backend.Version)
	m.holds(configs)
	m.serves("main", "us")
	require.Equal(t, handshakes+1, m.vendor.Handshakes(), "the date format that was found is stored")
	m.end(endedByNew)

	// A partial write keeps what the other version stored, the secret among it.
	for path, change := range map[string]values{
		"config/pave/main": {"timestamp_format": "rfc3339-ms"},
		"config/avanan/us": {"min_ttl": json.Number("1500"), "verify": true},
	} {
		m.write(path, change)
		delete(change, "verify")
		configs[path] = with(configs[path], change)
	}
	for path, config := range map[string]values{
		"config/pave/new":   with(m.paveValues(), values{"ttl": json.Number("60")}),
		"config/avanan/new": with(m.avananValues(), values{"min_ttl": json.Number("60"), "ca_cert": certificate}),
	} {
		m.write(path, config)
		configs[path] = config
	}
	m.holds(configs)
	m.serves("new", "new")
	endedByOld, fromNew := m.read("creds/avanan/us"), m.read("creds/avanan/new")

	m.runAs(first)
	m.holds(configs)
	m.serves("main", "us")
	m.serves("new", "new")
	m.end(endedByOld, fromNew, survivor)
	m.write("config/avanan/us", values{"min_ttl": json.Number("900")})
	require.Equal(t, json.Number("900"), m.read("config/avanan/us").Data["min_ttl"])

	// And ahead once more, where the mount can be disabled with leases of both versions and the vendor down.
	m.runAs(backend.Version)
	m.serves("main", "us")
	require.NotEmpty(t, m.leases())
	require.Empty(t, m.irrevocableLeases())
	m.fault(sandbox.Break)
	require.NoError(t, m.client.Sys().UnmountWithContext(t.Context(), m.path))
	require.Empty(t, m.leases())
	require.Empty(t, m.irrevocableLeases())
}
