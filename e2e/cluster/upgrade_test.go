package cluster

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// firstCommit is the first commit with the whole engine.
const firstCommit = "71db71a"

// installFirst builds the plugin of that commit, as a given version, into a server's plugin directory and registers it.
func installFirst(t *testing.T, server *harness.Server, version string) {
	t.Helper()
	if printed, err := harness.Command("git", "cat-file", "-e", firstCommit+"^{commit}").CombinedOutput(); err != nil {
		t.Skipf("%s is not in this clone's history: %s", firstCommit, printed)
	}
	sources, archive := t.TempDir(), filepath.Join(t.TempDir(), "sources.tar")
	pack := []string{"-C", harness.Path("."), "archive", "-o", archive, firstCommit, "go.mod", "go.sum", "cmd", "backend", "internal"}
	harness.Run(t, harness.Command("git", pack...))
	harness.Run(t, harness.Command("tar", "-xf", archive, "-C", sources))
	file := harness.PluginName + "-" + version
	build := harness.GoBuild(filepath.Join(server.Plugins(), file), "./cmd/vault-plugin-apisig", harness.AsVersion(version)...)
	build.Dir = sources
	harness.Run(t, build)
	require.NoError(t, server.Register(harness.PluginName, file, version))
}

// runAs changes the mount to another version of the plugin.
func (m mount) runAs(version string) {
	m.T.Helper()
	logical, ctx := m.Client.Logical(), m.T.Context()
	_, err := logical.WriteWithContext(ctx, "sys/mounts/"+m.Path+"/tune", values{"plugin_version": version})
	require.NoError(m.T, err)
	_, err = logical.WriteWithContext(ctx, "sys/plugins/reload/backend", values{"mounts": m.Path + "/"})
	require.NoError(m.T, err)
	running, err := logical.ReadWithContext(ctx, "sys/mounts/"+m.Path)
	require.NoError(m.T, err)
	require.Equal(m.T, version, running.Data["running_plugin_version"])
}

// holds requires that configs read as they were written, except secrets. A version may have further fields.
func (m mount) holds(configs map[string]values) {
	m.T.Helper()
	for path, written := range configs {
		read := m.Read(path).Data
		for field, value := range written {
			if field != "api_secret" && field != "secret_key" {
				require.Equal(m.T, value, read[field], "%s of %s", field, path)
			}
		}
	}
}

// serves requires that the vendors accept what the named configs sign.
func (m mount) serves(pave, avanan string) {
	m.T.Helper()
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/v1/sessions", m.Read("creds/pave/" + pave).Data["headers"]))
	signed := m.Read("sign/avanan/"+avanan, "request_string", "/v1.0/scopes")
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/v1.0/scopes", signed.Data["headers"]))
	require.True(m.T, m.Vendor.Living(m.Read("creds/avanan/" + avanan).Data["token"].(string)))
}

// end revokes leases while the vendor is down. Vault knows each of them until then.
func (m mount) end(leases ...*api.Secret) {
	m.T.Helper()
	m.Fault(sandbox.Break)
	defer m.Fault(sandbox.None)
	for _, lease := range leases {
		found, err := m.Client.Sys().LookupWithContext(m.T.Context(), lease.LeaseID)
		require.NoError(m.T, err)
		require.NotEmpty(m.T, found.Data["expire_time"])
		err = m.Client.Sys().RevokeWithOptionsWithContext(m.T.Context(), &api.RevokeOptions{LeaseID: lease.LeaseID, Sync: true})
		require.NoError(m.T, err)
		_, err = m.Client.Sys().LookupWithContext(m.T.Context(), lease.LeaseID)
		require.Error(m.T, err, "the lease is gone")
	}
}

// Upgrading from the first version and going back both work: each version reads, keeps and uses the configs that the other
// stored, and revokes the other's leases.
func TestUpgradeFromFirstVersionAndBack(t *testing.T) {
	t.Parallel()
	const first = "v0.0.9"
	server := harness.Start(t)
	installFirst(t, server, first)
	require.NoError(t, server.AddPlugin())
	require.NoError(t, server.Register(harness.PluginName, harness.PluginName, backend.Version))
	m := mount{server.Unmounted(t, "apisig")}
	m.Enable(harness.PluginName, first)
	m.runAs(first)

	trusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(trusted.Close)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Certificate().Raw}))
	configs := map[string]values{
		"config/pave/main": harness.With(m.PaveValues(), values{"ttl": json.Number("100"), "timestamp_format": "unix"}),
		"config/avanan/us": harness.With(m.AvananValues(), values{
			"date_format": "auto", "min_ttl": json.Number("1200"), "request_timeout": json.Number("7"), "ca_cert": certificate,
		}),
	}
	for path, config := range configs {
		m.Write(path, config)
	}
	m.holds(configs)
	m.serves("main", "us")
	endedByNew, survivor := m.Read("creds/avanan/us"), m.Read("creds/avanan/us")
	handshakes := m.Vendor.Handshakes()

	m.runAs(backend.Version)
	m.holds(configs)
	m.serves("main", "us")
	require.Equal(t, handshakes+1, m.Vendor.Handshakes(), "the date format that was found is stored")
	m.end(endedByNew)

	// A partial write keeps what the other version stored, including the secret.
	for path, change := range map[string]values{
		"config/pave/main": {"timestamp_format": "rfc3339-ms"},
		"config/avanan/us": {"min_ttl": json.Number("1500"), "verify": true},
	} {
		m.Write(path, change)
		delete(change, "verify")
		configs[path] = harness.With(configs[path], change)
	}
	for path, config := range map[string]values{
		"config/pave/new":   harness.With(m.PaveValues(), values{"ttl": json.Number("60")}),
		"config/avanan/new": harness.With(m.AvananValues(), values{"min_ttl": json.Number("60"), "ca_cert": certificate}),
	} {
		m.Write(path, config)
		configs[path] = config
	}
	m.holds(configs)
	m.serves("new", "new")
	endedByOld, fromNew := m.Read("creds/avanan/us"), m.Read("creds/avanan/new")

	m.runAs(first)
	m.holds(configs)
	m.serves("main", "us")
	m.serves("new", "new")
	m.end(endedByOld, fromNew, survivor)
	m.Write("config/avanan/us", values{"min_ttl": json.Number("900")})
	require.Equal(t, json.Number("900"), m.Read("config/avanan/us").Data["min_ttl"])

	// And forward once more: the mount can be disabled with leases of both versions while the vendor is down.
	m.runAs(backend.Version)
	m.serves("main", "us")
	require.NotEmpty(t, m.Leases())
	require.Empty(t, m.IrrevocableLeases())
	m.Fault(sandbox.Break)
	require.NoError(t, m.Client.Sys().UnmountWithContext(t.Context(), m.Path))
	require.Empty(t, m.Leases())
	require.Empty(t, m.IrrevocableLeases())
}
